"""What is said of a source that is not what was announced."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from app.domain.ids import StreamId
from app.domain.ladder import FrameRate, Ladder, Rendition
from app.domain.link import ChannelReading, SourceUp
from app.policy.source_doubts import source_doubts

T0 = datetime(2026, 1, 1, tzinfo=UTC)
ASKED = Ladder((Rendition("1080p", 1920, 1080, FrameRate(30), 5_000_000),))
SOURCE = SourceUp(StreamId("str_a"), T0, "198.51.100.7", "OBS", "h264", "aac", 1920, 1080)
READING = ChannelReading(
    stream_id=StreamId("str_a"),
    at=T0,
    source_up=True,
    source_bps=8e6,
    source_fps=30.0,
    source_frames=100,
    source_gaps=0,
    ring_bytes=0,
    ring_s=0.0,
    tracks=(),
    viewers=0,
    viewer_frames_dropped=0,
    programme_lag_ms=100.0,
)


@pytest.mark.parametrize("fps", [30.0, 29.97, 30.9])
def test_a_source_as_announced_raises_no_doubt(fps: float) -> None:
    assert source_doubts(ASKED, SOURCE, replace(READING, source_fps=fps)) == ()


def test_of_what_is_not_known_and_of_what_is_passed_through_nothing_is_said() -> None:
    odd = replace(SOURCE, width=640, height=480)
    assert source_doubts(ASKED, None, None) == ()
    assert (
        source_doubts(ASKED, replace(SOURCE, width=None), replace(READING, source_fps=None, source_bps=None)) == ()
    )
    assert source_doubts(ASKED, SOURCE, replace(READING, source_up=False, source_fps=5.0)) == ()
    assert source_doubts(Ladder(()), odd, READING) == ()


@pytest.mark.parametrize(
    ("size", "word"),
    [((1280, 720), "smaller"), ((3840, 2160), "larger"), ((1440, 1080), "shape"), ((1080, 1920), "shape")],
)
def test_another_size_or_shape_is_said(size: tuple[int, int], word: str) -> None:
    (doubt,) = source_doubts(ASKED, replace(SOURCE, width=size[0], height=size[1]), None)
    assert word in doubt
    assert f"{size[0]}x{size[1]}" in doubt


def test_a_size_that_is_rounded_to_even_numbers_has_the_same_shape() -> None:
    (doubt,) = source_doubts(ASKED, replace(SOURCE, width=854, height=480), None)
    assert "smaller" in doubt


def test_another_frame_rate_and_a_rate_too_low_or_too_high_are_said() -> None:
    (slow,) = source_doubts(ASKED, SOURCE, replace(READING, source_fps=15.0))
    (poor,) = source_doubts(ASKED, SOURCE, replace(READING, source_bps=2e6))
    (rich,) = source_doubts(ASKED, SOURCE, replace(READING, source_bps=25e6))
    assert slow == "the source has 15 frames/s, 30 were announced"
    assert poor == "the source has 2.0 Mbit/s; 8.0 are recommended for its size"
    assert rich == "the source has 25.0 Mbit/s, above 20"


def test_for_a_stream_without_flow_no_rate_is_doubted() -> None:
    assert source_doubts(ASKED, SOURCE, replace(READING, source_fps=0.0, source_bps=0.0)) == ()
