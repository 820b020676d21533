"""What to do when the worker that speaks is lost: the gateway's own verdict, without asking control. Pure.

Leaves to others: seeing the loss (`progress`, the connection), and carrying the verdict out (`worker_seat`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from app.domain.stream import StandbyGrade
from app.media.progress import START_S

HOT_SPAN_MS: Final = 1_000
"""A hot standby keeps the pictures of the last second; what is missing may be no older."""


@dataclass(frozen=True, slots=True)
class Loss:
    """A worker is gone: `cause` in a word or two, `evidence` in words and figures, seen at `at_s` (monotonic)."""

    cause: str
    evidence: str
    at_s: float

    @property
    def reason(self) -> str:
        return f"{self.cause}: {self.evidence}"


class Reflex(Enum):
    WAIT = auto()
    """Nobody stands by: control finds another worker."""
    FEED = auto()
    """The standby begins with the replay, after the last frame let through."""
    SPEAK = auto()
    """The standby goes on with the pictures it holds."""


def on_absence(*, standby_is_ready: bool, waited_s: float, now_s: float) -> Loss | None:
    """Nobody has spoken yet, though the source has flowed for `waited_s`: whether the standby is to begin.

    The planned worker gets the time that any worker gets to begin; one that stands ready is nearer than control.
    """
    if not standby_is_ready or waited_s < START_S:
        return None
    return Loss("not there", f"the planned worker did not come within {waited_s:.0f} s", now_s)


def on_loss(
    grade: StandbyGrade | None, *, is_ready: bool, missing_from_ms: int | None, newest_ms: int | None
) -> Reflex:
    """`grade` of the connected standby, None without one; `missing_from_ms`: all up to there was let through.

    A standby that is not proved yet is better than none, but it is not trusted to hold pictures.
    """
    if grade is None:
        return Reflex.WAIT
    if grade is not StandbyGrade.HOT or not is_ready or missing_from_ms is None or newest_ms is None:
        return Reflex.FEED
    return Reflex.SPEAK if newest_ms - missing_from_ms <= HOT_SPAN_MS else Reflex.FEED
