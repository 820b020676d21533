"""The `Host` port on psutil and NVML."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Final

import psutil

from app.adapters.host.gpus import Gpus
from app.ports.host import HostFacts, HostReading, ProcessReading
from app.runtime.clock import monotonic

_CPU_SENSORS: Final = ("coretemp", "k10temp", "zenpower", "cpu_thermal", "cpu-thermal", "acpitz")
"""Linux names of sensors that read the processor, best first."""
_PLAUSIBLE_C: Final = (1.0, 150.0)
"""A sensor outside is broken or absent: 0 is what many report when there is nothing to read."""


class Machine:
    """`disk` is a path on the volume whose free space is told."""

    def __init__(self, disk: Path) -> None:
        self._disk = disk
        self._gpus = Gpus()
        self._processes: dict[int, psutil.Process] = {}
        self._network: tuple[float, int] | None = None
        psutil.cpu_percent(interval=None)  # the first call starts the count

    def facts(self) -> HostFacts:
        return HostFacts(
            cpu_model=_cpu_model(),
            cpu_cores=_cores(),
            memory_bytes=psutil.virtual_memory().total,
            gpus=self._gpus.names,
        )

    def read(self) -> HostReading:
        gpu = self._gpus.read()
        cpu_c = _cpu_temperature()
        heats = [heat for heat in (cpu_c, gpu.temperature_c) if heat is not None]
        free_bytes, disk_percent = self._disk_room()
        return HostReading(
            cpu_percent=psutil.cpu_percent(interval=None),
            memory_percent=psutil.virtual_memory().percent,
            temperature_c=max(heats, default=None),
            slowdown_c=gpu.slowdown_c,
            is_throttled=gpu.is_throttled,
            fan_rpm=_fan(),
            gpu_percent=gpu.percent,
            network_bps=self._network_rate(),
            disk_free_bytes=free_bytes,
            disk_percent=disk_percent,
        )

    def read_process(self, pid: int) -> ProcessReading | None:
        try:
            process = self._processes.get(pid)
            first = process is None
            if process is None:
                process = self._processes[pid] = psutil.Process(pid)
            cpu_percent = process.cpu_percent(interval=None)
            return ProcessReading(None if first else cpu_percent, process.memory_info().rss)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            self._processes.pop(pid, None)
            return None

    def forget_process(self, pid: int) -> None:
        self._processes.pop(pid, None)

    def _disk_room(self) -> tuple[int | None, float | None]:
        try:
            usage = psutil.disk_usage(str(self._disk))
        except OSError:
            return None, None
        return usage.free, usage.percent

    def _network_rate(self) -> float | None:
        cards = psutil.net_io_counters(pernic=True).values()
        now, total = monotonic(), sum(card.bytes_sent + card.bytes_recv for card in cards)
        before, self._network = self._network, (now, total)
        if not cards or before is None or now <= before[0] or total < before[1]:
            return None
        return (total - before[1]) * 8 / (now - before[0])


def _cores() -> int:
    """What the scheduler lets this process use, and no more than a container's quota (cgroup v2)."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="ascii").split()
        return cores if quota == "max" else max(1, min(cores, int(quota) // int(period)))
    except (OSError, ValueError):
        return cores


def _cpu_model() -> str | None:
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as lines:
            for line in lines:
                name, _, value = line.partition(":")
                if name.strip() == "model name":
                    return value.strip() or None
    except OSError:
        pass
    return platform.processor() or None


def _cpu_temperature() -> float | None:
    if not hasattr(psutil, "sensors_temperatures"):
        return None
    sensors = psutil.sensors_temperatures()
    for name in _CPU_SENSORS:
        heats = [entry.current for entry in sensors.get(name, ()) if _is_plausible(entry.current)]
        if heats:
            return max(heats)
    return None


def _is_plausible(celsius: float | None) -> bool:
    return celsius is not None and _PLAUSIBLE_C[0] <= celsius <= _PLAUSIBLE_C[1]


def _fan() -> float | None:
    if not hasattr(psutil, "sensors_fans"):
        return None
    speeds = [float(fan.current) for fans in psutil.sensors_fans().values() for fan in fans if fan.current > 0]
    return max(speeds, default=None)
