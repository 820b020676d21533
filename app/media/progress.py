"""Tells a worker that stands still from one that is slow. Pure; acting on it is the channel's business.

The source flows and no programme frame follows one of its frames for the stall limit: 500 ms, more for a worker
whose measured latency is larger, and generous until its first frame, because an encoder needs a moment to begin.
Where the source hesitates, so may the worker.
"""

from __future__ import annotations

from typing import Final

STALL_S: Final = 0.5
START_S: Final = 10.0
"""Until the first frame of a worker: start, catch up, encode."""
PROVED_START_S: Final = 5.0
"""The same for one that was proved before: its decoder and encoders have run already."""
LATENCY_SHARE: Final = 2.0
"""A worker may be silent for twice the delay it was seen to need."""
STALL_MAX_S: Final = 5.0
_FORGET: Final = 0.995
"""How much of the longest delay seen is left after one more frame: half after some 140."""


class WorkerProgress:
    """`frame_s` is when the last programme frame passed, `lag_ms` how far behind the source it was."""

    def __init__(self, *, start_s: float = START_S) -> None:
        self._owed_s: float | None = None
        """When the first source frame was handed over that no programme frame has followed."""
        self._start_s = start_s
        self._begins = True
        self._source_s: float | None = None
        self._latency_s = 0.0
        self.frame_s: float | None = None
        self.lag_ms: float | None = None

    @property
    def limit_s(self) -> float:
        """Silence allowed right now."""
        if self._begins:
            return self._start_s
        return min(STALL_MAX_S, max(STALL_S, self._latency_s * LATENCY_SHARE))

    def source(self, now_s: float) -> None:
        """A source frame was handed to the worker."""
        if self._owed_s is None:
            self._owed_s = now_s
        self._source_s = now_s

    def programme(self, now_s: float, lag_ms: float | None) -> None:
        """A programme frame passed the switch, `lag_ms` behind the newest source frame."""
        self.frame_s = now_s
        self.lag_ms = lag_ms
        self._begins = False
        self._owed_s = None
        if lag_ms is not None:
            self._latency_s = max(self._latency_s * _FORGET, lag_ms / 1000)

    def begin_anew(self) -> None:
        """It was fed from further back: it decodes and opens its encoders once more."""
        self._owed_s, self._begins, self._start_s = None, True, PROVED_START_S

    def excuse(self) -> None:
        """What was owed until now counts no more: the worker has something else to do."""
        self._owed_s = None

    def settle(self) -> None:
        """The worker has caught up with what was before it: how late it was until now says nothing of its pace."""
        self._latency_s = (self.lag_ms or 0.0) / 1000

    @property
    def due(self) -> float | None:
        """When silence will be too long if nothing comes; None: the worker owes nothing."""
        return None if self._owed_s is None else self._owed_s + self.limit_s

    def stalled(self, now_s: float) -> float | None:
        """Seconds of silence when that is too long, else None. While the source is silent too, nobody knows."""
        if self._owed_s is None or self._source_s is None or now_s - self._source_s > STALL_S:
            return None
        silence_s = now_s - self._owed_s
        return silence_s if silence_s > self.limit_s else None
