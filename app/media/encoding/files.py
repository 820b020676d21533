"""Reads a media file as source packets: one picture and one sound, times in milliseconds from its beginning.

Opened with a closed list of protocols and formats: libav would otherwise follow what a file names to other files
and hosts. Leaves to others: pace, encoding.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Final, TypeAlias

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.video.stream import VideoStream

from app.domain.errors import InvalidRequest, NotFound
from app.domain.ladder import FrameRate
from app.media.encoding.nal import avc_record, hevc_record, length_prefixed
from app.media.encoding.packets import AudioConfig, AudioPacket, SourceItem, VideoConfig, VideoPacket

FORMATS: Final = ("mov", "mp4", "m4a", "matroska", "webm", "flv", "mpegts", "mp3", "aac", "wav", "ogg")
_OPEN_OPTIONS: Final = {
    "protocol_whitelist": "file",
    "format_whitelist": ",".join(FORMATS),
    "probesize": str(5 * 1024 * 1024),
    "analyzeduration": "5000000",
}
_FROM_ANNEX_B: Final = ("h264", "hevc")
_UNREADABLE: Final = (av.FFmpegError, ValueError, MemoryError, IndexError)
"""What libav and PyAV raise for damaged files: a size asks for any memory, a number names no track."""
_MAX_WAITING: Final = 64
_USUAL_STEP: Final = Fraction(1, 30)

_Timed: TypeAlias = "tuple[av.Packet[Any], Fraction, Fraction]"
"""A packet, when it is shown and when it is decoded."""


@dataclass(frozen=True, slots=True)
class FileFacts:
    """Codecs by FFmpeg's names. None: the file has no such track, or does not say."""

    video_codec: str | None
    audio_codec: str | None
    width: int | None
    height: int | None
    frame_rate: FrameRate | None


def open_file(path: Path) -> InputContainer:
    """Raises NotFound, or InvalidRequest when it is no media file of an allowed format."""
    if not path.is_file():
        raise NotFound(f"no such file: {path.name}")
    try:
        return av.open(f"file:{path}", options=dict(_OPEN_OPTIONS))
    except _UNREADABLE as error:
        raise InvalidRequest(
            f"{path.name} is no video or sound file that can be read", hint=f"readable are {', '.join(FORMATS)}"
        ) from error


def read_source(path: Path) -> Iterator[SourceItem]:
    """Headers, then every packet in the file's order. Raises as `open_file`, and InvalidRequest without any or when
    the file turns out to be damaged."""
    with open_file(path) as container:
        try:
            yield from _Reader(container, path.name).items()
        except _UNREADABLE as error:
            raise InvalidRequest(f"{path.name} is damaged: {error}") from error


