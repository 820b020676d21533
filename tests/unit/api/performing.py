"""A performance monitor over nothing, for tests of the doors."""

from __future__ import annotations

from typing import Any

from app.domain.events import Event
from app.runtime.bus import Bus
from app.services.performance_monitor import Meters, PerformanceMonitor, Usage


def performing(bus: Bus[Event]) -> PerformanceMonitor:
    nobody: Any = ()
    meters = Meters(
        link_facts=lambda: 0,
        link_orders=lambda: 0,
        usage=lambda: Usage(5.0, 1 << 26),
        clock_offset_ms=lambda: None,
    )
    monitor = PerformanceMonitor(streams=nobody, fleet=nobody, meters=meters)
    bus.listen(monitor.hear)
    return monitor
