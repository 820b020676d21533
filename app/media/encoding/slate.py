"""When a slate's pictures are due, and what a still one shows. The times are pure.

Leaves to others: repeating the last picture (`sharing`), silence (`silence`), when a slate begins and ends
(`intake`).
"""

from __future__ import annotations

from fractions import Fraction
from typing import Final

import av

from app.domain.ladder import FrameRate, Rendition
from app.media.encoding.rungs import Picture

_LATE_MS: Final = 500
"""A thread that was held up for longer leaves pictures out."""
_TEXT: Final = ("WE WILL BE", "RIGHT BACK")
_BACKGROUND, _INK, _NEUTRAL = 40, 200, 128
_GLYPH_WIDTH, _GLYPH_HEIGHT = 5, 7
_GLYPHS: Final = {
    "A": (14, 17, 17, 31, 17, 17, 17),
    "B": (30, 17, 17, 30, 17, 17, 30),
    "C": (14, 17, 16, 16, 16, 17, 14),
    "E": (31, 16, 16, 30, 16, 16, 31),
    "G": (14, 17, 16, 23, 17, 17, 15),
    "H": (17, 17, 17, 31, 17, 17, 17),
    "I": (14, 4, 4, 4, 4, 4, 14),
    "K": (17, 18, 20, 24, 20, 18, 17),
    "L": (16, 16, 16, 16, 16, 16, 31),
    "R": (30, 17, 17, 30, 20, 18, 17),
    "T": (31, 4, 4, 4, 4, 4, 4),
    "W": (17, 17, 17, 21, 21, 27, 17),
    " ": (0, 0, 0, 0, 0, 0, 0),
}
"""Rows of five pixels, the leftmost in the highest bit."""


class SlateTimes:
    """From `from_ms` of the timeline on, in real time from `now_s` (monotonic) on, `rate` pictures a second."""

    def __init__(self, from_ms: int, rate: FrameRate, now_s: float) -> None:
        self._from_ms = from_ms
        self._period_ms = Fraction(1000 * rate.den, rate.num)
        self._began_s = now_s
        self._count = 0

    def wait_s(self, now_s: float) -> float:
        """Until the next picture is due; 0 when it is."""
        return max(0.0, self._began_s + float(self._count * self._period_ms) / 1000 - now_s)

    def next_ms(self, now_s: float) -> int:
        """The time of the picture that is due."""
        due = int((now_s - self._began_s) * 1000 / self._period_ms)
        if (due - self._count) * self._period_ms > _LATE_MS:
            self._count = due
        time_ms = self._from_ms + round(self._count * self._period_ms)
        self._count += 1
        return time_ms


def still_picture(rendition: Rendition) -> Picture:
    """A dark card of the rendition's size that says that the stream will be back."""
    frame = av.VideoFrame(rendition.width, rendition.height, "yuv420p")
    luma, *chroma = frame.planes
    luma.update(_card(rendition.width, rendition.height, luma.line_size))
    for plane in chroma:
        plane.update(bytes((_NEUTRAL,)) * plane.buffer_size)
    frame.pts, frame.time_base = 0, Fraction(1, 1000)
    return Picture(frame, Fraction(1))


def _card(width: int, height: int, line_size: int) -> bytes:
    columns = max(map(len, _TEXT)) * (_GLYPH_WIDTH + 1)
    dot = max(1, width * 2 // 3 // columns)
    rows: list[bytes] = []
    for line in _TEXT:
        rows += [_dots(line, row, dot, width) for row in range(_GLYPH_HEIGHT) for _ in range(dot)]
        rows += [_empty(width)] * (dot * 3)
    above = max(0, (height - len(rows)) // 2)
    rows = ([_empty(width)] * above + rows + [_empty(width)] * height)[:height]
    return b"".join(row.ljust(line_size, b"\0") for row in rows)


def _dots(text: str, row: int, dot: int, width: int) -> bytes:
    bits = "".join(f"{_GLYPHS[letter][row]:0{_GLYPH_WIDTH}b}0" for letter in text)
    ink = b"".join(bytes((_INK if bit == "1" else _BACKGROUND,)) * dot for bit in bits)
    return ink[:width].center(width, bytes((_BACKGROUND,)))


def _empty(width: int) -> bytes:
    return bytes((_BACKGROUND,)) * width
