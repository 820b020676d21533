"""The test card says its number to programs, at every size it may come out as."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.ladder import FrameRate
from app.media.encoding.card import Card, read_counter
from app.media.encoding.packets import AudioPacket, VideoPacket
from app.media.encoding.testcard import CardPlan, card_packets
from tests.unit.media.encoding.clips import BIG, SMALL, run, settings

CARD = Card(640, 360, FrameRate(30))
PLAN = CardPlan(640, 360, FrameRate(30), 800_000, 1_000, frames=60)


@given(st.integers(0, 2**24 - 1))
def test_the_number_drawn_is_the_number_read(number: int) -> None:
    assert read_counter(CARD.picture(number)) == number


@pytest.mark.parametrize("size", [(1920, 1080), (320, 180), (256, 144), (854, 480)])
@pytest.mark.parametrize("layout", ["yuv420p", "rgb24", "nv12"])
def test_the_number_survives_scaling_and_other_layouts(size: tuple[int, int], layout: str) -> None:
    frame = CARD.picture(123_456).reformat(*size, format=layout)
    assert read_counter(frame) == 123_456


def test_another_picture_has_no_number() -> None:
    frame = CARD.picture(5)
    for plane in frame.planes:
        plane.update(b"\x80" * plane.buffer_size)
    assert read_counter(frame) is None


def test_the_card_goes_through_the_pipeline_frame_by_frame() -> None:
    programme = run(card_packets(PLAN), settings(BIG, SMALL))
    for track in ("big", "small"):
        assert [read_counter(frame) for frame in programme.frames(track)] == list(range(60))


def test_picture_and_sound_begin_together_and_run_alike() -> None:
    items = list(card_packets(PLAN))
    pictures = [item.pts_ms for item in items if isinstance(item, VideoPacket)]
    sounds = [item.pts_ms for item in items if isinstance(item, AudioPacket)]
    assert pictures == [round(n * 1000 / 30) for n in range(60)]
    assert [item.is_key for item in items if isinstance(item, VideoPacket)].count(True) == 2
    assert sounds[0] == 0
    assert abs(sounds[-1] - pictures[-1]) < 60


def test_a_size_that_cannot_be_drawn_is_refused() -> None:
    with pytest.raises(ValueError, match="even"):
        Card(641, 360, FrameRate(30))
