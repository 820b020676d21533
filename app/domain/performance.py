"""How the system performs: named figures with their unit, what they were, and where they are going."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Figure(StrEnum):
    LATENCY_MS = "latency_ms"
    """From a source frame's arrival at the gateway to the programme's frame of that moment; the middle of all live
    streams. What lies before, the publisher and its way, is not in it: no publisher tells its clock."""
    LATENCY_WORST_MS = "latency_worst_ms"
    ENCODE_LATENCY_MS = "encode_latency_ms"
    """Worst worker: from a frame's arrival there to its first encoded packet."""
    BUS_PER_S = "bus_messages_per_s"
    LINK_FACTS_PER_S = "link_facts_per_s"
    """From gateways and nodes."""
    LINK_ORDERS_PER_S = "link_orders_per_s"
    SOCKET_PER_S = "socket_messages_per_s"
    """To clients of Socket.IO."""
    REQUESTS_PER_S = "requests_per_s"
    """Of the API."""
    ERRORS_PER_MIN = "errors_per_min"
    """Warnings and worse that streams were told of."""
    CONTROL_CPU_PERCENT = "control_cpu_percent"
    """Of one core."""
    CONTROL_MEMORY_BYTES = "control_memory_bytes"
    LOOP_LAG_MS = "loop_lag_ms"
    """How much later than asked for control gets its turn; the worst of the second."""
    FLEET_CPU_PERCENT = "fleet_cpu_percent"
    """Mean of the encoders that tell it."""
    FLEET_MEMORY_PERCENT = "fleet_memory_percent"
    CLOCK_OFFSET_MS = "clock_offset_ms"
    """Of the node whose clock is furthest from control's."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """The values of one span of time that begins at `at`; `mean`, `low` and `high` of those that were known."""

    at: datetime
    mean: float
    low: float
    high: float
    count: int


@dataclass(frozen=True, slots=True)
class Outlook:
    """Where a figure is going, by its last minutes: change per minute and the value in `in_s`, each with bounds of
    90 %. `is_sure`: whether it rises or falls at all."""

    per_min: float
    per_min_low: float
    per_min_high: float
    is_sure: bool
    in_s: float
    expected: float
    expected_low: float
    expected_high: float
    limit: float | None
    crosses_in_s: float | None
    """When `limit` is reached if it goes on so; None: not within the time that can be foretold."""


@dataclass(frozen=True, slots=True)
class Performance:
    """One figure. `now` None: not known at the last look."""

    figure: Figure
    now: float | None
    minute: Bucket | None
    """Of the last minute."""
    outlook: Outlook | None
    """None while too little was measured."""
