"""Keeps packets coming evenly where one encoder follows another. Pure.

An encoder that looks ahead is some frames behind. At its end they come all at once, and the next encoder says
nothing until it has looked ahead in turn: viewers would see a burst and a gap.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from app.media.encoding.packets import TrackPacket


class Cadence:
    def __init__(self) -> None:
        self._held: deque[TrackPacket] = deque()

    def hold(self, drained: Iterable[TrackPacket]) -> None:
        """The last packets of an encoder that another one follows."""
        self._held.extend(drained)

    def step(self, packets: list[TrackPacket]) -> list[TrackPacket]:
        """What to let out after one more frame, from which these came: one each time, as long as some are held."""
        if not self._held:
            return packets
        self._held.extend(packets)
        return [self._held.popleft()]

    def rest(self) -> list[TrackPacket]:
        """No frame comes for a while: all that is held."""
        held = list(self._held)
        self._held.clear()
        return held
