"""What goes into the pipeline and what comes out, free of any container or wire format.

All times are milliseconds of the stream's timeline. Payloads are in the form FLV and MP4 use: H.264 and HEVC
as length-prefixed NAL units, AV1 as low-overhead OBUs, AAC raw. Leaves to others: how they travel.
"""

from __future__ import annotations

from dataclasses import dataclass

from app.domain.ladder import FrameRate


@dataclass(frozen=True, slots=True)
class VideoConfig:
    """`codec` is FFmpeg's name (h264, hevc, av1, vp9); `extradata` its avcC, hvcC, av1C or vpcC record."""

    codec: str
    extradata: bytes


@dataclass(frozen=True, slots=True)
class AudioConfig:
    """`codec` is FFmpeg's name (aac, mp3, opus, ...). None: the bit stream says it itself."""

    codec: str
    extradata: bytes = b""
    sample_rate: int | None = None
    channels: int | None = None


@dataclass(frozen=True, slots=True)
class VideoPacket:
    dts_ms: int
    pts_ms: int
    data: bytes
    is_key: bool = False
    """Whether the source says that decoding can begin here; decoders find out themselves."""


@dataclass(frozen=True, slots=True)
class AudioPacket:
    pts_ms: int
    data: bytes


@dataclass(frozen=True, slots=True)
class VideoEnd:
    """The publisher said that its picture ends here: every frame still inside is to come out."""


SourceItem = VideoConfig | AudioConfig | VideoPacket | AudioPacket | VideoEnd


@dataclass(frozen=True, slots=True)
class VideoHeader:
    """Opens a rendition, and again when its parameter sets change. `codec` is h264, hevc or av1."""

    track: str
    codec: str
    extradata: bytes
    width: int
    height: int
    frame_rate: FrameRate
    video_bps: int


@dataclass(frozen=True, slots=True)
class AudioHeader:
    """Opens the audio track: always AAC. None: passed through, the record in `extradata` says it."""

    track: str
    extradata: bytes
    sample_rate: int | None = None
    channels: int | None = None
    audio_bps: int | None = None


@dataclass(frozen=True, slots=True)
class TrackPacket:
    """One frame of one track of the programme, in presentation order: its decoding time is the same."""

    track: str
    pts_ms: int
    data: bytes
    is_key: bool


ProgrammeItem = VideoHeader | AudioHeader | TrackPacket
