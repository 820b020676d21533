"""When the frames of a source are shown: what a programme made from it is compared with. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from aiortmp import ProtocolError
from aiortmp.flv import parse_video
from app.media.arrival import Arrival
from app.media.timeline import VIDEO

COMPOSITION_MAX_MS: Final = 5_000
"""Encoders reorder 16 pictures at most: three seconds of five a second."""
MAX_FRAMES: Final = 60_000
"""Of each kind: twenty minutes of 50 pictures a second."""


class FrameTimes:
    """Times of pictures and of sounds. `overflowed` says that there were more than are kept."""

    def __init__(self) -> None:
        self.pictures: set[int] = set()
        self.sounds: set[int] = set()
        self.overflowed = False

    def add(self, arrivals: Iterable[Arrival]) -> None:
        """Frames of the source; one that is known already changes nothing."""
        for arrival in arrivals:
            if len(self.pictures) > MAX_FRAMES or len(self.sounds) > MAX_FRAMES:
                self.overflowed = True
                return
            self._add(arrival)

    def _add(self, arrival: Arrival) -> None:
        apart = {*arrival.headers, *arrival.others}
        for index, position in enumerate(arrival.positions):
            if index in apart:
                continue
            message = arrival.batch[index]
            if message.type == VIDEO:
                self.pictures.add(position + composition_ms(message.payload))
            else:
                self.sounds.add(position)


def composition_ms(payload: bytes) -> int:
    """From decoding to showing. One that cannot be parsed is shown as it comes."""
    try:
        return believed_ms(parse_video(payload).composition_time_ms)
    except ProtocolError:
        return 0


def believed_ms(composition_time_ms: int) -> int:
    """A composition time as a publisher claims it; 0 for an absurd one, behind which nothing would be shown."""
    return composition_time_ms if abs(composition_time_ms) <= COMPOSITION_MAX_MS else 0
