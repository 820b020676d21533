"""The seats of a channel's workers: one speaks, one stands by. Feeds them the source, takes what they encoded
through the output switch, and gives the stream to the standby when the one who speaks is lost.

A newer generation takes over when its feed begins, not when it is announced, so the old one speaks until then.
Leaves to the door how a worker proves who it is, to `reflex` the verdict on a loss, to `planned` the course of a
planned switch, to `switch` what may pass.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from aiortmp import MediaBatch
from app.domain.stream import SlateMode, StandbyGrade, Timing, WorkerGrant
from app.media.arrival import Arrival, arrive
from app.media.fanout import Outlet
from app.media.feed import Feed, SourceNow, WorkerLink
from app.media.handover import Word
from app.media.planned import PlannedSwitch, newest
from app.media.progress import PROVED_START_S, START_S
from app.media.reflex import Loss, Reflex, on_absence, on_loss
from app.media.seat_events import (
    BY_CONTROL,
    BY_REFLEX,
    Abandoned,
    Before,
    Lost,
    Planned,
    Proved,
    Reason,
    Released,
)
from app.media.seats import Seats
from app.media.second import Second
from app.media.speaker import Speaker
from app.media.standby import Standby, gave_of

UNREAD: Final = "the worker does not read its feed"
AHEAD_MAX_MS: Final = 10_000
"""A frame further ahead of the source would shut out all that come after it."""


class WorkerSeat(Seats):
    """Takes what happens to workers, in any order, and keeps one of them speaking while there is one."""

    # --- who sits here ---------------------------------------------------------------------------------

    @property
    def is_switching(self) -> bool:
        """A planned switch goes on."""
        return self._planned is not None

    def feed(self, link: WorkerLink, outlet: Outlet) -> None:
        """`link`, of no older generation than the one that speaks, speaks from now on. That one is told to go."""
        self._abandon()
        was, lost, standby = self._before(), self._lost, self._standby
        if standby is not None and standby.feed.link.generation <= link.generation:
            self.remove_standby(f"generation {link.generation} speaks")
        self._release(f"replaced by generation {link.generation}")
        self._sit(Feed(link, outlet), START_S)
        if lost is not None or was.link is not None:
            self._tell_gave(was, lost.loss if lost is not None else None, None, BY_CONTROL)
        self._join()

    def stand_by(self, link: WorkerLink, outlet: Outlet, grade: StandbyGrade) -> None:
        """`link` waits for its turn, which has come when the one who spoke is lost."""
        self.remove_standby(f"generation {link.generation} stands by")
        feed, lost = Feed(link, outlet), self._lost
        if lost is not None:
            self._sit(feed, START_S)
            self._tell_gave(lost.before, lost.loss, None, BY_REFLEX)
            return
        self._standby = Standby(feed, grade)
        self._standby.enter(self._stage)
        self._join()

    def keep(self, active: WorkerGrant | None, standby: WorkerGrant | None) -> None:
        """A newer plan names these two. It may not know yet that the stream was given to its standby."""
        waits = self._standby
        if waits is None:
            return
        link = waits.feed.link
        if active is not None and active.generation == link.generation:
            if self._planned is None:
                self._follow(waits, self._before(), None, BY_CONTROL)
        elif standby is None or (standby.worker_id, standby.generation) != (link.worker_id, link.generation):
            self.remove_standby("the plan does not name it any more")

    # --- media -----------------------------------------------------------------------------------------

    def push_source(self, arrival: Arrival, now: SourceNow) -> None:
        """Hand live source packets to the workers."""
        if self._standby is not None:
            self._push_standby(self._standby, arrival, now)
        active = self._active
        if active is not None and not active.push(arrival, now):
            self._lose(Loss("stalled", UNREAD, now.now_s))

    def take(self, link: WorkerLink, track: str, batch: MediaBatch, now: SourceNow) -> None:
        """Packets of one track that `link` encoded."""
        active, arrival = self._active, arrive(batch, self._around)
        positions = arrival.positions
        if positions[-1] > self._far_ms or (len(positions) > 1 and max(positions) > self._far_ms):
            self._far_ms = (self._stage.timeline.position_ms(now.now_s) or 0) + AHEAD_MAX_MS
            if max(positions) > self._far_ms:
                self.gone(link, "astray", f"a frame on {track} is of a time to come")
                return
        if active is None or link is not active.link or active.awaited or self._planned or self._second:
            self._take_aside(link, track, arrival, now)
        elif self._switch.knows(track):
            active.say(track, arrival, now)

    # --- ends ------------------------------------------------------------------------------------------

    def check(self, now_s: float) -> None:
        """Let a worker go that stands still, and see how a planned switch gets on."""
        if self._slate is not SlateMode.OFF:
            for speaker in self._speakers():
                speaker.owe_slate(self._stage.look())
        if self._planned is not None:
            self._check_planned(self._planned)
        seen = self._active.stalled(now_s) if self._active is not None else None
        if seen is not None:
            self._lose(Loss("stalled", seen, now_s))
        seen = self._second.speaker.stalled(now_s) if self._second is not None else None
        if seen is not None:
            self.remove_standby(f"stalled: {seen}")
        if self._active is None:
            self._check_absence(now_s)

    @property
    def due(self) -> float | None:
        """When `check` may find something if nothing comes until then."""
        second = self._second.speaker if self._second is not None else None
        dues = [each.due for each in (self._active, self._planned, second) if each is not None]
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
        self._part()
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

    def switch_to_standby(self, why: Reason, tracks: Sequence[str], timing: Timing, *, at_border: bool) -> None:
        """Give the stream to the standby, whose tracks are `tracks`: at the next segment border, or at once."""
        standby, active, now = self._standby, self._active, self._stage.look()
        assert standby is not None, "the caller has looked"
        if self._planned is not None:
            return
        was = self._before()
        if not at_border or active is None or newest(now) is None or self._second is not None:
            self._follow(standby, was, None, why)
            return
        gave = gave_of(standby.feed.link, was, None, standby, why, now.now_s)
        speaker = Speaker(standby.feed, self._stage, tracks)
        known = [track for track in active.tracks if self._switch.knows(track)]
        self._planned = PlannedSwitch(speaker, gave, known=known, now=now, timing=timing)
        self._on_event(Planned(gave))
        speaker.begin(self._planned.start_after)

    def _say(self, planned: PlannedSwitch, words: Sequence[Word], now: SourceNow) -> None:
        """Both workers' words, in order; then see whether the switch is done."""
        old, new = self._active, planned.speaker
        assert old is not None, "the old worker speaks until all is done"
        planned.say(old, words, now)
        if not planned.is_over:
            return
        generation = new.link.generation
        self._planned = self._standby = None
        self._on_turn(generation)
        self._switch.complete(generation)
        self._active = new
        planned.say(old, planned.handover.finish(), now)
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
        planned.say(active, planned.handover.give_up(), now)
        if planned.handover.is_committed:
            active.begin_anew()
            self._go_on_with_slate()
        self._on_event(Abandoned(planned.gave))

    # --- two at once -----------------------------------------------------------------------------------

    def _join(self) -> None:
        """The standby encodes along, if that is its grade."""
        standby, active = self._standby, self._active
        if standby is not None and active is not None and standby.grade is StandbyGrade.ACTIVE_ACTIVE:
            speaker = Speaker(standby.feed, self._stage, self._switch.start_after())
            self._second = Second(speaker, active, self._switch)

    def _part(self) -> None:
        """The second one fails: the first goes on; where it can't in the middle of a group of pictures, anew."""
        second, self._second = self._second, None
        active, now = self._active, self._stage.look()
        if second is None or active is None:
            return
        if second.goes_on(active, now):
            second.go_on(active, now)
        else:
            active.begin_anew()
            self._go_on_with_slate()

    def _follow(
        self, standby: Standby, was: Before, loss: Loss | None, why: Reason, *, speak: bool = False
    ) -> None:
        """The standby speaks from now on; one that encodes along just goes on, if that can be."""
        second, now = self._second, self._stage.look()
        self._second = None
        if second is None:
            self._promote(standby, was, loss, why, speak=speak)
        elif not second.goes_on(second.speaker, now):
            self._promote(standby, was, loss, why, refed=second.speaker.tracks)
        else:
            generation = standby.feed.link.generation
            old, self._active, self._standby = self._active, second.speaker, None
            if old is not None:
                old.link.close(f"replaced by generation {generation}")
            self._on_turn(generation)
            self._tell_gave(was, loss, standby, why)
            second.go_on(second.speaker, now)
            self._go_on_with_slate()

    # --- inside ----------------------------------------------------------------------------------------

    def _push_standby(self, standby: Standby, arrival: Arrival, now: SourceNow) -> None:
        if self._second is not None:
            reads = self._second.speaker.push(arrival, now)
        elif self._planned is not None:
            reads = standby.feed.push(arrival.batch)
        else:
            reads = standby.push(arrival, self._stage)
        if not reads:
            self.remove_standby(UNREAD)

    def _take_aside(self, link: WorkerLink, track: str, arrival: Arrival, now: SourceNow) -> None:
        """What is not simply of the worker that speaks: at a change, of the standby, or of one of the past."""
        active, standby = self._active, self._standby
        if active is not None and link is active.link:
            fresh = active.fresh(track, arrival)
            if fresh is not None:
                self._take_active(active, track, fresh, now)
        elif standby is not None and link is standby.feed.link:
            self._take_standby(standby, track, arrival, now)
        else:
            self._switch.fence(arrival)

    def _take_active(self, active: Speaker, track: str, arrival: Arrival, now: SourceNow) -> None:
        planned, second = self._planned, self._second
        if planned is not None and planned.handover.knows(track):
            self._say(planned, planned.take(track, arrival, now, is_new=False), now)
        elif second is not None and self._switch.knows(track):
            second.take(active, track, arrival, now, is_second=False)
        elif self._switch.knows(track):
            active.say(track, arrival, now)

    def _take_standby(self, standby: Standby, track: str, arrival: Arrival, now: SourceNow) -> None:
        planned, second, active = self._planned, self._second, self._active
        if planned is not None:
            if planned.handover.knows(track):
                self._say(planned, planned.take(track, arrival, now, is_new=True), now)
            return
        if standby.take(track, arrival):
            self._on_event(Proved(standby.feed.link, standby.headers))
        if second is not None and active is not None and self._switch.knows(track):
            second.take(active, track, arrival, now, is_second=True)

    def _check_absence(self, now_s: float) -> None:
        """The planned worker never came: the standby begins, after the time that it had to come."""
        standby = self._standby
        if standby is None or newest(self._stage.look()) is None:
            return
        self._absent_since_s = now_s if self._absent_since_s is None else self._absent_since_s
        loss = on_absence(standby_is_ready=standby.is_ready, waited_s=now_s - self._absent_since_s, now_s=now_s)
        if loss is not None:
            self._promote(standby, self._before(), loss, BY_REFLEX)

    def _lose(self, loss: Loss) -> None:
        """The one who speaks is lost: the standby takes over, or nobody does until another worker comes."""
        active, now = self._active, self._stage.look()
        assert active is not None, "only who speaks can be lost"
        planned, self._planned = self._planned, None
        if planned is not None:
            planned.lose_old(active, now)
        was, standby = self._before(), self._standby
        self._active = None
        active.link.close(loss.reason)
        verdict = on_loss(
            standby.grade if standby is not None else None,
            is_ready=standby is not None and standby.is_ready and planned is None,
            missing_from_ms=self._switch.returned_ms(now.video_ms, now.audio_ms),
            newest_ms=newest(now),
        )
        if standby is None or verdict is Reflex.WAIT:
            self._lost = Lost(was, loss)
            self._on_event(self._lost)
            return
        if planned is not None:
            self._promote(standby, was, loss, BY_REFLEX, refed=planned.refed(now))
        else:
            self._follow(standby, was, loss, BY_REFLEX, speak=verdict is Reflex.SPEAK)

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
