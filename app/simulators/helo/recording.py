"""The recording engine of a HELO: when it starts, goes on, fails and stops, and what that does to its medium. Pure.

Leaves to others: the medium's own facts (`storage`).
"""

from __future__ import annotations

from dataclasses import dataclass

from app.simulators.helo.quirks import Timing
from app.simulators.helo.states import State
from app.simulators.helo.storage import Medium


@dataclass(frozen=True, slots=True)
class RecordFacts:
    has_picture: bool
    stops_without_picture: bool
    is_inhibited: bool
    medium: Medium | None
    bps: int
    prefix: str
    suffix: str
    segment_s: float
    stops_when_slow: bool = False


class Recording:
    def __init__(self, timing: Timing) -> None:
        self._timing = timing
        self._order: tuple[float, bool] | None = None
        self._at = 0.0
        self._clip = 0
        self._is_shut_down = False
        self._medium: Medium | None = None
        self.since: float | None = None
        self.segment_since = 0.0
        self._segment = 1
        self.file = ""
        self.has_failed = False
        self.medium_was_pulled = False
        """While recording; only a restart heals it."""

    @property
    def due(self) -> float | None:
        return self._order[0] if self._order is not None else None

    def order(self, start: bool, now: float) -> None:
        self._order = (now + self._timing.command_s, start)

    def shut_down(self) -> None:
        self._stop()
        self._is_shut_down = True

    def reset(self) -> None:
        """The unit restarts: what was being written stays as a partial clip."""
        self._stop()
        self._order = None
        self.has_failed = self.medium_was_pulled = self._is_shut_down = False

    def tick(self, now: float, facts: RecordFacts) -> None:
        if self._is_shut_down:
            return
        if self.since is not None:
            self._go_on(now, facts)
        self._at = now
        if self._order is not None and now >= self._order[0]:
            start = self._order[1]
            self._order = None
            if not start:
                self._stop()
                self.has_failed = False
            elif self.since is None and not facts.is_inhibited:
                self._start(now, facts)

    def state(self, facts: RecordFacts, now: float) -> State:
        if self._is_shut_down:
            return State.SHUTDOWN
        if self.since is not None:
            return State.RUNNING
        if self.medium_was_pulled:
            return State.FAILED
        is_ready = facts.medium is not None and facts.medium.can_record(now) and facts.has_picture
        return State.IDLE if is_ready else State.BLOCKED

    def _start(self, now: float, facts: RecordFacts) -> None:
        medium = facts.medium
        if medium is None or not medium.can_record(now) or not facts.has_picture or self.medium_was_pulled:
            self.has_failed = True
            return
        self._clip += 1
        self._segment, self._medium = 0, medium
        self.since, self.has_failed = now, False
        self._open(now, facts)

    def _open(self, now: float, facts: RecordFacts) -> None:
        self._segment += 1
        self.segment_since = now
        self.file = f"{facts.prefix}_{self._clip:03d}_{self._segment:06d}.{facts.suffix}"

    def _go_on(self, now: float, facts: RecordFacts) -> None:
        medium = self._medium
        assert medium is not None, "it records somewhere"
        medium.write((now - self._at) * facts.bps / 8)
        if not medium.is_present:
            self.medium_was_pulled = True
            self._fail()
        elif medium.free <= medium.full_while_recording or (medium.is_slow and facts.stops_when_slow):
            self._fail()
        elif not facts.has_picture and facts.stops_without_picture:
            self._stop()
        elif now - self.segment_since >= facts.segment_s:
            medium.clips.append(self.file)
            self._open(now, facts)

    def _fail(self) -> None:
        self._stop()
        self.has_failed = True

    def _stop(self) -> None:
        if self.since is not None and self._medium is not None and self._medium.is_present:
            self._medium.clips.append(self.file)
        self.since, self.file, self._medium = None, "", None
