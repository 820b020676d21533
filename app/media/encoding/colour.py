"""What the numbers of a picture mean as colours, carried from the source into every rendition.

Codes are those of ITU-T H.273.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from av.video.frame import VideoFrame

UNSPECIFIED: Final = 2
BT709: Final = 1
SMPTE170M: Final = 6
_HD_HEIGHT: Final = 720


@dataclass(frozen=True, slots=True)
class Colour:
    primaries: int
    transfer: int
    matrix: int

    @classmethod
    def of(cls, frame: VideoFrame) -> Colour:
        """The frame's own, or what players assume for its size: a smaller rendition would be assumed otherwise."""
        assumed = BT709 if frame.height >= _HD_HEIGHT else SMPTE170M
        matrix = int(frame.colorspace)
        return cls(
            primaries=_known(int(frame.color_primaries), assumed),
            transfer=_known(int(frame.color_trc), assumed),
            # 0 is RGB: the scaler makes the assumed matrix of it.
            matrix=assumed if matrix == 0 else _known(matrix, assumed),
        )


def _known(code: int, assumed: int) -> int:
    return assumed if code in (0, UNSPECIFIED) else code
