"""What dies is replaced, and the stream goes on: control, a worker, a node, the gateway."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.e2e.capture import HlsCapture, Track, pictures
from tests.e2e.publishers import publishing
from tests.e2e.source import Source, gaps, read_number
from tests.e2e.system import System
from tests.support.peers import wait_for

pytestmark = pytest.mark.e2e

LONG = Source(seconds=60, width=640, height=360)
LADDER = [{"name": "240p", "resolution": "426x240", "bitrate": 400_000, "fps": 30}]


@pytest.fixture
def video(source_file: Callable[..., Path]) -> Path:
    return source_file(LONG)


@contextmanager
def watched(
    system: System, video: Path, **request: object
) -> Iterator[tuple[dict[str, Any], HlsCapture, psutil.Popen]]:
    """A stream with its publisher and an outside viewer that already has some segments."""
    asked: dict[str, object] = {"resolution": "640x360", "bitrate": 1_000_000, "segment_ms": 2_000}
    stream = system.open_stream(**(asked | request))
    capture = HlsCapture(stream["playback"]["hls"]).start()
    with publishing(video, system.publish_url(stream)) as publisher:
        wait_for("the first segments", lambda: capture.segments_of_every_track() >= 2, within_s=40)
        yield stream, capture, publisher
        capture.stop()
    system.end_stream(stream["stream_id"])


def numbers(track: Track) -> list[int]:
    return [read_number(picture.frame) for picture in pictures(track)]


def more_segments(capture: HlsCapture, count: int) -> None:
    target = capture.segments_of_every_track() + count
    wait_for("more segments", lambda: capture.segments_of_every_track() >= target, within_s=45)


def the_only_worker(system: System) -> psutil.Process:
    return wait_for("one worker", lambda: workers[0] if len(workers := system.children("worker")) == 1 else None)


def test_streams_survive_kill_9_of_control_and_its_return(system: System, video: Path) -> None:
    with watched(system, video, renditions=LADDER) as (stream, capture, publisher):
        control = system.children("control")[0]
        control.kill()
        control.wait(timeout=10)
        more_segments(capture, 2)
        system.until("control's return", lambda: answers(system), within_s=40)
        wait_for("control to see the stream again", lambda: system.health(stream["stream_id"])["state"] == "live")
        more_segments(capture, 1)
        assert publisher.poll() is None
    seen = numbers(capture.tracks["240p"])
    assert not gaps(seen), "frames were lost while control was away"
    assert not capture.errors


def test_a_killed_worker_is_replaced_and_the_stream_goes_on(system: System, video: Path) -> None:
    with watched(system, video, renditions=LADDER, standby="cold") as (stream, capture, publisher):
        before = system.health(stream["stream_id"])
        the_only_worker(system).kill()
        more_segments(capture, 3)
        after = system.health(stream["stream_id"])
        assert after["generation"] > before["generation"]
        assert publisher.poll() is None
    seen = numbers(capture.tracks["240p"])
    assert not gaps(seen), "frames were lost or doubled"


def test_a_killed_node_is_replaced_and_the_stream_goes_on(system: System, video: Path) -> None:
    with watched(system, video, renditions=LADDER, standby="cold") as (stream, capture, publisher):
        before = system.health(stream["stream_id"])
        node = psutil.Process(the_only_worker(system).ppid())
        worker = the_only_worker(system)
        node.kill()
        psutil.wait_procs([worker], timeout=10)
        assert not worker.is_running(), "the worker outlived its node"
        more_segments(capture, 3)
        after = system.health(stream["stream_id"])
        assert after["primary_encoder_id"] != before["primary_encoder_id"]
        assert publisher.poll() is None
    seen = numbers(capture.tracks["240p"])
    assert not gaps(seen), "frames were lost or doubled"


def test_the_key_stays_valid_when_the_gateway_is_killed(system: System, video: Path) -> None:
    with watched(system, video, mode="passthrough") as (stream, capture, _):
        gateway = system.children("gateway")[0]
        gateway.kill()
        gateway.wait(timeout=10)
        capture.stop()
        system.until("the gateway's return", lambda: channel_open(system, stream["stream_id"]), within_s=40)
        again = HlsCapture(stream["playback"]["hls"]).start()
        with publishing(video, system.publish_url(stream)):
            wait_for("segments again", lambda: again.segments_of_every_track() >= 2, within_s=40)
        again.stop()
        assert min(again.tracks["source"].segments) > max(capture.tracks["source"].segments)


def answers(system: System) -> bool:
    try:
        return system.call("GET", "/readyz").status == 200
    except OSError:
        return False


def channel_open(system: System, stream_id: str) -> bool:
    return answers(system) and system.health(stream_id)["state"] == "waiting"
