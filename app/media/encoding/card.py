"""Draws the test card: a moving picture that says its own frame number, to people and to programs.

From top to bottom: the counter as black and white blocks, the time and the frame number in digits, colour bars with
a bar that moves. The sound is a beep of 1 kHz at each whole second. Leaves to others: encoding (`testcard`).
"""

from __future__ import annotations

import array
import math
from fractions import Fraction
from typing import Final

import av
from av.audio.frame import AudioFrame
from av.video.frame import VideoFrame

from app.domain.ladder import FrameRate

SOUND_RATE: Final = 48_000
SOUND_SAMPLES: Final = 1024
BEEP_S: Final = 0.1
_BEEP_HZ: Final = 1000
_BEEP_LOUDNESS: Final = 0.25

_BLACK: Final = 16
_WHITE: Final = 235
_MIDDLE: Final = 128
_BITS: Final = 24
_CHECK_BITS: Final = 4
_CELLS: Final = 2 + _BITS + _CHECK_BITS
"""One white and one black cell to know a card by, the number, the sum of its hexadecimal digits."""
_STRIP: Final = Fraction(1, 8)
"""Share of the height that the blocks take."""

# Segments of a digit: top, upper left, upper right, middle, lower left, lower right, bottom.
_SEGMENTS: Final = {
    "0": "1110111",
    "1": "0010010",
    "2": "1011101",
    "3": "1011011",
    "4": "0111010",
    "5": "1101011",
    "6": "1101111",
    "7": "1010010",
    "8": "1111111",
    "9": "1111011",
    " ": "0000000",
    ":": "0000000",
}
# Blue and red difference of white, yellow, cyan, green, magenta, red, blue, black (ITU-R BT.709, 75 %).
_BARS: Final = ((128, 128), (44, 136), (147, 44), (63, 52), (193, 204), (109, 212), (212, 120), (128, 128))


