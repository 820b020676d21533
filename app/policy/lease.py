"""Whether this control may act: it claims a lease, renews it, and stops by itself before another one may take it.

The store gives the lease to one at a time. All judgement of time is here and by a monotonic clock, so no step of a
wall clock moves a lease: the holder may act for so long from the moment at which it *asked*, as an answer may be
long on its way; another one takes the lease when it has seen no renewal for the lease's whole length. Only its
first look believes the store's clock. Asking the store is the doer's business (`app/services/leadership.py`). A
lease alone lets two act, when one stands still in the middle of something; what is written and ordered therefore
carries the epoch, and whoever receives it refuses an older one.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from app.domain.lease import Lease

LEASE_S: Final = 15.0
_FENCE_PART: Final = 10.0 / LEASE_S
RETRY_S: Final = 2.0
_RETRY_PART: Final = RETRY_S / LEASE_S
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
        return min(RETRY_S, self.lease_s * _RETRY_PART)


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
    """Another one holds the lease, or did when it ran out."""

    lease: Lease


@dataclass(frozen=True, slots=True)
class Away:
    """The store did not answer, so nothing is known."""

    detail: str


Event = Granted | HeldBy | Away

# --- commands


@dataclass(frozen=True, slots=True)
class Claim:
    """Take the lease if nobody ever held it, it was given back, or it is still exactly `over`."""

    over: Lease | None = None


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
        self._seen: Lease | None = None
        self._renewed_at = now
        """Since when `_seen` is known to be unchanged."""
        self._looked_at: float | None = None
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
            return self._step_down(f"the lease could not be renewed for {self._limits.fence_s:.3g} s", now)
        if self._asked is not None or now < self._ask_at:
            return ()
        self._asked = Claim(self._run_out(now)) if self._epoch is None else Renew(self._epoch)
        return (self._asked,)

    def feed(self, event: Event, now: float) -> tuple[Command, ...]:
        asked, self._asked = self._asked, None
        match event:
            case Granted(epoch, asked_at):
                return self._granted(epoch, asked_at, now, claimed=isinstance(asked, Claim))
            case HeldBy(lease):
                self._see(lease, now)
                self.standing = f"{lease.holder} leads"
                return () if self._epoch is None else self._step_down(self.standing, now)
            case Away(detail):
                self._ask_at = now + min(AWAY_RETRY_S, self._limits.retry_s)
                if self._epoch is None:
                    self.standing = f"nobody is known to lead: {detail}"
                return ()

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

    def _see(self, lease: Lease, now: float) -> None:
        """Note when the lease was renewed: after the last look, or, at the first look, whenever the store says."""
        if self._seen is None or (lease.epoch, lease.expires_us) != (self._seen.epoch, self._seen.expires_us):
            told_at = now - max(0.0, lease.length_s - lease.left_s)
            self._renewed_at = told_at if self._looked_at is None else max(told_at, self._looked_at)
        self._seen, self._looked_at = lease, now
        # Not later than it runs out: whoever waits takes over at once.
        left_s = max(0.0, self._renewed_at + lease.length_s - now)
        self._ask_at = now + min(self._limits.retry_s, left_s + AT_ONCE_S)

    def _run_out(self, now: float) -> Lease | None:
        """The lease of another one that was not renewed for its whole length."""
        seen = self._seen
        return seen if seen is not None and now - self._renewed_at >= seen.length_s else None

    def _step_down(self, reason: str, now: float) -> tuple[Command, ...]:
        self._epoch = None
        self.standing = reason
        self._ask_at = max(self._ask_at, now + AT_ONCE_S)
        return (StepDown(reason),)
