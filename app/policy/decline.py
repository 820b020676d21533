"""Whether an encoder's history gets worse: its workers' speed and its processor, lately against before.

Pure; each encoder's history is two running means of each figure, fed with every reading. A figure that is not told
proves nothing, and what it said is slowly forgotten. What a decline costs is placement's business; limits and
forecasts are others'.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final

from app.domain.encoder import EncoderReading

LATELY_S: Final = 20.0
BEFORE_S: Final = 240.0
"""Time constants of the two means."""
HISTORY_LEAST_S: Final = 60.0
"""A shorter history says nothing."""
SPEED_LOST: Final = (0.01, 0.06)
"""Fall of the slowest worker's speed that counts as the beginning of a decline, and as a whole one. Workers keep
pace with the source at 1.0 and fall behind for good below 0.97."""
CPU_GAINED: Final = (10.0, 40.0)
"""The same for points of the CPU beyond CPU_BUSY_PERCENT."""
CPU_BUSY_PERCENT: Final = 60.0
"""Work that an encoder was given is no decline while it has plenty left."""


@dataclass(frozen=True, slots=True)
class Mean:
    lately: float
    before: float


@dataclass(frozen=True, slots=True)
class History:
    """Times in monotonic seconds."""

    since: float | None = None
    fed: float = 0.0
    speed: Mean | None = None
    cpu: Mean | None = None


def feed(history: History, reading: EncoderReading, now: float) -> History:
    step_s = max(now - history.fed, 0.0)
    # Faster than its source is who catches up with it: to be done with that is no decline.
    speeds = [min(worker.speed, 1.0) for worker in reading.workers if worker.speed is not None]
    return replace(
        history,
        since=now if history.since is None else history.since,
        fed=now,
        speed=_fed(history.speed, min(speeds, default=None), step_s),
        cpu=_fed(history.cpu, reading.cpu_percent, step_s),
    )


@dataclass(frozen=True, slots=True)
class Parts:
    """Of each figure, 0 steady or getting better to 1 much worse."""

    slower: float = 0.0
    busier: float = 0.0


def decline(history: History) -> float:
    """0: steady or getting better, to 1: much worse lately than before; in hundredths."""
    found = parts(history)
    return round(max(found.slower, found.busier), 2)


def parts(history: History) -> Parts:
    if history.since is None or history.fed - history.since < HISTORY_LEAST_S:
        return Parts()
    slower = 0.0 if history.speed is None else _part(history.speed.before - history.speed.lately, SPEED_LOST)
    busier = 0.0
    if history.cpu is not None:
        busier = _part(history.cpu.lately - max(history.cpu.before, CPU_BUSY_PERCENT), CPU_GAINED)
    return Parts(slower, busier)


def _fed(mean: Mean | None, value: float | None, step_s: float) -> Mean | None:
    if value is None or not math.isfinite(value):
        return None if mean is None else replace(mean, lately=_nearer(mean.lately, mean.before, step_s, BEFORE_S))
    if mean is None:
        return Mean(value, value)
    return Mean(_nearer(mean.lately, value, step_s, LATELY_S), _nearer(mean.before, value, step_s, BEFORE_S))


def _nearer(mean: float, value: float, step_s: float, constant_s: float) -> float:
    return mean + (value - mean) * -math.expm1(-step_s / constant_s)


def _part(change: float, limits: tuple[float, float]) -> float:
    begins, whole = limits
    return max(0.0, min(1.0, (change - begins) / (whole - begins)))
