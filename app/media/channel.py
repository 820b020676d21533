"""One stream's room: the publisher's packets come in, the programme goes out.

Composes the pure parts (timeline, ring, switch, fan-out, packager) and holds none of their rules. Each call is made
on the event loop and returns at once; sockets belong to the doors, destinations and recordings to their own parts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

from aiortmp import MediaBatch, MessageType
from app.domain.link import (
    ChannelReading,
    DestinationReading,
    Fact,
    ProgrammeUp,
    RunningChannel,
    SourceDown,
    SourceUp,
    WorkerUp,
)
from app.domain.stream import ChannelPlan, StreamMode
from app.media.arrival import Arrival, arrive
from app.media.fanout import Outlet
from app.media.feed import SourceNow, WorkerLink, is_word
from app.media.join import Headers
from app.media.programme import Programme, track_names
from app.media.ring import ReplayRing
from app.media.selection import select
from app.media.source import Publisher, Source
from app.media.switch import OutputSwitch
from app.media.switch_log import SwitchLog
from app.media.timeline import Timeline
from app.media.worker_seat import WorkerSeat

DRAIN_S: Final = 1.0
"""After the publisher is gone its last frames come back from the worker; then what is open is closed."""
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
        self.tell = tell
        self._monotonic = monotonic
        self.utc_now = utc_now
        self._passthrough = plan.mode is StreamMode.PASSTHROUGH
        self.source = Source()
        self.headers = Headers()
        self.timeline = Timeline()
        self.ring = ReplayRing(max_bytes=plan.timing.ring_max_bytes, max_s=plan.timing.ring_max_s)
        self.switch = OutputSwitch(track_names(plan))
        self.programme = Programme(plan)
        self.switches = SwitchLog(self, on_caught_up=lambda: self.worker.settle())
        self.worker = WorkerSeat(
            timeline=self.timeline,
            switch=self.switch,
            ring=self.ring,
            headers=self.headers,
            look=lambda: self._source_now(self._monotonic()),
            on_frames=self._on_frames,
            on_event=self.switches.on_event,
        )
        self._programme_s: float | None = None
        self._programme_generation: int | None = None
        self._pause_at_s: float | None = None
        self._wall_ms = 0
        self._now_s = 0.0
        self.ended = False

    # --- plan ------------------------------------------------------------------------------------------

    def apply(self, plan: ChannelPlan) -> None:
        """Go on under a newer plan. The mode and timing of a running channel stay; the ladder may change."""
        self.plan = plan
        self.switch.retrack(track_names(plan))
        self.programme.apply(plan)
        self.worker.keep(plan.active, plan.standby)

    @property
    def track_names(self) -> tuple[str, ...]:
        """The tracks that the plan's workers publish."""
        return track_names(self.plan)

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

    def refusal(self, now_s: float) -> str | None:
        """Why nobody may publish now, or None. A publisher that is as good as gone is no reason."""
        if self.source.is_up and not self.source.may_be_replaced(now_s):
            return LIVE_IN_USE
        return None

    def sit_down(self, publisher: Publisher) -> None:
        """`publisher` has shown the key: its packets come from now on. A half-dead one before it is cut."""
        old = self.source.publisher
        if old is not None:
            self.leave(old, "replaced by a new connection of the publisher")
            old.close("replaced by a new connection with the same key")
        self.source.sit_down(publisher, self._monotonic())
        self.timeline.begin()
        if self._pause_at_s is not None:
            self._pause_at_s = None
            if self._passthrough:
                # Encoded frames join those before: the last of them may still be at the worker.
                self.programme.pause()

    def leave(self, publisher: Publisher, reason: str) -> None:
        """The publisher's connection is over. The channel stays for its return."""
        if self.source.publisher is not publisher:
            return
        told = self.source.told
        self.source.leave(self._monotonic())
        self._pause_at_s = self._monotonic() + (0 if self._passthrough else DRAIN_S)
        if told is not None:
            self.tell(SourceDown(self.plan.stream_id, self.utc_now(), reason))

    def on_source(self, publisher: Publisher, batch: MediaBatch) -> None:
        """What one read of the publisher brought: the road of every packet."""
        source = self.source
        if source.publisher is not publisher:
            return
        self._now_s = now_s = self._monotonic()
        arrival = arrive(batch, self._place)
        if arrival.headers and not self._passthrough:
            arrival = _without_words(arrival)
        source.take(arrival, now_s)
        if source.told is None and arrival.frames:
            self._announce()
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

    # --- worker ----------------------------------------------------------------------------------------

    def feed(self, link: WorkerLink, outlet: Outlet) -> bool:
        """A worker asks for the source, to speak or to stand by; False when a newer generation is fed."""
        grant = self.plan.standby
        if grant is not None and self.switch.generation < link.generation == grant.generation:
            self.worker.stand_by(link, outlet, self.plan.grade)
            return True
        if not self.worker.feed(link, outlet):
            return False
        self.tell(WorkerUp(self.plan.stream_id, link.worker_id, link.generation, self.utc_now()))
        return True

    def on_track(self, link: WorkerLink, track: str, batch: MediaBatch) -> None:
        """What one read of a worker brought on one track."""
        self.worker.take(link, track, batch, self._source_now(self._monotonic()))

    # --- time ------------------------------------------------------------------------------------------

    def tick(self, now_s: float) -> None:
        """Several times a second: stalls, and the end of a programme whose publisher stays away."""
        self.worker.check(now_s)
        self.switches.tick(now_s)
        if self._pause_at_s is not None and now_s >= self._pause_at_s:
            self._pause_at_s = None
            self.programme.pause()
        lost_at_s = self.source.lost_at_s
        if lost_at_s is not None and now_s - lost_at_s > self.plan.timing.reconnect_window_s:
            self.source.lost_at_s = None
            self.programme.end()

    @property
    def due(self) -> float | None:
        """When `tick` may have something to do that can't wait for its turn."""
        return self.worker.due

    def end(self, reason: str) -> None:
        """The stream is over: let the publisher and the worker go, close the playlists."""
        self.ended = True
        publisher = self.source.publisher
        if publisher is not None:
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

    def _announce(self) -> None:
        source = self.source
        publisher = source.publisher
        assert publisher is not None, "packets come from a publisher"
        width, height = source.size or (None, None)
        source.told = SourceUp(
            self.plan.stream_id,
            self.utc_now(),
            publisher.peer,
            source.software,
            source.video_codec,
            source.audio_codec,
            width,
            height,
        )
        self.tell(source.told)


def _without_words(arrival: Arrival) -> Arrival:
    """Without messages that only the gateway may say to its workers."""
    words = [
        index
        for index in arrival.headers
        if (message := arrival.batch[index]).type is MessageType.DATA and is_word(message.payload)
    ]
    return select(arrival, [i for i in range(len(arrival.positions)) if i not in words]) if words else arrival
