"""Damping of planned switches: each one of the last hour lengthens the rest after the newest, up to a limit.

Only what slow evidence caused is counted. A loss is always answered, and what control, an operator or a drill
caused is no flapping: neither must be told here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

REST_S: Final = 30.0
"""Times the number of switches in the last hour."""
REST_MAX_S: Final = 300.0
WINDOW_S: Final = 3600.0
MOST_IN_WINDOW: Final = 6


@dataclass(frozen=True, slots=True)
class Damping:
    """`switches`: monotonic seconds of the last ones, oldest first."""

    switches: tuple[float, ...] = ()

    def switched(self, now: float) -> Damping:
        return Damping((*self._recent(now), now)[-MOST_IN_WINDOW:])

    def free_at(self, now: float) -> float:
        """When the next one may be made: `now`, or later."""
        recent = self._recent(now)
        if not recent:
            return now
        free = recent[-1] + min(REST_MAX_S, REST_S * len(recent))
        if len(recent) >= MOST_IN_WINDOW:
            free = max(free, recent[-MOST_IN_WINDOW] + WINDOW_S)
        return max(now, free)

    def _recent(self, now: float) -> tuple[float, ...]:
        return tuple(at for at in self.switches if now - at < WINDOW_S)
