"""What a simulated camera or generator shows: the test card moving, frozen, black, or as bars; sound or silence.

Leaves to others: encoding (`app.media.encoding.testcard`), which of them it is now (`picture.look`).
"""

from __future__ import annotations

from fractions import Fraction
from typing import Final

import av
from av.audio.frame import AudioFrame
from av.video.frame import VideoFrame

from app.media.encoding.card import SOUND_RATE, SOUND_SAMPLES, Card
from app.simulators.helo.picture import Look
from app.simulators.helo.world import Show

_BLACK_LUMA: Final = b"\x10"
_GREY: Final = b"\x80"
_SECOND: Final = 1


class Scene:
    """Draws like a card. `look` may be changed at any time, from another thread.

    `first`: number that the card shows at frame 0, so that two units that film the same thing show the same.
    """

    def __init__(self, card: Card, first: int) -> None:
        self._card = card
        self._first = first
        self.look = Look()
        self._frozen: int | None = None
        self._black = self._flat()

    def time_ms(self, number: int) -> int:
        return self._card.time_ms(number)

    def picture(self, number: int) -> VideoFrame:
        show = self.look.show
        if show is not Show.FREEZE:
            self._frozen = None
        if show is Show.BLACK:
            return self._stamped(self._black, number)
        shown = self._first + number
        if show is Show.FREEZE:
            self._frozen = shown = shown if self._frozen is None else self._frozen
        elif show is Show.BARS:
            shown = 0
        return self._stamped(self._card.picture(shown), number)

    def sound(self, index: int) -> AudioFrame:
        """The block that begins at sample `index * 1024`."""
        rate = self._card.rate
        shift = self._first * SOUND_RATE * rate.den // rate.num
        frame = self._card.sound(index, shift)
        if self.look.is_silent:
            for plane in frame.planes:
                plane.update(bytes(SOUND_SAMPLES * 4))
        return frame

    def _stamped(self, frame: VideoFrame, number: int) -> VideoFrame:
        frame.pts, frame.time_base = self.time_ms(number), Fraction(_SECOND, 1000)
        return frame

    def _flat(self) -> VideoFrame:
        frame = av.VideoFrame(self._card.width, self._card.height, "yuv420p")
        for plane, value in zip(frame.planes, (_BLACK_LUMA, _GREY, _GREY), strict=True):
            plane.update(value * plane.buffer_size)
        return frame
