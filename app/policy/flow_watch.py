"""Frame rate, bitrate, sound against picture, timestamps: judged from a gateway's own counts, nothing is decoded.

Pure: one reading a second goes in, findings come out, each by k of the last n readings and gone when all of n are
well. Leaves to others: what is to be seen and heard (`content_watch`).
"""

from __future__ import annotations

import math
import statistics
from collections import deque
from dataclasses import dataclass
from typing import Final

from app.domain.content import Fault, Finding, Side

WINDOW: Final = 6
LEAST_BAD: Final = 5
"""Of WINDOW readings: one odd second, such as a publisher's key frame that came late, is no fault."""
RATE_SHARE: Final = 0.8
"""Of the frame rate that is due."""
NORMAL_READINGS: Final = 60
"""What a source's frame rate is measured by: the median of its last minute."""
NORMAL_LEAST: Final = 10
RATES: Final = 30
VARIANCE_MAX: Final = 0.5
"""Deviation by mean of half a minute: films swing by a third, a failing line by the whole."""
DRIFT_MS: Final = 250.0
"""Sound that comes later than the picture by more than 185 ms is not accepted by viewers (ITU-R BT.1359-1); the
rest is for what a line delays."""
ENCODER_DRIFT_MS: Final = 1_000.0
"""An encoder whose picture takes longer for a while has not lost its clock: its timestamps still agree."""
DRIFT_READINGS: Final = 10
SOUND_GONE_MS: Final = 10_000.0
"""The picture goes on for so long and no sound comes with it: that is silence, not drift."""
SOUND_THERE_MS: Final = 2_000.0
JUMP_HOLD_S: Final = 15.0
"""A jump is over in a moment; it is told for so long."""
JUMP_MS: Final = 1_000
"""A step of the programme's own timestamps that the source did not make."""


@dataclass(frozen=True, slots=True)
class FlowReading:
    """At `now_s`, rates over the last second. None: unknown, or it does not run. `jumps` only grow.

    `apart_ms`: the newest picture's time minus the newest sound's.
    """

    now_s: float
    source_fps: float | None = None
    programme_fps: float | None = None
    due_fps: float | None = None
    """What the rendition is to have at most; a source with fewer gives fewer."""
    programme_bps: float | None = None
    source_bps: float | None = None
    source_apart_ms: float | None = None
    programme_apart_ms: float | None = None
    source_jumps: int = 0
    programme_jumps: int = 0


_OF: Final = {Side.SOURCE: "source", Side.ENCODER: "programme"}


class _Window:
    """k of n to begin, none of n to end."""

    def __init__(self) -> None:
        self._bad: deque[bool] = deque(maxlen=WINDOW)
        self.since_s: float | None = None

    def note(self, is_bad: bool | None, now_s: float) -> None:
        """Unknown counts as nothing."""
        if is_bad is not None:
            self._bad.append(is_bad)
        if self.since_s is None and sum(self._bad) >= LEAST_BAD:
            self.since_s = now_s - LEAST_BAD
        elif self.since_s is not None and len(self._bad) == WINDOW and not any(self._bad):
            self.since_s = None

    def clear(self) -> None:
        self._bad.clear()
        self.since_s = None


