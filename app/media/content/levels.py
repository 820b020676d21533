"""Arithmetic on one small grey picture and on sound levels. Pure; where they come from is `measure`'s business.

Works on whole byte strings at once: a picture of 9,216 bytes costs about a millisecond.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from operator import mul, sub
from typing import Final

WIDTH: Final = 128
HEIGHT: Final = 72
BLOCK: Final = 8
"""Side of the blocks that are compared: a ticking digit of a 1080p picture fills a good part of one."""
DARK_MAX: Final = 20
"""Grey levels of 255. Coded black with its noise stays below; a scene at night does not, at least not all of it."""
LIGHT_MIN: Final = 40
"""From here on something is surely to be seen. Between the two nobody is blamed for anything."""
SILENCE_DBFS: Final = -120.0

_EVERY: Final = 4
"""What is above an eighth of the sampling rate folds down, its power stays."""
_DARK: Final = bytes(range(DARK_MAX + 1))
_NOT_LIGHT: Final = bytes(range(LIGHT_MIN))


@dataclass(frozen=True, slots=True)
class Luma:
    mean: float
    dark_share: float
    light_share: float


def luma(grey: bytes) -> Luma:
    """Of a picture with at least one pixel."""
    count = len(grey)
    lighter = len(grey.translate(None, _DARK))
    return Luma(sum(grey) / count, (count - lighter) / count, len(grey.translate(None, _NOT_LIGHT)) / count)


def change(before: bytes, now: bytes) -> float:
    """Mean difference of the block that differs most, in grey levels; both pictures are WIDTH x HEIGHT."""
    apart = bytes(map(abs, map(sub, before, now)))
    most = 0
    for top in range(0, HEIGHT, BLOCK):
        rows = [apart[(top + y) * WIDTH : (top + y + 1) * WIDTH] for y in range(BLOCK)]
        for left in range(0, WIDTH, BLOCK):
            most = max(most, sum(sum(row[left : left + BLOCK]) for row in rows))
    return most / (BLOCK * BLOCK)


def dbfs(amplitude: float) -> float:
    """Of a linear amplitude, 1.0 being full scale."""
    return max(SILENCE_DBFS, 20 * math.log10(amplitude)) if amplitude > 0 else SILENCE_DBFS


def power(samples: Sequence[float]) -> tuple[float, float, int]:
    """Sum of squares of every fourth sample, the greatest amplitude of all, and how many were summed."""
    some = samples[::_EVERY]
    return sum(map(mul, some, some)), max(max(samples), -min(samples)), len(some)
