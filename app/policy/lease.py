"""Whether this control may act: it claims a lease, renews it, and stops by itself before another one may take it.

The store decides who holds the lease and when it runs out, by its own clock. This machine judges only how long it
may still act, by a monotonic clock and from the moment at which it *asked*: an answer that was long on its way is
worth that much less. Asking the store is the doer's business (`app/services/leadership.py`). A lease alone lets two
act, when one stands still in the middle of something; what is written and ordered therefore carries the epoch, and
whoever receives it refuses an older one.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

LEASE_S: Final = 15.0
_FENCE_PART: Final = 10 / 15
_RETRY_PART: Final = 2 / 15
AWAY_RETRY_S: Final = 0.5
"""A store that was away is asked again so soon: nobody can open a stream until it answers."""
AT_ONCE_S: Final = 0.02


@dataclass(frozen=True, slots=True)
class Limits:
    """Kubernetes' proportions: a lease of 15 s, renewed every 2 s, given up 10 s after the last renewal."""

    lease_s: float = LEASE_S

    @property
    def fence_s(self) -> float:
        return self.lease_s * _FENCE_PART

    @property
    def retry_s(self) -> float:
        return self.lease_s * _RETRY_PART


class Phase(Enum):
    STANDBY = auto()
    LEADING = auto()


# --- events: what the store answered. `asked_at`: when it was asked


@dataclass(frozen=True, slots=True)
class Granted:
    """The claim went through, or the lease is renewed."""

    epoch: int
    asked_at: float


@dataclass(frozen=True, slots=True)
class HeldBy:
    """Another one holds the lease for `left_s` more, at most 0: it ran out meanwhile."""

    holder: str
    left_s: float


@dataclass(frozen=True, slots=True)
class Away:
    """The store did not answer, so nothing is known."""

    detail: str


Event = Granted | HeldBy | Away

# --- commands


@dataclass(frozen=True, slots=True)
class Claim:
    pass


@dataclass(frozen=True, slots=True)
class Renew:
    epoch: int


@dataclass(frozen=True, slots=True)
class Lead:
    epoch: int


@dataclass(frozen=True, slots=True)
class StepDown:
    reason: str


@dataclass(frozen=True, slots=True)
class GiveBack:
    """A claim that went through too late to be used."""

    epoch: int


Command = Claim | Renew | Lead | StepDown | GiveBack


class LeaseMachine:
    """One question to the store is open at a time; every one is answered with an event, failures with `Away`."""

    def __init__(self, *, now: float, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._epoch: int | None = None
        self._fence_at = 0.0
        self._ask_at = now
        self._asked: Claim | Renew | None = None
        self.standing: str = "nobody is known to lead"
        """Why this one does not lead, in words."""

    @property
    def phase(self) -> Phase:
        return Phase.STANDBY if self._epoch is None else Phase.LEADING

    def epoch(self, now: float) -> int | None:
        """The epoch under which to act now; None: do not act, whatever the phase says."""
        return self._epoch if now < self._fence_at else None

    @property
    def due(self) -> float | None:
        ask_at = None if self._asked is not None else self._ask_at
        if self._epoch is None:
            return ask_at
        return self._fence_at if ask_at is None else min(self._fence_at, ask_at)

    def tick(self, now: float) -> tuple[Command, ...]:
        if self._epoch is not None and now >= self._fence_at:
            return self._step_down(f"the lease could not be renewed for {self._limits.fence_s:g} s", now)
        if self._asked is not None or now < self._ask_at:
            return ()
        self._asked = Claim() if self._epoch is None else Renew(self._epoch)
        return (self._asked,)

    def feed(self, event: Event, now: float) -> tuple[Command, ...]:
        asked, self._asked = self._asked, None
        match event:
            case Granted(epoch, asked_at):
                return self._granted(epoch, asked_at, now, claimed=isinstance(asked, Claim))
            case HeldBy(holder, left_s):
                self.standing = f"{holder} leads"
                # Not later than it runs out: whoever waits takes over at once.
                self._ask_at = now + min(self._limits.retry_s, max(left_s, 0.0) + AT_ONCE_S)
                return () if self._epoch is None else self._step_down(self.standing, now)
            case Away(detail):
                self._ask_at = now + min(AWAY_RETRY_S, self._limits.retry_s)
                if self._epoch is None:
                    self.standing = f"nobody is known to lead: {detail}"
                return ()

    def superseded(self, detail: str, now: float) -> tuple[Command, ...]:
        """A receiver told that it has seen a newer epoch."""
        return () if self._epoch is None else self._step_down(detail, now)

    def _granted(self, epoch: int, asked_at: float, now: float, *, claimed: bool) -> tuple[Command, ...]:
        if self._epoch is None and not claimed:
            # Renewed after this one had stepped down: what it held before must not wake up again.
            self._ask_at = now
            return (GiveBack(epoch),)
        fence_at = asked_at + self._limits.fence_s
        if now >= fence_at:
            self._ask_at = now
            late = () if self._epoch is None else self._step_down("the lease was renewed too late", now)
            return (*late, GiveBack(epoch))
        is_new = self._epoch is None
        self._epoch, self._fence_at = epoch, fence_at
        self._ask_at = asked_at + self._limits.retry_s
        return (Lead(epoch),) if is_new else ()

    def _step_down(self, reason: str, now: float) -> tuple[Command, ...]:
        self._epoch = None
        self.standing = reason
        self._ask_at = max(self._ask_at, now + AT_ONCE_S)
        return (StepDown(reason),)
