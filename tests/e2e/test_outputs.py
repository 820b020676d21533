"""Viewers over RTMP and HTTP-FLV, push to a real server, and a destination that stands still."""

from __future__ import annotations

import json
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.publishers import publishing
from tests.e2e.source import Source
from tests.e2e.system import System, running_system
from tests.support.servers import nginx_rtmp

pytestmark = pytest.mark.e2e

LOOPED = ("-stream_loop", "-1")
NGINX_JOINS_WITHIN = 75
"""Frames: nginx-rtmp begins anywhere in the GOP of two seconds, and what cannot be decoded is not counted."""


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """One that may push to the loopback, which is refused by default."""
    data = tmp_path_factory.mktemp("up") / "data"
    with running_system(data, ENCMAN_ALLOWED_PRIVATE_TARGETS="127.0.0.0/8") as running:
        yield running


@pytest.fixture
def video(source_file: Callable[..., Path]) -> Path:
    return source_file(Source(seconds=10, width=640, height=360))


@contextmanager
def live(system: System, video: Path, **request: object) -> Iterator[dict[str, Any]]:
    """A passed-through stream with its publisher; ended with the block."""
    stream = system.open_stream(resolution="640x360", bitrate=1_000_000, mode="passthrough", **request)
    with publishing(video, system.publish_url(stream), *LOOPED):
        system.until("the stream to be live", lambda: system.health(stream["stream_id"])["state"] == "live")
        yield stream
    system.end_stream(stream["stream_id"])


def played(url: str, seconds: int = 3) -> dict[str, Any]:
    """What ffmpeg gets from an address in that many seconds of media: frames and sound, counted by decoding."""
    command = ["ffmpeg", "-hide_banner", "-loglevel", "error", "-i", url, "-t", str(seconds)]
    command += ["-map", "0:v", "-map", "0:a", "-f", "null", "-progress", "pipe:1", "-"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    pairs = [line.split("=", 1) for line in done.stdout.splitlines() if "=" in line]
    return dict(pairs) | {"errors": done.stderr}


def destination(system: System, stream_id: str, index: int = 0) -> dict[str, Any]:
    """Its state; empty before the gateway has told any."""
    told = system.health(stream_id)["destinations"]
    return dict(told[index]) if index < len(told) else {}


@pytest.mark.parametrize("output", ["rtmp", "http_flv"])
def test_ffmpeg_plays_what_a_publisher_sends(system: System, video: Path, output: str) -> None:
    with live(system, video) as stream:
        seen = played(stream["playback"][output])
        assert int(seen["frame"]) >= 80
        assert seen["errors"] == ""


def test_a_stream_is_pushed_to_a_real_server(system: System, video: Path) -> None:
    with nginx_rtmp() as port:
        target = f"rtmp://127.0.0.1:{port}/live/pushed"
        with live(system, video, destinations=[target]) as stream:
            system.until("the push", lambda: destination(system, stream["stream_id"]).get("state") == "live")
            assert int(played(target, seconds=5)["frame"]) >= 5 * 30 - NGINX_JOINS_WITHIN
            told = system.call("GET", f"/api/streams/{stream['stream_id']}")
            assert "pushed" not in json.dumps(told.body), "the destination's key is shown"


def test_a_destination_that_stands_still_touches_nothing_else(system: System, video: Path) -> None:
    with stalled_server() as stalled, nginx_rtmp() as port:
        targets = [f"rtmp://127.0.0.1:{stalled}/live/stuck", f"rtmp://127.0.0.1:{port}/live/good"]
        with live(system, video, destinations=targets) as stream:
            stream_id = stream["stream_id"]
            system.until("the good push", lambda: destination(system, stream_id, 1).get("state") == "live")
            assert destination(system, stream_id, 0)["state"] != "live"
            assert int(played(targets[1], seconds=5)["frame"]) >= 5 * 30 - NGINX_JOINS_WITHIN
            health = system.health(stream_id)
            assert health["state"] == "live"
            assert destination(system, stream_id, 1)["dropped_frames"] == 0


def test_a_loopback_destination_is_refused_where_it_is_not_allowed(tmp_path: Path) -> None:
    with running_system(tmp_path / "data") as strict:
        answer = strict.call(
            "POST",
            "/api/streams/init",
            {
                "resolution": "640x360",
                "bitrate": 1_000_000,
                "fps": 30,
                "mode": "passthrough",
                "destinations": ["rtmp://127.0.0.1:1936/live/key"],
            },
        )
        assert answer.status == 422, answer
        assert "127.0.0.1" in answer.body["detail"]


@contextmanager
def stalled_server() -> Iterator[int]:
    """Takes connections and never reads a byte."""
    held: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            while True:
                try:
                    held.append(listener.accept()[0])
                except OSError:
                    return

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(timeout=5)
    for connection in held:
        connection.close()
