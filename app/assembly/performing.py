"""The monitors of performance and clocks put together: who counts, and what this process uses."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from app.adapters.host.machine import Machine
from app.adapters.link.server import LinkServer
from app.domain.events import Event
from app.monitoring.health_clocks import HealthClocks
from app.runtime.bus import Bus
from app.services.fleet import Fleet
from app.services.live_streams import LiveStreams
from app.services.performance_monitor import Meters, PerformanceMonitor, Usage


@dataclass(frozen=True, slots=True)
class Performing:
    performance: PerformanceMonitor
    clocks: HealthClocks


def performing(*, link: LinkServer, streams: LiveStreams, fleet: Fleet, bus: Bus[Event]) -> Performing:
    clocks = HealthClocks(encoder_at=fleet.at_node, bus=bus)
    link.clock_heard = clocks.heard
    machine = Machine(Path())

    def usage() -> Usage:
        read = machine.read_process(os.getpid())
        return Usage() if read is None else Usage(read.cpu_percent, read.rss_bytes)

    meters = Meters(
        link_facts=lambda: link.facts_heard,
        link_orders=lambda: link.orders_sent,
        usage=usage,
        clock_offset_ms=clocks.worst_ms,
    )
    performance = PerformanceMonitor(streams=streams, fleet=fleet, meters=meters)
    bus.listen(performance.hear)
    return Performing(performance, clocks)
