"""How good the connection to one encoder is: its history, patterns in it, a score, and when it may drop again.

Pure: what was heard and lost goes in with `now`. A connection of which nothing was ever heard has no score. That an
encoder was stopped by an operator is no fault of its connection; whether it is offline is the fleet's verdict.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import fmean, median, pstdev
from typing import Final

from app.domain.connection import ConnectionHealth, Pattern, Prediction

MOST_DROPS: Final = 32
MOST_GAPS: Final = 60
"""Times between words: a minute of a node's heartbeats."""
HISTORY_S: Final = 24 * 3600.0
LATELY_S: Final = 3600.0
LEAST_FOR_PERIOD: Final = 4
PERIOD_SPREAD_MAX: Final = 0.15
"""Deviation by mean of the times between drops that still are one period."""
PERIOD_LEAST_S: Final = 10.0
BURST: Final = 3
BURST_S: Final = 120.0
DROP_POINTS: Final = 12.0
"""For each drop of the last hour."""
DROPS_MAX_POINTS: Final = 60.0
DOWN_POINTS: Final = 100.0
"""Times the share of the last hour that it was away, or of the time it was watched."""
WATCHED_LEAST_S: Final = 600.0
"""A few seconds away are no half of its life, only because it was not watched for longer."""
LATE_POINTS: Final = 20.0
"""Times the share of words that came later than LATE_BY times the usual."""
LATE_BY: Final = 2.5
LATE_FREE: Final = 0.05


@dataclass(frozen=True, slots=True)
class Drop:
    """Monotonic seconds; `until` None: it is away still."""

    at: float
    until: float | None = None


@dataclass(frozen=True, slots=True)
class History:
    since: float | None = None
    """First word; None: nothing was heard."""
    heard: float | None = None
    gaps: tuple[float, ...] = ()
    drops: tuple[Drop, ...] = ()

    @property
    def is_up(self) -> bool | None:
        if self.since is None:
            return None
        return not self.drops or self.drops[-1].until is not None


def heard(history: History, now: float) -> History:
    """A word came. It ends a drop: who speaks is there."""
    if history.since is None:
        return History(now, now)
    if not history.is_up:
        return replace(came(history, now), heard=now)
    gaps = history.gaps if history.heard is None else (*history.gaps, now - history.heard)[-MOST_GAPS:]
    return replace(history, heard=now, gaps=gaps)


def lost(history: History, now: float) -> History:
    """The connection is gone; what was never there cannot be."""
    if not history.is_up:
        return history
    kept = [drop for drop in history.drops if now - drop.at <= HISTORY_S]
    return replace(history, heard=None, drops=(*kept, Drop(now))[-MOST_DROPS:])


def came(history: History, now: float) -> History:
    """The connection is there again."""
    if history.since is None:
        return History(now)
    if history.is_up:
        return history
    return replace(history, drops=(*history.drops[:-1], Drop(history.drops[-1].at, now)))


def judge(history: History, now: float) -> ConnectionHealth:
    if history.since is None:
        return ConnectionHealth(None, None, None, 0, None, (), None, ("nothing was heard of it yet",))
    lately = [drop for drop in history.drops if now - drop.at <= LATELY_S]
    begin = max(history.since, now - LATELY_S)
    away_s, watched_s = _away_s(history, begin, now), now - begin
    up_share = float(bool(history.is_up)) if watched_s <= 0.0 else max(0.0, 1.0 - away_s / watched_s)
    late = _late_share(history.gaps)
    is_up = bool(history.is_up)
    points = (
        100.0
        - min(DROPS_MAX_POINTS, DROP_POINTS * len(lately))
        - DOWN_POINTS * away_s / max(watched_s, WATCHED_LEAST_S)
    )
    points -= LATE_POINTS * max(0.0, late - LATE_FREE)
    patterns = tuple(_patterns(history, lately, late))
    return ConnectionHealth(
        score=round(max(0.0, points), 1) if is_up else 0.0,
        is_up=is_up,
        up_share=round(up_share, 4),
        drops_lately=len(lately),
        usual_gap_s=round(median(history.gaps), 3) if history.gaps else None,
        patterns=patterns,
        prediction=_prediction(history, lately, history.since, now),
        reasons=tuple(_reasons(is_up=is_up, drops=len(lately), late=late, patterns=patterns)),
    )


def _reasons(*, is_up: bool, drops: int, late: float, patterns: Sequence[Pattern]) -> list[str]:
    found = [] if is_up else ["it is away"]
    if drops:
        found.append(f"dropped {drops} time(s) within the last hour")
    if late > LATE_FREE:
        found.append(f"{late:.0%} of its words come late")
    return found + [pattern.text for pattern in patterns]


def _away_s(history: History, begin: float, now: float) -> float:
    return sum(
        max(0.0, (now if drop.until is None else drop.until) - max(drop.at, begin)) for drop in history.drops
    )


def _late_share(gaps: Sequence[float]) -> float:
    if len(gaps) < LEAST_FOR_PERIOD:
        return 0.0
    usual = median(gaps)
    return sum(gap > LATE_BY * usual for gap in gaps) / len(gaps)


def _patterns(history: History, lately: Sequence[Drop], late: float) -> list[Pattern]:
    found = []
    period = _period(history.drops)
    if period is not None:
        found.append(Pattern("periodic_drops", f"drops each {_spoken(period)}", period))
    if any(third.at - first.at <= BURST_S for first, third in zip(lately, lately[BURST - 1 :], strict=False)):
        found.append(Pattern("burst_of_drops", f"dropped {BURST} times within {BURST_S:g} s"))
    if late > 2 * LATE_FREE:
        found.append(Pattern("late_words", "its words come unevenly: the network or the machine is overloaded"))
    return found


def _period(drops: Sequence[Drop]) -> float | None:
    """The time between drops where it is always about the same, by the last ones."""
    times = [drop.at for drop in drops][-2 * LEAST_FOR_PERIOD :]
    if len(times) < LEAST_FOR_PERIOD:
        return None
    between = [later - one for one, later in pairwise(times)]
    mean = fmean(between)
    if mean < PERIOD_LEAST_S or pstdev(between) > PERIOD_SPREAD_MAX * mean:
        return None
    return mean


def _prediction(history: History, lately: Sequence[Drop], since: float, now: float) -> Prediction | None:
    """None while it was not watched long enough to say."""
    period = _period(history.drops)
    if period is not None and now - history.drops[-1].at <= 2 * period:
        regular = 1.0 - 1.0 / len(history.drops)
        return Prediction(round(regular, 2), max(0.0, history.drops[-1].at + period - now))
    watched_s = now - since
    if watched_s < LATELY_S / 6:
        return None
    rate = len(lately) / min(watched_s, LATELY_S)
    return Prediction(round(-math.expm1(-rate * LATELY_S), 2))


def _spoken(seconds: float) -> str:
    if seconds >= 7200.0:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 60:.1f} min" if seconds >= 120.0 else f"{seconds:.0f} s"
