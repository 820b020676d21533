"""Reports and drills on the command line, against a real HTTP server that plays control."""

from __future__ import annotations

import json
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from app.__main__ import app
from tests.unit.cli.test_client import Control, control

__all__ = ["control"]

DRILL = "POST /api/streams/str_1/drill"
HEALTH = "GET /api/streams/str_1/health"
REPORTS = "GET /api/streams/str_1/failovers?limit=20"


def report(**more: Any) -> dict[str, Any]:
    return {
        "generation": 2,
        "at": "2026-11-20T12:00:02+00:00",
        "from_encoder_id": "enc_a",
        "to_encoder_id": "enc_b",
        "kind": "reflex",
        "cause": "connection closed",
        "detected_ms": 12.0,
        "decided_ms": 12.5,
        "first_frame_ms": 180.0,
        "stall_ms": 190.0,
        "catch_up_ms": None,
        "frames_missing": 0,
        "frames_doubled": 0,
        "complete": True,
        **more,
    }


def run(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


def test_reports_are_a_table_that_people_can_read(control: type[Control]) -> None:
    control.answers[REPORTS] = (200, {"failovers": [report()]})
    said = run("streams", "failovers", "str_1")
    head, line = said.stdout.splitlines()
    assert head.split()[:5] == ["WHEN", "FROM", "TO", "KIND", "CAUSE"]
    when = ["2026-11-20", "12:00:02"]
    where = ["enc_a", "enc_b", "reflex", "connection", "closed"]
    assert line.split() == [*when, *where, "12.0", "12.5", "180.0", "190.0", "-", "0", "0"]
    assert json.loads(run("streams", "failovers", "str_1", "--json").stdout) == {"failovers": [report()]}


def test_a_stream_without_failovers_says_how_to_make_one(control: type[Control]) -> None:
    control.answers[REPORTS] = (200, {"failovers": []})
    assert "encoder-manager drill" in run("streams", "failovers", "str_1").stdout


def test_drills_are_made_one_by_one_and_summed_up(control: type[Control]) -> None:
    control.answers[DRILL] = (200, {"passed": True, "failovers": [report()]})
    control.answers[HEALTH] = (200, {"protected": True})
    said = run("drill", "str_1", "--kind", "stall", "--count", "3")
    assert said.exit_code == 0
    assert [body for method, _, _, body in control.seen if method == "POST"] == [{"kind": "stall", "count": 1}] * 3
    assert [line[:3] for line in said.stdout.splitlines()[:3]] == ["1/3", "2/3", "3/3"]
    assert "stall 190.0 ms" in said.stdout
    assert "3 of 3: no frame lost, none doubled" in said.stdout


def test_the_summary_holds_percentiles_of_what_was_measured(control: type[Control]) -> None:
    control.answers[DRILL] = (200, {"failovers": [report()]})
    control.answers[HEALTH] = (200, {"protected": True})
    answer = json.loads(run("drill", "str_1", "--count", "2", "--json").stdout)
    assert answer["passed"] is True
    assert answer["summary"]["stall_ms"] == {"p50": 190.0, "p95": 190.0, "max": 190.0}
    assert "catch_up_ms" not in answer["summary"]


@pytest.mark.parametrize(
    "fault", [{"frames_missing": 1}, {"frames_missing": None}, {"frames_doubled": 2}, {"complete": False}]
)
def test_a_lost_or_doubled_or_uncounted_frame_fails_the_drill(
    control: type[Control], fault: dict[str, Any]
) -> None:
    control.answers[DRILL] = (200, {"failovers": [report(**fault)]})
    control.answers[HEALTH] = (200, {"protected": True})
    said = run("drill", "str_1")
    assert said.exit_code == 1
    assert "1 of 1 lost frames" in said.stdout
    assert run("drill", "str_1", "--json").exit_code == 1


def test_a_drill_waits_for_a_backup_that_is_on_its_way(
    control: type[Control], monkeypatch: pytest.MonkeyPatch
) -> None:
    control.answers[DRILL] = (200, {"failovers": [report()]})
    control.answers[HEALTH] = (200, {"protected": False, "standby": {"grade": "warm", "state": "preparing"}})

    def ready(_: float) -> None:
        assert not [path for method, path, _, _ in control.seen if method == "POST"]
        control.answers[HEALTH] = (200, {"protected": True, "standby": {"grade": "warm", "state": "ready"}})

    monkeypatch.setattr("app.cli.failovers.time.sleep", ready)
    assert run("drill", "str_1").exit_code == 0


def test_a_drill_that_is_refused_says_why_and_fails(control: type[Control]) -> None:
    control.answers[DRILL] = (409, {"detail": "no standby stands ready for this stream"})
    control.answers[HEALTH] = (200, {"protected": False, "standby": {"grade": "warm", "state": "none"}})
    said = run("drill", "str_1")
    assert said.exit_code == 1
    assert "no standby stands ready" in said.stderr
    answer = json.loads(run("drill", "str_1", "--json").stdout)
    assert (answer["passed"], answer["failovers"]) == (False, [])


def test_a_stream_is_opened_with_a_grade_a_second_key_and_a_slate(control: type[Control]) -> None:
    opened = {"stream_id": "str_1", "rtmp_url": "rtmp://h/live", "stream_key": "sk_a", "backup_stream_key": "sk_b"}
    control.answers["POST /api/streams/init"] = (201, opened)
    said = run("streams", "init", "--standby", "hot", "--backup-input", "--slate", "still")
    body = control.seen[-1][3]
    assert isinstance(body, dict)
    assert (body["standby"], body["backup_input"], body["slate"]) == ("hot", True, "still")
    assert "sk_b" in said.stdout


def test_a_stream_of_devices_is_opened_without_a_key_to_show(control: type[Control]) -> None:
    opened = {"stream_id": "str_1", "stream_key": "sk_a", "primary_encoder": {"name": "helo-a"}}
    control.answers["POST /api/streams/init"] = (201, opened)
    said = run("streams", "init", "--input", "device")
    body = control.seen[-1][3]
    assert isinstance(body, dict)
    assert body["input"] == "device"
    # What devices do when nothing is said is control's to know.
    assert not {"mode", "standby"} & body.keys()
    assert "helo-a" in said.stdout
    assert "sk_a" not in said.stdout
    assert "OBS" not in said.stdout


def test_a_drill_as_planned_shows_no_times_of_a_loss_that_never_was(control: type[Control]) -> None:
    planned = report(kind="planned", cause="drill", detected_ms=None, decided_ms=None, catch_up_ms=20.0)
    control.answers[HEALTH] = (200, {"protected": True})
    control.answers[DRILL] = (200, {"failovers": [planned]})
    line = run("drill", "str_1", "--kind", "planned").stdout.splitlines()[0]
    assert "drill; first frame 180.0 ms, stall 190.0 ms, catch up 20.0 ms; 0 missing" in line
