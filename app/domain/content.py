"""What a look at picture and sound told, and what is wrong with them. Decoding is the sampling child's business."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Side(StrEnum):
    """Whose fault it is."""

    SOURCE = "source"
    """The publisher sends it so: another encoder would change nothing."""
    ENCODER = "encoder"
    """The source is well, what was made of it is not."""
    UNKNOWN = "unknown"
    """The programme is not well, and of the source nothing could be seen at that time."""


class Fault(StrEnum):
    """The names are those of the conditions that people are told."""

    BLACK_PICTURE = "black_picture"
    FROZEN_PICTURE = "frozen_picture"
    SILENT_AUDIO = "silent_audio"
    LOW_FRAME_RATE = "low_frame_rate"
    BITRATE_VARIANCE = "bitrate_variance"
    AV_DRIFT = "av_drift"
    TIMESTAMP_JUMP = "timestamp_jump"


@dataclass(frozen=True, slots=True)
class PictureSample:
    """One picture, seen at 128x72 in grey, 0 black to 255 white.

    `change` compares it with the picture looked at before, on the same side: mean difference of the block of 8x8
    that differs most, in grey levels; `compared_ms` is that picture's time. None: there is nothing to compare with.
    """

    at_ms: int
    mean: float
    dark_share: float
    """Share of pixels that are black to the eye."""
    light_share: float
    """Share of pixels in which something is surely to be seen."""
    change: float | None = None
    compared_ms: int | None = None


@dataclass(frozen=True, slots=True)
class SoundSample:
    """The sound from `from_ms` to `at_ms`; levels in dB of full scale, -120 for digital silence."""

    from_ms: int
    at_ms: int
    rms_dbfs: float
    peak_dbfs: float


@dataclass(frozen=True, slots=True)
class Finding:
    """`value` is the figure that `detail`, one line for people, speaks of."""

    fault: Fault
    side: Side
    lasted_s: float
    detail: str
    value: float | None = None
