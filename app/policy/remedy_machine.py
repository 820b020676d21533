"""How one try goes on: stored, sent, looked at, kept or rolled back. Pure.

Nothing is sent before its intent is stored, and nothing is sent twice: after a restart of control a try that had
begun is only looked at (`resumed`), because nobody knows how far it got. Whether it may begin was decided before.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from app.domain.remediation import Outcome, Phase, RemedyRun
from app.policy.remedies import Spec

GOOD_LOOKS: Final = 2
"""In a row, before a remedy is taken to have helped."""
LOOK_EACH_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Stored:
    """The run as it was handed out is in the store."""


@dataclass(frozen=True, slots=True)
class Acted:
    """The command went out at `at`. `refusal`: the device said no; None: it took it, or nobody knows."""

    at: datetime
    refusal: str | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """A look. `helped` None: not known, or the device can't be asked. `by_hand`: somebody else changed what the
    remedy had set."""

    at: datetime
    helped: bool | None
    words: str = ""
    by_hand: bool = False


@dataclass(frozen=True, slots=True)
class Undone:
    """`failure`: why it could not be put back; None: it is as it was."""

    at: datetime
    failure: str | None = None


Event = Stored | Acted | Seen | Undone


@dataclass(frozen=True, slots=True)
class Store:
    """Keep this before anything else is done."""

    run: RemedyRun


@dataclass(frozen=True, slots=True)
class Act:
    run: RemedyRun


@dataclass(frozen=True, slots=True)
class LookAt:
    run: RemedyRun


@dataclass(frozen=True, slots=True)
class Undo:
    run: RemedyRun


@dataclass(frozen=True, slots=True)
class Escalate:
    """It did not help: the streams are to be carried by others."""

    run: RemedyRun


Command = Store | Act | LookAt | Undo | Escalate


class RemedyMachine:
    """`due`: when `tick` is to be called, None: at rest. It ends when `run.is_over` and that is stored.

    A run that is `resumed` can't be undone: what its setting was is known, but not whether it was changed by us.
    """

    def __init__(self, run: RemedyRun, spec: Spec, *, resumed: bool = False, can_undo: bool = False) -> None:
        self.run = run
        self.due: float | None = None
        self._spec = spec
        self._resumed = resumed
        self._can_undo = can_undo and spec.has_undo and not resumed
        self._good = 0
        self._settles_until = 0.0
        self._gives_up_at = 0.0

    def begin(self, now: float) -> tuple[Command, ...]:
        if self._resumed:
            self._wait_for_effect(now)
            return ()
        return (Store(self.run),)

    def feed(self, event: Event, now: float) -> tuple[Command, ...]:
        if self.run.is_over:
            return ()
        match event:
            case Stored():
                return self._stored()
            case Acted():
                return self._acted(event, now)
            case Seen():
                return self._seen(event, now)
            case Undone(at=at, failure=failure):
                words = f"{self.run.result}; " if self.run.result else ""
                if failure is None:
                    return self._end(at, Outcome.ROLLED_BACK, f"{words}it is as it was")
                return self._end(at, Outcome.FAILED, f"{words}it could not be put back: {failure}")

    def tick(self, now: float) -> tuple[Command, ...]:
        if self.due is None or now < self.due:
            return ()
        self.due = now + LOOK_EACH_S
        return (LookAt(self.run),)

    def _stored(self) -> tuple[Command, ...]:
        return (Act(self.run),) if self.run.phase is Phase.INTENDED and not self._resumed else ()

    def _acted(self, acted: Acted, now: float) -> tuple[Command, ...]:
        self.run = replace(self.run, phase=Phase.SENT, sent_at=acted.at)
        if acted.refusal is not None:
            return self._end(acted.at, Outcome.FAILED, f"refused: {acted.refusal}")
        self._wait_for_effect(now)
        return (Store(self.run),)

    def _wait_for_effect(self, now: float) -> None:
        self._settles_until = now + self._spec.settle_s
        self._gives_up_at = self._settles_until + self._spec.verify_s
        self.due = now if self._resumed else self._settles_until

    def _seen(self, seen: Seen, now: float) -> tuple[Command, ...]:
        if seen.by_hand:
            return self._end(seen.at, Outcome.LEFT_ALONE, "a person changed it meanwhile")
        self._good = self._good + 1 if seen.helped and now >= self._settles_until else 0
        if self._good >= GOOD_LOOKS:
            words = "control ended meanwhile; it is as it should be" if self._resumed else "it helped"
            return self._end(seen.at, Outcome.KEPT, words)
        if now < self._gives_up_at:
            return ()
        words = f"no effect within {self._spec.verify_s:g} s" + (f": {seen.words}" if seen.words else "")
        if self._resumed:
            return self._end(seen.at, Outcome.INTERRUPTED, f"control ended meanwhile; {words}")
        if self._can_undo:
            self.due = None
            self.run = replace(self.run, phase=Phase.UNDOING, result=words)
            return (Store(self.run), Undo(self.run))
        return self._end(seen.at, Outcome.FAILED, words)

    def _end(self, at: datetime, outcome: Outcome, result: str) -> tuple[Command, ...]:
        self.due = None
        self.run = replace(self.run, phase=Phase.DONE, ended_at=at, outcome=outcome, result=result)
        if self.run.helped is False and self._spec.escalates:
            return (Store(self.run), Escalate(self.run))
        return (Store(self.run),)
