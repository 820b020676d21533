"""The streaming engine of a HELO: when it starts, breaks, tries again and stops. Pure.

It knows its output by a generation: the doer sends what `output` says and tells how that went; news of an earlier
generation are ignored. Leaves to others: what to send, and where to (`unit`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from app.simulators.helo.quirks import Timing
from app.simulators.helo.states import State


class Broken(Enum):
    """Why an output ended or never came about."""

    REFUSED = auto()
    """By the server: a wrong key, a name in use."""
    UNREACHABLE = auto()
    NO_SUCH_NAME = auto()
    TOO_SLOW = auto()


@dataclass(frozen=True, slots=True)
class StreamFacts:
    """`is_set_up`: URL and name are there, or the protocol needs none. `sends`: whether a server is dialled at all;
    other protocols wait for viewers and count as running at once.
    """

    has_picture: bool
    stops_without_picture: bool
    is_set_up: bool
    sends: bool
    recovers: bool
    is_inhibited: bool
    """Transfer mode, or the other function leaves no room."""


class Streaming:
    def __init__(self, timing: Timing) -> None:
        self._timing = timing
        self._order: tuple[float, bool] | None = None
        self._retry_at: float | None = None
        self.outputs_begun = 0
        self.output: int | None = None
        """Generation of what is to be sent now."""
        self.since: float | None = None
        """When the present connection began."""
        self.has_failed = False
        """The last start came to nothing, or it broke."""
        self.why: Broken | None = None
        self._was_live = False
        self._is_shut_down = False

    @property
    def due(self) -> float | None:
        times = [at for at in (self._order and self._order[0], self._retry_at) if at is not None]
        return min(times, default=None)

    @property
    def is_wanted(self) -> bool:
        return self.output is not None or self._retry_at is not None

    def order(self, start: bool, now: float) -> None:
        """A command: it is done a little later."""
        self._order = (now + self._timing.command_s, start)

    def shut_down(self) -> None:
        self._end()
        self._is_shut_down = True

    def reset(self) -> None:
        """The unit restarts: nothing is ordered, nothing runs."""
        self._end()
        self._order, self._is_shut_down = None, False

    def tick(self, now: float, facts: StreamFacts) -> None:
        if self._is_shut_down:
            return
        if self._order is not None and now >= self._order[0]:
            self._obey(self._order[1], now, facts)
        if self.is_wanted and not facts.has_picture and facts.stops_without_picture:
            self._end()
        if self._retry_at is not None and now >= self._retry_at:
            self._begin(now, facts)

    def live(self, generation: int, now: float) -> None:
        """The server took the stream."""
        if generation != self.output:
            return
        self.since, self.has_failed, self.why, self._was_live = now, False, None, True

    def broke(self, generation: int, why: Broken, now: float, *, recovers: bool) -> None:
        """The output of this generation is over."""
        if generation != self.output:
            return
        self.output = self.since = None
        self.has_failed, self.why = True, why
        self._retry_at = now + self._timing.retry_s if recovers else None
        # What is tried again and again has failed, even when it never ran.
        self._was_live = self._was_live or recovers

    def state(self, facts: StreamFacts) -> State:
        if self._is_shut_down:
            return State.SHUTDOWN
        if self.since is not None:
            return State.RUNNING
        if self.has_failed and self._was_live:
            return State.FAILED
        is_ready = facts.is_set_up and facts.has_picture and not self.has_failed
        return State.IDLE if is_ready else State.BLOCKED

    def _obey(self, start: bool, now: float, facts: StreamFacts) -> None:
        self._order = None
        if not start:
            self._end()
        elif not self.is_wanted:
            self._end()
            if facts.is_inhibited:
                return
            if facts.is_set_up and facts.has_picture:
                self._begin(now, facts)
            else:
                self.has_failed = True

    def _begin(self, now: float, facts: StreamFacts) -> None:
        self.outputs_begun += 1
        self.output, self._retry_at = self.outputs_begun, None
        if not facts.sends:
            self.live(self.outputs_begun, now)

    def _end(self) -> None:
        self.output = self.since = self._retry_at = self.why = None
        self.has_failed = self._was_live = False
