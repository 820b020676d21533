"""Black, frozen, silent: whether it lasts, and whether the source sends it so or an encoder makes it so.

Pure: samples go in with their place on the timeline, findings come out. The same question is put to the source and
to the programme over the same stretch of the timeline. Leaves to others: taking samples, rates and timestamps
(`flow_watch`), and what is done about a finding.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from app.domain.content import Fault, Finding, PictureSample, Side, SoundSample
from app.policy.content_runs import Run

BLACK_MS: Final = 5_000
FROZEN_MS: Final = 5_000
SILENT_MS: Final = 10_000
UNKNOWN_AFTER: Final = 2
"""Of the source nothing could be seen: told as nobody's after so many times the time."""
BLACK_SHARE: Final = 0.995
"""A line of credits, or a title on black, covers more than the rest."""
LIGHT_SHARE: Final = 0.02
"""A source with less to see than this may be made black by a fair encoder: nobody is blamed."""
STILL_MAX: Final = 2.0
"""Grey levels by which the block that changed most differs: the same picture coded anew stays below."""
MOVES_MIN: Final = 8.0
SILENT_RMS_DBFS: Final = -60.0
SILENT_PEAK_DBFS: Final = -50.0
"""Quieter than the noise of a room with nobody in it."""
SOUNDS_RMS_DBFS: Final = -50.0

_HOLD: Final = {Fault.BLACK_PICTURE: BLACK_MS, Fault.FROZEN_PICTURE: FROZEN_MS, Fault.SILENT_AUDIO: SILENT_MS}
_WORDS: Final = {
    Fault.BLACK_PICTURE: "the picture is black",
    Fault.FROZEN_PICTURE: "the picture stands still",
    Fault.SILENT_AUDIO: "there is no sound",
}
_WHOSE: Final = {
    Side.SOURCE: "from the source",
    Side.ENCODER: "from the encoder while the source is live",
    Side.UNKNOWN: "in the programme; the source could not be looked at",
}


def is_black(sample: PictureSample) -> bool | None:
    if sample.dark_share >= BLACK_SHARE:
        return True
    return False if sample.light_share >= LIGHT_SHARE else None


def is_still(sample: PictureSample) -> bool | None:
    if sample.change is None or STILL_MAX < sample.change < MOVES_MIN:
        return None
    return sample.change <= STILL_MAX


def is_silent(sample: SoundSample) -> bool | None:
    if sample.rms_dbfs <= SILENT_RMS_DBFS and sample.peak_dbfs <= SILENT_PEAK_DBFS:
        return True
    return False if sample.rms_dbfs >= SOUNDS_RMS_DBFS else None


@dataclass(frozen=True, slots=True)
class Reach:
    """How far each side has come on the timeline, and the source's sound; None: it does not run, or has none."""

    source_ms: int | None
    programme_ms: int | None
    source_sound_ms: int | None


class ContentWatch:
    """One stream."""

    def __init__(self) -> None:
        self._source = {fault: Run() for fault in _HOLD}
        self._programme = {fault: Run() for fault in _HOLD}
        self._active: dict[tuple[Fault, Side], None] = {}

    def see(self, sample: PictureSample, *, is_source: bool) -> None:
        runs = self._source if is_source else self._programme
        black = is_black(sample)
        runs[Fault.BLACK_PICTURE].add(sample.at_ms, black)
        # A black picture has nothing that could move.
        still = None if black else is_still(sample)
        run = runs[Fault.FROZEN_PICTURE]
        if sample.compared_ms is not None and run.last_ms in (None, sample.compared_ms):
            # What two pictures say is true of the time between them.
            run.add(sample.compared_ms + 1, still)
        run.add(sample.at_ms, still)

    def hear(self, sample: SoundSample, *, is_source: bool) -> None:
        runs = self._source if is_source else self._programme
        runs[Fault.SILENT_AUDIO].add(sample.at_ms, is_silent(sample))

    def begin_programme(self) -> None:
        """Another worker speaks: what the one before made says nothing of it."""
        for run in self._programme.values():
            run.clear()
        self._active = {key: None for key in self._active if key[1] is Side.SOURCE}

    @property
    def is_suspicious(self) -> bool:
        """The programme may be bad: the source is to be looked at closely, however far its key frames lie apart."""
        return any(run.is_bad_now for run in self._programme.values())

    def judge(self, reach: Reach) -> tuple[Finding, ...]:
        found: dict[tuple[Fault, Side], Finding] = {}
        for fault in _HOLD:
            for side, lasted_ms in self._judge(fault, reach):
                found[fault, side] = _finding(fault, side, lasted_ms)
        for fault, side in self._active:
            if (fault, side) not in found and not self._is_over(fault, side, reach):
                found[fault, side] = _finding(fault, side, _HOLD[fault])
        self._active = dict.fromkeys(found)
        return tuple(found.values())

    def _judge(self, fault: Fault, reach: Reach) -> list[tuple[Side, int]]:
        source, programme, hold_ms = self._source[fault], self._programme[fault], _HOLD[fault]
        verdicts: list[tuple[Side, int]] = []
        if reach.source_ms is not None:
            lasted_ms = source.bad_for_ms(reach.source_ms, hold_ms)
            # A still slide with somebody who speaks is what many streams are.
            if lasted_ms is not None and (fault is not Fault.FROZEN_PICTURE or self._source_is_silent(reach)):
                verdicts.append((Side.SOURCE, lasted_ms))
        now_ms = reach.programme_ms
        lasted_ms = None if now_ms is None else programme.bad_for_ms(now_ms, hold_ms)
        if now_ms is None or lasted_ms is None:
            return verdicts
        same = source.agrees(now_ms - hold_ms, now_ms)
        if same is False:
            verdicts.append((Side.ENCODER, lasted_ms))
        elif (
            same is None
            and not verdicts
            and lasted_ms >= UNKNOWN_AFTER * hold_ms
            and self._is_unseen(fault, now_ms)
        ):
            verdicts.append((Side.UNKNOWN, lasted_ms))
        return verdicts

    def _source_is_silent(self, reach: Reach) -> bool:
        now_ms, sound_ms = reach.source_ms, reach.source_sound_ms
        if now_ms is None:
            return False
        if sound_ms is None or now_ms - sound_ms >= FROZEN_MS:
            return True
        return self._source[Fault.SILENT_AUDIO].bad_for_ms(now_ms, FROZEN_MS) is not None

    def _is_unseen(self, fault: Fault, now_ms: int) -> bool:
        """Nobody could look at the source; what was seen and is neither bad nor well is no fault of anybody."""
        if fault is Fault.FROZEN_PICTURE:
            return False
        last_ms = self._source[fault].last_ms
        return last_ms is None or last_ms < now_ms - _HOLD[fault]

    def _is_over(self, fault: Fault, side: Side, reach: Reach) -> bool:
        if side is Side.SOURCE:
            still_silent = fault is not Fault.FROZEN_PICTURE or self._source_is_silent(reach)
            return reach.source_ms is None or not still_silent or self._source[fault].is_over(reach.source_ms)
        now_ms = reach.programme_ms
        if now_ms is None or self._programme[fault].is_over(now_ms):
            return True
        # The source has become so too: nobody is to blame any more.
        return side is Side.ENCODER and self._source[fault].agrees(now_ms - _HOLD[fault], now_ms) is True


def _finding(fault: Fault, side: Side, lasted_ms: int) -> Finding:
    lasted_s = lasted_ms / 1000
    return Finding(fault, side, lasted_s, f"{_WORDS[fault]} {_WHOSE[side]} for {lasted_s:.0f} s", lasted_s)
