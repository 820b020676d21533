"""How the system performs: latency, message rates, use of resources, errors; what they were, and where they go.

Looks each second. Figures come from what is measured anyway: the gateways' readings, the nodes' heartbeats,
counters of those who carry messages. Trends are `app/policy/trend.py`'s. Heat is foretold by thermal control.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import inf
from statistics import fmean, median
from typing import Final

from app.domain.events import Event, StreamErrorSeen
from app.domain.performance import Bucket, Figure, Outlook, Performance
from app.domain.severity import Severity
from app.policy.series import MINUTE_S, Series
from app.policy.trend import crossing, forecast, trend
from app.runtime.clock import monotonic, utc_now
from app.services.fleet import Fleet
from app.services.live_streams import LiveStreams

LOOK_S: Final = 1.0
TURN_S: Final = 0.25
"""How often it asks for its turn, to see how late that comes."""
TREND_S: Final = 600.0
AHEAD_S: Final = 300.0
FORETOLD_LEAST_S: Final = 60.0
LIMITS: Final[Mapping[Figure, float]] = {
    Figure.LATENCY_WORST_MS: 10_000.0,  # a stream counts as degraded
    Figure.FLEET_CPU_PERCENT: 85.0,
    Figure.FLEET_MEMORY_PERCENT: 90.0,
    Figure.CONTROL_CPU_PERCENT: 90.0,
    Figure.LOOP_LAG_MS: 250.0,
}
_POSSIBLE: Final[Mapping[Figure, tuple[float, float]]] = {
    Figure.FLEET_CPU_PERCENT: (0.0, 100.0),
    Figure.FLEET_MEMORY_PERCENT: (0.0, 100.0),
    Figure.CLOCK_OFFSET_MS: (-inf, inf),
}
"""What a figure can be at all; all others are 0 at least. A line knows of no end: it is cut there."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Of this process. None: not known."""

    cpu_percent: float | None = None
    memory_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Meters:
    """Running totals of those who carry messages, and what this process uses."""

    link_facts: Callable[[], int]
    link_orders: Callable[[], int]
    usage: Callable[[], Usage]
    clock_offset_ms: Callable[[], float | None]
    """Of the peer whose clock is furthest from ours."""


