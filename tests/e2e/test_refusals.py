"""A publisher that may not publish is told why, in words its software prints, before any media is parsed."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.publishers import ffmpeg_command, publishing
from tests.e2e.source import Source
from tests.e2e.system import System, running_system

pytestmark = pytest.mark.e2e

SMALL = Source(seconds=20, width=320, height=180)
NOT_VALID = "stream key is not valid"


@pytest.fixture
def system(tmp_path: Path) -> Iterator[System]:
    """One for each test: the wrong keys of another one must not shut this address out."""
    with running_system(tmp_path / "data") as running:
        yield running


def refusal(path: Path, url: str) -> str:
    """What ffmpeg prints; it must fail, and soon."""
    command = ffmpeg_command(path, url)
    command[command.index("warning")] = "info"
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode != 0, "the publisher was let in"
    return done.stderr


def source_frames(system: System, stream_id: str) -> int:
    return system.health(stream_id)["source_frames"] or 0


@pytest.fixture
def video(source_file: Callable[..., Path]) -> Path:
    return source_file(SMALL)


def passed_through(system: System, **more: object) -> dict[str, object]:
    return system.open_stream(resolution="640x360", bitrate=1_000_000, mode="passthrough", **more)


def test_a_wrong_key_is_refused_with_its_reason(system: System, video: Path) -> None:
    stream = passed_through(system)
    wrong = str(stream["stream_key"])[:-4] + "AAAA"
    assert NOT_VALID in refusal(video, f"{stream['rtmp_url']}/{wrong}")


def test_a_key_in_upper_case_is_another_key(system: System, video: Path) -> None:
    stream = passed_through(system)
    assert NOT_VALID in refusal(video, f"{stream['rtmp_url']}/{str(stream['stream_key']).upper()}")


@pytest.mark.parametrize("key", ["short", "../../../../etc/passwd-and-more", "with%20blank%20and%0Aline%20feed%20"])
def test_a_malformed_key_is_refused_with_its_reason(system: System, video: Path, key: str) -> None:
    stream = passed_through(system)
    assert "wrong form" in refusal(video, f"{stream['rtmp_url']}/{key}")


def test_the_key_of_an_ended_stream_is_refused(system: System, video: Path) -> None:
    stream = passed_through(system)
    system.end_stream(str(stream["stream_id"]))
    assert NOT_VALID in refusal(video, system.publish_url(stream))


def test_a_key_for_another_app_is_refused(system: System, video: Path) -> None:
    stream = passed_through(system)
    url = str(stream["rtmp_url"]).removesuffix("/live") + f"/play/{stream['stream_key']}"
    assert refusal(video, url)


def test_a_second_publisher_is_refused_while_the_first_goes_on(system: System, video: Path) -> None:
    stream = passed_through(system)
    stream_id = str(stream["stream_id"])
    with publishing(video, system.publish_url(stream)) as first:
        system.until("the first publisher's frames", lambda: source_frames(system, stream_id) > 10)
        assert "already" in refusal(video, system.publish_url(stream)).lower()
        before = source_frames(system, stream_id)
        system.until("more frames of the first", lambda: source_frames(system, stream_id) > before + 10)
        assert first.poll() is None
