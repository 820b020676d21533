"""Silent AAC frames for any AudioSpecificConfig that says its speakers by number.

A frame whose channels have no spectral data at all is a few bits long and decodes to silence at every rate, so no
encoder is needed. Source: ISO/IEC 14496-3, sections 1.6.2.1 (config), 4.4.2.1 (raw data block), 4.4.2.7 (channels).
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from app.media.fmp4.formats import UnsupportedFormat, aac_format

_SINGLE, _PAIR, _LOW = "000", "001", "011"
_ELEMENTS: Final = {
    1: (_SINGLE,),
    2: (_PAIR,),
    3: (_SINGLE, _PAIR),
    4: (_SINGLE, _PAIR, _SINGLE),
    5: (_SINGLE, _PAIR, _PAIR),
    6: (_SINGLE, _PAIR, _PAIR, _LOW),
    8: (_SINGLE, _PAIR, _PAIR, _PAIR, _LOW),
}
"""Syntactic elements of each number of speakers."""
_STREAM: Final = "00000000" + "0" + "00" + "0" + "000000" + "0" + "0" + "0" + "0"
"""One channel: gain 0; one long sine window without a band and without prediction; no pulses, no noise shaping, no
gain control."""
_LOW_COMPLEXITY: Final = frozenset(("mp4a.40.2", "mp4a.40.5", "mp4a.40.29"))
"""AAC-LC, and the two that put more on top of it, which may be left out."""
_END: Final = "111"


@dataclass(frozen=True, slots=True)
class Silence:
    """One frame, and how long it lasts."""

    frame: bytes
    duration_ms: Fraction

    @classmethod
    def of(cls, config: bytes) -> Silence | None:
        """None where the config can't be read, or its frames are of another kind."""
        try:
            about = aac_format(config)
        except UnsupportedFormat:
            return None
        elements = _ELEMENTS.get(about.channels)
        if (
            elements is None
            or about.frame_samples is None
            or about.codecs not in ("mp4a.40.2", "mp4a.40.5", "mp4a.40.29")
        ):
            return None
        return cls(_frame(elements), Fraction(about.frame_samples * 1000, about.timescale))


def _frame(elements: tuple[str, ...]) -> bytes:
    counts = dict.fromkeys(elements, 0)
    bits = ""
    for element in elements:
        bits += element + f"{counts[element]:04b}"
        counts[element] += 1
        bits += "0" + _STREAM + _STREAM if element == _PAIR else _STREAM
    bits += _END
    return int(bits.ljust(-(-len(bits) // 8) * 8, "0"), 2).to_bytes(-(-len(bits) // 8), "big")
