"""Codecs and frame kinds of FLV, classic and enhanced.

Sources: Adobe FLV specification v10.1, annex E; Enhanced RTMP v1 (2023) and v2 (2025).
"""

from __future__ import annotations

from enum import Enum, IntEnum
from typing import Final


class VideoCodec(Enum):
    """Video codecs; the value is the FourCC of enhanced RTMP or a name where there is none."""

    AVC = "avc1"
    HEVC = "hvc1"
    AV1 = "av01"
    VP8 = "vp08"
    VP9 = "vp09"
    SORENSON = "sorenson"
    SCREEN = "screen"
    VP6 = "vp6"
    VP6_ALPHA = "vp6a"
    SCREEN_2 = "screen2"
    UNKNOWN = "unknown"


class AudioCodec(Enum):
    """Audio codecs; the value is the FourCC of enhanced RTMP or a name where there is none."""

    AAC = "mp4a"
    MP3 = ".mp3"
    OPUS = "Opus"
    FLAC = "fLaC"
    AC3 = "ac-3"
    EAC3 = "ec-3"
    PCM = "pcm"
    ADPCM = "adpcm"
    PCM_LE = "pcm le"
    NELLYMOSER = "nellymoser"
    G711_A = "g711a"
    G711_U = "g711u"
    SPEEX = "speex"
    UNKNOWN = "unknown"


class FrameType(IntEnum):
    """What a video frame is to a decoder (upper four bits, three in enhanced tags)."""

    KEY = 1
    INTER = 2
    DISPOSABLE = 3
    GENERATED_KEY = 4
    COMMAND = 5


class VideoPacket(IntEnum):
    """VideoPacketType of enhanced RTMP."""

    SEQUENCE_START = 0
    CODED_FRAMES = 1
    SEQUENCE_END = 2
    CODED_FRAMES_X = 3
    METADATA = 4
    MPEG2TS_SEQUENCE_START = 5
    MULTITRACK = 6
    MOD_EX = 7


class AudioPacket(IntEnum):
    """AudioPacketType of enhanced RTMP."""

    SEQUENCE_START = 0
    CODED_FRAMES = 1
    SEQUENCE_END = 2
    MULTICHANNEL_CONFIG = 4
    MULTITRACK = 5
    MOD_EX = 7


class Multitrack(IntEnum):
    """AvMultitrackType of enhanced RTMP v2."""

    ONE_TRACK = 0
    MANY_TRACKS = 1
    MANY_TRACKS_MANY_CODECS = 2


CLASSIC_VIDEO: Final = {
    2: VideoCodec.SORENSON,
    3: VideoCodec.SCREEN,
    4: VideoCodec.VP6,
    5: VideoCodec.VP6_ALPHA,
    6: VideoCodec.SCREEN_2,
    7: VideoCodec.AVC,
    # 12 and 13 were never standardised, but encoders in China send them.
    12: VideoCodec.HEVC,
    13: VideoCodec.AV1,
}
CLASSIC_AUDIO: Final = {
    0: AudioCodec.PCM,
    1: AudioCodec.ADPCM,
    2: AudioCodec.MP3,
    3: AudioCodec.PCM_LE,
    4: AudioCodec.NELLYMOSER,
    5: AudioCodec.NELLYMOSER,
    6: AudioCodec.NELLYMOSER,
    7: AudioCodec.G711_A,
    8: AudioCodec.G711_U,
    10: AudioCodec.AAC,
    11: AudioCodec.SPEEX,
    14: AudioCodec.MP3,
}
VIDEO_FOURCC: Final = {codec.value.encode(): codec for codec in VideoCodec if len(codec.value) == 4}
AUDIO_FOURCC: Final = {codec.value.encode(): codec for codec in AudioCodec if len(codec.value) == 4}
# "vp6a" is a name of ours, not a FourCC.
del VIDEO_FOURCC[b"vp6a"]
