"""Packets come evenly where one encoder follows another."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from fractions import Fraction

import av
import pytest

from app.domain.ladder import FrameRate, Rendition
from app.media.encoding.cadence import Cadence
from app.media.encoding.codecs import lookahead_frames
from app.media.encoding.colour import BT709, Colour
from app.media.encoding.conduit import Conduit
from app.media.encoding.encoder import VideoEncoder
from app.media.encoding.packets import ProgrammeItem, TrackPacket
from app.media.encoding.rungs import Rung, Shot
from tests.unit.media.encoding.clips import BIG


def packet(time_ms: int) -> TrackPacket:
    return TrackPacket("big", time_ms, b"", False)


def test_packets_pass_at_once_while_none_are_held() -> None:
    assert Cadence().step([packet(1), packet(2)]) == [packet(1), packet(2)]
    assert Cadence().step([]) == []


def test_those_held_come_one_at_a_time_and_in_order() -> None:
    cadence = Cadence()
    cadence.hold([packet(1), packet(2), packet(3)])
    assert cadence.step([]) == [packet(1)]
    assert cadence.step([]) == [packet(2)]
    assert cadence.step([packet(4)]) == [packet(3)]
    assert cadence.step([packet(5)]) == [packet(4)]
    assert cadence.rest() == [packet(5)]
    assert cadence.step([packet(6)]) == [packet(6)]


class Counted(Conduit[Shot]):
    """Shots all at once; keeps how many packets had come out when each was taken."""

    def __init__(self, shots: list[Shot], programme: list[ProgrammeItem]) -> None:
        super().__init__(len(shots))
        self.seen: deque[int] = deque()
        self._programme = programme
        for shot in shots:
            self.put(shot)
        self.close()

    def get(self, timeout_s: float | None = None) -> Shot | None:
        self.seen.append(sum(isinstance(item, TrackPacket) for item in self._programme))
        return super().get(timeout_s)


@pytest.mark.parametrize("rate", [10, 30])
def test_a_rendition_of_independent_groups_is_as_even_as_any(rate: int) -> None:
    rendition: Rendition = replace(BIG, frame_rate=FrameRate(rate))
    shots = [Shot(picture(n * 1000 // rate), n % 20 == 0, Colour(BT709, BT709, BT709)) for n in range(60)]
    programme: list[ProgrammeItem] = []
    rung = Rung(rendition, 1_000, independent=True)
    rung.shots = counted = Counted(shots, programme)
    rung.encode(encoder, programme.append, idle_flush_s=None)
    behind = lookahead_frames(rendition) + 1
    assert [n - seen for n, seen in enumerate(counted.seen)] == [*range(behind), *[behind] * (61 - behind)]
    assert len([item for item in programme if isinstance(item, TrackPacket)]) == 60


def encoder(rendition: Rendition, colour: Colour) -> VideoEncoder:
    return VideoEncoder(rendition, name="libx264", preset="veryfast", colour=colour, repeatable=True)


def picture(time_ms: int) -> av.VideoFrame:
    frame = av.VideoFrame(BIG.width, BIG.height, "yuv420p")
    for plane in frame.planes:
        plane.update(bytes((time_ms % 200 + 20,)) * plane.buffer_size)
    frame.pts, frame.time_base = time_ms, Fraction(1, 1000)
    return frame
