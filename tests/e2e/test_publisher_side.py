"""The publisher's side goes away and comes back, or another one stands in: viewers stay and see every picture."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.capture import HlsCapture, each_picture
from tests.e2e.flv_viewer import FlvViewer
from tests.e2e.outside import LADDER, LOGS, worker_process
from tests.e2e.publishers import publishing
from tests.e2e.source import Source, gaps, read_number
from tests.e2e.system import System, running_system
from tests.support.peers import wait_for

pytestmark = pytest.mark.e2e

OTHER = 10_000
"""Where the numbers of the second source begin."""


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    with running_system(tmp_path_factory.mktemp("up") / "data", **LOGS) as running:
        yield running


@pytest.fixture
def first_video(source_file: Callable[..., Path]) -> Path:
    return source_file(Source(seconds=60, width=640, height=360, bit_rate=500_000))


@pytest.fixture
def other_video(source_file: Callable[..., Path]) -> Path:
    return source_file(Source(seconds=60, width=640, height=360, bit_rate=500_000, first=OTHER))


@dataclass
class Watched:
    system: System
    stream: dict[str, Any]
    capture: HlsCapture
    viewer: FlvViewer

    def health(self) -> dict[str, Any]:
        return self.system.health(self.stream["stream_id"])

    def begins(self) -> None:
        """Once there is something to see."""
        wait_for("the first segments", lambda: self.capture.segments_of_every_track() >= 2, within_s=40)
        self.viewer.start()
        self.more_pictures(30)

    def more_pictures(self, count: int) -> None:
        target = len(self.viewer.pictures) + count
        wait_for(f"{count} more pictures", lambda: len(self.viewer.pictures) >= target, within_s=30)

    def runs(self) -> list[list[int]]:
        """The numbers seen in the capture's only rendition, cut where the source changes."""
        numbers = [read_number(picture.frame) for picture in each_picture(self.capture.tracks["240p"])]
        return [list(run) for _, run in groupby(numbers, key=lambda number: number >= OTHER)]


@contextmanager
def watched(system: System, **request: object) -> Iterator[Watched]:
    asked: dict[str, object] = {"resolution": "640x360", "bitrate": 1_000_000, "segment_ms": 2_000}
    stream = system.open_stream(**(asked | {"renditions": LADDER[1:]} | request))
    playback = stream["playback"]
    try:
        seen = Watched(system, stream, HlsCapture(playback["hls"]).start(), FlvViewer(playback["http_flv"]))
        yield seen
        seen.capture.stop()
        assert seen.viewer.ended is None, "the viewer was cut"
        seen.viewer.stop()
        assert not seen.capture.errors
    finally:
        system.end_stream(stream["stream_id"])


def test_a_publisher_that_comes_back_goes_on_in_the_same_stream(
    system: System, first_video: Path, other_video: Path
) -> None:
    with watched(system) as seen:
        with publishing(first_video, system.publish_url(seen.stream)) as publisher:
            seen.begins()
            before = seen.health()
            publisher.kill()
        time.sleep(2.0)  # what OBS waits before it tries again
        with publishing(other_video, system.publish_url(seen.stream)):
            seen.more_pictures(120)
            after = seen.health()
        assert after["generation"] == before["generation"], "another worker was started"
        steps = seen.viewer.longest_step_ms(0.0, time.monotonic())
        assert steps is not None
        assert steps >= 2_000, "the timeline does not show how long nobody published"
    first, second = seen.runs()
    assert not gaps(first)
    assert not gaps(second)
    assert second[0] == OTHER, "the beginning of the new picture is missing"


def test_the_declared_backup_input_takes_over_when_the_main_one_goes(
    system: System, first_video: Path, other_video: Path
) -> None:
    with watched(system, backup_input=True) as seen:
        backup_url = f"{seen.stream['rtmp_url']}/{seen.stream['backup_stream_key']}"
        with publishing(first_video, system.publish_url(seen.stream)) as main:
            seen.begins()  # the first to come is the source
            with publishing(other_video, backup_url) as backup:
                seen.more_pictures(90)
                main.kill()
                seen.more_pictures(150)
                with publishing(first_video, system.publish_url(seen.stream)):
                    seen.more_pictures(90)  # the main one is back, and waits
                assert backup.poll() is None
    first, second = seen.runs()
    assert not gaps(first)
    assert not gaps(second)


def test_viewers_stay_on_the_last_picture_while_nobody_publishes(
    system: System, first_video: Path, other_video: Path
) -> None:
    with watched(system, slate="last_frame") as seen:
        with publishing(first_video, system.publish_url(seen.stream)) as publisher:
            seen.begins()
            publisher.kill()
        seen.more_pictures(120)
        with publishing(other_video, system.publish_url(seen.stream)):
            wait_for("the source again", lambda: seen.health()["source"], every_s=0.25)
            seen.more_pictures(120)
    first, second = seen.runs()
    last = first[-1]
    shown, held = first[: first.index(last)], first[first.index(last) :]
    assert not gaps(shown)
    assert set(held) == {last}
    assert len(held) >= 120
    assert not gaps(second)


def test_viewers_stay_on_a_card_while_nobody_publishes(system: System, first_video: Path) -> None:
    with watched(system, slate="still") as seen:
        with publishing(first_video, system.publish_url(seen.stream)) as publisher:
            seen.begins()
            publisher.kill()
        seen.more_pictures(120)
        segments = seen.capture.segments_of_every_track()
        wait_for("segments of the card", lambda: seen.capture.segments_of_every_track() >= segments + 2)
        assert seen.capture.tracks["audio"].discontinuities == 0
        assert seen.capture.tracks["240p"].discontinuities == 0


def test_the_card_stays_when_its_worker_is_killed(system: System, first_video: Path) -> None:
    with watched(system, slate="still") as seen:
        with publishing(first_video, system.publish_url(seen.stream)) as publisher:
            seen.begins()
            wait_for("protection", lambda: seen.health()["protected"], within_s=40, every_s=0.25)
            publisher.kill()
        seen.more_pictures(60)
        generation = seen.health()["generation"]
        worker_process(system, seen.stream["stream_id"], generation).kill()
        wait_for("another worker", lambda: seen.health()["generation"] > generation, every_s=0.25)
        seen.more_pictures(60)
        assert seen.capture.tracks["240p"].discontinuities == 0
