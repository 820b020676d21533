"""What is told of a channel's inputs: which one is on air, and what each change from one to the other cost.

Measures on the timeline, whose place for a new source is given by the clock: between the last picture of one input
and the first of the other lie as many as the old one would have sent at its own pace. Which input is the source is
`inputs`' business.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from app.domain.errors import Conflict
from app.domain.failover import DecidedBy, SwitchKind, SwitchReport, TrackSplice
from app.domain.ladder import AUDIO_TRACK, SOURCE_RENDITION
from app.domain.link import Fact, SwitchInput, SwitchMeasured
from app.domain.stream import ChannelPlan, Input, StandbyGrade
from app.media.arrival import Arrival
from app.media.inputs import Inputs
from app.media.source import Source
from app.media.switch import OutputSwitch
from app.media.timeline import AUDIO, VIDEO

MIN_FRAMES: Final = 4
"""A pace is known from so many frames of one publisher."""


class Told(Protocol):
    """What is asked of the channel."""

    plan: ChannelPlan
    source: Source
    inputs: Inputs
    switch: OutputSwitch
    tell: Callable[[Fact], None]
    utc_now: Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class _Before:
    """The source that ended: where it stood, and how far apart its frames were."""

    name: Input
    last_ms: int | None
    last_s: float
    step_ms: float | None
    lost_s: float
    reason: str
    other_flowed: bool
    wish: SwitchInput | None


class InputLog:
    """`begins` is True until the present source has shown its first frame: `on_first` wants to be called till then.

    `reports` are shared with those of the switches.
    """

    def __init__(self, channel: Told, reports: deque[SwitchReport], *, monotonic: Callable[[], float]) -> None:
        self._channel = channel
        self._monotonic = monotonic
        self._wish: SwitchInput | None = None
        self._reports = reports
        self._before: _Before | None = None
        self._now: Input | None = None
        self._first_ms: int | None = None
        self._first_frames = 0
        self.begins = False
        self.changed = 0

    def switch_to(self, order: SwitchInput) -> None:
        """Have the other input become the source. Raises Conflict when nothing comes there."""
        inputs, source = self._channel.inputs, self._channel.source
        inputs.flowed(source.last_data_s)
        if not inputs.wish(order.input, self._monotonic()):
            raise Conflict(f"nothing comes on the {order.input} input")
        self._wish = order

    def lost(self, now_s: float, reason: str) -> None:
        """The source is gone or given up. Only one that was shown is missed."""
        name = self._now
        if self._first_ms is None or name is None:
            return
        source, inputs = self._channel.source, self._channel.inputs
        self._before = _Before(
            name=name,
            last_ms=self._newest_ms(),
            last_s=source.last_frame_s,
            step_ms=self._step_ms(),
            lost_s=now_s,
            reason=reason,
            # One that has taken over already flowed indeed.
            other_flowed=inputs.source is not None or inputs.spare(now_s) is not None,
            wish=None if self._wish is None or self._wish.input is name else self._wish,
        )
        self._first_ms = None

    def give_up(self, now_s: float) -> None:
        """The other input goes on at once: nobody is told that there was no source."""
        self.lost(now_s, "silent: the other input took over")
        self._channel.source.leave(now_s)

    def sat_down(self, name: Input) -> None:
        """The source is on input `name` from now on."""
        self._now, self._first_ms, self.begins, self._wish = name, None, True, None
        if self._before is not None and self._before.name is name:
            self._before = None  # the same one came back

    def forget(self) -> None:
        """The programme has ended: what comes next follows nothing."""
        self._before = None

    def on_first(self, arrival: Arrival, now_s: float) -> None:
        """Packets of a source that has shown nothing yet."""
        has_video = self._channel.source.video_codec is not None
        frames, kind = (arrival.video_frames, VIDEO) if has_video else (arrival.audio_frames, AUDIO)
        if not frames:
            return
        self.begins = False
        of_kind = (ms for ms, row in zip(arrival.positions, arrival.batch.rows, strict=True) if row[0] == kind)
        # A header before the first frame stands at the same place.
        self._first_ms = next(of_kind)
        self._first_frames = self._channel.source.meter.frames - frames
        before, self._before = self._before, None
        if before is not None:
            self._tell(before, self._first_ms, now_s)

    # --- inside ----------------------------------------------------------------------------------------

    def _newest_ms(self) -> int | None:
        source = self._channel.source
        return source.newest_video_ms if source.video_codec is not None else source.newest_audio_ms

    def _step_ms(self) -> float | None:
        """The mean distance of its frames since it sat down; None: too few to tell."""
        frames, newest_ms = self._channel.source.meter.frames - self._first_frames, self._newest_ms()
        if frames < MIN_FRAMES or newest_ms is None or self._first_ms is None or newest_ms <= self._first_ms:
            return None
        return (newest_ms - self._first_ms) / (frames - 1)

    def _tell(self, before: _Before, first_ms: int, now_s: float) -> None:
        report = self._report(before, first_ms, now_s)
        self.changed += 1
        self._reports.append(report)
        self._channel.tell(SwitchMeasured(report.stream_id, report))

    def _report(self, before: _Before, first_ms: int, now_s: float) -> SwitchReport:
        channel, wish = self._channel, before.wish
        first_frame_ms = round((now_s - before.last_s) * 1000, 3)
        lost_ms = round((before.lost_s - before.last_s) * 1000, 3)
        track = SOURCE_RENDITION if channel.source.video_codec is not None else AUDIO_TRACK
        missing = _missing(before, first_ms)
        return SwitchReport(
            stream_id=channel.plan.stream_id,
            generation=channel.switch.generation,
            from_generation=channel.switch.generation,
            from_worker_id=None,
            to_worker_id=None,
            from_encoder_id=None,
            to_encoder_id=None,
            kind=SwitchKind.INPUT,
            grade=StandbyGrade.HOT if before.other_flowed else StandbyGrade.COLD,
            cause=before.reason if wish is None else wish.cause,
            evidence=_evidence(before, first_ms),
            decided_by=DecidedBy.GATEWAY if wish is None else wish.decided_by,
            at=channel.utc_now(),
            proved=before.other_flowed,
            detected_ms=lost_ms if wish is None else None,
            decided_ms=first_frame_ms,
            first_frame_ms=first_frame_ms,
            stall_ms=first_frame_ms,
            catch_up_ms=first_frame_ms,
            tracks=(TrackSplice(track, before.last_ms, first_ms, missing, 0),),
            complete=True,
            from_input=before.name,
            to_input=self._now,
        )


def _missing(before: _Before, first_ms: int) -> int | None:
    if before.last_ms is None or before.step_ms is None:
        return None
    return max(0, round((first_ms - before.last_ms) / before.step_ms) - 1)


def _evidence(before: _Before, first_ms: int) -> str:
    if before.last_ms is None or before.step_ms is None:
        return "too few frames came before to know their pace"
    gap_ms = first_ms - before.last_ms
    return f"{gap_ms} ms between the last picture and the first, at one each {before.step_ms:.1f} ms"
