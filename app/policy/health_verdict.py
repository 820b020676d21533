"""What a stream's health asks for: nothing, to prepare, to take quality back, or another encoder.

Pure: a score each second and how far its encoder's history declines go in; a verdict comes out, held by windows so
that one bad second asks for nothing. The limits are the contract's and tunable. What is done about it, and whether
another encoder is really better, is others' business.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from app.policy.windows import Rule, Window, look

LASTS: Final = Rule(bad=8, of=10, clear_s=30.0)
"""A look each second."""
DECLINES: Final = Rule(bad=16, of=20, clear_s=60.0)
DECLINE_LEAST: Final = 0.35
"""Of 1, a history that only gets worse. About where a machine is busier than it is planned for, and well before its
workers fall behind."""
BETTER_SCORE: Final = 10.0
"""Points by which another encoder must be better to be worth a move."""
BETTER_DECLINE: Final = 0.2


class Step(StrEnum):
    WELL = "well"
    PREVENTIVE = "preventive"
    """Look for a better place, and keep a backup that is well itself."""
    DEGRADE = "degrade"
    """Ask less of the encoder."""
    RESET = "reset"
    """Give the stream to another encoder."""


@dataclass(frozen=True, slots=True)
class HealthLimits:
    """Scores, 0 to 100: below each, its step is asked for."""

    preventive_below: float = 80.0
    degrade_below: float = 70.0
    reset_below: float = 50.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.reset_below <= self.degrade_below <= self.preventive_below <= 100.0:
            raise ValueError("health limits must not rise: preventive, degrade, reset, between 100 and 0")


@dataclass(frozen=True, slots=True)
class Watched:
    """One stream's windows. Another worker begins without a history."""

    generation: int = 0
    preventive: Window = field(default_factory=Window)
    degrade: Window = field(default_factory=Window)
    reset: Window = field(default_factory=Window)
    declining: Window = field(default_factory=Window)


def note(
    watched: Watched,
    limits: HealthLimits,
    *,
    score: float | None,
    decline: float | None,
    generation: int,
    now: float,
) -> Watched:
    """`score` and `decline` None: not known, which says nothing."""
    if watched.generation != generation:
        watched = Watched(generation)
    return replace(
        watched,
        preventive=look(watched.preventive, LASTS, _below(score, limits.preventive_below), now),
        degrade=look(watched.degrade, LASTS, _below(score, limits.degrade_below), now),
        reset=look(watched.reset, LASTS, _below(score, limits.reset_below), now),
        declining=look(watched.declining, DECLINES, None if decline is None else decline >= DECLINE_LEAST, now),
    )


def judge(watched: Watched) -> Step:
    """The strongest that lasts."""
    if watched.reset.is_on:
        return Step.RESET
    if watched.degrade.is_on:
        return Step.DEGRADE
    return Step.PREVENTIVE if watched.preventive.is_on or watched.declining.is_on else Step.WELL


@dataclass(frozen=True, slots=True)
class Place:
    """An encoder as a place for the stream; None: not known."""

    score: float | None
    decline: float


def is_worth_leaving(watched: Watched, here: Place, there: Place) -> bool:
    """Whether the move is asked for, and would help by what is measured. What is not known is not better."""
    if watched.reset.is_on and here.score is not None and there.score is not None:
        return there.score >= here.score + BETTER_SCORE
    if watched.declining.is_on and here.decline >= DECLINE_LEAST:
        sicker = here.score is not None and there.score is not None and there.score < here.score
        return not sicker and there.decline + BETTER_DECLINE <= here.decline
    return False


def is_better(here: Place, there: Place) -> bool:
    """Whether a backup is clearly better off there, by either measure, and not clearly worse by the other."""
    gain = there.score - here.score if here.score is not None and there.score is not None else 0.0
    relief = here.decline - there.decline
    if gain <= -BETTER_SCORE or relief <= -BETTER_DECLINE:
        return False
    return gain >= BETTER_SCORE or relief >= BETTER_DECLINE


def _below(score: float | None, limit: float) -> bool | None:
    return None if score is None else score < limit
