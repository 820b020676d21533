"""Takes the reads of many busy connections together: one pause of the loop instead of a wake-up for each.

At live pace every frame of every publisher comes alone, and being woken costs more than reading it. While
frames come by the thousand in a second, the loop sleeps for a moment between two polls, so that one poll
finds several. Nothing waits longer than that moment. Where little comes, or so much that polls find enough
anyway, there is no pause. Leaves to others: what was read.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

_WINDOW_S: Final = 0.1
_BUSY_READS_PER_S: Final = 3_000
"""Some forty live streams. Below it waking up is cheap enough, and a pause would find nothing to gather."""
_FULL_BYTES: Final = 256 * 1024
"""What one turn of the loop brings when the loop, and not the publishers, sets the pace."""


class Gathering:
    """One for all connections of a loop. `sleep` blocks the loop: that is the purpose."""

    __slots__ = ("_armed", "_bytes", "_call_soon", "_pause_s", "_reads", "_since", "_sleep", "is_busy")

    def __init__(
        self, loop: asyncio.AbstractEventLoop, pause_s: float, *, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self.is_busy = False
        """Whether so much comes that the loop pauses between polls."""
        self._call_soon = loop.call_soon
        self._pause_s = pause_s
        self._sleep = sleep
        self._since = 0.0
        self._reads = 0
        self._bytes = 0
        self._armed = False

    def note(self, size_bytes: int, now: float) -> None:
        """Media was read. Called for every read, with the loop's time."""
        self._reads += 1
        self._bytes += size_bytes
        if now - self._since >= _WINDOW_S:
            self.is_busy = self._reads >= (now - self._since) * _BUSY_READS_PER_S
            self._since, self._reads, self._bytes = now, 0, 0
        if self.is_busy and not self._armed:
            self._armed = True
            self._call_soon(self._pause)

    def _pause(self) -> None:
        self._armed = False
        if self._bytes < _FULL_BYTES:
            self._sleep(self._pause_s)
        self._bytes = 0
