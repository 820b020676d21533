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

    __slots__ = ("_call_soon", "_pause_s", "_since", "_sleep", "bytes", "is_busy", "is_gathering", "reads")

    def __init__(
        self, loop: asyncio.AbstractEventLoop, pause_s: float, *, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self.is_busy = False
        """Whether so much comes that the loop pauses between polls."""
        self.is_gathering = False
        """Whether a pause comes at the end of this turn. While it does, `begin` need not be called."""
        self.reads = 0
        self.bytes = 0
        """Count each read of media here, before `begin`: attributes, as a call for every read would be felt."""
        self._call_soon = loop.call_soon
        self._pause_s = pause_s
        self._sleep = sleep
        self._since = 0.0

    def begin(self, now: float) -> None:
        """Media was read, and nothing before it in this turn of the loop that is known of."""
        if now - self._since >= _WINDOW_S:
            self.is_busy = self.reads >= (now - self._since) * _BUSY_READS_PER_S
            self._since = now
            self.reads = self.bytes = 0
        if self.is_busy:
            self.is_gathering = True
            self._call_soon(self._pause)

    def _pause(self) -> None:
        self.is_gathering = False
        if self.bytes < _FULL_BYTES:
            self._sleep(self._pause_s)
        self.bytes = 0
