"""The small JPEG of a HELO's input, made anew about once a second, in a thread. Leaves to others: serving it."""

from __future__ import annotations

import asyncio
from fractions import Fraction
from typing import Any, Final

import av
from av.video.codeccontext import VideoCodecContext

from app.domain.errors import Unavailable
from app.domain.ladder import FrameRate
from app.media.encoding.card import Card
from app.simulators.helo.picture import Look
from app.simulators.helo.scene import Scene

_WIDTH, _HEIGHT = 240, 136
_RATE: Final = FrameRate(25)
_AGE_S: Final = 1.0


class Preview:
    def __init__(self) -> None:
        self._scene = Scene(Card(_WIDTH, _HEIGHT, _RATE), first=0)
        self._made: tuple[float, Look, bytes] | None = None
        self._lock = asyncio.Lock()

    async def jpeg(self, look: Look, now: float) -> bytes:
        async with self._lock:
            if self._made is None or self._made[1] != look or now - self._made[0] >= _AGE_S:
                number = int(now * _RATE.fps)
                self._made = (now, look, await asyncio.to_thread(self._draw, look, number))
            return self._made[2]

    def _draw(self, look: Look, number: int) -> bytes:
        self._scene.look = look
        context: Any = av.CodecContext.create("mjpeg", "w")
        assert isinstance(context, VideoCodecContext)
        context.width, context.height, context.pix_fmt = _WIDTH, _HEIGHT, "yuvj420p"
        context.framerate, context.time_base = Fraction(_RATE.num), Fraction(1, _RATE.num)
        frame = self._scene.picture(number).reformat(format="yuvj420p")
        packets = [*context.encode(frame), *context.encode(None)]
        if not packets:
            raise Unavailable("no picture came out")
        return bytes(packets[0])
