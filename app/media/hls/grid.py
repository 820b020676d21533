"""Where segments begin, one answer for every track of a stream. Pure.

A picture track asks at each key frame; the first that asks decides, the others and the sound follow. Numbers come
from the timeline and the wall clock at which it began, so they go on after a restart; from then on they count up
by one, because a playlist cannot say otherwise. Discontinuities lie between the same two numbers on every track
(RFC 8216, section 6.2.4).
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from dataclasses import dataclass
from typing import Final

SLACK_MS: Final = 100
"""Renditions of different frame rates begin a segment this close to each other."""
_KEPT: Final = 64


@dataclass(frozen=True, slots=True)
class Boundary:
    """Segment `number` begins at `start_ms`."""

    number: int
    start_ms: int


class SegmentGrid:
    """`first_number` is the least that may be given: one behind those of the playlist before this one."""

    def __init__(self, segment_ms: int, zero_wall_ms: int, *, first_number: int = 0) -> None:
        self.segment_ms = segment_ms
        self.zero_wall_ms = zero_wall_ms
        self._base = zero_wall_ms // 1000 * 1000 // segment_ms
        self._first_number = first_number
        self._boundaries: deque[Boundary] = deque(maxlen=_KEPT)
        self._breaks: list[int] = []
        self._past_breaks = 0

    @property
    def next_number(self) -> int:
        """No segment has this number or a higher one yet."""
        return self._boundaries[-1].number + 1 if self._boundaries else max(self._base, self._first_number)

    def enter(
        self, position_ms: int, current: Boundary | None, *, forced: bool = False, discontinuity: bool = False
    ) -> Boundary | None:
        """The boundary that a key frame at `position_ms` begins; None: it stays in the `current` segment.

        `forced` begins a segment wherever the frame lies, because nothing is open or the format changed.
        `discontinuity`: what a new boundary begins is not encoded like what came before.
        """
        latest = self._latest(position_ms + SLACK_MS)
        if latest is not None and (current is None or latest.number > current.number):
            return latest
        slot = position_ms // self.segment_ms
        if current is not None and not forced and slot <= current.start_ms // self.segment_ms:
            return None
        last = self._boundaries[-1] if self._boundaries else None
        if last is not None and position_ms <= last.start_ms:
            return None
        number = last.number + 1 if last else max(self._base + slot, self._first_number)
        boundary = Boundary(number, position_ms)
        self._boundaries.append(boundary)
        if discontinuity:
            self.break_at(number)
        return boundary

    def break_at(self, number: int) -> None:
        """There is a discontinuity before segment `number`, which no track has finished yet."""
        if not self.is_break(number):
            insort(self._breaks, number)
        if len(self._breaks) > _KEPT:
            del self._breaks[0]
            self._past_breaks += 1

    def is_break(self, number: int) -> bool:
        return number in self._breaks

    def breaks_before(self, number: int) -> int:
        """Discontinuities before those of segment `number`, since the first segment of all."""
        return self._past_breaks + bisect_left(self._breaks, number)

    def after(self, current: Boundary | None) -> Boundary | None:
        """The first boundary known that follows `current` (None: the first of all)."""
        for boundary in self._boundaries:
            if current is None or boundary.number > current.number:
                return boundary
        return None

    def _latest(self, position_ms: int) -> Boundary | None:
        for boundary in reversed(self._boundaries):
            if boundary.start_ms <= position_ms:
                return boundary
        return None
