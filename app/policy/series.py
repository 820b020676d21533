"""What a figure was: each second of some minutes, each minute of a day. Pure, and bounded.

Seconds go in; full minutes are put together as they pass. A second of which nothing is known leaves a hole.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from app.policy.trend import Point

SECONDS_KEPT: Final = 600
MINUTES_KEPT: Final = 24 * 60
MINUTE_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Span:
    """Of the known values from `at` on, monotonic seconds."""

    at: float
    mean: float
    low: float
    high: float
    count: int


class Series:
    def __init__(self) -> None:
        self._seconds: deque[Point] = deque(maxlen=SECONDS_KEPT)
        self._minutes: deque[Span] = deque(maxlen=MINUTES_KEPT)
        self._minute: list[float] = []
        self._minute_at: float | None = None
        self.newest: float | None = None
        """None: the last look could not tell."""

    def add(self, value: float | None, now: float) -> None:
        """Call it each second or so, also when nothing is known."""
        if self._minute_at is None or now - self._minute_at >= MINUTE_S:
            self._close_minute()
            self._minute_at = now
        self.newest = value
        if value is not None:
            self._seconds.append((now, value))
            self._minute.append(value)

    def seconds(self) -> tuple[Point, ...]:
        return tuple(self._seconds)

    def minutes(self) -> tuple[Span, ...]:
        """Full ones, oldest first."""
        return tuple(self._minutes)

    def since(self, begin: float) -> Span | None:
        """Of all seconds from `begin` on; None: nothing was known."""
        return _span(begin, [value for at, value in self._seconds if at >= begin])

    def _close_minute(self) -> None:
        span = None if self._minute_at is None else _span(self._minute_at, self._minute)
        if span is not None:
            self._minutes.append(span)
        self._minute = []


def _span(at: float, values: Sequence[float]) -> Span | None:
    if not values:
        return None
    return Span(at, sum(values) / len(values), min(values), max(values), len(values))
