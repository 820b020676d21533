"""What is done when a stream loses its encoder or its standby, or is to leave an encoder that still works.

One machine for each stream, with two sides: the `phase` of its active worker, and its `cover`, the standby behind
it. It decides when and what, never who: the balancer chooses, the doer carries out and tells how it went. Fast
losses are the gateway's business, who gives the stream to a proved standby by itself; the machine is told, or waits
for that word a moment and then replaces. Every state but rest carries a deadline, so nothing waits for ever.
"""

from __future__ import annotations

from typing import Final

from app.domain.failover import DecidedBy
from app.policy.damping import Damping
from app.policy.failover_states import AT_WORK, Cover, Phase
from app.policy.failover_words import (
    ActiveLost,
    Cleared,
    Command,
    Ended,
    Event,
    FleetGrew,
    Hold,
    Leave,
    LetGoStandby,
    Remedied,
    Remedy,
    Replace,
    Replaced,
    ReplaceFailed,
    SeekFailed,
    SeekStandby,
    StandbyDoubted,
    StandbyLost,
    StandbyReady,
    StandbyStarted,
    Switch,
    Switched,
    SwitchFailed,
)

REFLEX_S: Final = 1.0
"""The gateway acts within its stall limit and tells at once; it takes no longer unless it cannot."""
PREPARE_S: Final = 15.0
"""A standby loads its libraries, connects and encodes one picture."""
SEEK_S: Final = 30.0
REPLACE_S: Final = 30.0
"""Every order behind a try is bounded; an answer that is later than this was lost."""
SWITCH_S: Final = 20.0
"""The order, the next segment border (6 s at most), and 3 s for the new worker to reach it."""
SWITCH_TRIES: Final = 3
SWITCH_AGAIN_S: Final = 2.0
REMEDY_S: Final = 20.0
PATIENCE_S: Final = 45.0
"""How long a wish to leave waits for a standby: three of them may try to prove themselves."""
QUIET_S: Final = 30.0
"""After a wish to leave that nobody could fulfil; one told before is not looked at."""
BACKOFF_FIRST_S: Final = 0.5
BACKOFF_MAX_S: Final = 30.0
ELSEWHERE_MAX_S: Final = 5.0
"""The same while an encoder is fit that this stream has not failed on: the faults may have been the others'."""
SETTLED_S: Final = 30.0
"""A worker that lived this long was well: its loss is a first one again."""
FREE_LOSSES: Final = 2
"""Losses in a row that are answered at once: the first encoder's and its backup's (both may die together)."""
STANDBY_RETRY_FIRST_S: Final = 1.0
GREW_SPACING_S: Final = 0.2
"""Between two tries that arriving encoders set off: a whole fleet may come back at once."""


