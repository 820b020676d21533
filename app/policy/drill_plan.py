"""When streams are drilled by themselves, and how far their last drill can be trusted.

Pure: times of day in UTC, wall-clock moments as aware datetimes. Who is drilled and how is the drill service's
business. A drill ages: what was proved long ago, or failed, is no proof.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Final

from app.domain.drill import DrillKind, DrillOutcome

PERIOD: Final = timedelta(days=1)
"""Each window drills each stream once."""
ALLOWED: Final = timedelta(days=2)
"""A drill that was missed once is made up for in the next window; older ones are overdue."""
APART_S: Final = 3600.0
FAILED_SCORE: Final = 0.5
NO_WINDOW: Final = "a window is two times of day in UTC, such as 02:00-04:30"


@dataclass(frozen=True, slots=True)
class DrillPlan:
    """`opens` to `closes` each day; over midnight when it closes before it opens."""

    opens: time
    closes: time
    kind: DrillKind = DrillKind.KILL

    @classmethod
    def parse(cls, window: str, kind: DrillKind = DrillKind.KILL) -> DrillPlan:
        """`02:00-04:30`. Raises ValueError."""
        opens, _, closes = window.partition("-")
        try:
            plan = cls(time.fromisoformat(opens), time.fromisoformat(closes), kind)
        except ValueError:
            raise ValueError(NO_WINDOW) from None
        if plan.opens == plan.closes or plan.opens.tzinfo is not None or plan.closes.tzinfo is not None:
            raise ValueError(NO_WINDOW)
        return plan

    def is_open(self, now: datetime) -> bool:
        moment = now.timetz().replace(tzinfo=None)
        if self.opens < self.closes:
            return self.opens <= moment < self.closes
        return moment >= self.opens or moment < self.closes

    def is_due(self, last: DrillOutcome | None, now: datetime, *, rested_s: float | None = None) -> bool:
        """Whether a stream with this last drill is to be drilled now: once in each window, passed or failed.

        `rested_s`: seconds that have really passed since its last scheduled drill, None when this control made
        none. A clock that jumps from window to window gets one drill for each `APART_S`.
        """
        if not self.is_open(now) or (rested_s is not None and rested_s < APART_S):
            return False
        return last is None or last.at < self._opened(now) or _is_of_no_time(last, now)

    def _opened(self, now: datetime) -> datetime:
        opened = now.replace(
            hour=self.opens.hour, minute=self.opens.minute, second=self.opens.second, microsecond=0
        )
        return opened if opened <= now else opened - PERIOD


def _is_of_no_time(last: DrillOutcome, now: datetime) -> bool:
    """It was made under a clock that was far ahead; when it really was, nobody knows."""
    return last.at > now + PERIOD


@dataclass(frozen=True, slots=True)
class Readiness:
    """`score` from 0, a loss would be seen, to 1: a loss was tried out lately and nothing was lost."""

    score: float
    reasons: tuple[str, ...] = ()


def readiness(
    *, protected: bool, last: DrillOutcome | None, since: datetime, plan: DrillPlan | None, now: datetime
) -> Readiness:
    """`since`: the first moment a drill was possible. Without a plan nothing is overdue, but a failure counts."""
    if not protected:
        return Readiness(0.0, ("unprotected",))
    if last is not None and last.fault is not None:
        return Readiness(FAILED_SCORE, (f"the last drill failed: {last.fault}",))
    if plan is None:
        return Readiness(1.0)
    if last is not None and _is_of_no_time(last, now):
        last = None
    age = now - (since if last is None else last.at)
    late = age - ALLOWED
    if late <= timedelta(0):
        return Readiness(1.0)
    words = "never drilled" if last is None else f"last drilled {age.days} days ago"
    return Readiness(max(FAILED_SCORE, 1.0 - FAILED_SCORE * (late / ALLOWED)), (f"drill overdue: {words}",))
