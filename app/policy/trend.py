"""Where a measured series is going: its slope, what it will be, and when it crosses a limit, each with its bounds.

Pure. The slope is Theil and Sen's, the middle of the slopes between all pairs, so that a fifth of wild values does
not bend it; its bounds are Sen's (1968), from Kendall's statistic. They hold for values whose errors have nothing
to do with each other; a series that drifts by itself is less sure than they say. A series too short, or one without
a span of time, has no trend: None.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

LEAST_POINTS: Final = 8
MOST_POINTS: Final = 60
"""Pairs grow with the square; of a longer series evenly spaced ones are taken."""
Z_90: Final = 1.645
"""Of the normal distribution: nine of ten lie within so many deviations."""
MAD_TO_DEVIATION: Final = 1.4826
HORIZON_SPANS: Final = 1.0
"""Nothing is foretold further ahead than the series reaches back."""

Point = tuple[float, float]
"""Seconds and value."""


@dataclass(frozen=True, slots=True)
class Trend:
    """Slopes in value per second; `low` and `high` bound 90 %. `level` is the line's value at `at`, seconds."""

    slope: float
    slope_low: float
    slope_high: float
    level: float
    at: float
    span_s: float
    spread: float
    """Deviation of single values from the line."""
    points: int

    @property
    def is_sure(self) -> bool:
        """Whether the direction is: zero lies outside the bounds."""
        return self.slope_low > 0.0 or self.slope_high < 0.0


@dataclass(frozen=True, slots=True)
class Forecast:
    """The value `in_s` after the newest point; `low` and `high` bound 90 %."""

    in_s: float
    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Crossing:
    """Seconds until a limit is crossed. `latest` None: with the slope's other bound it never is."""

    likely_s: float
    earliest_s: float
    latest_s: float | None


def trend(series: Sequence[Point]) -> Trend | None:
    """Of the finite values, in any order."""
    points = _thinned(sorted((at, value) for at, value in series if math.isfinite(at) and math.isfinite(value)))
    slopes = sorted(
        (later[1] - one[1]) / (later[0] - one[0])
        for index, one in enumerate(points)
        for later in points[index + 1 :]
        if later[0] > one[0]
    )
    if len(points) < LEAST_POINTS or not slopes:
        return None
    slope, (low, high) = median(slopes), _bounds(slopes, len(points))
    newest = points[-1][0]
    level = median(value - slope * (at - newest) for at, value in points)
    residuals = [value - level - slope * (at - newest) for at, value in points]
    spread = MAD_TO_DEVIATION * median(abs(residual) for residual in residuals)
    return Trend(slope, low, high, level, newest, newest - points[0][0], spread, len(points))


def forecast(found: Trend, in_s: float) -> Forecast | None:
    """None: further ahead than the series reaches back."""
    if not 0.0 <= in_s <= found.span_s * HORIZON_SPANS:
        return None
    noise = Z_90 * found.spread
    value = found.level + found.slope * in_s
    return Forecast(
        in_s,
        value,
        min(value, found.level + found.slope_low * in_s) - noise,
        max(value, found.level + found.slope_high * in_s) + noise,
    )


def crossing(found: Trend, limit: float) -> Crossing | None:
    """When a series that rises reaches `limit`; for one that falls give the negated series and limit.

    None: it is there already, does not surely rise, or would not get there within the time that can be foretold.
    """
    way = limit - found.level
    if way <= 0.0 or found.slope_low <= 0.0:
        return None
    likely_s = way / found.slope
    if likely_s > found.span_s * HORIZON_SPANS:
        return None
    return Crossing(likely_s, way / found.slope_high, way / found.slope_low)


def _bounds(slopes: Sequence[float], points: int) -> tuple[float, float]:
    """Sen's: the slopes that stand so many places from the middle."""
    deviation = math.sqrt(points * (points - 1) * (2 * points + 5) / 18.0)
    reach = Z_90 * deviation
    low = math.floor((len(slopes) - reach) / 2.0)
    high = math.ceil((len(slopes) + reach) / 2.0)
    return slopes[max(low, 0)], slopes[min(high, len(slopes) - 1)]


def _thinned(points: list[Point]) -> list[Point]:
    if len(points) <= MOST_POINTS:
        return points
    step = (len(points) - 1) / (MOST_POINTS - 1)
    return [points[round(index * step)] for index in range(MOST_POINTS)]
