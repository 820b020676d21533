"""Tones that can be counted: one each quarter of a second, and its pitch says which of sixteen it is.

A lost or doubled piece of sound shows as a step in the count, or as marks that are not a quarter of a second apart.
"""

from __future__ import annotations

import array
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import av

SPACING_S = 0.25
LENGTH_S = 0.1
PITCHES = 16
_LOWEST_HZ = 500.0
_STEP_HZ = 125.0
_LISTEN_S = (0.02, 0.08)
"""The part of a mark that the encoder's window does not blur."""
_LOUD = 0.1


@dataclass(frozen=True)
class Mark:
    time_s: float
    pitch: int


def sample(number: int, rate: int) -> float:
    """The sound at this sample, counted from the beginning of the source."""
    mark, into = divmod(number, int(rate * SPACING_S))
    if into >= LENGTH_S * rate:
        return 0.0
    return 0.5 * math.sin(2 * math.pi * (_LOWEST_HZ + _STEP_HZ * (mark % PITCHES)) * into / rate)


def read_marks(frames: Iterable[av.AudioFrame]) -> Iterator[Mark]:
    """Every mark that is heard whole, in order. `frames` are planar float, as FFmpeg's AAC decoder gives them."""
    rate = 0
    quiet = heard = 0
    began: float | None = None
    crossings = 0
    last = 0.0
    for frame in frames:
        assert frame.pts is not None
        assert frame.time_base is not None
        rate = frame.sample_rate
        start = float(frame.pts * frame.time_base)
        samples = array.array("f")
        samples.frombytes(bytes(frame.planes[0])[: frame.samples * 4])
        for number, value in enumerate(samples):
            if began is None:
                if abs(value) > _LOUD and quiet > 0.05 * rate:
                    began, heard, crossings = start + number / rate, 0, 0
                quiet = 0 if abs(value) > _LOUD else quiet + 1
            else:
                heard += 1
                if heard > _LISTEN_S[0] * rate:
                    crossings += (value > 0) != (last > 0)
                if heard >= _LISTEN_S[1] * rate:
                    hz = crossings / 2 / (_LISTEN_S[1] - _LISTEN_S[0])
                    yield Mark(began, round((hz - _LOWEST_HZ) / _STEP_HZ))
                    began, quiet = None, 0
            last = value


def breaks(marks: list[Mark], *, within_s: float) -> list[tuple[Mark, Mark]]:
    """Neighbours that do not follow each other in pitch, or not a quarter of a second apart."""
    return [
        (one, two)
        for one, two in pairwise(marks)
        if two.pitch != (one.pitch + 1) % PITCHES or abs(two.time_s - one.time_s - SPACING_S) > within_s
    ]
