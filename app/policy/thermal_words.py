"""What the thermal controller is told and what it says; the controller itself is `thermal.py`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from app.domain.severity import Severity
from app.policy.failover_words import Leave
from app.policy.heat import Heat
from app.policy.thermal_forecast import Forecast
from app.policy.thermal_limits import ThermalLimits


class ThermalState(StrEnum):
    NO_SENSOR = "no_sensor"
    """It never told a temperature: it works, and counts as warm."""
    UNKNOWN = "unknown"
    """It told one and does not any more: nothing new."""
    COOL = "cool"
    WARM = "warm"
    HOT = "hot"
    CRITICAL = "critical"
    COOLING = "cooling"
    """By hand, in steps."""
    WARMING_UP = "warming_up"
    """It was hot, cooled down or unknown: it is given work again in steps."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One reading. `load`: share of full load, 0 to 1. `slowdown_c`: where the device slows itself down.
    `is_throttled`: it does so now. None: not told."""

    celsius: float | None = None
    load: float | None = None
    slowdown_c: float | None = None
    is_throttled: bool | None = None


@dataclass(frozen=True, slots=True)
class Placed:
    """A stream was given to the encoder."""


@dataclass(frozen=True, slots=True)
class CoolDown:
    """Somebody wants it to cool down; `by` says who, in words."""

    by: str


@dataclass(frozen=True, slots=True)
class Came:
    """The encoder was away and is back; its first reading is still to come."""


Event = Sample | Placed | CoolDown | Came


@dataclass(frozen=True, slots=True)
class Moved:
    """The one command: let it be known that the state is another one."""

    before: ThermalState
    after: ThermalState
    reason: str


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that people may want to know, as long as it is so; `name` as in Condition."""

    name: str
    severity: Severity
    summary: str
    value: float | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """`allowance`: share of its capacity that the encoder may be given, 1 down to 0 in steps of a fifth.

    `leave`: why what runs there is to leave, None: it stays. `shun`: why it should not even stand by. `score` from
    0 to 100, `temperature_c`, `age_s` None: not known.
    """

    state: ThermalState
    since: float
    reason: str
    heat: Heat
    temperature_c: float | None
    age_s: float | None
    load: float | None
    score: float | None
    allowance: float
    limits: ThermalLimits
    forecast: Forecast | None
    leave: Leave | None
    shun: Leave | None
    findings: tuple[Finding, ...]
