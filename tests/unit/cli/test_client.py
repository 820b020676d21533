"""How the command line speaks of what control answers. Against a real HTTP server that plays control."""

from __future__ import annotations

import contextlib
import json
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from app.__main__ import app
from app.cli.client import Access
from tests.support.peers import free_port

STREAM = {"stream_id": "str_1", "state": "live", "name": "a\x1b[31mb", "primary": None, "backup": None}


class Control(BaseHTTPRequestHandler):
    """Answers by path; `seen` keeps method, path, key and body of each request."""

    answers: dict[str, tuple[int, object]]
    seen: list[tuple[str, str, str | None, object]]

    def _answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        self.seen.append((self.command, self.path, self.headers.get("Authorization"), body))
        status, answer = self.answers.get(f"{self.command} {self.path}", (404, {"detail": "no such thing"}))
        content = (
            answer if isinstance(answer, bytes) else json.dumps(answer).encode() if answer is not None else b""
        )
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_DELETE = _answer  # noqa: N815 - the names http.server calls

    def log_message(self, *_: object) -> None:
        """Quiet."""


@contextlib.contextmanager
def _served() -> Iterator[tuple[type[Control], str]]:
    """A control and its address."""
    handler = type("Handler", (Control,), {"answers": {}, "seen": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield handler, f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def control(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[type[Control]]:
    monkeypatch.setenv("ENCMAN_API_KEY", "emk_live_x")
    monkeypatch.chdir(tmp_path)
    with _served() as (handler, url):
        monkeypatch.setenv("ENCMAN_CONTROL_URL", url)
        yield handler


def run(*words: str) -> Result:
    return CliRunner().invoke(app, words)


def test_a_list_is_a_table_and_cannot_steer_the_terminal(control: type[Control]) -> None:
    control.answers["GET /api/streams"] = 200, {"streams": [STREAM]}
    result = run("streams", "list")
    assert result.exit_code == 0
    assert "STREAM_ID" in result.stdout
    assert "str_1" in result.stdout
    assert "\x1b" not in result.stdout
    assert control.seen == [("GET", "/api/streams", "Bearer emk_live_x", None)]


def test_streams_that_have_ended_are_listed_when_asked_for(control: type[Control]) -> None:
    control.answers["GET /api/streams"] = (
        200,
        {"streams": [STREAM, STREAM | {"stream_id": "str_2", "state": "ended"}]},
    )
    assert "str_2" not in run("streams", "list").stdout
    assert "str_2" in run("streams", "list", "--ended").stdout
    assert "str_2" not in run("streams", "list", "--json").stdout


def test_json_is_the_whole_answer(control: type[Control]) -> None:
    control.answers["GET /api/streams"] = 200, {"streams": [STREAM], "next": None}
    assert json.loads(run("streams", "list", "--json").stdout) == {"streams": [STREAM], "next": None}


def test_an_empty_list_says_what_to_do(control: type[Control]) -> None:
    control.answers["GET /api/streams"] = 200, {"streams": []}
    assert "streams init" in run("streams", "list").stdout


def test_opening_a_stream_sends_what_was_asked_and_shows_the_key_once(control: type[Control]) -> None:
    answer = {"stream_id": "str_1", "rtmp_url": "rtmp://h/live", "stream_key": "k", "warnings": ["odd size"]}
    control.answers["POST /api/streams/init"] = 201, answer
    result = run("streams", "init", "--resolution", "640x360", "--bitrate", "1000000", "--fps", "25")
    assert control.seen[0][3] == {"resolution": "640x360", "bitrate": 1_000_000, "fps": 25.0}
    assert "rtmp://h/live" in result.stdout
    assert "warning: odd size" in result.stderr


@pytest.mark.parametrize("place", ["targets.txt", "-"])
def test_a_stream_is_opened_with_the_addresses_of_a_file_its_recording_and_its_mode(
    control: type[Control], tmp_path: Path, place: str
) -> None:
    text = "# YouTube\nrtmps://a.example/live/secret\n\n rtmp://b.example/live/other \n"
    (tmp_path / "targets.txt").write_text(text)
    control.answers["POST /api/streams/init"] = 201, {"stream_id": "str_1"}
    words = ["streams", "init", "--push-from", place, "--record", "--mode", "passthrough"]
    result = CliRunner().invoke(app, words, input=text if place == "-" else None)
    assert result.exit_code == 0
    body = control.seen[0][3]
    assert isinstance(body, dict)
    assert body["destinations"] == ["rtmps://a.example/live/secret", "rtmp://b.example/live/other"]
    assert (body["record"], body["mode"]) == (True, "passthrough")


@pytest.mark.parametrize("content", [None, b"# nothing\n", b"\xff\xfe"])
def test_a_file_without_addresses_opens_no_stream(
    control: type[Control], tmp_path: Path, content: bytes | None
) -> None:
    if content is not None:
        (tmp_path / "targets.txt").write_bytes(content)
    result = run("streams", "init", "--push-from", "targets.txt")
    assert result.exit_code == 1
    assert "error: targets.txt" in result.stderr
    assert control.seen == []


def test_for_a_file_that_is_no_media_no_stream_is_opened(control: type[Control], tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("# Words\n")
    result = run("publish", "README.md")
    assert result.exit_code == 1
    assert "error: README.md is no video or sound file that can be read\n" in result.stderr
    assert control.seen == []


def test_an_id_cannot_leave_its_place_in_the_path(control: type[Control]) -> None:
    run("streams", "show", "../keys?x")
    assert control.seen[0][1] == "/api/streams/..%2Fkeys%3Fx"


@pytest.mark.parametrize(("status", "code"), [(404, 4), (403, 77), (409, 1), (503, 69), (500, 1)])
def test_a_refusal_is_told_in_controls_words_with_an_exit_code(
    control: type[Control], status: int, code: int
) -> None:
    control.answers["DELETE /api/streams/str_1"] = status, {"title": "T", "detail": "the reason", "hint": "do this"}
    result = run("streams", "end", "str_1")
    assert result.exit_code == code
    assert "error: the reason" in result.stderr
    assert "hint: do this" in result.stderr


@pytest.mark.parametrize(
    ("hint", "told"),
    [
        (
            "GET /api/streams lists the streams of this key.",
            "hint: `encoder-manager streams list` lists the streams of this key.\n",
        ),
        ("GET /api/encoders lists them.", "hint: `encoder-manager encoders list` lists them.\n"),
        ("Try again after Retry-After seconds.", ""),
        ("Send well-formed UTF-8 JSON and plain ids.", ""),
    ],
)
def test_hints_speak_of_commands_and_not_of_http(control: type[Control], hint: str, told: str) -> None:
    control.answers["DELETE /api/streams/str_1"] = 404, {"detail": "the reason", "hint": hint}
    assert run("streams", "end", "str_1").stderr == f"error: the reason\n{told}"


def test_a_refused_key_is_told_with_where_keys_come_from(control: type[Control]) -> None:
    control.answers["GET /api/streams"] = 401, {"detail": "the key is unknown", "hint": "Send 'Authorization'."}
    result = run("streams", "list")
    assert result.exit_code == 77
    assert "the key is unknown" in result.stderr
    assert "ENCMAN_API_KEY" in result.stderr


def test_every_wrong_field_is_told_with_what_is_wrong(control: type[Control]) -> None:
    errors = [{"field": "resolution", "message": "no match"}, {"field": "fps", "message": "too many"}]
    control.answers["POST /api/streams/init"] = (
        422,
        {"detail": "2 fields", "hint": "See 'errors'.", "errors": errors},
    )
    assert run("streams", "init").stderr == "error: resolution: no match; fps: too many\n"


@pytest.mark.parametrize("answer", [b"<html>", [1], None])
def test_an_answer_of_something_else_is_no_crash(control: type[Control], answer: object) -> None:
    control.answers["GET /api/keys"] = 502, answer
    result = run("keys", "list")
    assert result.exit_code == 1
    assert "502" in result.stderr


def test_ending_a_stream_is_confirmed(control: type[Control]) -> None:
    control.answers["DELETE /api/streams/str_1"] = 200, {"stream_id": "str_1", "state": "ended"}
    assert "ended" in run("streams", "end", "str_1").stdout


def test_an_encoder_is_shown_with_its_codecs_and_workers_for_people(control: type[Control]) -> None:
    codecs = [{"codec": "libx264", "works": True, "reason": None}, {"codec": "h264_nvenc", "works": False}]
    workers = [{"worker_id": "wrk_1", "stream_id": "str_1", "cpu_usage": 50.0, "latency_ms": None}]
    reasons = ["CPU at 99 %, above 80 %", "temperature unknown"]
    answer = {
        "encoder_id": "enc-1",
        "codecs": codecs,
        "score_reasons": reasons,
        "device_status": {"cpu_usage": 9.0, "workers": workers},
    }
    control.answers["GET /api/encoders/enc-1/status"] = 200, answer
    shown = run("encoders", "show", "enc-1").stdout
    assert [line.split(maxsplit=1) for line in shown.splitlines() if line.startswith("codecs")] == [
        ["codecs", "libx264"],
        ["codecs_refused", "h264_nvenc"],
    ]
    assert "    worker_id=wrk_1  stream_id=str_1  cpu_usage=50.0\n" in shown
    assert "CPU at 99 %, above 80 %; temperature unknown\n" in shown
    assert "{" not in shown


def test_draining_is_asked_of_the_encoder(control: type[Control]) -> None:
    control.answers["POST /api/encoders/enc-1/control"] = 200, {}
    result = run("encoders", "drain", "enc-1")
    assert result.exit_code == 0
    assert control.seen[0][3] == {"action": "drain"}
    assert "enc-1 takes no new streams; those it has go to their standbys" in result.stdout


def test_a_key_is_the_only_thing_on_standard_output(control: type[Control]) -> None:
    control.answers["POST /api/keys"] = (
        201,
        {"api_key": "emk_live_new", "key": {"key_id": "key_1", "expires_at": "2030"}},
    )
    assert run("keys", "create", "for me").stdout == "emk_live_new\n"


def test_watching_ends_with_the_stream(control: type[Control]) -> None:
    control.answers["GET /api/streams/str_1/health"] = 200, {"state": "ended", "at": "2026-01-01T10:11:12Z"}
    result = run("watch", "str_1")
    assert "10:11:12" in result.stdout
    assert "bitrate=-" in result.stdout


def test_watching_outlives_a_restart_of_control(control: type[Control], monkeypatch: pytest.MonkeyPatch) -> None:
    place = "GET /api/streams/str_1/health"
    answers = [
        (200, {"state": "live", "at": "2026-01-01T10:11:12Z"}),
        (503, {"detail": "starting"}),
        (200, {"state": "ended", "at": "2026-01-01T10:11:14Z"}),
    ]
    control.answers[place] = answers.pop(0)
    monkeypatch.setattr("app.cli.watch.time.sleep", lambda _: control.answers.update({place: answers.pop(0)}))
    result = run("watch", "str_1")
    assert result.exit_code == 0
    assert [line[:8] for line in result.stdout.splitlines()] == ["10:11:12", "10:11:14"]
    assert "starting" in result.stderr


def test_watching_what_was_never_reached_ends_at_once(control: type[Control]) -> None:
    control.answers["GET /api/streams/str_1/health"] = 503, {"detail": "starting"}
    assert run("watch", "str_1").exit_code == 69
    assert len(control.seen) == 1


def test_watching_shows_figures_in_units_that_people_know(control: type[Control]) -> None:
    health = {"state": "live", "at": "2026-01-01T10:11:12Z", "bitrate": 2_425_716.6, "cpu_usage": 27.9}
    control.answers["GET /api/streams/str_1/health"] = 200, health
    shown = run("watch", "str_1", "--count", "1").stdout
    assert "bitrate=2.43 Mbit/s" in shown
    assert "cpu_usage=28 %" in shown
    assert json.loads(run("watch", "str_1", "--count", "1", "--json").stdout) == health


@pytest.mark.parametrize(
    ("change_class", "told"),
    [("none", "so already"), ("in_place", "nothing restarted"), ("planned_switch", "switch")],
)
def test_a_picture_is_changed_with_only_what_was_named(
    control: type[Control], change_class: str, told: str
) -> None:
    answer = {"change_class": change_class, "stream": {"stream_id": "str_1", "ladder": None}}
    control.answers["PUT /api/streams/str_1/config"] = 200, answer
    result = run("streams", "change", "str_1", "--bitrate", "1500000", "--resolution", "854x480")
    assert told in result.stdout
    assert control.seen[0][3] == {"bitrate": 1_500_000, "resolution": "854x480"}


def test_a_change_of_nothing_asks_nobody(control: type[Control]) -> None:
    result = run("streams", "change", "str_1")
    assert result.exit_code == 1
    assert "--bitrate" in result.stderr
    assert control.seen == []


def test_an_unreachable_control_is_told_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENCMAN_API_KEY", "k")
    result = run("--url", f"http://127.0.0.1:{free_port()}", "streams", "list")
    assert result.exit_code == 69
    assert "cannot be reached: nothing listens there\n" in result.stderr
    assert "encoder-manager up" in result.stderr


def test_what_is_no_address_is_told_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENCMAN_API_KEY", "k")
    result = run("--url", "nonsense", "streams", "list")
    assert result.exit_code == 69
    assert "http://127.0.0.1:8080" in result.stderr


def test_without_a_key_the_places_looked_at_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = run("streams", "list")
    assert result.exit_code == 77
    assert "ENCMAN_API_KEY" in result.stderr
    assert f"looked in {tmp_path / 'data'}" in result.stderr


def test_the_key_and_address_of_the_data_directory_are_used(control: type[Control], tmp_path: Path) -> None:
    import os

    (tmp_path / "data").mkdir()
    (tmp_path / "data/secrets.env").write_text("ENCMAN_BOOTSTRAP_API_KEY=emk_live_kept\n")
    (tmp_path / "data/up.env").write_text(f"ENCMAN_CONTROL_URL={os.environ.pop('ENCMAN_CONTROL_URL')}\n")
    del os.environ["ENCMAN_API_KEY"]
    control.answers["GET /api/streams"] = 200, {"streams": []}
    assert run("streams", "list").exit_code == 0
    assert control.seen[0][2] == "Bearer emk_live_kept"


def test_an_address_that_is_told_nowhere_follows_the_port_in_env(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert Access(None, None).base == "http://127.0.0.1:8080"
    (tmp_path / ".env").write_text("ENCMAN_CONTROL_PORT=18080\n")
    assert Access(None, None).base == "http://127.0.0.1:18080"
    assert Access("http://control.example/", None).base == "http://control.example"


STANDBY = (503, {"code": "not_leading", "detail": "standby: control-b leads", "title": "Another control acts"})


def test_of_several_controls_the_one_that_leads_is_asked(
    control: type[Control], monkeypatch: pytest.MonkeyPatch
) -> None:
    dead, standby = f"http://127.0.0.1:{free_port()}", os.environ["ENCMAN_CONTROL_URL"]
    with _served() as (leader, url):
        leader.answers["GET /api/streams"] = 200, {"streams": [STREAM]}
        control.answers["GET /api/streams"] = STANDBY
        monkeypatch.setenv("ENCMAN_CONTROL_URL", f"{dead}, {standby},{url}")
        result = run("streams", "list")
    assert result.exit_code == 0
    assert "str_1" in result.stdout
    assert len(control.seen) == len(leader.seen) == 1


def test_who_leads_is_told_when_no_address_of_it_is_known(control: type[Control]) -> None:
    control.answers["GET /api/streams"] = STANDBY
    result = run("streams", "list")
    assert result.exit_code == 69
    assert "standby: control-b leads" in result.stderr


def test_a_request_that_failed_otherwise_is_not_made_a_second_time_elsewhere(
    control: type[Control], monkeypatch: pytest.MonkeyPatch
) -> None:
    control.answers["GET /api/streams"] = 503, {"code": "unavailable", "detail": "the database: OSError"}
    with _served() as (other, url):
        monkeypatch.setenv("ENCMAN_CONTROL_URL", f"{os.environ['ENCMAN_CONTROL_URL']},{url}")
        assert run("streams", "list").exit_code == 69
        assert other.seen == []


def test_a_health_that_is_not_known_is_listed_as_unknown(control: type[Control]) -> None:
    offline = {"encoder_id": "enc-1", "state": "offline", "score": None}
    control.answers["GET /api/encoders"] = 200, {"encoders": [offline]}
    assert run("encoders", "list").stdout.splitlines()[1].split()[:3] == ["enc-1", "offline", "unknown"]
