"""Measures one switch of workers, from the loss until the new one has caught up. Pure.

Counts by comparison: the times of the source's pictures, through the same gate as in the worker, against the times
that were let through. A track that keeps no times of the source is judged by its own cadence.
Leaves to others: telling the report (`switch_log`), and what is let through (`switch`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median_low
from typing import Final

from app.domain.failover import TrackSplice
from app.domain.ladder import AUDIO_TRACK, FrameRate
from app.media.encoding.grid import FrameGate, Verdict
from app.media.frame_times import FrameTimes
from app.media.seat_events import Before

MEASURE_S: Final = 10.0
"""A worker that has not caught up by then will not soon."""
CAUGHT_UP_MS: Final = 100.0
"""As near to the source as this is caught up, however near it was before."""
SOUND_S: Final = 1.0
"""For the sound to come after the pictures."""
STEADY_S: Final = 1.0
"""A lag that has not shrunk for so long will not."""
_USUAL_RATE: Final = FrameRate(25)
_MIN_GAPS: Final = 3
"""A cadence is known from so many distances between frames."""


@dataclass(frozen=True, slots=True)
class Times:
    """Milliseconds since the last picture of the old worker was let through; None: not seen."""

    detected_ms: float | None
    decided_ms: float | None
    first_frame_ms: float | None
    stall_ms: float | None
    catch_up_ms: float | None


class _Track:
    """What was let through on one track since the measuring began."""

    def __init__(self, last_ms: int | None, shown_s: float | None, lag_ms: float | None, step_ms: float) -> None:
        self.last_ms = last_ms
        self.shown_s = shown_s
        self._near_ms = max(CAUGHT_UP_MS, (lag_ms or 0.0) + step_ms)
        self._step_ms = step_ms
        self._best: tuple[float, float] | None = None
        """The least lag of the new worker, and when it had come to it."""
        self.first_ms: int | None = None
        self.passed: list[int] = []
        self.stall_s = 0.0
        self.near_s: float | None = None
        """When the new worker was as near to the source as it comes."""

    def add(self, positions: Sequence[int], now_s: float, *, newest_ms: int | None, is_new: bool) -> None:
        if self.shown_s is not None:
            self.stall_s = max(self.stall_s, now_s - self.shown_s)
        self.shown_s = now_s
        self.passed += positions
        if is_new:
            self.first_ms = positions[0] if self.first_ms is None else self.first_ms
            if newest_ms is not None and self.near_s is None:
                self.near_s = self._nearest(max(0, newest_ms - positions[-1]), now_s)
        elif self.first_ms is None:
            self.last_ms = positions[-1]

    def _nearest(self, lag_ms: float, now_s: float) -> float | None:
        """Near enough, or as near as this worker ever comes: it is slower than the one before, and steady."""
        if lag_ms <= self._near_ms:
            return now_s
        if self._best is None or lag_ms < self._best[0] - self._step_ms:
            self._best = lag_ms, now_s
        best_ms, best_s = self._best
        return best_s if now_s - best_s >= STEADY_S and lag_ms <= best_ms + 2 * self._step_ms else None


class SwitchMeter:
    """`rates`: the pictures' tracks with their frame rates; `has_sound`: whether there is a sound track too.

    `source` is filled by the owner, from the oldest frame that the new worker is sent.
    """

    def __init__(
        self, before: Before, *, rates: Mapping[str, FrameRate], interval_ms: int, has_sound: bool
    ) -> None:
        self.source = FrameTimes()
        self.before = before
        self._rates = rates
        self._interval_ms = interval_ms
        names = [*rates, *([AUDIO_TRACK] if has_sound else [])]
        self._tracks = {name: self._track(name) for name in names}
        self._begin = {name: track.last_ms for name, track in self._tracks.items()}
        self._added = [name for name in names if name not in before.tracks]
        """Tracks that there were none of before: what is not shown of them at first is not missing."""
        shown = [track.shown_s for track in self._judged() if track.shown_s is not None]
        self._last_s = max(shown, default=None)
        self._first_s: float | None = None
        self._caught_s: float | None = None
        self.decided_s: float | None = None

    def decided(self, now_s: float) -> None:
        """A new worker speaks, or will at the border, from now on."""
        self.decided_s = now_s

    def passed(
        self, name: str, positions: Sequence[int], now_s: float, *, newest_ms: int | None, is_new: bool = True
    ) -> None:
        """Frames of `name` were let through; `newest_ms` is how far its side of the source is."""
        track = self._tracks.get(name)
        if track is None:
            return
        track.add(positions, now_s, newest_ms=newest_ms, is_new=is_new)
        judged = self._judged()
        if track not in judged:
            return
        if not is_new and self._first_s is None:
            self._last_s = now_s
        elif self._first_s is None:
            self._first_s = now_s
        near_s = [each.near_s for each in judged if each.near_s is not None]
        if self._caught_s is None and len(near_s) == len(judged):
            self._caught_s = max(near_s)

    @property
    def has_caught_up(self) -> bool:
        return self._caught_s is not None

    def is_over(self, now_s: float) -> bool:
        """Nothing more is to be measured. Sound is waited for a moment: it comes beside the picture, or there is
        none any more."""
        if self._caught_s is None:
            return self.decided_s is not None and now_s - self.decided_s >= MEASURE_S
        waits = [name for name, track in self._tracks.items() if track.near_s is None and not self._is_judged(name)]
        return not waits or not self.source.sounds or now_s - self._caught_s >= SOUND_S

    @property
    def is_idle(self) -> bool:
        """The source has shown nothing since: there was nothing to catch up with."""
        newest = max(self.source.pictures, default=None) if self._rates else max(self.source.sounds, default=None)
        begun = max(
            [ms for name, ms in self._begin.items() if ms is not None and self._is_judged(name)], default=None
        )
        return newest is None or (begun is not None and newest <= begun)

    def times(self, *, detected_s: float | None, is_planned: bool, now_s: float | None) -> Times:
        """A planned switch is decided while the old worker still speaks: only what follows it is told."""
        zero_s = self._last_s if self._last_s is not None else detected_s
        if zero_s is None:
            return Times(None, None, None, None, None)
        stall_s = max([track.stall_s for track in self._judged()], default=0.0)
        if now_s is not None and self._caught_s is None and not self.is_idle:
            quiet = [now_s - track.shown_s for track in self._judged() if track.shown_s is not None]
            stall_s = max([stall_s, *quiet])
        return Times(
            detected_ms=_since(zero_s, detected_s),
            decided_ms=None if is_planned else _since(zero_s, self.decided_s),
            first_frame_ms=_since(zero_s, self._first_s),
            stall_ms=round(stall_s * 1000, 3),
            catch_up_ms=_since(zero_s, self._caught_s),
        )

    def splices(self) -> tuple[TrackSplice, ...]:
        return tuple(self._splice(name, track) for name, track in self._tracks.items())

    # --- inside ----------------------------------------------------------------------------------------

    def _track(self, name: str) -> _Track:
        seen = self.before.tracks.get(name)
        rate = self._rates.get(name, _USUAL_RATE)
        step_ms = 1000 / rate.fps
        if seen is None:
            return _Track(None, None, None, step_ms)
        return _Track(seen.last_ms, seen.frame_s, seen.lag_ms, step_ms)

    def _is_judged(self, name: str) -> bool:
        return name in self._rates or not self._rates

    def _judged(self) -> list[_Track]:
        """The tracks that viewers look at: pictures, or the sound of a stream without."""
        return [track for name, track in self._tracks.items() if self._is_judged(name)]

    def _splice(self, name: str, track: _Track) -> TrackSplice:
        doubled = sum(1 for one, next_one in pairwise(track.passed) if next_one <= one)
        return TrackSplice(name, track.last_ms, track.first_ms, self._missing(name, track), doubled)

    def _missing(self, name: str, track: _Track) -> int | None:
        source = self.source.sounds if name == AUDIO_TRACK else self.source.pictures
        after_ms = self._begin[name]
        if name in self._added and track.passed:
            after_ms = track.passed[0] - 1
        if self.source.overflowed:
            return None
        if not track.passed:
            return None if any(after_ms is None or ms > after_ms for ms in source) else 0
        if not source.issuperset(track.passed):
            return _missing_by_cadence(after_ms, track.passed)
        taken = source if name == AUDIO_TRACK else self._taken(name, source, after_ms)
        given, end_ms = set(track.passed), track.passed[-1]
        return sum(1 for ms in taken if (after_ms is None or ms > after_ms) and ms <= end_ms and ms not in given)

    def _taken(self, name: str, source: Collection[int], after_ms: int | None) -> list[int]:
        gate = FrameGate(self._rates[name], self._interval_ms, after_ms)
        return [ms for ms in sorted(source) if gate.judge(ms) is not Verdict.SKIP]


def _since(zero_s: float, at_s: float | None) -> float | None:
    return None if at_s is None else round((at_s - zero_s) * 1000, 3)


def _missing_by_cadence(after_ms: int | None, passed: Sequence[int]) -> int | None:
    """Holes in a track by the distance that its frames usually have; None: too few to tell."""
    places = [*([after_ms] if after_ms is not None else []), *passed]
    gaps = [next_ms - ms for ms, next_ms in pairwise(places)]
    if len(gaps) < _MIN_GAPS or (step := median_low(gaps)) <= 0:
        return None
    return sum(max(0, round(gap / step) - 1) for gap in gaps)
