"""Twenty streams of 6 Mbit/s passed through for a minute, without a lost frame."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.e2e.publishers import ffmpeg_command
from tests.e2e.source import Source
from tests.e2e.system import System, running_system

pytestmark = pytest.mark.e2e

STREAMS = 20


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """One whose key may open all streams at once."""
    with running_system(tmp_path_factory.mktemp("up") / "data", ENCMAN_INITS_PER_MINUTE="100") as running:
        yield running


SECONDS = int(os.environ.get("MANY_STREAMS_SECONDS", "60"))


@pytest.mark.timeout(SECONDS + 240)
def test_twenty_streams_are_passed_through_without_a_lost_frame(
    system: System, source_file: Callable[..., Path]
) -> None:
    source = Source(seconds=SECONDS, bit_rate=6_000_000, noisy=True)
    path = source_file(source)
    with ExitStack() as stack:
        streams = [
            system.open_stream(resolution="1280x720", bitrate=6_000_000, mode="passthrough", segment_ms=4_000)
            for _ in range(STREAMS)
        ]
        publishers = [
            stack.enter_context(
                subprocess.Popen(
                    ffmpeg_command(path, system.publish_url(stream)),
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.PIPE,
                    text=True,
                )
            )
            for stream in streams
        ]
        for publisher in publishers:
            _, printed = publisher.communicate(timeout=SECONDS + 120)
            assert publisher.returncode == 0, printed
    for stream in streams:
        system.until(
            "every frame", lambda s=stream: frames(system, s["stream_id"]) == (source.frames, source.frames)
        )
        assert system.health(stream["stream_id"])["dropped_frames"] == 0
        system.end_stream(stream["stream_id"])


def frames(system: System, stream_id: str) -> tuple[int, int]:
    """Of the source, and of the programme."""
    health = system.health(stream_id)
    programme = sum(track["frames"] for track in health["tracks"] if track["name"] == "source")
    return health["source_frames"] or 0, programme
