"""The seats of a channel's workers: one speaks, one stands by. Feeds them the source, takes what they encoded
through the output switch, and gives the stream to the standby when the one who speaks is lost.

A newer generation takes over when its feed begins, not when it is announced, so the old one speaks until then.
Leaves to the door how a worker proves who it is, to `reflex` the verdict on a loss, to `switch` what may pass.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from aiortmp import MediaBatch
from app.domain.failover import DecidedBy, SwitchKind
from app.domain.ladder import AUDIO_TRACK
from app.domain.stream import SlateMode, StandbyGrade, WorkerGrant
from app.media.arrival import Arrival, arrive
from app.media.fanout import Outlet
from app.media.feed import Feed, SourceNow, StartAfter, WorkerLink
from app.media.handover import Word
from app.media.join import Headers
from app.media.planned import PlannedSwitch, newest
from app.media.progress import PROVED_START_S, START_S, WorkerProgress
from app.media.reflex import Loss, Reflex, on_loss
from app.media.ring import ReplayRing
from app.media.seat_events import (
    Abandoned,
    Before,
    Gave,
    Lost,
    Planned,
    Proved,
    Released,
    SeatEvent,
    TrackBefore,
)
from app.media.selection import select
from app.media.standby import Standby
from app.media.switch import OutputSwitch
from app.media.timeline import AUDIO, VIDEO, Timeline

UNREAD = "the worker does not read its feed"


class WorkerSeat:
    """`on_frames(track, arrival, generation)` hears what passed the switch, `on_event` what became of workers.

    `look` tells the time and how far the source is.
    """

    def __init__(
        self,
        *,
        timeline: Timeline,
        switch: OutputSwitch,
        ring: ReplayRing,
        headers: Headers,
        look: Callable[[], SourceNow],
        on_frames: Callable[[str, Arrival, int], None],
        on_event: Callable[[SeatEvent], None],
    ) -> None:
        self._timeline = timeline
        self._switch = switch
        self._ring = ring
        self._headers = headers
        self._look = look
        self._on_frames = on_frames
        self._on_event = on_event
        self._active: Feed | None = None
        self._progress: dict[str, WorkerProgress] = {}
        self._standby: Standby | None = None
        self._slate = SlateMode.OFF
        self._planned: PlannedSwitch | None = None
        """A switch to `_standby` that goes on."""
        self._awaited: set[str] = set()
        """Tracks of a worker that was fed anew: until its next sequence header comes, it is the feed before."""
        self._lost: Lost | None = None
        """The last one who spoke, lost, while nobody follows."""

    # --- who sits here ---------------------------------------------------------------------------------

    @property
    def link(self) -> WorkerLink | None:
        """The worker that speaks."""
        return self._active.link if self._active is not None else None

    @property
    def standby(self) -> Standby | None:
        return self._standby

    @property
    def is_bereft(self) -> bool:
        """The worker that spoke was lost, and nobody has come since."""
        return self._lost is not None

    def feed(self, link: WorkerLink, outlet: Outlet) -> bool:
        """`link` speaks from now on; False when a newer generation does. The one before it is told to go."""
        was, orphaned = self._before(), self._lost
        if not self._switch.hand_over(link.generation):
            return False
        self._release(f"replaced by generation {link.generation}")
        standby = self._standby
        if standby is not None and standby.feed.link.generation <= link.generation:
            self.remove_standby(f"generation {link.generation} speaks")
        feed = Feed(link, outlet)
        self._sit(feed, START_S)
        self._replay(feed, self._switch.start_after())
        self._go_on_with_slate()
        self._lost = None
        if orphaned is not None or was.link is not None:
            loss, kind, by = orphaned.loss if orphaned is not None else None, SwitchKind.REPLACED, DecidedBy.CONTROL
            self._on_event(self._gave(was, loss, link=link, kind=kind, cause="replaced by control", by=by))
        return True

    def stand_by(self, link: WorkerLink, outlet: Outlet, grade: StandbyGrade) -> None:
        """`link` waits for its turn, which has come when the one who spoke is lost."""
        self.remove_standby(f"generation {link.generation} stands by")
        feed = Feed(link, outlet)
        if self._lost is not None:
            self._give(feed, None, self._lost.before, self._lost.loss, verdict=Reflex.FEED)
            return
        self._standby = Standby(feed, grade)
        start_after = self._switch.start_after()
        self._standby.enter(self._headers, self._ring, position_ms=self._position_ms, start_after=start_after)

    def keep(self, active: WorkerGrant | None, standby: WorkerGrant | None) -> None:
        """A newer plan names these two. It may not know yet that the stream was given to its standby."""
        waits = self._standby
        if waits is None:
            return
        link = waits.feed.link
        if active is not None and active.generation == link.generation:
            if self._planned is not None:
                return
            self._standby, loss = None, self._lost.loss if self._lost is not None else None
            self._give(waits.feed, waits, self._before(), loss, kind=SwitchKind.REPLACED, by=DecidedBy.CONTROL)
        elif standby is None or (standby.worker_id, standby.generation) != (link.worker_id, link.generation):
            self.remove_standby("the plan does not name it any more")

    def switch_to_standby(
        self, cause: str, by: DecidedBy, *, segment_ms: int, interval_ms: int, at_border: bool
    ) -> None:
        """Give the stream to the standby by order: at the next segment border, or at once."""
        standby, now = self._standby, self._look()
        assert standby is not None, "the caller has looked"
        if self._planned is not None:
            return
        was = self._before()
        if not at_border or self._active is None or newest(now) is None:
            self._standby, lost = None, self._lost
            self._give(
                standby.feed,
                standby,
                was,
                lost.loss if lost is not None else None,
                kind=SwitchKind.PLANNED,
                cause=cause,
                by=by,
            )
            return
        gave = self._gave(
            was, None, standby=standby, link=standby.feed.link, kind=SwitchKind.PLANNED, cause=cause, by=by
        )
        planned = self._planned = PlannedSwitch(
            standby,
            gave,
            tracks=self._switch.start_after(),
            now=now,
            segment_ms=segment_ms,
            step_ms=interval_ms,
        )
        self._on_event(Planned(gave))
        self._replay(planned.feed, planned.start_after)

    # --- slate -----------------------------------------------------------------------------------------

    def slate(self, mode: SlateMode) -> None:
        """The source is silent: the worker that speaks makes pictures of its own, or with OFF no more."""
        self._slate = mode
        if self._active is not None:
            self._active.slate(mode, self._timeline.position_ms(self._look().now_s) or 0)

    def slate_over(self) -> None:
        """The source is back; its packets tell the worker."""
        self._slate = SlateMode.OFF

    def _go_on_with_slate(self) -> None:
        """A worker that begins while the source is silent."""
        if self._slate is not SlateMode.OFF:
            self.slate(self._slate)

    # --- media -----------------------------------------------------------------------------------------

    def push_source(self, arrival: Arrival, now: SourceNow) -> None:
        """Hand live source packets to the workers."""
        standby = self._standby
        if standby is not None:
            self._push_standby(standby, arrival)
        self._push_active(arrival, now)

    def _push_active(self, arrival: Arrival, now: SourceNow) -> None:
        active = self._active
        if active is None:
            return
        if not active.push(arrival.batch):
            self._lose(Loss("stalled", UNREAD, now.now_s))
            return
        # A source with pictures is judged by them alone: sound that is passed through says nothing of an encoder.
        has_video = now.video_ms is not None
        if arrival.video_frames or (arrival.audio_frames and not has_video):
            for track, progress in self._progress.items():
                if (track != AUDIO_TRACK) == has_video:
                    progress.source(now.now_s)

    def take(self, link: WorkerLink, track: str, batch: MediaBatch, now: SourceNow) -> None:
        """Packets of one track that `link` encoded."""
        active = self._active
        if active is None or link is not active.link or self._planned is not None or self._awaited:
            self._take_aside(link, track, batch, now)
        elif self._switch.knows(track):
            self._admit(link, track, arrive(batch, self._around), self._progress, now)

    # --- ends ------------------------------------------------------------------------------------------

    def check(self, now_s: float) -> None:
        """Let a worker go that stands still on any track it owes; one that the plan dropped it does not owe."""
        for track, progress in self._progress.items():
            silence_s = progress.stalled(now_s) if self._switch.knows(track) else None
            if silence_s is not None:
                seen = f"no programme frame on {track} for {silence_s:.2f} s while the source flows"
                self._lose(Loss("stalled", seen, now_s))
                return
        if self._planned is not None:
            self._check_planned(self._planned)

    @property
    def due(self) -> float | None:
        """When `check` may find something if nothing comes until then."""
        dues = [progress.due for progress in self._progress.values()]
        dues.append(self._planned.due if self._planned is not None else None)
        return min([due for due in dues if due is not None], default=None)

    def gone(self, link: WorkerLink, cause: str, evidence: str) -> None:
        """`link`'s connection ended by itself."""
        if self._active is not None and link is self._active.link:
            self._lose(Loss(cause, evidence, self._look().now_s))
        elif self._standby is not None and link is self._standby.feed.link:
            self.remove_standby(f"{cause}: {evidence}")

    def remove_standby(self, reason: str) -> None:
        """Let the one that waits go; nothing happens without one."""
        self._abandon()
        standby, self._standby = self._standby, None
        if standby is not None:
            standby.feed.link.close(reason)
            self._on_event(Released(standby.feed.link, reason))

    def clear(self, reason: str) -> None:
        """The stream is over: let everybody go."""
        self.remove_standby(reason)
        self._release(reason)
        self._lost = None

    def settle(self) -> None:
        """The worker that speaks has caught up with the source."""
        for progress in self._progress.values():
            progress.settle()

    # --- inside ----------------------------------------------------------------------------------------

    @property
    def _position_ms(self) -> int:
        return self._ring.start_ms or self._timeline.newest_ms or 0

    def _before(self) -> Before:
        if self._lost is not None:
            return self._lost.before
        tracks = {
            name: TrackBefore(last_ms, seen.frame_s, seen.lag_ms)
            if seen is not None
            else TrackBefore(last_ms, None, None)
            for name, last_ms in self._switch.start_after().items()
            for seen in (self._progress.get(name),)
        }
        return Before(self.link, self._switch.generation, tracks)

    def _sit(self, feed: Feed, start_s: float) -> None:
        now_s = self._look().now_s
        self._active, self._awaited = feed, set()
        self._progress = {t: WorkerProgress(now_s, start_s=start_s) for t in self._switch.start_after()}

    def _replay(self, feed: Feed, start_after: StartAfter) -> None:
        now = self._look()
        feed.start(start_after)
        replay = self._ring.replay(self._switch.returned_ms(now.video_ms, now.audio_ms))
        feed.replay(self._headers.messages(self._position_ms), replay)

    def _admit(
        self,
        link: WorkerLink,
        track: str,
        arrival: Arrival,
        progresses: Mapping[str, WorkerProgress],
        now: SourceNow,
    ) -> None:
        passed = self._switch.admit(track, link.generation, arrival)
        if passed is None:
            return
        progress = progresses.get(track)
        if passed.frames and progress is not None:
            newest_ms = now.audio_ms if track == AUDIO_TRACK else now.video_ms
            lag_ms = None if newest_ms is None else max(0, newest_ms - passed.positions[-1])
            progress.programme(now.now_s, lag_ms)
        self._on_frames(track, passed, link.generation)

    def _push_standby(self, standby: Standby, arrival: Arrival) -> None:
        if not (standby.push(arrival) if self._planned is None else standby.feed.push(arrival.batch)):
            self.remove_standby(UNREAD)
        elif self._planned is not None:
            return
        elif arrival.key is not None or (arrival.audio_frames and not self._headers.has_video):
            standby.show(self._headers, self._ring, self._position_ms)

    def _take_aside(self, link: WorkerLink, track: str, batch: MediaBatch, now: SourceNow) -> None:
        """What is not simply of the worker that speaks: at a change, of the standby, or of one of the past."""
        arrival = arrive(batch, self._around)
        active, standby, planned = self._active, self._standby, self._planned
        is_new = standby is not None and link is standby.feed.link
        if planned is not None and (is_new or (active is not None and link is active.link)):
            if planned.handover.knows(track):
                self._say(planned, planned.take(track, arrival, now, is_new=is_new), now)
        elif standby is not None and is_new:
            if standby.take(track, arrival):
                self._on_event(Proved(link, standby.headers))
        elif active is not None and link is active.link:
            if self._switch.knows(track) and (fresh := self._fresh(track, arrival)) is not None:
                self._admit(link, track, fresh, self._progress, now)
        else:
            self._switch.fence(arrival)

    def _fresh(self, track: str, arrival: Arrival) -> Arrival | None:
        """Without what is still of the feed before."""
        if track not in self._awaited:
            return arrival
        begins = next((i for i in arrival.headers if arrival.batch[i].type in (VIDEO, AUDIO)), None)
        if begins is None:
            return None
        self._awaited.discard(track)
        return select(arrival, range(begins, len(arrival.positions)))

    # --- planned switch --------------------------------------------------------------------------------

    def _say(self, planned: PlannedSwitch, words: Sequence[Word], now: SourceNow) -> None:
        """Both workers' words, in order; then see whether the switch is done."""
        old, new = self._active, planned.feed
        assert old is not None, "the old worker speaks until all is done"
        for is_new, track, arrival in words:
            if is_new:
                self._switch.hand_over_track(track, new.link.generation)
                self._admit(new.link, track, arrival, planned.progress, now)
            else:
                self._admit(old.link, track, arrival, self._progress, now)
        if planned.is_over:
            self._complete(planned, old)

    def _complete(self, planned: PlannedSwitch, old: Feed) -> None:
        generation = planned.feed.link.generation
        self._switch.complete(generation)
        self._planned = self._standby = None
        self._active, self._progress = planned.feed, planned.progress
        old.link.close(f"replaced by generation {generation}")
        self._on_event(planned.gave)

    def _check_planned(self, planned: PlannedSwitch) -> None:
        now = self._look()
        self._say(planned, planned.tick(now), now)
        if planned.is_stuck(now.now_s):
            self._lose(Loss("stalled", "the worker did not come to the border", now.now_s))
        elif (reason := planned.failed(now.now_s)) is not None:
            self.remove_standby(reason)

    def _abandon(self) -> None:
        """The new worker fails: the old one goes on, from its own frames or, where it was silenced, anew."""
        planned, self._planned = self._planned, None
        if planned is None:
            return
        active, now = self._active, self._look()
        assert active is not None, "it spoke until now"
        for _, track, arrival in planned.handover.give_up():
            self._admit(active.link, track, arrival, self._progress, now)
        if planned.handover.is_committed:
            self._switch.hand_over(active.link.generation)
            self._awaited = set(self._switch.start_after())
            self._replay(active, self._switch.start_after())
        self._on_event(Abandoned(planned.gave))

    def _drop_planned(self, now: SourceNow) -> set[str]:
        """The old worker fails: let out what it said; the tracks on which the new one must begin anew."""
        planned, self._planned = self._planned, None
        if planned is None:
            return set()
        if not planned.handover.is_committed and self._active is not None:
            for _, track, arrival in planned.handover.give_up():
                self._admit(self._active.link, track, arrival, self._progress, now)
        # Before the border it had nothing to say, so nothing of its first feed is on the way.
        return planned.begun if (newest(now) or 0) >= planned.handover.border_ms else set()

    # --- losses ----------------------------------------------------------------------------------------

    def _lose(self, loss: Loss) -> None:
        """The one who speaks is lost: the standby takes over, or nobody does until another worker comes."""
        active, now = self._active, self._look()
        assert active is not None, "only who speaks can be lost"
        refed = self._drop_planned(now) if self._planned is not None else None
        was, standby = self._before(), self._standby
        self._active, self._progress = None, {}
        active.link.close(loss.reason)
        verdict = on_loss(
            standby.grade if standby is not None else None,
            is_ready=standby is not None and standby.is_ready and refed is None,
            missing_from_ms=self._switch.returned_ms(now.video_ms, now.audio_ms),
            newest_ms=newest(now),
        )
        if standby is None or verdict is Reflex.WAIT:
            self._lost = Lost(was, loss)
            self._on_event(self._lost)
        else:
            self._standby = None
            self._give(standby.feed, standby, was, loss, verdict=verdict)
            self._awaited = refed or set()

    def _give(
        self,
        feed: Feed,
        standby: Standby | None,
        was: Before,
        loss: Loss | None,
        *,
        kind: SwitchKind = SwitchKind.REFLEX,
        cause: str = "named by the plan",
        by: DecidedBy = DecidedBy.GATEWAY,
        verdict: Reflex = Reflex.FEED,
    ) -> None:
        """`feed`'s worker, which may have stood by as `standby`, speaks from now on."""
        handed = self._switch.hand_over(feed.link.generation)
        assert handed, "only a newer generation stands by"
        if kind is SwitchKind.REPLACED:
            self._release(f"replaced by generation {feed.link.generation}")
        elif self._active is not None:
            self._active.link.close(f"replaced by generation {feed.link.generation}")
        self._sit(feed, PROVED_START_S if standby is not None and standby.is_ready else START_S)
        if verdict is Reflex.SPEAK:
            feed.speak(self._switch.start_after())
        else:
            self._replay(feed, self._switch.start_after())
        self._go_on_with_slate()
        self._lost = None
        self._on_event(self._gave(was, loss, standby=standby, link=feed.link, kind=kind, cause=cause, by=by))

    def _gave(
        self,
        was: Before,
        loss: Loss | None,
        *,
        link: WorkerLink,
        kind: SwitchKind,
        cause: str,
        by: DecidedBy,
        standby: Standby | None = None,
    ) -> Gave:
        """`cause` is that of a switch without a loss."""
        return Gave(
            link=link,
            before=was,
            kind=kind,
            cause=cause if loss is None or kind is SwitchKind.PLANNED else loss.cause,
            evidence=loss.evidence if loss is not None else "",
            decided_by=by,
            detected_s=loss.at_s if loss is not None else None,
            decided_s=self._look().now_s,
            grade=standby.grade if standby is not None else StandbyGrade.COLD,
            is_proved=standby is not None and standby.is_ready,
            headers=dict(standby.headers) if standby is not None else {},
        )

    def _release(self, reason: str) -> None:
        """Let the one who speaks go, without calling it a loss."""
        active = self._active
        self._active, self._progress = None, {}
        if active is not None:
            active.link.close(reason)
            self._on_event(Released(active.link, reason))

    def _around(self, stamps: Sequence[tuple[int, int]]) -> list[int]:
        return [self._timeline.around(stamp) for _, stamp in stamps]
