"""One 64-bit millisecond timeline per stream, made from whatever timestamps its publishers send.

Pure: `now_s` is an argument. What it settles, here and nowhere else: 32-bit wrap, backward steps, absurd jumps,
timestamps that stand still, publishers that come back and count from zero again. While the first publisher
behaves, its timestamps are the timeline, so its bytes can be handed on as they came.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

_WRAP: Final = 1 << 32
_HALF: Final = 1 << 31
_MASK: Final = _WRAP - 1
BACKWARD_LIMIT_MS: Final = 3_000
"""Audio and video may interleave this loosely; a step further back is a new beginning."""
FORWARD_LIMIT_MS: Final = 5_000
"""A step ahead of the wall clock by more than this is not media time."""
_RESTART_STEP_MS: Final = 40
"""Least distance between the last frame before a break and the first one after it: one frame of 25 per second."""

AUDIO: Final = 8
VIDEO: Final = 9


class Timeline:
    """Places source timestamps on the stream's timeline.

    Each track's frames come out strictly increasing. `breaks` counts new beginnings within one publisher,
    `corrected` frames that had to be moved. `zero_wall_ms` is the wall clock at timeline 0, or None before the
    first frame.
    """

    __slots__ = (
        "_anchor_s",
        "_fresh",
        "_last",
        "_last_s",
        "_least",
        "_offset",
        "_raw",
        "_tracks",
        "breaks",
        "corrected",
        "zero_wall_ms",
    )

    def __init__(self) -> None:
        self._fresh = True
        self._least = 0
        self._offset = 0
        self._raw = 0
        self._last: int | None = None
        self._last_s = 0.0
        self._anchor_s = 0.0
        self._tracks: dict[int, int] = {}
        self.breaks = 0
        self.corrected = 0
        self.zero_wall_ms: int | None = None

    @property
    def newest_ms(self) -> int | None:
        """The furthest point reached, or None before the first frame."""
        return self._last

    def begin(self, *, least_ms: int = 0) -> None:
        """A publisher begins: its first frame is placed by the clock behind all that came before, at `least_ms` or
        later.
        """
        self._fresh = True
        self._least = least_ms

    def position_ms(self, now_s: float) -> int | None:
        """Where the timeline is now, whether frames come or not; None before the first one."""
        return None if self._last is None else self._last + max(0, round((now_s - self._last_s) * 1000))

    def place(self, frames: Iterable[tuple[int, int]], *, now_s: float, wall_ms: int) -> list[int]:
        """Timeline positions of `frames`, pairs of message type (AUDIO or VIDEO) and 32-bit timestamp.

        `wall_ms` is the wall clock in ms since 1970; it is looked at once, at the first frame.
        """
        placed: list[int] = []
        tracks = self._tracks
        raw, offset, last = self._raw, self._offset, self._last
        for kind, stamp in frames:
            delta = stamp - (raw & _MASK)
            if self._fresh or not -BACKWARD_LIMIT_MS <= delta <= FORWARD_LIMIT_MS:
                self._raw, self._last = raw, last
                delta = self._unusual(stamp, delta, now_s, wall_ms)
                raw, offset = self._raw, self._offset
            position = raw + delta + offset
            if delta > 0:
                raw += delta
            floor = tracks.get(kind, -1)
            if position <= floor:
                position = floor + 1
                self.corrected += 1
            tracks[kind] = position
            if last is None or position > last:
                last = position
            placed.append(position)
        if placed:
            self._raw, self._last, self._last_s = raw, last, now_s
        return placed

    def around(self, stamp: int) -> int:
        """The 64-bit position next to the newest one whose low 32 bits are `stamp`."""
        newest = self._last or 0
        delta = (stamp - newest) & _MASK
        return newest + (delta - _WRAP if delta >= _HALF else delta)

    def _start(self, stamp: int, now_s: float, wall_ms: int) -> None:
        self._fresh = False
        if self._last is None:
            self._raw = stamp
            self._anchor_s = now_s - stamp / 1000
            self.zero_wall_ms = wall_ms - stamp
        else:
            self._jump_to(stamp, now_s, _RESTART_STEP_MS)

    def _unusual(self, stamp: int, delta: int, now_s: float, wall_ms: int) -> int:
        """The step to a frame that begins a publisher, wraps the 32-bit clock, or leaves what is normal."""
        if self._fresh:
            self._start(stamp, now_s, wall_ms)
            return 0
        delta &= _MASK
        if delta >= _HALF:
            delta -= _WRAP
        if -BACKWARD_LIMIT_MS <= delta <= FORWARD_LIMIT_MS:
            return delta
        elapsed_ms = (now_s - self._last_s) * 1000
        if 0 < delta <= elapsed_ms + FORWARD_LIMIT_MS:
            # A long pause that the clock confirms.
            return delta
        self.breaks += 1
        # Where tracks keep clocks far apart, every frame is a break: together they take no more than the time does.
        self._jump_to(stamp, now_s, min(_RESTART_STEP_MS, max(1, round(elapsed_ms))))
        return 0

    def _jump_to(self, stamp: int, now_s: float, least_ms: int) -> None:
        """Let `stamp` lie where the wall clock stands on the timeline, never before what was given out.

        The clock is read against the very first frame, so many restarts do not add up to a drift.
        """
        assert self._last is not None, "there is no break before the first frame"
        by_clock = round((now_s - self._anchor_s) * 1000)
        by_step = self._last + max(least_ms, round((now_s - self._last_s) * 1000))
        self._raw, self._last_s = stamp, now_s
        self._offset = max(self._least, min(max(by_clock, self._last + least_ms), by_step)) - stamp
        self._least = 0
