"""The calendar inside a HELO, which starts and stops by itself and goes before everyone else. Pure.

Leaves to others: streaming and recording.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from app.simulators.helo.world import Event

RECORD, STREAM = 1, 2
_LATE_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Turn:
    """What an event that begins or ends wants: bits of RECORD and STREAM."""

    activity: int
    starts: bool


class Scheduler:
    def __init__(self) -> None:
        self.events: list[Event] = []
        self.current: Event | None = None
        self.was_canceled = False
        """A person stopped what an event runs."""
        self.was_late = False
        """The present event, or the last one, began after its time: the unit was away."""

    def reset(self) -> None:
        """The unit restarts: an event that still lasts begins again, late."""
        self.current = None

    def following(self, time_s: float) -> Event | None:
        later = [event for event in self.events if event.begin_s > time_s]
        return min(later, key=lambda event: event.begin_s, default=None)

    def tick(self, time_s: float, *, is_enabled: bool) -> list[Turn]:
        turns = []
        if self.current is not None and (not is_enabled or time_s >= self.current.end_s):
            turns.append(Turn(self.current.activity, starts=False))
            self.current = None
        if self.current is None and is_enabled:
            running = (event for event in self.events if event.begin_s <= time_s < event.end_s)
            self.current = next(running, None)
            if self.current is not None:
                self.was_canceled = False
                self.was_late = time_s - self.current.begin_s > _LATE_S
                turns.append(Turn(self.current.activity, starts=True))
        return turns

    def cancel(self) -> None:
        """Somebody stopped by hand; the event counts as over."""
        if self.current is not None:
            self.events.remove(self.current)
            self.current, self.was_canceled = None, True
