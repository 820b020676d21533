"""Counts what the pipeline does: frames, latency, speed. Written by its threads, read by its owner.

Leaves to others: reading the clock, and what to do about the figures.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock
from typing import Final

_MAX_INSIDE: Final = 4096
"""Arrival times kept: far more frames than can be inside at once."""


@dataclass(frozen=True, slots=True)
class MeterReading:
    """`frames_encoded` counts the highest rendition. `speed` and the worst `latency_ms` are those since the reading
    before; None when no frame came out.
    """

    frames_encoded: int
    frames_dropped: int
    speed: float | None
    latency_ms: float | None


class Meter:
    """`now` is monotonic seconds, `pts_ms` the timeline."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._arrivals: OrderedDict[int, float] = OrderedDict()
        self._encoded = 0
        self._dropped = 0
        self._worst_latency_s: float | None = None
        self._newest_ms: int | None = None
        self._read_at: float | None = None
        self._read_ms: int | None = None

    def arrived(self, pts_ms: int, now: float) -> None:
        with self._lock:
            self._arrivals[pts_ms] = now
            if len(self._arrivals) > _MAX_INSIDE:
                self._arrivals.popitem(last=False)

    def encoded(self, pts_ms: int, now: float) -> None:
        with self._lock:
            self._encoded += 1
            self._newest_ms = pts_ms
            arrived_at = self._arrivals.pop(pts_ms, None)
            if arrived_at is not None:
                latency_s = now - arrived_at
                self._worst_latency_s = max(latency_s, self._worst_latency_s or 0.0)

    def dropped(self, count: int = 1) -> None:
        """Frames of the source that are lost: broken, or out of order."""
        with self._lock:
            self._dropped += count

    def read(self, now: float) -> MeterReading:
        """Figures so far; `speed` and `latency_ms` start anew."""
        with self._lock:
            speed = self._speed(now)
            latency_s, self._worst_latency_s = self._worst_latency_s, None
            self._read_at, self._read_ms = now, self._newest_ms
            latency_ms = None if latency_s is None else latency_s * 1000
            return MeterReading(self._encoded, self._dropped, speed, latency_ms)

    def _speed(self, now: float) -> float | None:
        if self._read_at is None or self._read_ms is None or self._newest_ms is None or now <= self._read_at:
            return None
        if self._newest_ms == self._read_ms:
            return None
        return (self._newest_ms - self._read_ms) / 1000 / (now - self._read_at)
