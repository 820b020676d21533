"""What is done when a stream loses its encoder or its backup: replace at once, then ever slower; seek a backup.

One machine for each stream. It decides when and what, never who: the balancer chooses, the doer carries out and
tells how it went. An event of an older generation changes nothing, so the same loss told twice is acted on once.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

BACKOFF_FIRST_S: Final = 0.5
BACKOFF_MAX_S: Final = 30.0
SETTLED_S: Final = 30.0
"""A worker that lived this long was well: its loss is a first one again."""
FREE_LOSSES: Final = 2
"""Losses in a row that are answered at once: the first encoder's and its backup's (both may die together)."""
BACKUP_RETRY_FIRST_S: Final = 1.0
GREW_SPACING_S: Final = 0.2
"""Between two tries that arriving encoders set off: a whole fleet may come back at once."""


class Phase(Enum):
    STEADY = auto()
    REPLACING = auto()
    HELD = auto()
    """Nobody encodes; tried again at `due` or when the fleet grows."""
    ENDED = auto()


class Cover(Enum):
    PROTECTED = auto()
    SEEKING = auto()
    BARE = auto()


# --- events


@dataclass(frozen=True, slots=True)
class ActiveLost:
    generation: int
    cause: str


@dataclass(frozen=True, slots=True)
class Replaced:
    generation: int


@dataclass(frozen=True, slots=True)
class ReplaceFailed:
    reason: str


@dataclass(frozen=True, slots=True)
class BackupLost:
    cause: str


@dataclass(frozen=True, slots=True)
class BackupReady:
    pass


@dataclass(frozen=True, slots=True)
class BackupFailed:
    reason: str


@dataclass(frozen=True, slots=True)
class FleetGrew:
    """An encoder or the stream's gateway came."""


@dataclass(frozen=True, slots=True)
class Ended:
    pass


Event = ActiveLost | Replaced | ReplaceFailed | BackupLost | BackupReady | BackupFailed | FleetGrew | Ended

# --- commands


@dataclass(frozen=True, slots=True)
class Replace:
    """Give the stream to its backup or, failing that, to the best encoder; answer Replaced or ReplaceFailed."""

    cause: str
    attempt: int


@dataclass(frozen=True, slots=True)
class SeekBackup:
    """Choose and reserve a backup; answer BackupReady or BackupFailed."""


@dataclass(frozen=True, slots=True)
class Hold:
    """Nobody encodes until a later try."""

    reason: str
    retry_s: float


Command = Replace | SeekBackup | Hold


class RecoveryMachine:
    """`generation` is the active worker's. `protected`: a backup stands ready."""

    def __init__(self, *, generation: int, protected: bool, needs_encoder: bool = True) -> None:
        self.phase = Phase.STEADY if needs_encoder else Phase.ENDED
        self.cover = Cover.PROTECTED if protected else Cover.BARE
        self.generation = generation
        self.cause = ""
        self._attempt = 0
        self._losses = 0
        self._replaced_at: float | None = None
        self._replace_due: float | None = None
        self._backup_due: float | None = None
        self._backup_failures = 0
        self._tried_at: float | None = None
        self._lost_meanwhile: ActiveLost | None = None

    @property
    def due(self) -> float | None:
        waiting = [due for due in (self._replace_due, self._backup_due) if due is not None]
        return min(waiting, default=None)

    def feed(self, event: Event, now: float) -> tuple[Command, ...]:
        if self.phase is Phase.ENDED:
            return ()
        match event:
            case ActiveLost():
                return self._active_lost(event, now)
            case Replaced(generation):
                return self._replaced(generation, now)
            case ReplaceFailed(reason):
                return self._hold(reason, now)
            case BackupLost():
                return self._bare()
            case BackupReady():
                self.cover, self._backup_due, self._backup_failures = Cover.PROTECTED, None, 0
            case BackupFailed():
                self._backup_failed(now)
            case FleetGrew():
                return self._grew(now)
            case Ended():
                self.phase, self._replace_due, self._backup_due = Phase.ENDED, None, None
        return ()

    def tick(self, now: float) -> tuple[Command, ...]:
        if self._replace_due is not None and now >= self._replace_due:
            return (self._replace(now),)
        if self._backup_due is not None and now >= self._backup_due:
            return self._seek()
        return ()

    def _active_lost(self, event: ActiveLost, now: float) -> tuple[Command, ...]:
        if self.phase is Phase.REPLACING and event.generation > self.generation:
            # The new worker died before its start was answered.
            self._lost_meanwhile = event
        if self.phase is not Phase.STEADY or event.generation < self.generation:
            return ()
        settled = self._replaced_at is None or now - self._replaced_at >= SETTLED_S
        self._losses = 1 if settled else self._losses + 1
        self._attempt, self.cause = 0, event.cause
        if self._losses > FREE_LOSSES:
            self._attempt = self._losses - FREE_LOSSES
            return self._hold(f"{event.cause}, {self._losses} times in a row", now)
        return (self._replace(now),)

    def _replace(self, now: float) -> Replace:
        self.phase, self._replace_due, self._tried_at = Phase.REPLACING, None, now
        self._attempt += 1
        return Replace(self.cause, self._attempt)

    def _replaced(self, generation: int, now: float) -> tuple[Command, ...]:
        self.phase, self.generation, self._replaced_at, self._attempt = Phase.STEADY, generation, now, 0
        lost, self._lost_meanwhile = self._lost_meanwhile, None
        if lost is not None and lost.generation >= generation:
            return self._active_lost(lost, now)
        return self._bare()

    def _hold(self, reason: str, now: float) -> tuple[Command, ...]:
        pause_s = _backoff(BACKOFF_FIRST_S, self._attempt)
        self.phase, self._replace_due = Phase.HELD, now + pause_s
        # The new worker comes first; its backup is sought after it.
        self.cover, self._backup_due = Cover.BARE, None
        return (Hold(reason, pause_s),)

    def _bare(self) -> tuple[Command, ...]:
        self.cover, self._backup_due, self._backup_failures = Cover.BARE, None, 0
        return self._seek() if self.phase is Phase.STEADY else ()

    def _seek(self) -> tuple[Command, ...]:
        self.cover, self._backup_due = Cover.SEEKING, None
        return (SeekBackup(),)

    def _backup_failed(self, now: float) -> None:
        self.cover = Cover.BARE
        self._backup_failures += 1
        self._backup_due = now + _backoff(BACKUP_RETRY_FIRST_S, self._backup_failures)

    def _grew(self, now: float) -> tuple[Command, ...]:
        if self.phase is Phase.HELD:
            spaced = self._tried_at is None or now - self._tried_at >= GREW_SPACING_S
            if self._losses > FREE_LOSSES or self._replace_due is None:
                return ()
            if spaced:
                return (self._replace(now),)
            self._replace_due = min(self._replace_due, now + GREW_SPACING_S)
        elif self.phase is Phase.STEADY and self.cover is Cover.BARE:
            return self._seek()
        return ()


def _backoff(first_s: float, failures: int) -> float:
    return min(BACKOFF_MAX_S, first_s * 2.0 ** min(max(failures - 1, 0), 10))
