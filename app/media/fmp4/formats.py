"""What a track is encoded with: RFC 6381 codec string, sample entry, timing. Built from sequence headers.

Leaves RTMP's way of carrying these records to the caller, and the box tree around the entry to `init.py`.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from app.media.fmp4.boxes import box, full_box
from app.media.fmp4.parameter_sets import Size, av1_size, avc_size, hevc_size

VIDEO_TIMESCALE = 90_000
"""Units per second on a video track: a whole multiple of the timeline's milliseconds."""
OPUS_RATE = 48_000
_AAC_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)


class UnsupportedFormat(ValueError):
    """The codec, or this form of its configuration, cannot be written to MP4. The text names it."""


@dataclass(frozen=True, slots=True)
class VideoFormat:
    """`entry` is the whole sample entry box. `codecs` is the RFC 6381 name."""

    codecs: str
    entry: bytes
    width: int
    height: int
    timescale: int = VIDEO_TIMESCALE


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """`frame_samples` is the length of one packet in units of `timescale`; None when each packet says it (Opus)."""

    codecs: str
    entry: bytes
    timescale: int
    channels: int
    frame_samples: int | None


def avc_format(record: bytes, size: Size | None = None) -> VideoFormat:
    """H.264 from an AVCDecoderConfigurationRecord. `size` stands in where the record does not tell."""
    if len(record) < 7 or record[0] != 1:
        raise UnsupportedFormat("H.264: no decoder configuration record")
    return _video(b"avc1", f"avc1.{record[1:4].hex().upper()}", box(b"avcC", record), avc_size(record) or size)


def hevc_format(record: bytes, size: Size | None = None) -> VideoFormat:
    """HEVC from an HEVCDecoderConfigurationRecord; codec string by ISO/IEC 14496-15 annex E."""
    if len(record) < 23 or record[0] != 1:
        raise UnsupportedFormat("HEVC: no decoder configuration record")
    space = ("", "A", "B", "C")[record[1] >> 6]
    compatibility = int(f"{int.from_bytes(record[2:6], 'big'):032b}"[::-1], 2)
    constraints = record[6:12].rstrip(b"\x00")
    parts = [
        "hvc1",
        f"{space}{record[1] & 31}",
        f"{compatibility:X}",
        f"{'H' if record[1] & 32 else 'L'}{record[12]}",
        *(f"{byte:X}" for byte in constraints),
    ]
    return _video(b"hvc1", ".".join(parts), box(b"hvcC", record), hevc_size(record) or size)


def av1_format(record: bytes, size: Size | None = None) -> VideoFormat:
    """AV1 from an AV1CodecConfigurationRecord; codec string by the AV1 ISOBMFF binding §5."""
    if len(record) < 4 or record[0] != 0x81:
        raise UnsupportedFormat("AV1: no codec configuration record")
    profile, level = record[1] >> 5, record[1] & 31
    tier = "H" if record[2] & 128 else "M"
    depth = 8 if not record[2] & 64 else 12 if record[2] & 32 else 10
    codecs = f"av01.{profile}.{level:02d}{tier}.{depth:02d}"
    return _video(b"av01", codecs, box(b"av1C", record), av1_size(record) or size)


def vp9_format(record: bytes, size: Size | None = None) -> VideoFormat:
    """VP9 from a VPCodecConfigurationRecord, with or without the four bytes of version and flags before it."""
    body = record[4:] if len(record) >= 12 and record[:4] == b"\x01\x00\x00\x00" else record
    if len(body) < 8:
        raise UnsupportedFormat("VP9: no codec configuration record")
    codecs = f"vp09.{body[0]:02d}.{body[1]:02d}.{body[2] >> 4:02d}"
    return _video(b"vp09", codecs, full_box(b"vpcC", 1, 0, body), size)


