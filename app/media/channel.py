"""One stream's room: the publisher's packets come in, the programme goes out.

Composes the pure parts (timeline, ring, switch, fan-out, packager) and holds none of their rules. Each call is made
on the event loop and returns at once; sockets belong to the doors, destinations and recordings to their own parts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from aiortmp import MediaBatch
from app.domain.errors import Conflict
from app.domain.failover import SwitchKind
from app.domain.link import (
    ChannelReading,
    DestinationReading,
    Fact,
    ProgrammeUp,
    RunningChannel,
    SourceDown,
    SwitchStream,
    WorkerUp,
)
from app.domain.stream import ChannelPlan, Input, SlateMode, StandbyGrade, StreamMode
from app.media.arrival import Arrival, arrive
from app.media.fanout import Outlet
from app.media.feed import SourceNow, WorkerLink, without_words
from app.media.input_log import InputLog
from app.media.inputs import Inputs
from app.media.join import Headers
from app.media.programme import Programme, track_names
from app.media.ring import ReplayRing
from app.media.seat_events import Abandoned, Reason, SeatEvent
from app.media.source import Publisher, Source
from app.media.speaker import Stage
from app.media.switch import OutputSwitch
from app.media.switch_log import SwitchLog
from app.media.timeline import Timeline
from app.media.worker_seat import WorkerSeat

DRAIN_S: Final = 1.0
"""After the publisher is gone its last frames come back from the worker; then what is open is closed."""
SLATE_AFTER_S: Final = 0.5
"""A source that is silent for longer is not only late: the slate is shown, if the stream asks for one."""
_OFF: Final = SlateMode.OFF
"""Looked up once: on the road of every packet."""
LIVE_IN_USE: Final = "this key is publishing already; stop the other encoder first"


class Channel:
    """`tell` takes facts. `monotonic` and `utc_now` are the clock, handed in."""

    def __init__(
        self,
        plan: ChannelPlan,
        *,
        tell: Callable[[Fact], None],
        monotonic: Callable[[], float],
        utc_now: Callable[[], datetime],
    ) -> None:
        self.plan = plan
        self.shown_plan = plan
        """The plan with the ladder that is shown now: that of the worker that speaks."""
        self.outputs_changed = False
        """What is sent away is to be looked at again: the tracks have changed."""
        self.tell = tell
        self._monotonic = monotonic
        self.utc_now = utc_now
        self._passthrough = plan.mode is StreamMode.PASSTHROUGH
        self.source = Source()
        self.inputs = Inputs()
        self.headers = Headers()
        self.timeline = Timeline()
        self.ring = ReplayRing(max_bytes=plan.timing.ring_max_bytes, max_s=plan.timing.ring_max_s)
        self.switch = OutputSwitch(track_names(plan))
        self.programme = Programme(plan)
        self.switches = SwitchLog(self, on_caught_up=lambda: self.worker.settle())
        self.input_log = InputLog(self, self.switches.reports, monotonic=monotonic)
        stage = Stage(
            timeline=self.timeline,
            switch=self.switch,
            ring=self.ring,
            headers=self.headers,
            look=lambda: self._source_now(self._monotonic()),
            on_frames=self._on_frames,
        )
        self.worker = WorkerSeat(stage, on_event=self._on_seat_event, on_turn=self._on_turn)
        self._programme_s: float | None = None
        self._programme_generation: int | None = None
        self._pause_at_s: float | None = None
        self._slate = SlateMode.OFF
        """What the worker shows instead of a source right now."""
        self._wall_ms = 0
        self._now_s = 0.0
        self.ended = False

    # --- plan ------------------------------------------------------------------------------------------

    def apply(self, plan: ChannelPlan) -> None:
        """Go on under a newer plan. The mode and timing of a running channel stay; the ladder may change."""
        self.plan = plan
        self._adopt(self.switch.generation)
        self.worker.keep(plan.active, plan.standby)

    def plan_of(self, generation: int) -> ChannelPlan:
        """The plan with the ladder that this generation encodes."""
        plan = self.plan
        if plan.standby is None or plan.standby_ladder is None or plan.standby.generation != generation:
            return plan
        return replace(plan, ladder=plan.standby_ladder)

    def _adopt(self, generation: int) -> None:
        """The programme is what this generation encodes."""
        self.shown_plan = self.plan_of(generation)
        names = track_names(self.shown_plan)
        if self.worker.is_switching:
            names = tuple(dict.fromkeys((*names, *self.switch.start_after())))
        self.switch.retrack(names)
        self.programme.apply(self.shown_plan)

    def _on_turn(self, generation: int) -> None:
        """`generation` is about to speak."""
        if self.plan_of(generation) != self.shown_plan:
            self._adopt(generation)
            self.outputs_changed = True

    def _on_seat_event(self, event: SeatEvent) -> None:
        if isinstance(event, Abandoned):
            self._adopt(self.switch.generation)
        self.switches.on_event(event)

    @property
    def track_names(self) -> tuple[str, ...]:
        """The tracks that the plan's workers publish; a standby that is to change the picture has others."""
        plan = self.plan
        other = plan if plan.standby_ladder is None else replace(plan, ladder=plan.standby_ladder)
        return tuple(dict.fromkeys((*track_names(plan), *track_names(other))))

    def running(self) -> RunningChannel:
        standby = self.worker.standby
        return RunningChannel(
            self.plan.stream_id,
            self.plan.revision,
            self.switch.generation,
            self.source.told,
            standby_generation=standby.feed.link.generation if standby is not None and standby.is_ready else None,
            reports=tuple(self.switches.reports),
        )

    # --- publisher -------------------------------------------------------------------------------------

    def refusal(self, now_s: float, name: Input = Input.MAIN) -> str | None:
        """Why nobody may publish on this input now, or None. A publisher that is as good as gone is no reason."""
        self.inputs.flowed(self.source.last_data_s)
        return LIVE_IN_USE if self.inputs.is_taken(name, now_s) else None

    def sit_down(self, publisher: Publisher, name: Input = Input.MAIN) -> None:
        """`publisher` has shown the key of an input: its packets come from now on. A half-dead one is cut.

        They are the source's, unless the other input is the source.
        """
        now_s = self._monotonic()
        self.inputs.flowed(self.source.last_data_s)
        old = self.inputs.sit_down(name, publisher, now_s)
        if self.inputs.is_source(publisher):
            if self.source.is_up:
                self._lose_source("replaced by a new connection of the publisher")
            self._change_source(publisher, now_s)
        if old is not None:
            old.close("replaced by a new connection with the same key")

    def leave(self, publisher: Publisher, reason: str) -> None:
        """The publisher's connection is over. The channel stays for its return."""
        if self.inputs.leave(publisher):
            self._lose_source(reason)
            self._pause_at_s = self._monotonic() + (0 if self._passthrough else DRAIN_S)

    def on_source(self, publisher: Publisher, batch: MediaBatch) -> None:
        """What one read of the publisher brought: the road of every packet."""
        source = self.source
        if source.publisher is not publisher:
            self._on_waiting(publisher, batch)
            return
        self._now_s = now_s = self._monotonic()
        if self._slate is not _OFF:
            # What was shown meanwhile has taken its time; the publisher's clock may know nothing of it.
            self.timeline.begin(least_ms=self.timeline.position_ms(now_s) or 0)
        arrival = arrive(batch, self._place)
        if arrival.headers and not self._passthrough:
            arrival = without_words(arrival)
        source.take(arrival, now_s)
        if source.told is None and arrival.frames:
            self.tell(source.announce(self.plan.stream_id, self.utc_now(), self.inputs.source or Input.MAIN))
        if self.input_log.begins:
            self.input_log.on_first(arrival, now_s)
        if arrival.headers:
            for index in arrival.headers:
                self.headers.learn(arrival.batch[index])
        if self._passthrough:
            self._shown(arrival, now_s)
            self.programme.push_source(arrival)
        else:
            self.ring.put(arrival, has_video=self.headers.has_video)
            if self.switches.meter is not None:
                self.switches.on_source(arrival)
            self.worker.push_source(arrival, self._source_now(now_s))
            if self._slate is not _OFF and arrival.frames:
                # Its worker hears of it by these packets.
                self._slate = SlateMode.OFF
                self.worker.slate_over()

    def _on_waiting(self, publisher: Publisher, batch: MediaBatch) -> None:
        """Packets of the input that is not the source. It becomes the source when that one is given up."""
        now_s = self._monotonic()
        arrival = arrive(batch, lambda stamps: [stamp for _, stamp in stamps])
        self.inputs.flowed(self.source.last_data_s)
        headers = self.inputs.waiting(publisher, arrival, now_s)
        if headers is None:
            return
        self.input_log.give_up(now_s)
        self._change_source(publisher, now_s)
        first = arrival.key or 0
        self.on_source(publisher, MediaBatch.of([*headers.messages(batch[first].timestamp), *batch[first:]]))

    def _change_source(self, publisher: Publisher, now_s: float) -> None:
        self.source.sit_down(publisher, now_s)
        self.input_log.sat_down(self.inputs.of(publisher) or Input.MAIN)
        self.timeline.begin()
        if self._pause_at_s is not None:
            self._pause_at_s = None
            if self._passthrough:
                # Encoded frames join those before: the last of them may still be at the worker.
                self.programme.pause()

    def _lose_source(self, reason: str) -> None:
        told, now_s = self.source.told, self._monotonic()
        self.input_log.lost(now_s, reason)
        self.source.leave(now_s)
        if told is not None:
            self.tell(SourceDown(self.plan.stream_id, self.utc_now(), reason))

    # --- worker ----------------------------------------------------------------------------------------

    def unseated(self, link: WorkerLink) -> str | None:
        """Why this worker gets no seat, or None. The plan may have changed since it came in."""
        if self.ended:
            return "the stream is over"
        grants = (self.plan.active, self.plan.standby)
        if not any(g and (g.worker_id, g.generation) == (link.worker_id, link.generation) for g in grants):
            return "the plan does not name this worker any more"
        return "a newer generation is encoding" if link.generation < self.switch.generation else None

    def feed(self, link: WorkerLink, outlet: Outlet) -> bool:
        """A worker asks for the source, to speak or to stand by; False when it may not, see `unseated`."""
        if self.unseated(link) is not None:
            return False
        grant = self.plan.standby
        if grant is not None and self.switch.generation < link.generation == grant.generation:
            # What makes another picture has nothing in common with the one who speaks.
            grade = self.plan.grade if self.plan.standby_ladder is None else StandbyGrade.WARM
            self.worker.stand_by(link, outlet, grade)
            return True
        self.worker.feed(link, outlet)
        self.tell(WorkerUp(self.plan.stream_id, link.worker_id, link.generation, self.utc_now()))
        return True

    def switch_to(self, order: SwitchStream) -> None:
        """Give the stream to its standby. Raises Conflict when that standby is not there or not proved."""
        if order.generation == self.switch.generation:
            return
        standby = self.worker.standby
        if standby is None or standby.feed.link.generation != order.generation or not standby.is_ready:
            raise Conflict(f"the standby of generation {order.generation} does not stand ready")
        to_come = track_names(self.plan_of(order.generation))
        # Until all have gone over, the programme is that of both.
        self.switch.retrack(tuple(dict.fromkeys((*track_names(self.shown_plan), *to_come))))
        self.worker.switch_to_standby(
            Reason(SwitchKind.PLANNED, order.cause, order.decided_by),
            to_come,
            self.plan.timing,
            # A slate has no borders to come: each worker makes its own.
            at_border=order.at_border and self.source.is_up and self._slate is SlateMode.OFF,
        )

    def on_track(self, link: WorkerLink, track: str, batch: MediaBatch) -> None:
        """What one read of a worker brought on one track."""
        self.worker.take(link, track, batch, self._source_now(self._monotonic()))

    # --- time ------------------------------------------------------------------------------------------

    def tick(self, now_s: float) -> None:
        """Several times a second: stalls, and the end of a programme whose publisher stays away."""
        self.worker.check(now_s)
        self.switches.tick(now_s)
        self._watch_silence(now_s)
        if self._pause_at_s is not None and now_s >= self._pause_at_s:
            self._pause_at_s = None
            self.programme.pause()
        lost_at_s = self.source.lost_at_s
        if lost_at_s is not None and now_s - lost_at_s > self.plan.timing.reconnect_window_s:
            self.source.lost_at_s = None
            self._show(SlateMode.OFF)
            self.programme.end()
            self.input_log.forget()

    def _watch_silence(self, now_s: float) -> None:
        """Show the slate once the source is silent; it stays until packets come or the reconnect window ends."""
        wanted = self.plan.slate
        if wanted is SlateMode.OFF or self._passthrough or self._slate is not SlateMode.OFF:
            return
        if self.programme.begun and now_s - self.source.last_data_s > SLATE_AFTER_S:
            # Nothing is over: what is open stays open.
            self._pause_at_s = None
            self._show(wanted)

    def _show(self, mode: SlateMode) -> None:
        if mode is not self._slate:
            self._slate = mode
            self.worker.slate(mode)

    @property
    def due(self) -> float | None:
        """When `tick` may have something to do that can't wait for its turn."""
        return self.worker.due

    def end(self, reason: str) -> None:
        """The stream is over: let the publisher and the worker go, close the playlists."""
        self.ended = True
        for publisher in self.inputs.publishers():
            self.leave(publisher, reason)
            publisher.close(reason)
        self.switches.close(self._monotonic())
        self.worker.clear(reason)
        self.programme.end()
        self.ring.clear()
        self.programme.dismiss(reason)

    def reading(self, destinations: Sequence[DestinationReading], recording_bytes: int | None) -> ChannelReading:
        """The state of the last interval; rates are measured from call to call."""
        now_s = self._monotonic()
        self.inputs.flowed(self.source.last_data_s)
        self.source.meter.close_interval(now_s)
        meter = self.source.meter
        newest, shown = self.timeline.newest_ms, self.programme.newest_ms
        return ChannelReading(
            stream_id=self.plan.stream_id,
            at=self.utc_now(),
            source_up=self.source.is_up,
            source_bps=meter.bps if self.source.is_up else None,
            source_fps=meter.fps if self.source.is_up else None,
            source_frames=meter.frames,
            source_gaps=self.timeline.breaks,
            ring_bytes=self.ring.size_bytes,
            ring_s=self.ring.span_s,
            tracks=self.programme.readings(now_s),
            viewers=self.programme.viewers,
            viewer_frames_dropped=self.programme.dropped,
            programme_lag_ms=None if newest is None or shown is None else float(max(0, newest - shown)),
            destinations=tuple(destinations),
            recording_bytes=recording_bytes,
            inputs=self.inputs.readings(now_s),
        )

    # --- inside ----------------------------------------------------------------------------------------

    def _place(self, stamps: Sequence[tuple[int, int]]) -> list[int]:
        timeline = self.timeline
        if timeline.zero_wall_ms is None:
            self._wall_ms = round(self.utc_now().timestamp() * 1000)
        placed = timeline.place(stamps, now_s=self._now_s, wall_ms=self._wall_ms)
        if placed and not self.programme.begun:
            assert timeline.zero_wall_ms is not None, "the first frame sets it"
            self.programme.begin(timeline.zero_wall_ms)
        return placed

    def _source_now(self, now_s: float) -> SourceNow:
        return SourceNow(now_s, self.source.newest_video_ms, self.source.newest_audio_ms)

    def _on_frames(self, track: str, arrival: Arrival, generation: int) -> None:
        now_s = self._monotonic()
        self._shown(arrival, now_s)
        self.programme.push_track(track, arrival)
        if self.switches.meter is not None:
            self.switches.on_frames(track, arrival, generation, now_s)
        returned = self.switch.returned_ms(self.source.newest_video_ms, self.source.newest_audio_ms)
        if returned is not None:
            self.ring.release(returned)

    def _shown(self, arrival: Arrival, now_s: float) -> None:
        """Note that frames go out; tell it when they are the first of a generation."""
        if not arrival.video_frames and not arrival.audio_frames:
            return
        if self._programme_generation != self.switch.generation:
            self._programme_generation = self.switch.generation
            stall_ms = None if self._programme_s is None else (now_s - self._programme_s) * 1000
            self.tell(ProgrammeUp(self.plan.stream_id, self.switch.generation, self.utc_now(), stall_ms))
        self._programme_s = now_s
