"""What is told of a channel's workers and their switches, measured reports included.

Leaves the switches themselves to `worker_seat`, the measuring to `switch_report`.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from datetime import datetime
from typing import Final, Protocol

from app.domain.failover import SwitchKind, SwitchReport
from app.domain.ladder import AUDIO_TRACK, AudioMode, Ladder
from app.domain.link import Fact, StandbyReady, Switched, SwitchMeasured, WorkerDown
from app.domain.stream import ChannelPlan
from app.media.arrival import Arrival, arrive
from app.media.feed import WorkerLink
from app.media.programme import Programme
from app.media.ring import ReplayRing
from app.media.seat_events import Abandoned, Before, Gave, Lost, Planned, Proved, Released, SeatEvent
from app.media.selection import frame_positions
from app.media.source import Source
from app.media.switch import OutputSwitch
from app.media.switch_report import SwitchMeter
from app.media.timeline import Timeline

KEPT: Final = 16
"""Reports for a control that was away."""


class Told(Protocol):
    """What is asked of the channel."""

    plan: ChannelPlan
    shown_plan: ChannelPlan
    programme: Programme
    ring: ReplayRing
    source: Source
    switch: OutputSwitch
    timeline: Timeline
    tell: Callable[[Fact], None]
    utc_now: Callable[[], datetime]

    def plan_of(self, generation: int) -> ChannelPlan: ...


class SwitchLog:
    """`meter` measures the switch that goes on, `reports` are the last ones, oldest first.

    `on_caught_up` is called when the new worker is as near to the source as the one before.
    """

    def __init__(self, channel: Told, *, on_caught_up: Callable[[], None]) -> None:
        self._channel = channel
        self._on_caught_up = on_caught_up
        self._gave: Gave | None = None
        self._at: datetime | None = None
        self._speaks_next: int | None = None
        """The generation that is new in what is measured now."""
        self._headers: dict[str, bytes | None] = {}
        self.meter: SwitchMeter | None = None
        self.reports: deque[SwitchReport] = deque(maxlen=KEPT)
        self.switched: Counter[SwitchKind] = Counter()

    def on_event(self, event: SeatEvent) -> None:
        match event:
            case Lost(before=Before(link=link) as was, loss=loss) if link is not None:
                self._tell_down(link, loss.reason)
                # One that had not caught up yet was lost in turn.
                self._end(loss.at_s)
                self._begin(was, self._channel.shown_plan.ladder)
            case Released(link=link, reason=reason):
                self._tell_down(link, reason)
            case Proved():
                self._tell_ready(event)
            case Gave():
                self._on_gave(event)
            case Planned(gave=gave):
                self._end(gave.decided_s)
                self._begin(gave.before, self._channel.plan_of(gave.link.generation).ladder)
                self._speaks_next = gave.link.generation
            case Abandoned(gave=gave):
                self._gave, self._at = gave, self._channel.utc_now()
                self._end(None)

    def on_source(self, arrival: Arrival) -> None:
        """Call while there is a `meter`: what the source brought."""
        if self.meter is not None:
            self.meter.source.add((arrival,))

    def on_frames(self, track: str, arrival: Arrival, generation: int, now_s: float) -> None:
        """Call while there is a `meter`: what the switch let through."""
        meter = self.meter
        positions = frame_positions(arrival)
        if meter is None or not positions:
            return
        source = self._channel.source
        newest_ms = source.newest_audio_ms if track == AUDIO_TRACK else source.newest_video_ms
        is_new = generation == self._speaks_next
        meter.passed(track, positions, now_s, newest_ms=newest_ms, is_new=is_new)
        self.tick(now_s)

    def tick(self, now_s: float) -> None:
        if self.meter is not None and self._gave is not None and self.meter.is_over(now_s):
            self._end(now_s)

    def close(self, now_s: float) -> None:
        """The stream is over: what was measured so far is told."""
        self._end(now_s)

    # --- measuring -------------------------------------------------------------------------------------

    def _begin(self, before: Before, ladder: Ladder) -> None:
        """Measure from now on; `before` is who spoke until then, `ladder` what is shown after it."""
        channel = self._channel
        has_picture = channel.source.newest_video_ms is not None
        self.meter = meter = SwitchMeter(
            before,
            rates={each.name: each.frame_rate for each in ladder.renditions} if has_picture else {},
            interval_ms=channel.plan.timing.keyframe_interval_ms,
            has_sound=ladder.audio.mode is not AudioMode.OFF,
        )
        around = channel.timeline.around
        meter.source.add(
            arrive(batch, lambda stamps: [around(stamp) for _, stamp in stamps])
            for batch in channel.ring.replay(None)
        )
        self._headers = {each.name: channel.programme.header(each.name) for each in ladder.renditions}

    def _on_gave(self, event: Gave) -> None:
        if self._gave is not None:
            # The one before had not caught up when it was replaced in turn.
            self._end(event.decided_s)
        if self.meter is None or self.meter.before != event.before:
            self._begin(event.before, self._channel.shown_plan.ladder)
        assert self.meter is not None, "it has just begun"
        self.meter.decided(event.decided_s)
        self._gave, self._at = event, self._channel.utc_now()
        self._speaks_next = event.link.generation
        self.switched[event.kind] += 1
        if event.kind is not SwitchKind.REPLACED:
            self._tell_switched(event)

    def _end(self, now_s: float | None) -> None:
        """Tell what was measured; `now_s` is None when the new worker never was to be heard."""
        meter, gave, at = self.meter, self._gave, self._at
        self.meter = self._gave = self._at = self._speaks_next = None
        if meter is None or gave is None or at is None:
            return
        if meter.has_caught_up:
            self._on_caught_up()
        report = self._report(meter, gave, at, now_s)
        self.reports.append(report)
        self._channel.tell(SwitchMeasured(report.stream_id, report))

    def _report(self, meter: SwitchMeter, gave: Gave, at: datetime, now_s: float | None) -> SwitchReport:
        was, channel = gave.before.link, self._channel
        times = meter.times(detected_s=gave.detected_s, is_planned=gave.kind is SwitchKind.PLANNED, now_s=now_s)
        now_known = {name: channel.programme.header(name) for name in self._headers}
        return SwitchReport(
            stream_id=channel.plan.stream_id,
            generation=gave.link.generation,
            from_generation=gave.before.generation,
            from_worker_id=was.worker_id if was is not None else None,
            to_worker_id=gave.link.worker_id,
            from_encoder_id=was.encoder_id if was is not None else None,
            to_encoder_id=gave.link.encoder_id,
            kind=gave.kind,
            grade=gave.grade,
            cause=gave.cause,
            evidence=gave.evidence,
            decided_by=gave.decided_by,
            at=at,
            proved=gave.is_proved,
            detected_ms=times.detected_ms,
            decided_ms=times.decided_ms,
            first_frame_ms=times.first_frame_ms,
            stall_ms=times.stall_ms,
            catch_up_ms=times.catch_up_ms,
            tracks=meter.splices(),
            parameters_changed=any(
                old is not None and old != now_known[name] for name, old in self._headers.items()
            ),
            complete=now_s is not None and (meter.has_caught_up or meter.is_idle),
        )

    # --- telling ---------------------------------------------------------------------------------------

    def _tell_down(self, link: WorkerLink, reason: str) -> None:
        channel = self._channel
        channel.tell(WorkerDown(channel.plan.stream_id, link.worker_id, link.generation, channel.utc_now(), reason))

    def _tell_ready(self, event: Proved) -> None:
        channel, link = self._channel, event.link
        known = {track: channel.programme.header(track) for track in event.headers if track != AUDIO_TRACK}
        same = None
        if known and None not in known.values():
            same = all(event.headers[track].payload == payload for track, payload in known.items())
        at, stream_id = channel.utc_now(), channel.plan.stream_id
        channel.tell(StandbyReady(stream_id, link.worker_id, link.generation, at, same))

    def _tell_switched(self, event: Gave) -> None:
        channel, before = self._channel, event.before
        channel.tell(
            Switched(
                channel.plan.stream_id,
                channel.utc_now(),
                before.link.worker_id if before.link is not None else None,
                before.generation,
                event.link.worker_id,
                event.link.generation,
                event.kind,
                event.cause,
                event.evidence,
                event.decided_by,
            )
        )
