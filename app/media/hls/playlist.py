"""The text of HLS playlists (RFC 8216bis). Pure; knows nothing of packets."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Segment:
    """One listed segment. `data` is None for one that does not exist (EXT-X-GAP)."""

    number: int
    duration_s: float
    wall_ms: float
    init: int
    data: bytes | None
    discontinuity: bool = False
    frames: int = 0

    @property
    def bps(self) -> float:
        """Bits per second of this segment; 0 for one that does not exist."""
        return len(self.data) * 8 / self.duration_s if self.data and self.duration_s > 0 else 0.0


@dataclass(frozen=True, slots=True)
class MediaPlaylist:
    """`first_discontinuity` counts the discontinuities before the list."""

    segments: Sequence[Segment]
    target_s: int
    first_discontinuity: int
    ended: bool

    def text(self) -> str:
        lines = ["#EXTM3U", "#EXT-X-VERSION:8", f"#EXT-X-TARGETDURATION:{self.target_s}"]
        lines.append(f"#EXT-X-MEDIA-SEQUENCE:{self.segments[0].number if self.segments else 0}")
        if self.first_discontinuity:
            lines.append(f"#EXT-X-DISCONTINUITY-SEQUENCE:{self.first_discontinuity}")
        lines.append("#EXT-X-INDEPENDENT-SEGMENTS")
        init: int | None = None
        for segment in self.segments:
            if segment.discontinuity:
                lines.append("#EXT-X-DISCONTINUITY")
            if segment.init != init:
                init = segment.init
                lines.append(f'#EXT-X-MAP:URI="init-{init}.mp4"')
            lines.append(f"#EXT-X-PROGRAM-DATE-TIME:{_date(segment.wall_ms)}")
            if segment.data is None:
                lines.append("#EXT-X-GAP")
            lines.append(f"#EXTINF:{segment.duration_s:.5f},")
            lines.append(f"{segment.number}.m4s")
        if self.ended:
            lines.append("#EXT-X-ENDLIST")
        return "\n".join(lines) + "\n"


@dataclass(frozen=True, slots=True)
class Variant:
    """One line of the multivariant playlist. Rates in bits per second, measured."""

    uri: str
    codecs: tuple[str, ...]
    peak_bps: float
    average_bps: float
    width: int | None = None
    height: int | None = None
    fps: float | None = None


@dataclass(frozen=True, slots=True)
class AudioRendition:
    uri: str
    channels: int


def multivariant(variants: Sequence[Variant], audio: AudioRendition | None) -> str:
    """`audio` is the sound that goes with every picture; None when there is none, or nothing else."""
    lines = ["#EXTM3U", "#EXT-X-VERSION:8", "#EXT-X-INDEPENDENT-SEGMENTS"]
    if audio is not None:
        lines.append(
            '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="audio",NAME="main",DEFAULT=YES,AUTOSELECT=YES,'
            f'CHANNELS="{audio.channels}",URI="{audio.uri}"'
        )
    for variant in variants:
        lines += (_stream_line(variant, grouped=audio is not None), variant.uri)
    return "\n".join(lines) + "\n"


def _stream_line(variant: Variant, *, grouped: bool) -> str:
    fields = [
        f"BANDWIDTH={math.ceil(variant.peak_bps)}",
        f"AVERAGE-BANDWIDTH={math.ceil(variant.average_bps)}",
        f'CODECS="{",".join(variant.codecs)}"',
    ]
    if variant.width and variant.height:
        fields.append(f"RESOLUTION={variant.width}x{variant.height}")
    if variant.fps:
        fields.append(f"FRAME-RATE={variant.fps:.3f}")
    if grouped:
        fields.append('AUDIO="audio"')
    return "#EXT-X-STREAM-INF:" + ",".join(fields)


def _date(wall_ms: float) -> str:
    return (EPOCH + timedelta(milliseconds=wall_ms)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
