"""From codec headers and metadata of RTMP to what a track is. Payloads are parsed by aiortmp, boxes by `fmp4`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from aiortmp import ProtocolError, amf0
from aiortmp.flv import AudioCodec, VideoCodec, parse_audio, parse_video
from app.media.fmp4.formats import (
    AudioFormat,
    UnsupportedFormat,
    VideoFormat,
    aac_format,
    av1_format,
    avc_format,
    hevc_format,
    opus_format,
    vp9_format,
)
from app.media.fmp4.parameter_sets import Size

_VIDEO = {
    VideoCodec.AVC: avc_format,
    VideoCodec.HEVC: hevc_format,
    VideoCodec.AV1: av1_format,
    VideoCodec.VP9: vp9_format,
}
_AUDIO = {AudioCodec.AAC: aac_format, AudioCodec.OPUS: opus_format}


HEADER_MAX_BYTES = 64 * 1024
"""Parameter sets take a few hundred bytes; parsing megabytes of them would hold up everybody."""


@dataclass(frozen=True, slots=True)
class Metadata:
    """What a publisher says of itself in `onMetaData`; believed only where nothing better is known."""

    size: Size | None = None
    fps: float | None = None
    software: str | None = None


def read_metadata(payload: bytes) -> Metadata | None:
    """The metadata in a data message, or None when it is another message or cannot be read."""
    try:
        values = amf0.decode(payload)
    except ProtocolError:
        return None
    if "onMetaData" not in values[:2]:
        return None
    said = next((value for value in values if isinstance(value, Mapping)), {})
    width, height = _number(said.get("width")), _number(said.get("height"))
    fps = _number(said.get("framerate"))
    software = said.get("encoder")
    return Metadata(
        size=(int(width), int(height)) if width and height else None,
        fps=fps if fps and fps <= 1000 else None,
        software=_printable(software) if isinstance(software, str) else None,
    )


def video_format(header: bytes, size: Size | None) -> VideoFormat:
    """From the payload of a video codec header. Raises UnsupportedFormat."""
    _check_length(header)
    try:
        tag = parse_video(header)
    except ProtocolError as error:
        raise UnsupportedFormat(str(error)) from error
    make = _VIDEO.get(tag.codec)
    if make is None:
        raise UnsupportedFormat(f"{tag.codec.value} is not written to MP4")
    return make(tag.body(header), size)


def audio_format(header: bytes) -> AudioFormat:
    """From the payload of an audio codec header. Raises UnsupportedFormat."""
    _check_length(header)
    try:
        tag = parse_audio(header)
    except ProtocolError as error:
        raise UnsupportedFormat(str(error)) from error
    make = _AUDIO.get(tag.codec)
    if make is None:
        raise UnsupportedFormat(f"{tag.codec.value} is not written to MP4")
    return make(tag.body(header))


def _check_length(header: bytes) -> None:
    if len(header) > HEADER_MAX_BYTES:
        raise UnsupportedFormat("the codec header is longer than any real one")


def video_codec_name(payload: bytes) -> str | None:
    """`h264`, `hevc`, ... of any video payload, or None when it cannot be read."""
    try:
        codec = parse_video(payload).codec
    except ProtocolError:
        return None
    return {VideoCodec.AVC: "h264", VideoCodec.HEVC: "hevc", VideoCodec.AV1: "av1", VideoCodec.VP9: "vp9"}.get(
        codec, codec.name.lower()
    )


def audio_codec_name(payload: bytes) -> str | None:
    try:
        return parse_audio(payload).codec.name.lower()
    except ProtocolError:
        return None


def _number(value: object) -> float | None:
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= 65_536:
        return float(value)
    return None


def _printable(text: str) -> str:
    """What a stranger's software calls itself, fit for logs and pages."""
    return "".join(c for c in text if c.isprintable())[:64]
