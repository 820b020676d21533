"""What the failover machine is told and what it orders; the machine itself is `failover.py`.

A generation always says which worker is meant, so that late news of another one changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from app.domain.failover import DecidedBy

# --- events


@dataclass(frozen=True, slots=True)
class ActiveLost:
    """`by_gateway`: the gateway says so, and that means that it has no standby to give the stream to.

    `counts`: it is a loss; not what control, an operator or a drill caused. `elsewhere`: an encoder is fit that
    this stream has not failed on lately.
    """

    generation: int
    cause: str
    by_gateway: bool = False
    counts: bool = True
    elsewhere: bool = False


@dataclass(frozen=True, slots=True)
class Leave:
    """The active worker still works and is to be left. `must`: without a standby too, at the cost of a stall.

    `remedy` names what may cure it where it is, to be tried first. `once`: nothing takes it back, and a new worker
    where the old one is will do.
    """

    cause: str
    by: DecidedBy = DecidedBy.CONTROL
    must: bool = False
    remedy: str | None = None
    once: bool = False

    def outranks(self, other: Leave) -> bool:
        """Nothing is above `must`; an operator's wish is above what control wishes by itself."""
        if self.must or other.must:
            return self.must and not other.must
        return other.by is DecidedBy.CONTROL and self.by is not DecidedBy.CONTROL


@dataclass(frozen=True, slots=True)
class Cleared:
    """What was to be left is well again."""


@dataclass(frozen=True, slots=True)
class Remedied:
    """Answer to Remedy."""

    cured: bool


@dataclass(frozen=True, slots=True)
class Switched:
    """The gateway gave the stream to the worker of this generation. `counts`: because it had lost the old one."""

    generation: int
    counts: bool = True


@dataclass(frozen=True, slots=True)
class SwitchFailed:
    """Answer to Switch. `seek_another`: the standby is unfit, another encoder is fit."""

    reason: str
    seek_another: bool = False


@dataclass(frozen=True, slots=True)
class Replaced:
    """Answer to Replace, or word of somebody else who moved the stream."""

    generation: int


@dataclass(frozen=True, slots=True)
class ReplaceFailed:
    """`still_works`: nothing was changed, the worker that was to be left goes on. `elsewhere`: see ActiveLost."""

    reason: str
    still_works: bool = False
    elsewhere: bool = False


@dataclass(frozen=True, slots=True)
class StandbyStarted:
    """Answer to SeekStandby: it runs, and is to prove itself."""

    generation: int


@dataclass(frozen=True, slots=True)
class StandbyReady:
    """It is proved; of a cold one: its room is kept."""

    generation: int


@dataclass(frozen=True, slots=True)
class StandbyDoubted:
    """The gateway does not know it as ready any more: it is to prove itself again."""

    generation: int


@dataclass(frozen=True, slots=True)
class StandbyLost:
    generation: int
    cause: str


@dataclass(frozen=True, slots=True)
class SeekFailed:
    reason: str


@dataclass(frozen=True, slots=True)
class FleetGrew:
    """An encoder or the stream's gateway came. `elsewhere`: see ActiveLost."""

    elsewhere: bool = False


@dataclass(frozen=True, slots=True)
class Ended:
    pass


Event = (
    ActiveLost
    | Leave
    | Cleared
    | Remedied
    | Switched
    | SwitchFailed
    | Replaced
    | ReplaceFailed
    | StandbyStarted
    | StandbyReady
    | StandbyDoubted
    | StandbyLost
    | SeekFailed
    | FleetGrew
    | Ended
)

# --- commands


@dataclass(frozen=True, slots=True)
class Replace:
    """Give the stream of the worker `generation` to its standby or, failing that, to the best encoder.

    `by_choice`: it works where it is, so only another encoder will do. Answer Replaced or ReplaceFailed.
    """

    generation: int
    cause: str
    attempt: int
    by_choice: bool = False


@dataclass(frozen=True, slots=True)
class Switch:
    """Have the gateway give the stream to its standby at a border; answer SwitchFailed, or Switched comes."""

    generation: int
    cause: str
    by: DecidedBy


@dataclass(frozen=True, slots=True)
class Remedy:
    """Try it on the active worker; answer Remedied."""

    name: str
    cause: str


@dataclass(frozen=True, slots=True)
class SeekStandby:
    """Choose one and start it or keep its room; answer StandbyStarted, StandbyReady or SeekFailed."""


@dataclass(frozen=True, slots=True)
class LetGoStandby:
    """It did not prove itself or is unfit: stop it, and ask others first next time."""

    generation: int
    reason: str


@dataclass(frozen=True, slots=True)
class Hold:
    """Nobody encodes until a later try."""

    reason: str
    retry_s: float


Command = Replace | Switch | Remedy | SeekStandby | LetGoStandby | Hold
