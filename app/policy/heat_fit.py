"""Fits a first-order heat model to readings: T = base + degrees x what the device feels of its load.

Pure arithmetic. What the device feels is its load behind a low-pass of some time constant; several are tried, and
the one whose line fits best wins. Robust by the weights of P. J. Huber (1964): a few wild readings do not turn the
line.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import median
from typing import Final

TIME_CONSTANTS_S: Final = (30.0, 60.0, 120.0, 240.0, 480.0)
"""Small fans to heavy housings."""
POINTS_LEAST: Final = 12
LOAD_SPREAD_LEAST: Final = 0.3
"""A load that hardly changed says nothing of what a change brings."""
EXPLAINED_LEAST: Final = 0.4
"""Share of the temperature's mean deviation that the line explains: below it something else heats the device."""
AS_GOOD: Final = 0.05
"""Of time constants that explain about as much the most degrees and the slowest count: the pessimistic side."""
DEGREES_MOST: Final = 120.0
ROUNDS: Final = 3
HUBER: Final = 1.345
"""Times the spread: 95 % as efficient as least squares where nothing is wild."""
SPREAD_OF_MEDIAN: Final = 1.4826
"""Standard deviation of a normal distribution over its median absolute deviation."""
ERROR_LEAST_C: Final = 1.0
"""Many sensors tell whole degrees."""


@dataclass(frozen=True, slots=True)
class Point:
    """`felt`: load felt, one share for each of TIME_CONSTANTS_S."""

    celsius: float
    felt: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Fit:
    base_c: float
    """Idle, in the present room."""
    degrees_per_load: float
    time_constant_s: float
    error_c: float
    """Three robust standard deviations about the line."""


@dataclass(frozen=True, slots=True)
class _Line:
    base: float
    slope: float
    spread: float
    explained: float


def fit(points: tuple[Point, ...]) -> Fit | None:
    """None: too few points, too steady a load, or a temperature that does not follow it."""
    if len(points) < POINTS_LEAST:
        return None
    heats = [point.celsius for point in points]
    found: list[tuple[float, _Line]] = []
    for index, constant_s in enumerate(TIME_CONSTANTS_S):
        felt = [point.felt[index] for point in points]
        if max(felt) - min(felt) >= LOAD_SPREAD_LEAST:
            found.append((constant_s, _robust_line(felt, heats)))
    if not found:
        return None
    best = max(line.explained for _, line in found)
    as_good = [(constant_s, line) for constant_s, line in found if line.explained >= best - AS_GOOD]
    line = max((line for _, line in as_good), key=lambda line: line.slope)
    if best < EXPLAINED_LEAST or not 0.0 < line.slope <= DEGREES_MOST:
        return None
    return Fit(
        line.base, line.slope, max(constant_s for constant_s, _ in as_good), max(3.0 * line.spread, ERROR_LEAST_C)
    )


def _robust_line(xs: list[float], ys: list[float]) -> _Line:
    weights = [1.0] * len(xs)
    base = slope = spread = 0.0
    for _ in range(ROUNDS):
        base, slope = _weighted_line(xs, ys, weights)
        distances = [abs(y - base - slope * x) for x, y in zip(xs, ys, strict=True)]
        spread = SPREAD_OF_MEDIAN * median(distances)
        bound = max(HUBER * spread, 1e-6)
        weights = [1.0 if distance <= bound else bound / distance for distance in distances]
    return _Line(base, slope, spread, _explained(xs, ys, base=base, slope=slope))


def _weighted_line(xs: list[float], ys: list[float], weights: list[float]) -> tuple[float, float]:
    total = math.fsum(weights)
    x_mean = math.fsum(w * x for w, x in zip(weights, xs, strict=True)) / total
    y_mean = math.fsum(w * y for w, y in zip(weights, ys, strict=True)) / total
    variance = math.fsum(w * (x - x_mean) ** 2 for w, x in zip(weights, xs, strict=True))
    if variance <= 1e-12:
        return y_mean, 0.0
    common = math.fsum(w * (x - x_mean) * (y - y_mean) for w, x, y in zip(weights, xs, ys, strict=True))
    slope = common / variance
    return y_mean - slope * x_mean, slope


def _explained(xs: list[float], ys: list[float], *, base: float, slope: float) -> float:
    """Without the weights: a line that gives up the points it misses would look good by them."""
    middle = median(ys)
    whole = math.fsum(abs(y - middle) for y in ys)
    left = math.fsum(abs(y - base - slope * x) for x, y in zip(xs, ys, strict=True))
    return 0.0 if whole <= 1e-9 else 1.0 - left / whole
