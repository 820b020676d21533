"""What the seats of a channel's workers tell of them. Times are monotonic seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from aiortmp import MediaMessage
from app.domain.failover import DecidedBy, SwitchKind
from app.domain.stream import StandbyGrade
from app.media.feed import WorkerLink
from app.media.reflex import Loss


@dataclass(frozen=True, slots=True)
class TrackBefore:
    """A track when its worker was last heard: the last timestamp let through, when that was, how late it was."""

    last_ms: int | None
    frame_s: float | None
    lag_ms: float | None


@dataclass(frozen=True, slots=True)
class Before:
    """Who spoke, and how far each track was. `link` is None when nobody did."""

    link: WorkerLink | None
    generation: int
    tracks: Mapping[str, TrackBefore]


@dataclass(frozen=True, slots=True)
class Lost:
    """The worker that spoke is lost and nobody stands by."""

    before: Before
    loss: Loss


@dataclass(frozen=True, slots=True)
class Released:
    """A worker was told to go, or one that stood by went: nothing is lost with it."""

    link: WorkerLink
    reason: str


@dataclass(frozen=True, slots=True)
class Proved:
    """The standby says that it is ready. `headers`: the sequence headers it published, by track."""

    link: WorkerLink
    headers: Mapping[str, MediaMessage]


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a worker takes over where nothing was lost; after a loss, its cause counts."""

    kind: SwitchKind
    cause: str
    decided_by: DecidedBy


BY_CONTROL = Reason(SwitchKind.REPLACED, "replaced by control", DecidedBy.CONTROL)
BY_REFLEX = Reason(SwitchKind.REFLEX, "lost", DecidedBy.GATEWAY)


@dataclass(frozen=True, slots=True)
class Gave:
    """`link` speaks from now on. `detected_s` is None where nothing was lost, `grade` COLD for one that did not
    stand by.
    """

    link: WorkerLink
    before: Before
    kind: SwitchKind
    cause: str
    evidence: str
    decided_by: DecidedBy
    detected_s: float | None
    decided_s: float
    grade: StandbyGrade
    is_proved: bool


@dataclass(frozen=True, slots=True)
class Planned:
    """`gave` will be told when the switch is done; until then both workers are heard."""

    gave: Gave


@dataclass(frozen=True, slots=True)
class Abandoned:
    """The planned switch will not be: the old worker goes on."""

    gave: Gave


SeatEvent = Lost | Released | Proved | Gave | Planned | Abandoned
