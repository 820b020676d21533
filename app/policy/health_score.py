"""Health from 0 to 100, as the contract weighs it: system and stream 0.4 each, storage 0.2.

Each part starts at 100 and loses points for what is measured. What is not measured costs nothing and is said;
a part of which nothing is known does not count, and with no part known the score is None.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from app.domain.encoder import EncoderReading

CPU_HIGH_PERCENT: Final = 80.0
MEMORY_HIGH_PERCENT: Final = 85.0
TEMPERATURE_HIGH_C: Final = 75.0
DROPPED_FRAMES_HIGH: Final = 100
BITRATE_VARIANCE_HIGH_PERCENT: Final = 20.0
"""Standard deviation by mean of the last readings."""
STORAGE_HIGH_PERCENT: Final = 90.0
WEIGHTS: Final = {"system": 0.4, "stream": 0.4, "storage": 0.2}


@dataclass(frozen=True, slots=True)
class Measures:
    cpu_percent: float | None = None
    memory_percent: float | None = None
    temperature_c: float | None = None
    dropped_frames: int | None = None
    bitrate_variance: float | None = None
    storage_percent: float | None = None


@dataclass(frozen=True, slots=True)
class Score:
    """`reasons`: what cost points first, then what is not known."""

    overall: float | None
    system: float | None
    stream: float | None
    storage: float | None
    reasons: tuple[str, ...]


_Limit = tuple[str, str, float | None, float, float]
"""Name and unit for people, value, limit, points above the limit."""


def measures_of(reading: EncoderReading | None) -> Measures:
    if reading is None:
        return Measures()
    return Measures(
        cpu_percent=reading.cpu_percent,
        memory_percent=reading.memory_percent,
        temperature_c=reading.temperature_c,
        storage_percent=reading.disk_percent,
    )


def score(measures: Measures) -> Score:
    variation = None if measures.bitrate_variance is None else 100.0 * measures.bitrate_variance
    parts: dict[str, list[_Limit]] = {
        "system": [
            ("machine's CPU", " %", measures.cpu_percent, CPU_HIGH_PERCENT, 20.0),
            ("machine's memory", " %", measures.memory_percent, MEMORY_HIGH_PERCENT, 20.0),
            ("temperature", " °C", measures.temperature_c, TEMPERATURE_HIGH_C, 30.0),
        ],
        "stream": [
            ("dropped frames", "", measures.dropped_frames, DROPPED_FRAMES_HIGH, 25.0),
            ("variation of the bit rate", " %", variation, BITRATE_VARIANCE_HIGH_PERCENT, 25.0),
        ],
        "storage": [("storage", " %", measures.storage_percent, STORAGE_HIGH_PERCENT, 30.0)],
    }
    points = {name: _part(limits) for name, limits in parts.items()}
    every = [limit for limits in parts.values() for limit in limits]
    high = tuple(
        f"{name} at {value:.4g}{unit}, above {most:g}{unit}"
        for name, unit, value, most, _ in every
        if value is not None and value > most
    )
    unknown = tuple(f"{name} unknown" for name, _, value, _, _ in every if value is None)
    return Score(_overall(points), points["system"], points["stream"], points["storage"], high + unknown)


def _part(limits: list[_Limit]) -> float | None:
    if all(value is None for _, _, value, _, _ in limits):
        return None
    return 100.0 - sum(cost for _, _, value, most, cost in limits if value is not None and value > most)


def _overall(points: dict[str, float | None]) -> float | None:
    known = {name: value for name, value in points.items() if value is not None}
    if not known:
        return None
    weight = sum(WEIGHTS[name] for name in known)
    return round(sum(WEIGHTS[name] * value for name, value in known.items()) / weight, 1)
