"""Reads of many busy connections are taken together, and only then."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from aiortmp.aio import Gathering

PAUSE_S = 0.0005
FRAME_BYTES = 10_000


class Turns:
    """A loop's turns, one by one, with the pauses that were made."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.pauses: list[float] = []
        self.gathering = Gathering(loop, PAUSE_S, sleep=self.pauses.append)

    def read(self, at_s: float, *sizes_bytes: int) -> None:
        """One turn that brings reads of these sizes."""
        for size_bytes in sizes_bytes:
            self.gathering.reads += 1
            self.gathering.bytes += size_bytes
            if not self.gathering.is_gathering:
                self.gathering.begin(at_s)
        self._loop.run_until_complete(asyncio.sleep(0))

    def live(self, frames_per_s: int, seconds: float, since_s: float = 100.0) -> None:
        """Frames that come alone, evenly."""
        for frame in range(round(frames_per_s * seconds)):
            self.read(since_s + frame / frames_per_s, FRAME_BYTES)


@pytest.fixture
def turns() -> Iterator[Turns]:
    loop = asyncio.new_event_loop()
    yield Turns(loop)
    loop.close()


def test_many_frames_in_a_second_make_the_loop_pause(turns: Turns) -> None:
    turns.live(7_000, 1.0)
    assert turns.gathering.is_busy
    assert set(turns.pauses) == {PAUSE_S}
    assert len(turns.pauses) > 5_000


def test_twenty_live_streams_never_wait(turns: Turns) -> None:
    turns.live(1_500, 1.0)
    assert not turns.gathering.is_busy
    assert turns.pauses == []


def test_one_turn_pauses_once_however_much_it_reads(turns: Turns) -> None:
    turns.live(7_000, 0.5)
    before = len(turns.pauses)
    turns.read(100.5, FRAME_BYTES, FRAME_BYTES, FRAME_BYTES)
    assert len(turns.pauses) == before + 1


def test_a_turn_that_brought_much_is_followed_at_once_by_the_next(turns: Turns) -> None:
    turns.live(7_000, 0.5)
    before = len(turns.pauses)
    turns.read(100.5, 256_000, 256_000)
    assert len(turns.pauses) == before
    turns.read(100.5001, FRAME_BYTES)
    assert len(turns.pauses) == before + 1


def test_pauses_end_when_the_frames_do(turns: Turns) -> None:
    turns.live(7_000, 0.5)
    turns.pauses.clear()
    turns.read(160.0, FRAME_BYTES)
    assert not turns.gathering.is_busy
    assert turns.pauses == []
