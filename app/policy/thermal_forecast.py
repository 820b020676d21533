"""When an encoder will be too warm, if it goes on like this."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from app.policy.heat import Heat

HORIZON_S: Final = 1_800.0
"""Nobody knows what an encoder does in half an hour."""
RISING_C_PER_MIN: Final = 0.2
"""A slower rise is weather."""
ERRORS: Final = 2.0
"""Standard errors that a slope must be away from none: with less it is as well no rise at all."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """`limit_c` is reached in `in_s` seconds; `confidence` from 0, a guess, to 1."""

    limit_c: float
    in_s: float
    confidence: float


def forecast(heat: Heat, limit_c: float) -> Forecast | None:
    """None: not known, not rising, or it settles before. 0 seconds: it is there.

    First-order model: a device that rises with `slope` settles at slope times time constant above now, and comes
    to x above now after -time constant * ln(1 - x / that). Without a time constant the line is drawn on straight.
    """
    celsius, slope = heat.temperature_c, heat.slope_c_per_min
    if celsius is None:
        return None
    missing = limit_c - celsius
    if missing <= 0.0:
        return Forecast(limit_c, 0.0, 1.0)
    if slope is None or slope < RISING_C_PER_MIN:
        return None
    in_s = _after_s(missing, slope / 60.0, heat.time_constant_s)
    if in_s is None or in_s > HORIZON_S:
        return None
    error = heat.slope_error_c_per_min or 0.0
    return Forecast(limit_c, in_s, max(0.0, 1.0 - ERRORS * error / slope))


def _after_s(missing_c: float, slope_c_per_s: float, constant_s: float | None) -> float | None:
    if constant_s is None:
        return missing_c / slope_c_per_s
    share = missing_c / (slope_c_per_s * constant_s)
    return None if share >= 1.0 else -constant_s * math.log1p(-share)
