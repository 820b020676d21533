"""What a programme is made of: renditions of the picture and one audio track."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

NTSC_TOLERANCE = 0.0002
"""Relative. Rates of NTSC are written short: 29.97 stands for 30000/1001 = 29.97003, 23.98 for 23.97602."""
AUDIO_TRACK = "audio"
"""Track name of the programme's sound; every other track name is a rendition's."""
SOURCE_RENDITION = "source"
"""Name of the one rendition of a stream that is passed through without encoding."""


@dataclass(frozen=True, slots=True)
class FrameRate:
    """Frames per second as a fraction: 29.97 is 30000/1001."""

    num: int
    den: int = 1

    @classmethod
    def of(cls, fps: float) -> FrameRate:
        """The rate that people mean by `fps`: one of NTSC's, or whole thousandths."""
        whole = round(fps * 1.001)
        if fps < whole and abs(whole * 1000 / 1001 - fps) <= whole * NTSC_TOLERANCE:
            return cls(whole * 1000, 1001)
        thousandths = round(fps * 1000)
        return cls(thousandths // 1000) if thousandths % 1000 == 0 else cls(thousandths, 1000)

    @property
    def fps(self) -> float:
        return self.num / self.den


@dataclass(frozen=True, slots=True)
class Rendition:
    """One rung of the ladder. `name` is unique in its ladder, letters, digits, `-` and `_` (1 to 32)."""

    name: str
    width: int
    height: int
    frame_rate: FrameRate
    video_bps: int


class AudioMode(StrEnum):
    AUTO = "auto"
    """AAC is passed through, anything else is encoded to AAC."""
    ENCODE = "encode"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class AudioPlan:
    mode: AudioMode = AudioMode.AUTO
    audio_bps: int = 128_000


@dataclass(frozen=True, slots=True)
class Ladder:
    """Highest rendition first. Empty `renditions`: audio only, or passed through."""

    renditions: tuple[Rendition, ...]
    audio: AudioPlan = AudioPlan()
