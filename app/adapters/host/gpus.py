"""NVIDIA GPUs by NVML. No driver, no GPU, or a call a device does not know: all normal, all told as None."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pynvml


@dataclass(frozen=True, slots=True)
class GpuReading:
    """The busiest and the hottest of all GPUs."""

    percent: float | None = None
    temperature_c: float | None = None


class Gpus:
    def __init__(self) -> None:
        self._handles = _handles()
        self.names = tuple(name for handle in self._handles if (name := _name(handle)) is not None)

    def read(self) -> GpuReading:
        loads = [load for handle in self._handles if (load := _load(handle)) is not None]
        heats = [heat for handle in self._handles if (heat := _heat(handle)) is not None]
        return GpuReading(max(loads, default=None), max(heats, default=None))


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