def _video(kind: bytes, codecs: str, config: bytes, size: Size | None) -> VideoFormat:
    if size is None or not (0 < size[0] <= 16384 and 0 < size[1] <= 16384):
        raise UnsupportedFormat(f"{codecs}: the picture's size is not told")
    width, height = size
    entry = box(
        kind,
        struct.pack(">6xH16xHHIIIH32xHh", 1, width, height, 0x480000, 0x480000, 0, 1, 24, -1),
        config,
    )
    return VideoFormat(codecs, entry, width, height)


def aac_format(config: bytes) -> AudioFormat:
    """AAC from an AudioSpecificConfig (ISO/IEC 14496-3 §1.6.2.1)."""
    if len(config) < 2:
        raise UnsupportedFormat("AAC: no AudioSpecificConfig")
    bits = int.from_bytes(config[:8].ljust(8, b"\x00"), "big")
    kind = bits >> 59
    position = 59
    if kind == 31:
        kind = 32 + (bits >> 53 & 63)
        position = 53
    index = bits >> (position - 4) & 15
    position -= 4
    if index == 15:
        rate = bits >> (position - 24) & 0xFFFFFF
        position -= 24
    elif index < len(_AAC_RATES):
        rate = _AAC_RATES[index]
    else:
        raise UnsupportedFormat("AAC: reserved sampling frequency")
    channels = bits >> (position - 4) & 15
    position -= 4
    short_frames = kind in (1, 2, 3, 4) and bits >> (position - 1) & 1
    if not 7350 <= rate <= 96_000:
        raise UnsupportedFormat("AAC: impossible sampling frequency")
    count = 8 if channels == 7 else channels or 2
    entry = _audio_entry(b"mp4a", count, rate, _esds(config))
    return AudioFormat(f"mp4a.40.{kind}", entry, rate, count, 960 if short_frames else 1024)


def opus_format(head: bytes) -> AudioFormat:
    """Opus from its identification header (RFC 7845 §5.1); box by the Opus-in-ISOBMFF binding §4.3.2."""
    if head[:8] != b"OpusHead" or len(head) < 19:
        raise UnsupportedFormat("Opus: no identification header")
    channels, skip, rate, gain, family = struct.unpack_from("<BHIhB", head, 9)
    body = struct.pack(">BBHIhB", 0, channels, skip, rate, gain, family) + (head[19:] if family else b"")
    return AudioFormat(
        "opus", _audio_entry(b"Opus", channels, OPUS_RATE, box(b"dOps", body)), OPUS_RATE, channels, None
    )


_OPUS_CONFIG_SAMPLES = (480, 960, 1920, 2880) * 3 + (480, 960) * 2 + (120, 240, 480, 960) * 4


def opus_samples(packet: bytes | memoryview) -> int:
    """Length of one Opus packet in samples at 48 kHz, from its first bytes (RFC 6716 §3.1)."""
    if not len(packet):
        return 0
    frame = _OPUS_CONFIG_SAMPLES[packet[0] >> 3]
    code = packet[0] & 3
    if code == 0:
        return frame
    if code < 3:
        return frame * 2
    return frame * (packet[1] & 63) if len(packet) > 1 else 0


def _audio_entry(kind: bytes, channels: int, rate: int, config: bytes) -> bytes:
    shown_rate = rate if rate < 65536 else 0
    return box(kind, struct.pack(">6xH8xHH4xI", 1, channels, 16, shown_rate << 16), config)


def _esds(config: bytes) -> bytes:
    """MPEG-4 elementary stream descriptor, ISO/IEC 14496-1 §7.2.6."""
    specific = _descriptor(5, config)
    decoder = _descriptor(4, struct.pack(">BBBHII", 0x40, 0x15, 0, 0, 0, 0), specific)
    return full_box(b"esds", 0, 0, _descriptor(3, struct.pack(">HB", 0, 0), decoder, _descriptor(6, b"\x02")))


def _descriptor(tag: int, *parts: bytes) -> bytes:
    body = b"".join(parts)
    size = len(body)
    return bytes((tag, 0x80 | size >> 21 & 127, 0x80 | size >> 14 & 127, 0x80 | size >> 7 & 127, size & 127)) + body
