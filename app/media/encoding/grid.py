"""Which frames of the source a rendition takes, and which of them become key frames.

Decided from the stream's timeline alone, so that every encoder and every rendition cuts alike, wherever it began.
Leaves to others: pictures.
"""

from __future__ import annotations

from enum import Enum, auto

from app.domain.ladder import FrameRate


class Verdict(Enum):
    SKIP = auto()
    TAKE = auto()
    KEY = auto()


class FrameGate:
    """Judges the source's frames in presentation order; `judge` is called once for each.

    Frames at or before `start_after_ms` are skipped; the first one taken is a key frame, later ones are where the
    timeline crosses a multiple of `interval_ms`. A frame rate below the source's is reached by dropping whole
    frames: one is taken per slot of `rate`. A frame that crosses the grid is always taken, so renditions of
    different rates have their key frames at the same times.
    """

    def __init__(self, rate: FrameRate, interval_ms: int, start_after_ms: int | None = None) -> None:
        self._rate = rate
        self._interval_ms = interval_ms
        self._start_after_ms = start_after_ms
        self._previous_ms: int | None = None
        self._taken_slot: tuple[int, int] | None = None
        self._begun = False

    def begin_after(self, start_after_ms: int | None) -> None:
        """Take the frames after this time from now on; None: all of them."""
        self._start_after_ms = start_after_ms

    def judge(self, pts_ms: int) -> Verdict:
        previous_ms, self._previous_ms = self._previous_ms, pts_ms
        crosses = previous_ms is not None and pts_ms // self._interval_ms > previous_ms // self._interval_ms
        slot = self._slot(pts_ms)
        if not crosses and slot == self._taken_slot and self._is_close(previous_ms, pts_ms):
            return Verdict.SKIP
        self._taken_slot = slot
        if self._start_after_ms is not None and pts_ms <= self._start_after_ms:
            return Verdict.SKIP
        if not self._begun:
            self._begun = True
            return Verdict.KEY
        return Verdict.KEY if crosses else Verdict.TAKE

    def _slot(self, pts_ms: int) -> tuple[int, int]:
        """Grid interval and slot in it. Slots are counted from each grid line, so the frame that crosses it is the
        first of its slot and the frames after it fall in regularly, whatever the source's phase is.
        """
        interval, inside_ms = divmod(pts_ms, self._interval_ms)
        # Half a millisecond more: timestamps are rounded to whole ones, and 33 may stand for 33.3.
        return interval, (2 * inside_ms + 1) * self._rate.num // (2000 * self._rate.den)

    def _is_close(self, previous_ms: int | None, pts_ms: int) -> bool:
        """Whether the source is really faster here: jitter at an equal rate must not cost a frame."""
        if previous_ms is None:
            return False
        return (pts_ms - previous_ms) * self._rate.num * 10 < 9000 * self._rate.den
