"""NVIDIA GPUs by NVML. No driver, no GPU, or a call a device does not know: all normal, all told as None."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import pynvml

_THERMAL_REASONS: Final = pynvml.nvmlClocksThrottleReasonHwThermalSlowdown | (
    pynvml.nvmlClocksThrottleReasonSwThermalSlowdown
)
"""Other reasons for a lower clock, such as idleness or a power cap, are no heat."""


@dataclass(frozen=True, slots=True)
class GpuReading:
    """The busiest and the hottest of all GPUs, and the first that would slow down."""

    percent: float | None = None
    temperature_c: float | None = None
    slowdown_c: float | None = None
    is_throttled: bool | None = None
    """One of them slows itself down for heat now."""


class Gpus:
    def __init__(self) -> None:
        self._handles = _handles()
        self.names = tuple(name for handle in self._handles if (name := _name(handle)) is not None)

    def read(self) -> GpuReading:
        loads = [load for handle in self._handles if (load := _load(handle)) is not None]
        heats = [heat for handle in self._handles if (heat := _heat(handle)) is not None]
        limits = [limit for handle in self._handles if (limit := _slowdown(handle)) is not None]
        throttled = [told for handle in self._handles if (told := _is_throttled(handle)) is not None]
        return GpuReading(
            percent=max(loads, default=None),
            temperature_c=max(heats, default=None),
            slowdown_c=min(limits, default=None),
            is_throttled=any(throttled) if throttled else None,
        )


def _handles() -> list[Any]:
    try:
        pynvml.nvmlInit()
        return [pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(pynvml.nvmlDeviceGetCount())]
    except pynvml.NVMLError:
        return []


def _name(handle: Any) -> str | None:
    try:
        return str(pynvml.nvmlDeviceGetName(handle))
    except pynvml.NVMLError:
        return None


def _load(handle: Any) -> float | None:
    try:
        return float(pynvml.nvmlDeviceGetUtilizationRates(handle).gpu)
    except pynvml.NVMLError:
        return None


def _heat(handle: Any) -> float | None:
    try:
        return float(pynvml.nvmlDeviceGetTemperature(handle, pynvml.NVML_TEMPERATURE_GPU))
    except pynvml.NVMLError:
        return None


def _slowdown(handle: Any) -> float | None:
    """Degrees; newer GPUs tell only how far they are from it (NVML's margin temperature)."""
    try:
        limit = float(pynvml.nvmlDeviceGetTemperatureThreshold(handle, pynvml.NVML_TEMPERATURE_THRESHOLD_SLOWDOWN))
    except pynvml.NVMLError:
        limit = 0.0
    if limit > 0.0:
        return limit
    heat = _heat(handle)
    try:
        margin = float(pynvml.nvmlDeviceGetMarginTemperature(handle))
    except pynvml.NVMLError:
        return None
    return None if heat is None else heat + margin


def _is_throttled(handle: Any) -> bool | None:
    try:
        return bool(pynvml.nvmlDeviceGetCurrentClocksEventReasons(handle) & _THERMAL_REASONS)
    except pynvml.NVMLError:
        return None
