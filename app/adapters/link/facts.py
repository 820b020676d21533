"""Facts waiting to go up: in order, bounded. Pure; the uplink fills and empties it."""

from __future__ import annotations

from collections import deque
from typing import Final

from app.domain.link import ChannelReading, Fact, Heartbeat

MAX_READINGS: Final = 512
"""Several seconds of a busy gateway; an older reading is of no use to anybody."""
MAX_CHANGES: Final = 4_096
"""Publishers and workers come and go seldom: hours without control."""


class FactQueue:
    """Readings overwrite the oldest readings; facts that change state are kept as long as there is room."""

    def __init__(self, *, max_readings: int = MAX_READINGS, max_changes: int = MAX_CHANGES) -> None:
        self._readings: deque[tuple[int, Fact]] = deque()
        self._changes: deque[tuple[int, Fact]] = deque()
        self._max_readings = max_readings
        self._max_changes = max_changes
        self._next = 0
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._readings) + len(self._changes)

    def put(self, fact: Fact) -> None:
        is_reading = isinstance(fact, ChannelReading | Heartbeat)
        queue = self._readings if is_reading else self._changes
        queue.append((self._next, fact))
        self._next += 1
        if len(queue) > (self._max_readings if is_reading else self._max_changes):
            queue.popleft()
            self.dropped += 1

    def take(self) -> tuple[int, Fact] | None:
        """The oldest fact with its number, or None."""
        if not self._readings and not self._changes:
            return None
        if not self._changes or (self._readings and self._readings[0][0] < self._changes[0][0]):
            return self._readings.popleft()
        return self._changes.popleft()

    def give_back(self, number: int, fact: Fact) -> None:
        """What was taken last could not be sent: it stays the oldest. A reading is not worth it."""
        if isinstance(fact, ChannelReading | Heartbeat):
            self.dropped += 1
        else:
            self._changes.appendleft((number, fact))

    def forget_readings(self) -> None:
        """At a new connection what was read before it is stale: a heartbeat must not speak of the past."""
        self.dropped += len(self._readings)
        self._readings.clear()
