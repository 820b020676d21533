"""The seats of a channel's workers: one speaks, one stands by. Feeds them the source, takes what they encoded
through the output switch, and gives the stream to the standby when the one who speaks is lost.

A newer generation takes over when its feed begins, not when it is announced, so the old one speaks until then.
Leaves to the door how a worker proves who it is, to `reflex` the verdict on a loss, to `planned` the course of a
planned switch, to `switch` what may pass.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from aiortmp import MediaBatch
from app.domain.failover import DecidedBy, SwitchKind
from app.domain.stream import SlateMode, StandbyGrade, WorkerGrant
from app.media.arrival import Arrival
from app.media.fanout import Outlet
from app.media.feed import Feed, SourceNow, WorkerLink
from app.media.handover import Word
from app.media.planned import PlannedSwitch, newest
from app.media.progress import PROVED_START_S, START_S
from app.media.reflex import Loss, Reflex, on_loss
from app.media.seat_events import (
    Abandoned,
    Before,
    Gave,
    Lost,
    Planned,
    Proved,
    Reason,
    Released,
    SeatEvent,
    TrackBefore,
)
from app.media.speaker import Speaker, Stage
from app.media.standby import Standby

UNREAD = "the worker does not read its feed"
BY_CONTROL = Reason(SwitchKind.REPLACED, "replaced by control", DecidedBy.CONTROL)
BY_REFLEX = Reason(SwitchKind.REFLEX, "lost", DecidedBy.GATEWAY)


class WorkerSeat:
    """`on_event` hears what became of workers, `on_turn(generation)` who is about to speak."""

    def __init__(
        self, stage: Stage, *, on_event: Callable[[SeatEvent], None], on_turn: Callable[[int], None]
    ) -> None:
        self._stage = stage
        self._switch = stage.switch
        self._on_event = on_event
        self._on_turn = on_turn
        self._active: Speaker | None = None
        self._standby: Standby | None = None
        self._slate = SlateMode.OFF
        self._planned: PlannedSwitch | None = None
        """A switch to `_standby` that goes on."""
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
    def is_switching(self) -> bool:
        """A planned switch goes on."""
        return self._planned is not None

    def feed(self, link: WorkerLink, outlet: Outlet) -> bool:
        """`link` speaks from now on; False when a newer generation does. The one before it is told to go."""
        if link.generation < self._switch.generation:
            return False
        self._abandon()
        was, lost, standby = self._before(), self._lost, self._standby
        if standby is not None and standby.feed.link.generation <= link.generation:
            self.remove_standby(f"generation {link.generation} speaks")
        self._release(f"replaced by generation {link.generation}")
        self._sit(Feed(link, outlet), START_S)
        if lost is not None or was.link is not None:
            self._tell_gave(was, lost.loss if lost is not None else None, None, BY_CONTROL)
        return True

    def stand_by(self, link: WorkerLink, outlet: Outlet, grade: StandbyGrade) -> None:
        """`link` waits for its turn, which has come when the one who spoke is lost."""
        self.remove_standby(f"generation {link.generation} stands by")
        feed, lost = Feed(link, outlet), self._lost
        if lost is not None:
            self._sit(feed, START_S)
            self._tell_gave(lost.before, lost.loss, None, BY_REFLEX)
            return
        self._standby = Standby(feed, grade)
        self._standby.enter(
            self._stage.headers,
            self._stage.ring,
            position_ms=self._stage.opening_ms,
            start_after=self._switch.start_after(),
        )

    def keep(self, active: WorkerGrant | None, standby: WorkerGrant | None) -> None:
        """A newer plan names these two. It may not know yet that the stream was given to its standby."""
        waits = self._standby
        if waits is None:
            return
        link = waits.feed.link
        if active is not None and active.generation == link.generation:
            if self._planned is None:
                self._promote(waits, self._before(), None, BY_CONTROL)
        elif standby is None or (standby.worker_id, standby.generation) != (link.worker_id, link.generation):
            self.remove_standby("the plan does not name it any more")

    # --- slate -----------------------------------------------------------------------------------------

    def slate(self, mode: SlateMode) -> None:
        """The source is silent: the worker that speaks makes pictures of its own, or with OFF no more."""
        self._slate = mode
        if self._active is not None:
            now_s = self._stage.look().now_s
            self._active.feed.slate(mode, self._stage.timeline.position_ms(now_s) or 0)

    def slate_over(self) -> None:
        """The source is back; its packets tell the worker."""
        self._slate = SlateMode.OFF

    # --- media -----------------------------------------------------------------------------------------

    def push_source(self, arrival: Arrival, now: SourceNow) -> None:
        """Hand live source packets to the workers."""
        if self._standby is not None:
            self._push_standby(self._standby, arrival)
        active = self._active
        if active is not None and not active.push(arrival, now):
            self._lose(Loss("stalled", UNREAD, now.now_s))

    def take(self, link: WorkerLink, track: str, batch: MediaBatch, now: SourceNow) -> None:
        """Packets of one track that `link` encoded."""
        active, arrival = self._active, self._stage.arrive(batch)
        if active is None or link is not active.link or self._planned is not None or active.awaited:
            self._take_aside(link, track, arrival, now)
        elif self._switch.knows(track):
            active.say(track, arrival, now)

    # --- ends ------------------------------------------------------------------------------------------

    def check(self, now_s: float) -> None:
        """Let a worker go that stands still, and see how a planned switch gets on."""
        if self._planned is not None:
            self._check_planned(self._planned)
        seen = self._active.stalled(now_s) if self._active is not None else None
        if seen is not None:
            self._lose(Loss("stalled", seen, now_s))

    @property
    def due(self) -> float | None:
        """When `check` may find something if nothing comes until then."""
        dues = [each.due for each in (self._active, self._planned) if each is not None]
        return min([due for due in dues if due is not None], default=None)

    def gone(self, link: WorkerLink, cause: str, evidence: str) -> None:
        """`link`'s connection ended by itself."""
        if self._active is not None and link is self._active.link:
            self._lose(Loss(cause, evidence, self._stage.look().now_s))
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
        if self._active is not None:
            self._active.settle()

    # --- planned switch --------------------------------------------------------------------------------

    def switch_to_standby(
        self, why: Reason, tracks: Sequence[str], *, segment_ms: int, interval_ms: int, at_border: bool
    ) -> None:
        """Give the stream to the standby, whose tracks are `tracks`: at the next segment border, or at once."""
        standby, active, now = self._standby, self._active, self._stage.look()
        assert standby is not None, "the caller has looked"
        if self._planned is not None:
            return
        was = self._before()
        if not at_border or active is None or newest(now) is None:
            self._promote(standby, was, None, why)
            return
        gave = _gave(standby.feed.link, was, None, standby, why, now.now_s)
        speaker = Speaker(standby.feed, self._stage, tracks)
        self._planned = PlannedSwitch(
            standby, speaker, gave, known=active.tracks, now=now, segment_ms=segment_ms, step_ms=interval_ms
        )
        self._on_event(Planned(gave))
        speaker.begin(self._planned.start_after)

    def _say(self, planned: PlannedSwitch, words: Sequence[Word], now: SourceNow) -> None:
        """Both workers' words, in order; then see whether the switch is done."""
        old, new = self._active, planned.speaker
        assert old is not None, "the old worker speaks until all is done"
        for is_new, track, arrival in words:
            if is_new:
                self._switch.hand_over_track(track, new.link.generation)
            (new if is_new else old).say(track, arrival, now)
        if not planned.is_over:
            return
        generation = new.link.generation
        self._planned = self._standby = None
        self._on_turn(generation)
        self._switch.complete(generation)
        self._active = new
        for _, track, arrival in planned.handover.finish():
            new.say(track, arrival, now)
        old.link.close(f"replaced by generation {generation}")
        self._on_event(planned.gave)

    def _check_planned(self, planned: PlannedSwitch) -> None:
        now = self._stage.look()
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
        active, now = self._active, self._stage.look()
        assert active is not None, "it spoke until now"
        for _, track, arrival in planned.handover.give_up():
            active.say(track, arrival, now)
        if planned.handover.is_committed:
            self._switch.hand_over(active.link.generation)
            active.awaited = set(active.tracks)
            active.begin(self._switch.start_after())
        self._on_event(Abandoned(planned.gave))

    def _drop_planned(self, planned: PlannedSwitch, now: SourceNow) -> set[str]:
        """The old worker fails: let out what it said; the tracks on which the new one must begin anew."""
        self._planned = None
        if not planned.handover.is_committed and self._active is not None:
            for _, track, arrival in planned.handover.give_up():
                self._active.say(track, arrival, now)
        # Before the border it had nothing to say, so nothing of its first feed is on the way.
        return planned.begun if (newest(now) or 0) >= planned.handover.border_ms else set()

    # --- inside ----------------------------------------------------------------------------------------

    def _before(self) -> Before:
        if self._lost is not None:
            return self._lost.before
        active, lasts = self._active, self._switch.start_after()
        tracks = {
            name: active.track(name, last) if active is not None else TrackBefore(last, None, None)
            for name, last in lasts.items()
        }
        return Before(self.link, self._switch.generation, tracks)

    def _push_standby(self, standby: Standby, arrival: Arrival) -> None:
        follows = standby.follows or self._planned is not None
        if follows and not standby.feed.push(arrival.batch):
            self.remove_standby(UNREAD)
        elif not follows and (arrival.key is not None or not self._stage.headers.has_video):
            standby.show(self._stage.headers, self._stage.ring, self._stage.opening_ms)

    def _take_aside(self, link: WorkerLink, track: str, arrival: Arrival, now: SourceNow) -> None:
        """What is not simply of the worker that speaks: at a change, of the standby, or of one of the past."""
        active, standby, planned = self._active, self._standby, self._planned
        is_active = active is not None and link is active.link
        is_standby = standby is not None and link is standby.feed.link
        if planned is not None and (is_active or is_standby) and planned.handover.knows(track):
            self._say(planned, planned.take(track, arrival, now, is_new=is_standby), now)
        elif standby is not None and is_standby:
            if standby.take(track, arrival):
                self._on_event(Proved(link, standby.headers))
        elif active is not None and is_active:
            fresh = active.fresh(track, arrival) if self._switch.knows(track) else None
            if fresh is not None:
                active.say(track, fresh, now)
        else:
            self._switch.fence(arrival)

    def _lose(self, loss: Loss) -> None:
        """The one who speaks is lost: the standby takes over, or nobody does until another worker comes."""
        active, now = self._active, self._stage.look()
        assert active is not None, "only who speaks can be lost"
        refed = self._drop_planned(self._planned, now) if self._planned is not None else None
        was, standby = self._before(), self._standby
        self._active = None
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
            return
        self._promote(standby, was, loss, BY_REFLEX, speak=verdict is Reflex.SPEAK, refed=refed or set())

    def _promote(
        self,
        standby: Standby,
        was: Before,
        loss: Loss | None,
        why: Reason,
        *,
        speak: bool = False,
        refed: Collection[str] = (),
    ) -> None:
        """The standby speaks from now on: with `speak` from what is inside, on the tracks `refed` anew."""
        generation = standby.feed.link.generation
        self._standby, old, self._active = None, self._active, None
        if old is not None:
            old.link.close(f"replaced by generation {generation}")
        speaker = self._sit(standby.feed, PROVED_START_S if standby.is_ready else START_S, speak=speak)
        speaker.awaited = set(refed)
        self._tell_gave(was, loss, standby, why)

    def _sit(self, feed: Feed, start_s: float, *, speak: bool = False) -> Speaker:
        """Let `feed`'s worker speak after the last frames that were let through."""
        self._on_turn(feed.link.generation)
        handed = self._switch.hand_over(feed.link.generation)
        assert handed, "only a newer generation comes"
        self._lost = None
        self._active = speaker = Speaker(feed, self._stage, self._switch.start_after(), start_s=start_s)
        if speak:
            feed.speak(self._switch.start_after())
        else:
            speaker.begin(self._switch.start_after())
        if self._slate is not SlateMode.OFF:
            self.slate(self._slate)
        return speaker

    def _tell_gave(self, was: Before, loss: Loss | None, standby: Standby | None, why: Reason) -> None:
        assert self._active is not None, "somebody sits here"
        self._on_event(_gave(self._active.link, was, loss, standby, why, self._stage.look().now_s))

    def _release(self, reason: str) -> None:
        """Let the one who speaks go, without calling it a loss."""
        active, self._active = self._active, None
        if active is not None:
            active.link.close(reason)
            self._on_event(Released(active.link, reason))


def _gave(
    link: WorkerLink, was: Before, loss: Loss | None, standby: Standby | None, why: Reason, now_s: float
) -> Gave:
    return Gave(
        link=link,
        before=was,
        kind=why.kind,
        cause=why.cause if loss is None else loss.cause,
        evidence=loss.evidence if loss is not None else "",
        decided_by=why.decided_by,
        detected_s=loss.at_s if loss is not None else None,
        decided_s=now_s,
        grade=standby.grade if standby is not None else StandbyGrade.COLD,
        is_proved=standby is not None and standby.is_ready,
        headers=dict(standby.headers) if standby is not None else {},
    )