class _Reader:
    def __init__(self, container: InputContainer, name: str) -> None:
        self._container = container
        self._video, self._audio = _tracks(container)
        if self._video is None and self._audio is None:
            raise InvalidRequest(f"{name} has neither picture nor sound")
        self._annex_b = False
        self._adts = False

    def items(self) -> Iterator[SourceItem]:
        if self._video is not None:
            yield self._video_config(self._video)
        pending_audio = self._audio
        origin: Fraction | None = None
        for packet, pts, dts in self._timed():
            origin = dts if origin is None else origin
            pts_ms, dts_ms, data = _ms(pts - origin), _ms(dts - origin), bytes(packet)
            if packet.stream is self._video:
                data = length_prefixed(data) if self._annex_b else data
                yield VideoPacket(dts_ms, pts_ms, data, packet.is_keyframe)
                continue
            if pending_audio is not None:
                yield self._audio_config(pending_audio, data)
                pending_audio = None
            if pts_ms >= 0:  # before it lies an encoder's lead-in, which players are told to skip
                yield AudioPacket(pts_ms, _without_adts(data) if self._adts else data)

    def _timed(self) -> Iterator[_Timed]:
        """Packets with both times, in seconds.

        Matroska knows no decoding times, and libav can't tell those of the first pictures of a reordered stream:
        they are counted back from the first one known.
        """
        waiting: list[av.Packet[Any]] = []
        is_known = self._video is None
        for packet in self._container.demux(*(each for each in (self._video, self._audio) if each is not None)):
            if packet.size == 0 or packet.pts is None:
                continue
            if not is_known:
                waiting.append(packet)
                is_known = (packet.stream is self._video and packet.dts is not None) or len(waiting) >= _MAX_WAITING
                if is_known:
                    yield from self._counted_back(waiting)
                    waiting = []
                continue
            yield packet, _seconds(packet.pts, packet.time_base), _decoding_time(packet)
        yield from self._counted_back(waiting)

    def _counted_back(self, packets: list[av.Packet[Any]]) -> list[_Timed]:
        rate = self._video.average_rate if self._video is not None else None
        step = 1 / rate if rate else _USUAL_STEP
        timed: list[_Timed] = []
        after: Fraction | None = None
        for packet in reversed(packets):
            dts = _decoding_time(packet)
            if packet.stream is self._video:
                dts = after - step if packet.dts is None and after is not None else dts
                after = dts
            timed.append((packet, _seconds(packet.pts, packet.time_base), dts))
        # The origin is taken from the first: none of the others may lie before it.
        return sorted(timed, key=lambda entry: entry[2])

    def _video_config(self, stream: VideoStream) -> VideoConfig:
        codec = stream.codec_context.codec.canonical_name
        extradata = stream.codec_context.extradata or b""
        # The records of MP4 begin with their version, 1; annex B begins with a start code.
        self._annex_b = codec in _FROM_ANNEX_B and extradata[:1] != b"\x01"
        if self._annex_b:
            extradata = avc_record(extradata) if codec == "h264" else hevc_record(extradata)
        return VideoConfig(codec, extradata)

    def _audio_config(self, stream: AudioStream, first: bytes) -> AudioConfig:
        context = stream.codec_context
        codec = context.codec.canonical_name
        extradata = context.extradata or b""
        self._adts = codec == "aac" and not extradata
        if self._adts:
            extradata = _asc_of_adts(first)
        return AudioConfig(codec, extradata, context.sample_rate, context.channels)


def _tracks(container: InputContainer) -> tuple[VideoStream | None, AudioStream | None]:
    """The first picture and the first sound whose codec libav knows."""
    video = next((stream for stream in container.streams.video if _is_known(stream)), None)
    audio = next((stream for stream in container.streams.audio if _is_known(stream)), None)
    return video, audio


def _is_known(stream: VideoStream | AudioStream) -> bool:
    context: object = stream.codec_context  # PyAV's types leave out that it may be None
    return context is not None


def _decoding_time(packet: av.Packet[Any]) -> Fraction:
    return _seconds(packet.pts if packet.dts is None else packet.dts, packet.time_base)


def _seconds(time: int | None, base: Fraction | None) -> Fraction:
    return Fraction(time or 0) * (base or 0)


def _ms(seconds: Fraction) -> int:
    return round(seconds * 1000)


def _asc_of_adts(data: bytes) -> bytes:
    """AudioSpecificConfig of an ADTS header (ISO/IEC 14496-3, 1.A.2 and 1.6.2.1)."""
    if len(data) < 7 or data[0] != 0xFF or data[1] & 0xF0 != 0xF0:
        raise InvalidRequest("AAC without a header")
    object_type, rate = (data[2] >> 6) + 1, data[2] >> 2 & 15
    channels = (data[2] & 1) << 2 | data[3] >> 6
    return (object_type << 11 | rate << 7 | channels << 3).to_bytes(2, "big")


def _without_adts(data: bytes) -> bytes:
    return data[7 if data[1] & 1 else 9 :]


def file_facts(path: Path) -> FileFacts:
    """Raises as `open_file`, and InvalidRequest for a file without any track that can be read."""
    with open_file(path) as container:
        video, audio = _tracks(container)
        if video is None and audio is None:
            raise InvalidRequest(f"{path.name} has neither picture nor sound that can be read")
        rate = video.average_rate if video is not None else None
        return FileFacts(
            video_codec=video.codec_context.codec.canonical_name if video is not None else None,
            audio_codec=audio.codec_context.codec.canonical_name if audio is not None else None,
            width=video.codec_context.width if video is not None else None,
            height=video.codec_context.height if video is not None else None,
            frame_rate=FrameRate(rate.numerator, rate.denominator) if rate else None,
        )