class PerformanceMonitor:
    """`hear` is a listener of the bus; `count_*` are told by the doors."""

    def __init__(self, *, streams: LiveStreams, fleet: Fleet, meters: Meters) -> None:
        self._streams = streams
        self._fleet = fleet
        self._meters = meters
        self._series = {figure: Series() for figure in Figure}
        self._counts: Counter[Figure] = Counter()
        self._before: Counter[Figure] = Counter()
        self._looked: float | None = None
        self._late_s = 0.0

    # --- what is told

    def hear(self, event: Event) -> None:
        self._counts[Figure.BUS_PER_S] += 1
        if isinstance(event, StreamErrorSeen) and event.severity is not Severity.INFO:
            self._counts[Figure.ERRORS_PER_MIN] += 1

    def count_request(self) -> None:
        self._counts[Figure.REQUESTS_PER_S] += 1

    def count_socket_message(self) -> None:
        self._counts[Figure.SOCKET_PER_S] += 1

    async def run(self) -> None:
        """Runs until cancelled."""
        while True:
            asked = monotonic()
            await asyncio.sleep(TURN_S)
            now = monotonic()
            self._late_s = max(self._late_s, now - asked - TURN_S)
            if self._looked is None or now - self._looked >= LOOK_S:
                self.look(now)

    def look(self, now: float) -> None:
        rates, gauges = self._rates(now), dict(self._gauges())
        for figure, series in self._series.items():
            series.add(rates.get(figure, gauges.get(figure)), now)
        self._looked, self._late_s = now, 0.0

    # --- what is asked

    def all(self) -> tuple[Performance, ...]:
        now, at = monotonic(), utc_now()
        return tuple(self._performance(figure, series, now, at) for figure, series in self._series.items())

    def newest(self) -> Mapping[Figure, float | None]:
        """As of the last look, without trends; None: not known then."""
        return {figure: series.newest for figure, series in self._series.items()}

    def seconds(self, figure: Figure) -> tuple[Bucket, ...]:
        """The last ten minutes, oldest first; a second of which nothing was known is not there."""
        now, wall = monotonic(), utc_now()
        points = self._series[figure].seconds()
        return tuple(Bucket(wall - timedelta(seconds=now - at), value, value, value, 1) for at, value in points)

    def minutes(self, figure: Figure) -> tuple[Bucket, ...]:
        """The full minutes of the last day, oldest first."""
        now, wall = monotonic(), utc_now()
        return tuple(
            Bucket(wall - timedelta(seconds=now - span.at), span.mean, span.low, span.high, span.count)
            for span in self._series[figure].minutes()
        )

    def _performance(self, figure: Figure, series: Series, now: float, at: datetime) -> Performance:
        span = series.since(now - MINUTE_S)
        minute = None
        if span is not None:
            minute = Bucket(at - timedelta(seconds=MINUTE_S), span.mean, span.low, span.high, span.count)
        return Performance(figure, series.newest, minute, _outlook(figure, series, now))

    # --- what is measured

    def _rates(self, now: float) -> dict[Figure, float]:
        """Since the look before; errors over the last minute of looks."""
        self._counts[Figure.LINK_FACTS_PER_S] = self._meters.link_facts()
        self._counts[Figure.LINK_ORDERS_PER_S] = self._meters.link_orders()
        before, self._before = self._before, self._counts.copy()
        if self._looked is None or now <= self._looked:
            return {}
        per_s = {
            figure: (self._counts[figure] - before[figure]) / (now - self._looked)
            for figure in Figure
            if figure.value.endswith("_per_s")
        }
        errors = (self._counts[Figure.ERRORS_PER_MIN] - before[Figure.ERRORS_PER_MIN]) / (now - self._looked)
        return per_s | {Figure.ERRORS_PER_MIN: errors * MINUTE_S}

    def _gauges(self) -> Iterator[tuple[Figure, float]]:
        lags = [
            reading.programme_lag_ms
            for stream in self._streams
            if (reading := stream.seen.reading) is not None
            and stream.seen.source_since is not None
            and reading.programme_lag_ms is not None
        ]
        if lags:
            yield Figure.LATENCY_MS, median(lags)
            yield Figure.LATENCY_WORST_MS, max(lags)
        readings = [member.reading for member in self._fleet if member.link_up and member.reading is not None]
        encoding = [w.latency_ms for reading in readings for w in reading.workers if w.latency_ms is not None]
        if encoding:
            yield Figure.ENCODE_LATENCY_MS, max(encoding)
        if cpus := [reading.cpu_percent for reading in readings if reading.cpu_percent is not None]:
            yield Figure.FLEET_CPU_PERCENT, fmean(cpus)
        if memories := [reading.memory_percent for reading in readings if reading.memory_percent is not None]:
            yield Figure.FLEET_MEMORY_PERCENT, fmean(memories)
        clock_ms = self._meters.clock_offset_ms()
        if clock_ms is not None:
            yield Figure.CLOCK_OFFSET_MS, clock_ms
        usage = self._meters.usage()
        if usage.cpu_percent is not None:
            yield Figure.CONTROL_CPU_PERCENT, usage.cpu_percent
        if usage.memory_bytes is not None:
            yield Figure.CONTROL_MEMORY_BYTES, float(usage.memory_bytes)
        yield Figure.LOOP_LAG_MS, 1000.0 * self._late_s


def _outlook(figure: Figure, series: Series, now: float) -> Outlook | None:
    found = trend([point for point in series.seconds() if now - point[0] <= TREND_S])
    if found is None or found.span_s < FORETOLD_LEAST_S:
        return None
    foreseen = forecast(found, min(AHEAD_S, found.span_s))
    if foreseen is None:
        return None
    limit = LIMITS.get(figure)
    when = None if limit is None else crossing(found, limit)
    least, most = _POSSIBLE.get(figure, (0.0, inf))
    expected, low, high = (min(max(v, least), most) for v in (foreseen.value, foreseen.low, foreseen.high))
    return Outlook(
        per_min=found.slope * MINUTE_S,
        per_min_low=found.slope_low * MINUTE_S,
        per_min_high=found.slope_high * MINUTE_S,
        is_sure=found.is_sure,
        in_s=foreseen.in_s,
        expected=expected,
        expected_low=low,
        expected_high=high,
        limit=limit,
        crosses_in_s=None if when is None else when.likely_s,
    )
