"""The machine a node runs on: what it is, and how it is right now. What it can't tell is None."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class HostFacts:
    cpu_model: str | None
    cpu_cores: int
    """Cores this process may use, limits of a container taken into account."""
    memory_bytes: int
    gpus: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class HostReading:
    """Percentages 0 to 100 of the whole machine, over the time since the reading before."""

    cpu_percent: float | None = None
    memory_percent: float | None = None
    temperature_c: float | None = None
    slowdown_c: float | None = None
    """The lowest temperature at which one of its parts slows itself down."""
    is_throttled: bool | None = None
    """One of them does so for heat now."""
    fan_rpm: float | None = None
    gpu_percent: float | None = None
    network_bps: float | None = None
    disk_free_bytes: int | None = None
    disk_percent: float | None = None


@dataclass(frozen=True, slots=True)
class ProcessReading:
    """`cpu_percent` of one core, over the time since the reading before."""

    cpu_percent: float | None
    rss_bytes: int


class Host(Protocol):
    """Calls are quick (a few files or one library call each) and never raise for a sensor that is missing."""

    def facts(self) -> HostFacts: ...

    def read(self) -> HostReading: ...

    def read_process(self, pid: int) -> ProcessReading | None:
        """None when it has gone."""

    def forget_process(self, pid: int) -> None:
        """It is over: what was kept for its next reading can go."""