class FailoverMachine:
    """`generation`: the active worker's; `standby`: its backup's. `runs`: backups are started, not reserved."""

    def __init__(
        self, *, generation: int, cover: Cover, standby: int | None, runs: bool, now: float, ended: bool = False
    ) -> None:
        self.phase = Phase.ENDED if ended else Phase.STEADY
        self.cover = cover
        self.generation = generation
        self.standby = standby
        self.cause = ""
        self._runs = runs
        self._phase_due: float | None = None
        self._cover_due = None if ended else _first_due(cover, now)
        self._attempt = 0
        self._losses = 0
        self._took_over_at: float | None = None
        self._tried_at: float | None = None
        self._lost_meanwhile: ActiveLost | None = None
        self._seek_failures = 0
        self._protected_at: float | None = None
        self._proved: int | None = None
        self._leave = Leave("")
        self._was_switching = False
        self._by_choice = False
        """The worker that is replaced works and could go on."""
        self._switch_tries = 0
        self._give_up_at = 0.0
        self._deaf_until: float | None = None
        self._damping = Damping()

    @property
    def due(self) -> float | None:
        return min((due for due in (self._phase_due, self._cover_due) if due is not None), default=None)

    def feed(self, event: Event, now: float) -> tuple[Command, ...]:
        if self.phase is Phase.ENDED:
            return ()
        match event:
            case ActiveLost():
                return self._active_lost(event, now)
            case Switched():
                return self._switched(event, now)
            case Replaced(generation):
                return self._replaced(generation, now)
            case ReplaceFailed() if self.phase is Phase.REPLACING:
                return self._replace_failed(event, now)
            case Leave() | Cleared() | Remedied() | SwitchFailed():
                return self._of_leaving(event, now)
            case StandbyStarted() | StandbyReady() | StandbyDoubted() | StandbyLost() | SeekFailed():
                return self._of_standby(event, now)
            case FleetGrew(elsewhere):
                return self._grew(elsewhere, now)
            case Ended():
                self.phase, self._phase_due, self._cover_due = Phase.ENDED, None, None
        return ()

    def tick(self, now: float) -> tuple[Command, ...]:
        if self._phase_due is not None and now >= self._phase_due:
            return self._phase_is_due(now)
        if self._cover_due is not None and now >= self._cover_due:
            return self._cover_is_due(now)
        return ()

    def _phase_is_due(self, now: float) -> tuple[Command, ...]:
        match self.phase:
            case Phase.REFLEX | Phase.HELD:
                return self._replace(now)
            case Phase.REPLACING:
                self._by_choice = False
                return self._hold("the last try was never answered", now)
            case Phase.REMEDY:
                return self._of_leaving(Remedied(False), now)
            case Phase.SWITCHING:
                return self._switch_failed(SwitchFailed("the gateway did not switch in time"), now)
            case Phase.SUSPECT:
                return self._try_to_leave(now)
            case Phase.STEADY | Phase.ENDED:
                self._phase_due = None
                return ()

    # --- a loss

    def _active_lost(self, event: ActiveLost, now: float) -> tuple[Command, ...]:
        if event.generation < self.generation:
            return ()
        if self.phase is Phase.REPLACING and event.generation > self.generation:
            # The new worker died before its start was answered.
            self._lost_meanwhile = event
        if self.phase is Phase.REFLEX and event.by_gateway:
            return self._replace(now)
        self._by_choice = False
        if self.phase not in AT_WORK:
            return ()
        self.cause = event.cause
        self._count_loss(event.counts, now)
        if self._runs and self.cover is Cover.PROTECTED and not event.by_gateway:
            # The node may tell of the old worker's end before the gateway tells of the switch that brought it.
            self._was_switching = self.phase is Phase.SWITCHING
            self.phase, self._phase_due = Phase.REFLEX, now + REFLEX_S
            return ()
        if self._losses > FREE_LOSSES:
            self._attempt = self._losses - FREE_LOSSES
            return self._hold(f"{event.cause}, {self._losses} times in a row", now, elsewhere=event.elsewhere)
        return self._replace(now)

    def _count_loss(self, counts: bool, now: float) -> None:
        self._attempt = 0
        if not counts:
            return
        settled = self._took_over_at is None or now - self._took_over_at >= SETTLED_S
        self._losses = 1 if settled else self._losses + 1

    def _replace(self, now: float) -> tuple[Command, ...]:
        self.phase, self._phase_due, self._tried_at = Phase.REPLACING, now + REPLACE_S, now
        # Whoever takes over, the standby is used up or passed over by it.
        self.cover, self.standby, self._cover_due = Cover.BARE, None, None
        self._attempt += 1
        return (Replace(self.generation, self.cause, self._attempt, self._by_choice),)

    def _replaced(self, generation: int, now: float) -> tuple[Command, ...]:
        if generation < self.generation or (generation == self.generation and self.phase in AT_WORK):
            return ()
        self._took_over(generation, now)
        lost, self._lost_meanwhile = self._lost_meanwhile, None
        if lost is not None and lost.generation >= generation:
            return self._active_lost(lost, now)
        return self._seek(now)

    def _switched(self, event: Switched, now: float) -> tuple[Command, ...]:
        if event.generation <= self.generation:
            return ()
        if self.phase is not Phase.SWITCHING and not (self.phase is Phase.REFLEX and self._was_switching):
            self._count_loss(event.counts and self.phase is not Phase.REFLEX, now)
        elif self._leave.by is DecidedBy.CONTROL and not self._leave.must:
            self._damping = self._damping.switched(now)
        self._took_over(event.generation, now)
        if event.counts and self._losses > FREE_LOSSES:
            # A source that kills every worker would use up one standby after the other.
            pause_s = _backoff(STANDBY_RETRY_FIRST_S, self._losses - FREE_LOSSES)
            self.cover, self._cover_due = Cover.BARE, now + pause_s
            return ()
        return self._seek(now)

    def _took_over(self, generation: int, now: float) -> None:
        self.phase, self._phase_due, self.generation = Phase.STEADY, None, generation
        self.standby, self._took_over_at, self._attempt, self._seek_failures = None, now, 0, 0

    def _replace_failed(self, event: ReplaceFailed, now: float) -> tuple[Command, ...]:
        self._by_choice = self._by_choice and event.still_works
        if self._by_choice and not self._leave.must:
            self._settle(deaf_until=now + QUIET_S)
            return self._seek(now)
        return self._hold(event.reason, now, elsewhere=event.elsewhere)

    def _hold(self, reason: str, now: float, *, elsewhere: bool = False) -> tuple[Command, ...]:
        pause_s = min(_backoff(BACKOFF_FIRST_S, self._attempt), ELSEWHERE_MAX_S if elsewhere else BACKOFF_MAX_S)
        self.phase, self._phase_due = Phase.HELD, now + pause_s
        # The new worker comes first; its backup is sought after it.
        self.cover, self.standby, self._cover_due = Cover.BARE, None, None
        return (Hold(reason, pause_s),)

    # --- leaving a worker that works

    def _of_leaving(self, event: Leave | Cleared | Remedied | SwitchFailed, now: float) -> tuple[Command, ...]:
        match event:
            case Leave():
                return self._wish_to_leave(event, now)
            case Cleared() if self.phase is Phase.SUSPECT and not self._leave.once:
                self._settle()
            case Cleared() if self.phase is Phase.HELD and self._by_choice:
                self._settle()
                return self._seek(now)
            case Remedied(cured) if self.phase is Phase.REMEDY:
                if not cured:
                    return self._try_to_leave(now)
                self._settle(deaf_until=now + QUIET_S)
            case SwitchFailed() if self.phase is Phase.SWITCHING:
                return self._switch_failed(event, now)
        return ()

    def _wish_to_leave(self, event: Leave, now: float) -> tuple[Command, ...]:
        if self.phase is not Phase.STEADY:
            return self._wish_more_urgently(event, now)
        if self._deaf_until is not None and now < self._deaf_until and not event.must:
            return ()
        self._leave, self._switch_tries = event, 0
        if event.remedy is not None:
            self.phase, self._phase_due = Phase.REMEDY, now + REMEDY_S
            self._give_up_at = now + REMEDY_S + PATIENCE_S
            return (Remedy(event.remedy, event.cause),)
        self._give_up_at = now + PATIENCE_S
        return self._try_to_leave(now)

    def _wish_more_urgently(self, event: Leave, now: float) -> tuple[Command, ...]:
        """A stronger wish does not wait for what a weaker one has to: a rest, a cure."""
        if self.phase not in AT_WORK or not event.outranks(self._leave):
            return ()
        self._leave, self._give_up_at = event, now + PATIENCE_S
        if self.phase is Phase.SWITCHING:
            return ()
        self._switch_tries = 0
        return self._try_to_leave(now)

    def _try_to_leave(self, now: float) -> tuple[Command, ...]:
        leave = self._leave
        if leave.by is DecidedBy.CONTROL and not leave.must:
            free_at = self._damping.free_at(now)
            if free_at > now:
                self.phase, self._phase_due, self._give_up_at = Phase.SUSPECT, free_at, free_at + PATIENCE_S
                return ()
        if not self._runs:
            if leave.by is DecidedBy.CONTROL:
                self._damping = self._damping.switched(now)
            return self._leave_without_standby(now)
        if self.cover is Cover.PROTECTED and self.standby is not None:
            self.phase, self._phase_due = Phase.SWITCHING, now + SWITCH_S
            return (Switch(self.standby, leave.cause, leave.by),)
        if now >= self._give_up_at:
            return self._give_up(now)
        self.phase, self._phase_due = Phase.SUSPECT, self._give_up_at
        return self._seek(now) if self.cover is Cover.BARE else ()

    def _switch_failed(self, event: SwitchFailed, now: float) -> tuple[Command, ...]:
        self._switch_tries += 1
        if self._switch_tries >= SWITCH_TRIES:
            return self._give_up(now)
        self.phase, self._phase_due = Phase.SUSPECT, now + SWITCH_AGAIN_S
        if not event.seek_another or self.standby is None:
            return ()
        self._phase_due = self._give_up_at
        return (LetGoStandby(self.standby, event.reason), *self._seek(now))

    def _give_up(self, now: float) -> tuple[Command, ...]:
        if self._leave.must:
            return self._leave_without_standby(now)
        self._settle(deaf_until=now + QUIET_S)
        return ()

    def _leave_without_standby(self, now: float) -> tuple[Command, ...]:
        self.cause, self._attempt, self._by_choice = self._leave.cause, 0, not self._leave.once
        return self._replace(now)

    def _settle(self, *, deaf_until: float | None = None) -> None:
        self.phase, self._phase_due, self._deaf_until = Phase.STEADY, None, deaf_until

    # --- the standby

    def _of_standby(
        self, event: StandbyStarted | StandbyReady | StandbyDoubted | StandbyLost | SeekFailed, now: float
    ) -> tuple[Command, ...]:
        match event:
            case StandbyStarted(generation) if self.phase in AT_WORK and generation > self.generation:
                self.cover, self.standby, self._cover_due = Cover.PREPARING, generation, now + PREPARE_S
                # Its proof may be quicker than the answer to its start.
                return self._is_ready(now) if self._proved == generation else ()
            case StandbyReady(generation) if self.cover is Cover.SEEKING and not self._runs:
                self.standby = generation
                return self._is_ready(now)
            case StandbyReady(generation):
                self._proved = generation
                if self.cover is Cover.PREPARING and self.standby == generation:
                    return self._is_ready(now)
            case StandbyDoubted(generation) if generation == self.standby and self.cover is Cover.PROTECTED:
                self.cover, self._proved, self._cover_due = Cover.PREPARING, None, now + PREPARE_S
            case StandbyLost(generation):
                if generation == self.standby and self.cover in (Cover.PROTECTED, Cover.PREPARING):
                    return self._standby_lost(now)
            case SeekFailed() if self.cover is Cover.SEEKING:
                return self._seek_failed(now)
        return ()

    def _is_ready(self, now: float) -> tuple[Command, ...]:
        self.cover, self._cover_due, self._protected_at = Cover.PROTECTED, None, now
        return self._try_to_leave(now) if self.phase is Phase.SUSPECT else ()

    def _standby_lost(self, now: float) -> tuple[Command, ...]:
        was_well = self.cover is Cover.PROTECTED and (
            self._protected_at is None or now - self._protected_at >= SETTLED_S
        )
        if self.phase is Phase.SWITCHING:
            self.phase, self._phase_due = Phase.SUSPECT, self._give_up_at
        if self.phase is Phase.REFLEX:
            return self._replace(now)
        if not was_well:
            return self._seek_failed(now)
        self._seek_failures = 0
        return self._seek(now)

    def _seek(self, now: float) -> tuple[Command, ...]:
        self.cover, self.standby, self._cover_due = Cover.SEEKING, None, now + SEEK_S
        return (SeekStandby(),)

    def _seek_failed(self, now: float) -> tuple[Command, ...]:
        self._seek_failures += 1
        pause_s = _backoff(STANDBY_RETRY_FIRST_S, self._seek_failures)
        self.cover, self.standby, self._cover_due = Cover.BARE, None, now + pause_s
        if self.phase is Phase.SUSPECT and self._leave.must:
            return self._leave_without_standby(now)
        return ()

    def _cover_is_due(self, now: float) -> tuple[Command, ...]:
        if self.cover is Cover.BARE:
            return self._seek(now)
        standby, preparing = self.standby, self.cover is Cover.PREPARING
        commands = self._seek_failed(now)
        if preparing and standby is not None:
            return (LetGoStandby(standby, f"it did not prove itself within {PREPARE_S:g} s"), *commands)
        return commands

    def _grew(self, elsewhere: bool, now: float) -> tuple[Command, ...]:
        if self.phase is Phase.HELD and self._phase_due is not None:
            if self._losses > FREE_LOSSES:
                self._phase_due = min(self._phase_due, now + ELSEWHERE_MAX_S) if elsewhere else self._phase_due
                return ()
            if self._tried_at is None or now - self._tried_at >= GREW_SPACING_S:
                return self._replace(now)
            self._phase_due = min(self._phase_due, now + GREW_SPACING_S)
        elif self.phase in AT_WORK and self.cover is Cover.BARE:
            return self._seek(now)
        return ()


def _first_due(cover: Cover, now: float) -> float | None:
    wait_s = {Cover.BARE: 0.0, Cover.PREPARING: PREPARE_S, Cover.SEEKING: SEEK_S}.get(cover)
    return None if wait_s is None else now + wait_s


def _backoff(first_s: float, failures: int) -> float:
    return min(BACKOFF_MAX_S, first_s * 2.0 ** min(max(failures - 1, 0), 10))
