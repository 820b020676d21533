"""Alerts on the command line, against a real HTTP server that plays control."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from app.__main__ import app
from tests.unit.cli.test_client import Control, control

__all__ = ["control"]

PATH = "/api/monitoring/alerts"


def an_alert(**more: Any) -> dict[str, Any]:
    return {
        "fingerprint": "0123456789abcdef",
        "name": "encoder_offline",
        "active": True,
        "severity": "critical",
        "subject": {"kind": "encoder", "id": "enc_a"},
        "summary": "encoder enc_a is offline",
        "started_at": "2026-11-20T12:00:02+00:00",
        "flapping": False,
        "cause_fingerprint": None,
        "silenced_by": None,
        "acknowledged_by": None,
        **more,
    }


def run(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


def test_what_fires_is_a_table_with_what_is_known_of_it(control: type[Control]) -> None:
    silenced = an_alert(severity="warning", silenced_by="sil_1", flapping=True)
    control.answers[f"GET {PATH}"] = (200, {"alerts": [an_alert(), silenced]})
    head, first, second = run("alerts", "list").stdout.splitlines()
    assert head.split() == ["FINGERPRINT", "SEVERITY", "SINCE", "ABOUT", "SUMMARY", "NOTE"]
    assert first.split()[:6] == ["0123456789abcdef", "critical", "2026-11-20", "12:00:02", "encoder", "enc_a"]
    assert first.endswith("-")
    assert second.endswith("silenced, flapping")
    assert json.loads(run("alerts", "list", "--json").stdout)["alerts"][0]["name"] == "encoder_offline"


def test_a_severity_is_asked_for_and_the_past_is_filtered_here(control: type[Control]) -> None:
    control.answers[f"GET {PATH}?severity=warning"] = (200, {"alerts": []})
    assert run("alerts", "list", "--severity", "warning").stdout == "no alerts\n"
    control.answers[f"GET {PATH}/history"] = (200, {"alerts": [an_alert(active=False), an_alert(severity="info")]})
    said = run("alerts", "list", "--history", "--severity", "critical").stdout.splitlines()
    assert len(said) == 2
    assert said[1].endswith("over")


def test_an_alert_is_acknowledged(control: type[Control]) -> None:
    control.answers[f"POST {PATH}/0123456789abcdef/acknowledge"] = (200, an_alert())
    assert run("alerts", "ack", "0123456789abcdef").stdout == "encoder_offline of enc_a acknowledged\n"


def test_a_silence_is_made_of_what_was_typed(control: type[Control]) -> None:
    answer = {"silence_id": "sil_1", "ends_at": "2026-11-20T14:00:00Z", "matchers": []}
    control.answers[f"POST {PATH}/silences"] = (201, answer)
    words = (
        "name=encoder_*",
        "rack!=r2",
        "--comment",
        "fans",
        "--hours",
        "3",
        "--window",
        "02:00-04:00@Europe/Berlin",
    )
    assert run("alerts", "silence", *words).stdout == "sil_1 until 2026-11-20T14:00:00Z\n"
    (_, _, _, body) = control.seen[0]
    assert isinstance(body, dict)
    assert body["matchers"] == [
        {"label": "name", "pattern": "encoder_*", "negated": False},
        {"label": "rack", "pattern": "r2", "negated": True},
    ]
    assert body["window"] == {"starts": "02:00", "ends": "04:00", "zone": "Europe/Berlin"}
    left = datetime.fromisoformat(body["ends_at"]) - datetime.now(UTC)
    assert timedelta(hours=2.9) < left <= timedelta(hours=3)


def test_what_is_no_matcher_is_refused_before_anything_is_asked(control: type[Control]) -> None:
    assert run("alerts", "silence", "encoder_hot", "--comment", "x").exit_code == 1
    assert control.seen == []


def test_silences_are_listed_and_dropped(control: type[Control]) -> None:
    silence = {
        "silence_id": "sil_1",
        "matchers": [{"label": "rack", "pattern": "r*", "negated": True}],
        "starts_at": "a",
        "ends_at": "b",
        "comment": "fans",
    }
    control.answers[f"GET {PATH}/silences"] = (200, {"silences": [silence]})
    control.answers[f"DELETE {PATH}/silences/sil_1"] = (200, {"silence_id": "sil_1", "dropped": True})
    assert "rack!=r*" in run("alerts", "silences").stdout
    assert run("alerts", "unsilence", "sil_1").stdout == "sil_1 dropped\n"


@pytest.mark.parametrize(("fault", "code", "text"), [(None, 0, "sent"), ("403", 1, "403")])
def test_a_test_fails_when_a_channel_does(control: type[Control], fault: str | None, code: int, text: str) -> None:
    control.answers[f"POST {PATH}/test"] = (200, {"channels": [{"name": "email", "waiting": 0, "fault": fault}]})
    said = run("alerts", "test")
    assert said.exit_code == code
    assert text in said.stdout
