"""How warm a HELO is: first order, towards what the room and its work make of it. Pure.

The true curve of a unit is not published; the figures are those of a small box of 13 W without a fan of its own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HeatPlan:
    """Degrees Celsius; `rise_*` above the room, once it has settled."""

    ambient_c: float = 23.0
    idle_rise_c: float = 19.0
    stream_rise_c: float = 14.0
    record_rise_c: float = 7.0
    time_constant_s: float = 240.0
    """After this long 63 % of the way to the settled temperature are gone."""
    near_limit_c: float = 80.0
    shutdown_c: float = 95.0


class Heat:
    """`now` never runs backwards. Starts settled, doing nothing."""

    def __init__(self, plan: HeatPlan, now: float) -> None:
        self.plan = plan
        self.ambient_c = plan.ambient_c
        self.extra_c = 0.0
        """More above the room for another reason: a blocked slot, the sun."""
        self.degrees_c = self.ambient_c + plan.idle_rise_c
        self._at = now

    def settled_c(self, *, is_on: bool, streams: bool, records: bool) -> float:
        """Where the temperature goes with this work, if nothing changes."""
        plan = self.plan
        work_c = plan.idle_rise_c * is_on + plan.stream_rise_c * streams + plan.record_rise_c * records
        return self.ambient_c + self.extra_c + work_c

    def advance(self, now: float, *, is_on: bool, streams: bool, records: bool) -> float:
        """The temperature at `now`, this work having been done since the last call."""
        settled_c = self.settled_c(is_on=is_on, streams=streams, records=records)
        gone = math.exp(-max(0.0, now - self._at) / self.plan.time_constant_s)
        self.degrees_c = settled_c + (self.degrees_c - settled_c) * gone
        self._at = now
        return self.degrees_c
