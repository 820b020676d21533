"""GPUs that tell everything, some that tell little, and none; NVML itself is stood in for."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pynvml
import pytest

from app.adapters.host.gpus import GpuReading, Gpus

THERMAL, IDLE = pynvml.nvmlClocksThrottleReasonSwThermalSlowdown, pynvml.nvmlClocksThrottleReasonGpuIdle


def _asked(answers: list[dict[str, Any]], name: str) -> Callable[..., Any]:
    """NVML's function `name` over these cards; what a card lacks, it does not support."""

    def function(handle: int, *_: object) -> Any:
        if name not in answers[handle]:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)
        return answers[handle][name]

    return function


@pytest.fixture
def cards(monkeypatch: pytest.MonkeyPatch) -> Callable[..., GpuReading]:
    def read(*answers: dict[str, Any]) -> GpuReading:
        names = {
            "heat": "nvmlDeviceGetTemperature",
            "load": "nvmlDeviceGetUtilizationRates",
            "name": "nvmlDeviceGetName",
            "threshold": "nvmlDeviceGetTemperatureThreshold",
            "margin": "nvmlDeviceGetMarginTemperature",
            "reasons": "nvmlDeviceGetCurrentClocksEventReasons",
        }
        monkeypatch.setattr(pynvml, "nvmlInit", lambda: None)
        monkeypatch.setattr(pynvml, "nvmlDeviceGetCount", lambda: len(answers))
        monkeypatch.setattr(pynvml, "nvmlDeviceGetHandleByIndex", lambda index: index)
        for name, function in names.items():
            monkeypatch.setattr(pynvml, function, _asked(list(answers), name))
        return Gpus().read()

    return read


def test_of_several_the_hottest_the_busiest_and_the_first_to_slow_down_count(
    cards: Callable[..., GpuReading],
) -> None:
    cool = {"heat": 50, "load": SimpleNamespace(gpu=90), "threshold": 87, "reasons": IDLE}
    hot = {"heat": 83, "load": SimpleNamespace(gpu=10), "threshold": 95, "reasons": THERMAL | IDLE}
    assert cards(cool, hot) == GpuReading(90.0, 83.0, 87.0, True)
    assert cards(cool).is_throttled is False


def test_one_that_tells_only_its_margin_slows_down_that_much_above_now(cards: Callable[..., GpuReading]) -> None:
    assert cards({"heat": 40, "margin": 47}).slowdown_c == 87.0
    assert cards({"heat": 40, "margin": 47, "threshold": 0}).slowdown_c == 87.0


def test_what_no_card_tells_is_not_known(cards: Callable[..., GpuReading]) -> None:
    assert cards({"heat": 40}) == GpuReading(temperature_c=40.0)
    assert cards() == GpuReading()