class Card:
    """`width` and `height` are even, the width at least 2 pixels for each of 30 blocks."""

    def __init__(self, width: int, height: int, rate: FrameRate) -> None:
        if width % 2 or height % 2 or width < 2 * _CELLS or height < 64:
            raise ValueError("a test card is even in both directions and at least 60 by 64 pixels")
        self.width, self.height, self.rate = width, height, rate
        self._chroma = [_bars(width // 2, index) for index in (0, 1)]
        self._strip_rows = int(height * _STRIP)
        self._digit_rows, self._gap_rows = height // 20, height // 32
        self._head_rows = self._strip_rows + 2 * (5 * self._digit_rows + self._gap_rows)
        self._beep = _beep()

    def picture(self, number: int) -> VideoFrame:
        """Frame `number`, its timestamp in milliseconds."""
        frame = av.VideoFrame(self.width, self.height, "yuv420p")
        luma, *chroma = frame.planes
        luma.update(self._luma(number, luma.line_size))
        for plane, row in zip(chroma, self._chroma, strict=True):
            grey = b"\x80" * plane.line_size * (self._head_rows // 2)
            plane.update(grey + row.ljust(plane.line_size, b"\x80") * (plane.height - self._head_rows // 2))
        frame.pts = self.time_ms(number)
        frame.time_base = Fraction(1, 1000)
        return frame

    def time_ms(self, number: int) -> int:
        return round(number * 1000 * self.rate.den / self.rate.num)

    def sound(self, index: int, shift: int = 0) -> AudioFrame:
        """The block of 1024 samples that begins at sample `index * 1024`, stereo; it sounds like one `shift` on."""
        first = (index * SOUND_SAMPLES + shift) % SOUND_RATE * 4
        data = (self._beep + self._beep)[first : first + SOUND_SAMPLES * 4]
        frame = av.AudioFrame("fltp", "stereo", SOUND_SAMPLES)
        for plane in frame.planes:
            plane.update(data)
        frame.sample_rate = SOUND_RATE
        frame.pts, frame.time_base = index * SOUND_SAMPLES, Fraction(1, SOUND_RATE)
        return frame

    def _luma(self, number: int, line_size: int) -> bytes:
        """The plane as bands of equal rows: drawing a band costs one row."""
        bands = [(_cells(number, self.width), self._strip_rows)]
        for text in (self._clock(number), f"{number:8d}"):
            bands += [(row, self._digit_rows) for row in _text_rows(text, self.width)]
            bands.append((bytes((_BLACK,)) * self.width, self._gap_rows))
        bands.append((self._ramp(number), self.height - self._head_rows))
        return b"".join(row.ljust(line_size, b"\0") * rows for row, rows in bands)

    def _clock(self, number: int) -> str:
        time_ms = self.time_ms(number)
        seconds, ms = divmod(time_ms, 1000)
        return f"{seconds // 60 % 100:02d}:{seconds % 60:02d}:{ms:03d}"

    def _ramp(self, number: int) -> bytes:
        ramp = bytes(_BLACK + (x * 180 // self.width + number) % 180 for x in range(self.width))
        bar, at = self.width // 16, number * 8 % self.width
        return (ramp[:at] + bytes((_WHITE,)) * bar + ramp[at + bar :])[: self.width]


def read_counter(frame: VideoFrame) -> int | None:
    """The number of a test card frame, at whatever size it comes; None when it is none or can't be read."""
    if not frame.format.name.startswith(("yuv", "nv", "gray")):
        frame = frame.reformat(format="yuv420p")
    luma = frame.planes[0]
    row = int(frame.height * _STRIP / 2) * luma.line_size
    line = memoryview(luma)[row : row + frame.width]
    cells = [line[int((cell + 0.5) * frame.width / _CELLS)] > _MIDDLE for cell in range(_CELLS)]
    number = _number(cells[2 : 2 + _BITS])
    if not cells[0] or cells[1] or _number(cells[2 + _BITS :]) != _check(number):
        return None
    return number


def _cells(number: int, width: int) -> bytes:
    value = (number % (1 << _BITS)) << _CHECK_BITS | _check(number % (1 << _BITS))
    cells = [True, False] + [bool(value >> bit & 1) for bit in reversed(range(_BITS + _CHECK_BITS))]
    return bytes(_WHITE if cells[x * _CELLS // width] else _BLACK for x in range(width))


def _check(number: int) -> int:
    return (sum(number >> shift & 15 for shift in range(0, _BITS, 4)) + 5) % 16


def _number(cells: list[bool]) -> int:
    return sum(1 << place for place, cell in enumerate(reversed(cells)) if cell)


def _text_rows(text: str, width: int) -> list[bytes]:
    """Five rows of a line of digits: top, upper, middle, lower, bottom strokes."""
    cell = width // (len(text) + 2)
    stroke = max(2, cell // 6)
    rows = [bytearray(bytes((_BLACK,)) * width) for _ in range(5)]
    for place, character in enumerate(text):
        left, right = cell * (place + 1) + stroke, cell * (place + 2) - stroke
        top, upper_left, upper_right, middle, lower_left, lower_right, bottom = (
            part == "1" for part in _SEGMENTS[character]
        )
        sides = (
            (top, upper_left, upper_right),
            (False, upper_left, upper_right),
            (middle, upper_left and lower_left, upper_right and lower_right),
            (False, lower_left, lower_right),
            (bottom, lower_left, lower_right),
        )
        for row, (is_bar, is_left, is_right) in zip(rows, sides, strict=True):
            if is_bar:
                _fill(row, left, right)
            if is_left:
                _fill(row, left, left + stroke)
            if is_right:
                _fill(row, right - stroke, right)
        if character == ":":
            for row in (rows[1], rows[3]):
                _fill(row, (left + right - stroke) // 2, (left + right + stroke) // 2)
    return [bytes(row) for row in rows]


def _fill(row: bytearray, start: int, end: int) -> None:
    row[start:end] = bytes((_WHITE,)) * (end - start)


def _bars(width: int, index: int) -> bytes:
    return bytes(_BARS[x * len(_BARS) // width][index] for x in range(width))


def _beep() -> bytes:
    """One second of sound as 32-bit floats."""
    beep = int(BEEP_S * SOUND_RATE)
    wave = (_BEEP_LOUDNESS * math.sin(2 * math.pi * _BEEP_HZ * n / SOUND_RATE) for n in range(beep))
    return array.array("f", [*wave, *([0.0] * (SOUND_RATE - beep))]).tobytes()
