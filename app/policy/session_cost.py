"""What a session of one shape really costs: busy cores, learned from the workers that run such sessions.

Pure. Pixels per second say too little: a slow preset costs many times a fast one, and a new CPU half of an old one.
The estimate is the median of the last readings, so one bad reading moves nothing; a shape with few readings is not
known. Who reads the workers, and what follows from a cost, is others' business.
"""

from __future__ import annotations

import math
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from statistics import median
from typing import Final

from app.domain.encoder import WorkerReading
from app.domain.fleet import CostView
from app.domain.stream import EncodeSettings

SHAPES_MOST: Final = 500
"""The one that was not met for the longest time is forgotten first."""
READINGS_KEPT: Final = 61
"""Of one shape on one CPU model: half a minute of one worker at two readings a second."""
READINGS_LEAST: Final = 20
"""Fewer say too little: a worker's first seconds are busy with its start."""
RECKONED_EVERY: Final = 10
"""Readings between two looks at the median."""
SPEED_LEAST: Final = 0.97
"""A worker that falls behind shows what it got, not what it needs."""
MARGIN: Final = 1.15
"""On the median: pictures differ, and the next stream's may be the harder one."""
MODELS_MOST: Final = 50
"""CPU models for one shape."""
HARDWARE: Final = ("nvenc", "qsv", "vaapi", "videotoolbox", "v4l2m2m", "amf")
"""Their cost is not the CPU's."""


@dataclass(frozen=True, slots=True)
class SessionShape:
    """`renditions`: width, height, frames per second (rounded to hundredths) of each."""

    codec: str
    preset: str
    renditions: tuple[tuple[int, int, float], ...]


def shape_of(encode: EncodeSettings) -> SessionShape:
    return SessionShape(
        encode.codec,
        encode.preset,
        tuple((r.width, r.height, round(r.frame_rate.fps, 2)) for r in encode.ladder.renditions),
    )


@dataclass(slots=True)
class _Learned:
    readings: deque[float] = field(default_factory=lambda: deque(maxlen=READINGS_KEPT))
    count: int = 0
    cores: float | None = None


class SessionCosts:
    """Bounded: shapes by the time they were last met, readings by their number."""

    def __init__(self) -> None:
        self._shapes: OrderedDict[SessionShape, dict[str | None, _Learned]] = OrderedDict()

    def feed(self, shape: SessionShape, cpu_model: str | None, worker: WorkerReading) -> None:
        """`worker`: one that encodes for the programme now; `cpu_percent` of one core. Useless ones are passed
        over."""
        if not _tells(worker) or worker.cpu_percent is None:
            return
        models = self._shapes.setdefault(shape, {})
        self._shapes.move_to_end(shape)
        if len(self._shapes) > SHAPES_MOST:
            self._shapes.popitem(last=False)
        if cpu_model not in models and len(models) >= MODELS_MOST:
            return
        learned = models.setdefault(cpu_model, _Learned())
        learned.readings.append(worker.cpu_percent / 100.0)
        learned.count += 1
        if len(learned.readings) >= READINGS_LEAST and (
            learned.cores is None or learned.count % RECKONED_EVERY == 0
        ):
            learned.cores = median(learned.readings) * MARGIN

    def cores(self, shape: SessionShape | None) -> tuple[tuple[str | None, float], ...]:
        """By CPU model; empty while nothing is known."""
        models = {} if shape is None else self._shapes.get(shape, {})
        return tuple((model, learned.cores) for model, learned in models.items() if learned.cores is not None)

    def learned(self) -> tuple[CostView, ...]:
        """Margin included."""
        return tuple(
            CostView(shape.codec, shape.preset, shape.renditions, model, learned.cores, learned.count)
            for shape, models in self._shapes.items()
            for model, learned in models.items()
            if learned.cores is not None
        )


def _tells(worker: WorkerReading) -> bool:
    if worker.speed is None or worker.speed < SPEED_LEAST or worker.frames_encoded <= 0:
        return False
    if worker.cpu_percent is None or not math.isfinite(worker.cpu_percent) or worker.cpu_percent <= 0.0:
        return False
    return worker.codec is None or not any(word in worker.codec for word in HARDWARE)
