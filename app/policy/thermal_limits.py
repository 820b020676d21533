"""The temperatures that thermal control acts at, and what a temperature is worth from 0 to 100."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Self

STEPS: Final = 5
"""Of a cool-down: each takes a fifth of what the encoder may do."""
HOT_C: Final = 80.0
COOL_BELOW_HOT_C: Final = 8.0
CRITICAL_ABOVE_HOT_C: Final = 10.0
STOP_ABOVE_HOT_C: Final = 15.0
CRITICAL_MOST_C: Final = 90.0
STOP_MOST_C: Final = 95.0
"""Whoever sets another hot limit moves the other ones with it, but no device is worked above these."""
SLOWDOWN_LEAST_C: Final = 50.0
"""No device slows itself down below: such a figure is its driver's error."""
FULL_MARKS_BELOW_COOL_C: Final = 12.0


@dataclass(frozen=True, slots=True)
class ThermalLimits:
    """Degrees Celsius. Above `hot_c` nothing new; above `critical_c` what runs leaves by planned switches; at
    `stop_c` it leaves at any cost. Well again only below `cool_c`."""

    cool_c: float = HOT_C - COOL_BELOW_HOT_C
    hot_c: float = HOT_C
    critical_c: float = CRITICAL_MOST_C
    stop_c: float = STOP_MOST_C

    @classmethod
    def of(cls, hot_c: float) -> Self:
        return cls(
            cool_c=hot_c - COOL_BELOW_HOT_C,
            hot_c=hot_c,
            critical_c=min(hot_c + CRITICAL_ABOVE_HOT_C, CRITICAL_MOST_C),
            stop_c=min(hot_c + STOP_ABOVE_HOT_C, STOP_MOST_C),
        )

    def lowered(self, slowdown_c: float | None) -> Self:
        """For a device that slows itself down at `slowdown_c`: it counts as critical no later than there."""
        if slowdown_c is None or not SLOWDOWN_LEAST_C <= slowdown_c < self.critical_c:
            return self
        return self.of(min(self.hot_c, slowdown_c - CRITICAL_ABOVE_HOT_C))

    @property
    def calm_c(self) -> float:
        """Below it what was critical is only hot."""
        return (self.hot_c + self.critical_c) / 2

    def steps(self, celsius: float) -> int:
        """How many of the steps this temperature takes: none up to `cool_c`, all from `hot_c`."""
        if celsius >= self.hot_c:
            return STEPS
        return max(0, int((celsius - self.cool_c) / (self.hot_c - self.cool_c) * STEPS))

    def score(self, celsius: float) -> float:
        """100 for a cool device, 80 where it becomes warm, 50 hot, 15 critical, 0 at the hard stop."""
        marks = (
            (self.cool_c - FULL_MARKS_BELOW_COOL_C, 100.0),
            (self.cool_c, 80.0),
            (self.hot_c, 50.0),
            (self.critical_c, 15.0),
            (self.stop_c, 0.0),
        )
        if celsius <= marks[0][0]:
            return 100.0
        for (low_c, low), (high_c, high) in pairwise(marks):
            if celsius <= high_c:
                return low + (high - low) * (celsius - low_c) / (high_c - low_c)
        return 0.0