class FlowWatch:
    """One stream."""

    def __init__(self) -> None:
        self._windows: dict[tuple[Fault, Side], _Window] = {}
        self._source_fps: deque[float] = deque(maxlen=NORMAL_READINGS)
        self._rates: dict[Side, deque[float]] = {side: deque(maxlen=RATES) for side in (Side.SOURCE, Side.ENCODER)}
        self._apart: dict[Side, deque[float]] = {
            side: deque(maxlen=DRIFT_READINGS) for side in (Side.SOURCE, Side.ENCODER)
        }
        self._apart_at_first: dict[Side, float] = {}
        self._jumps: dict[Side, int] = {}
        self._jumped_s: dict[Side, float] = {}

    def begin_source(self) -> None:
        """Another publisher, or the same one anew."""
        self._source_fps.clear()
        self._forget(Side.SOURCE)
        self._forget(Side.ENCODER)

    def begin_programme(self) -> None:
        """Another worker speaks."""
        self._forget(Side.ENCODER)

    def judge(self, reading: FlowReading) -> tuple[Finding, ...]:
        found = [*self._frame_rates(reading), *self._variances(reading)]
        return (*found, *(_sound_gone(reading) or self._drifts(reading)), *self._jumping(reading))

    def _frame_rates(self, reading: FlowReading) -> list[Finding]:
        fps, now_s = reading.source_fps, reading.now_s
        normal = statistics.median(self._source_fps) if len(self._source_fps) >= NORMAL_LEAST else None
        source_is_low = None if fps is None or normal is None else fps < RATE_SHARE * normal
        found = self._held(
            Fault.LOW_FRAME_RATE,
            Side.SOURCE,
            source_is_low,
            now_s,
            fps,
            f"{{:.3g}} frames a second from a source of {normal}",
        )
        if fps is not None and fps > 0 and not source_is_low:
            self._source_fps.append(fps)
        made, due = reading.programme_fps, reading.due_fps
        if fps is None or made is None or due is None:
            return found
        due = min(due, fps)
        words = f"{{:.3g}} frames a second of the {due:.1f} that the source gives"
        return found + self._held(Fault.LOW_FRAME_RATE, Side.ENCODER, made < RATE_SHARE * due, now_s, made, words)

    def _variances(self, reading: FlowReading) -> list[Finding]:
        swings = {
            Side.SOURCE: self._variance(Side.SOURCE, reading.source_bps),
            Side.ENCODER: self._variance(Side.ENCODER, reading.programme_bps),
        }
        found: list[Finding] = []
        for side, swing in swings.items():
            is_bad = None if swing is None else swing > VARIANCE_MAX
            source = swings[Side.SOURCE]
            if side is Side.ENCODER and is_bad and source is not None and source > VARIANCE_MAX:
                is_bad = False  # it follows its source
            words = "the bitrate swings by {:.0%} of its mean within half a minute"
            found += self._held(Fault.BITRATE_VARIANCE, side, is_bad, reading.now_s, swing, words)
        return found

    def _variance(self, side: Side, bps: float | None) -> float | None:
        rates = self._rates[side]
        if bps is not None:
            rates.append(bps)
        if len(rates) < RATES or (mean := statistics.fmean(rates)) <= 0:
            return None
        return math.sqrt(statistics.fmean([(rate - mean) ** 2 for rate in rates])) / mean

    def _drifts(self, reading: FlowReading) -> list[Finding]:
        source = self._drift(Side.SOURCE, reading.source_apart_ms)
        programme = self._drift(Side.ENCODER, reading.programme_apart_ms)
        words = "{:.3g} ms that sound and picture have come apart since they began"
        is_bad = None if source is None else abs(source) > DRIFT_MS
        found = self._held(Fault.AV_DRIFT, Side.SOURCE, is_bad, reading.now_s, source, words)
        own = None if programme is None or source is None else programme - source
        is_bad = None if own is None else abs(own) > ENCODER_DRIFT_MS
        return found + self._held(Fault.AV_DRIFT, Side.ENCODER, is_bad, reading.now_s, own, words)

    def _drift(self, side: Side, apart_ms: float | None) -> float | None:
        """Against what it was at first: tracks may come in whatever rhythm, as long as they keep it."""
        values = self._apart[side]
        if apart_ms is None:
            return None
        values.append(apart_ms)
        if len(values) < DRIFT_READINGS:
            return None
        now = statistics.median(values)
        return now - self._apart_at_first.setdefault(side, now)

    def _jumping(self, reading: FlowReading) -> list[Finding]:
        found: list[Finding] = []
        for side, jumps in ((Side.SOURCE, reading.source_jumps), (Side.ENCODER, reading.programme_jumps)):
            before = self._jumps.get(side)
            self._jumps[side] = jumps
            if before is not None and jumps > before:
                self._jumped_s[side] = reading.now_s
            since_s = self._jumped_s.get(side)
            if since_s is not None and reading.now_s - since_s <= JUMP_HOLD_S:
                words = f"the timestamps of the {_OF[side]} jumped"
                found.append(Finding(Fault.TIMESTAMP_JUMP, side, reading.now_s - since_s, words, float(jumps)))
        return found

    def _held(
        self, fault: Fault, side: Side, is_bad: bool | None, now_s: float, value: float | None, words: str
    ) -> list[Finding]:
        """The finding, if it is bad for long enough. `words` have a place for the value."""
        window = self._windows.setdefault((fault, side), _Window())
        window.note(is_bad, now_s)
        if window.since_s is None or value is None:
            return []
        detail = f"{_OF[side]}: {words.format(value)}"
        return [Finding(fault, side, now_s - window.since_s, detail, value)]

    def _forget(self, side: Side) -> None:
        for key, window in self._windows.items():
            if key[1] is side:
                window.clear()
        self._rates[side].clear()
        self._apart[side].clear()
        self._apart_at_first.pop(side, None)
        self._jumped_s.pop(side, None)


def _sound_gone(reading: FlowReading) -> list[Finding]:
    """A track of sound that ended. One that never was there is none of it."""
    source, programme = reading.source_apart_ms, reading.programme_apart_ms
    if source is not None and source >= SOUND_GONE_MS:
        return [_gone(Side.SOURCE, source)]
    if source is not None and source <= SOUND_THERE_MS and programme is not None and programme >= SOUND_GONE_MS:
        return [_gone(Side.ENCODER, programme)]
    return []


def _gone(side: Side, apart_ms: float) -> Finding:
    lasted_s = apart_ms / 1000
    return Finding(
        Fault.SILENT_AUDIO, side, lasted_s, f"the {_OF[side]} sends no sound since {lasted_s:.0f} s", lasted_s
    )
