"""Between RTMP messages and the pipeline's packets: what the feed says, and how renditions go back.

Pure: no connection, no clock. Leaves to `words` what the gateway says to the worker itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from aiortmp import MediaMessage, MessageType, ProtocolError, amf0, flv
from aiortmp.flv import AudioCodec, AudioTag, VideoCodec, VideoTag
from app.domain.ladder import AUDIO_TRACK
from app.media.encoding.packets import (
    AudioConfig,
    AudioHeader,
    AudioPacket,
    ProgrammeItem,
    SourceItem,
    TrackPacket,
    VideoConfig,
    VideoEnd,
    VideoHeader,
    VideoPacket,
)
from app.media.frame_times import believed_ms

VIDEO_NAMES: Final = {
    VideoCodec.AVC: "h264",
    VideoCodec.HEVC: "hevc",
    VideoCodec.AV1: "av1",
    VideoCodec.VP8: "vp8",
    VideoCodec.VP9: "vp9",
}
AUDIO_NAMES: Final = {
    AudioCodec.AAC: "aac",
    AudioCodec.MP3: "mp3",
    AudioCodec.OPUS: "opus",
    AudioCodec.FLAC: "flac",
    AudioCodec.AC3: "ac3",
    AudioCodec.EAC3: "eac3",
    AudioCodec.SPEEX: "speex",
}
_VIDEO_CODECS: Final = {name: codec for codec, name in VIDEO_NAMES.items()}
_AUDIO_CODECS: Final = {name: codec for codec, name in AUDIO_NAMES.items()}
_SELF_DESCRIBING: Final = frozenset(("mp3", "ac3", "eac3", "speex"))
"""Audio codecs that come without a sequence header."""
_WRAP: Final = 1 << 32
_MAX_PROBLEMS: Final = 16


class WireClock:
    """Timeline of 64 bits from timestamps of 32: each is taken as the nearest to the one before.

    The first one is taken as the nearest to `reference_ms` or, without one, as it is.
    """

    def __init__(self, reference_ms: int | None = None) -> None:
        self._last_ms = reference_ms

    def extend(self, wire_ms: int) -> int:
        self._last_ms = self.nearest(wire_ms)
        return self._last_ms

    def nearest(self, wire_ms: int) -> int:
        """The time of this line that is next to the last one. Only the low 32 bits of `wire_ms` count."""
        if self._last_ms is None:
            return wire_ms
        return self._last_ms + (wire_ms - self._last_ms + _WRAP // 2) % _WRAP - _WRAP // 2


class SourceReader:
    """Turns the messages of one feed into source items. `broken` counts the pictures that can't be read; each kind
    of problem is told once."""

    def __init__(self, clock: WireClock | None = None) -> None:
        self.clock = clock or WireClock()
        self._audio_codec: str | None = None
        self._video_codec: str | None = None
        self.broken = 0
        self.problems: list[str] = []

    def read(self, message: MediaMessage) -> list[SourceItem]:
        """Items of an audio or video message; none for any other."""
        try:
            if message.type is MessageType.VIDEO:
                return self._video(message)
            if message.type is MessageType.AUDIO:
                return self._audio(message)
        except ProtocolError as error:
            self.broken += message.type is MessageType.VIDEO
            self._problem(str(error))
        return []

    def _video(self, message: MediaMessage) -> list[SourceItem]:
        tag = _first_video(flv.parse_video(message.payload))
        codec = VIDEO_NAMES.get(tag.codec)
        if codec is None:
            self._problem(f"video codec {tag.codec.value} can't be decoded")
            return []
        body = tag.body(message.payload)
        if tag.is_sequence_header:
            self._video_codec = codec
            return [VideoConfig(codec, body)]
        if tag.is_end_of_sequence:
            self._video_codec = None
            return [VideoEnd()]
        if not tag.is_coded or not body:
            return []
        dts_ms = self.clock.extend(message.timestamp)
        packet = VideoPacket(dts_ms, dts_ms + believed_ms(tag.composition_time_ms), body, tag.is_keyframe)
        if self._video_codec != codec:
            self._video_codec = codec
            # VP8 and VP9 publishers may leave the header out; for the others it says nothing, and they wait for it.
            return [VideoConfig(codec, b""), packet]
        return [packet]

    def _audio(self, message: MediaMessage) -> list[SourceItem]:
        tag = _first_audio(flv.parse_audio(message.payload))
        codec = AUDIO_NAMES.get(tag.codec)
        if codec is None:
            self._problem(f"audio codec {tag.codec.value} can't be decoded")
            return []
        body = tag.body(message.payload)
        if tag.is_sequence_header:
            self._audio_codec = codec
            return [AudioConfig(codec, body)]
        if not tag.is_coded or not body:
            return []
        packet = AudioPacket(self.clock.extend(message.timestamp), body)
        if codec in _SELF_DESCRIBING and self._audio_codec != codec:
            self._audio_codec = codec
            return [AudioConfig(codec, b"", tag.sample_rate_hz, tag.channels), packet]
        return [packet]

    def _problem(self, text: str) -> None:
        if text not in self.problems and len(self.problems) < _MAX_PROBLEMS:
            self.problems.append(text)


class PublisherWriter:
    """Source items as a publisher sends them; keeps the codecs that the headers named."""

    def __init__(self) -> None:
        self._video: VideoCodec | None = None
        self._audio: AudioCodec | None = None

    def write(self, item: SourceItem, *, shift_ms: int = 0) -> list[MediaMessage]:
        """Messages of the item, `shift_ms` later. Raises KeyError for a codec that FLV can't carry."""
        match item:
            case VideoConfig():
                self._video = _VIDEO_CODECS[item.codec]
                return [_video(shift_ms, flv.build_video(self._video, item.extradata, sequence_header=True))]
            case AudioConfig():
                self._audio = _AUDIO_CODECS[item.codec]
                if item.codec in _SELF_DESCRIBING:
                    return []
                return [_audio(shift_ms, flv.build_audio(self._audio, item.extradata, sequence_header=True))]
            case VideoPacket():
                assert self._video is not None, "a header comes before its packets"
                body = flv.build_video(
                    self._video,
                    item.data,
                    keyframe=item.is_key,
                    composition_time_ms=item.pts_ms - item.dts_ms,
                )
                return [_video(item.dts_ms + shift_ms, body)]
            case AudioPacket():
                assert self._audio is not None, "a header comes before its packets"
                return [_audio(item.pts_ms + shift_ms, flv.build_audio(self._audio, item.data))]
            case VideoEnd():
                assert self._video is not None, "a header comes before its end"
                return [_video(shift_ms, flv.build_video(self._video, b"", end_of_sequence=True))]


class ProgrammeWriter:
    """Programme items as a worker publishes them: metadata and codec header, then frames.

    A header is held until the first frame after it, whose timestamp it takes: on the wire there is no other time.
    """

    def __init__(self) -> None:
        self._video: dict[str, VideoCodec] = {}
        self._held: dict[str, VideoHeader | AudioHeader] = {}

    def write(self, item: ProgrammeItem) -> list[MediaMessage]:
        if not isinstance(item, TrackPacket):
            self._held[item.track] = item
            return []
        header = self._held.pop(item.track, None)
        opening = self._header(header, item.pts_ms) if header is not None else []
        return [*opening, self._frame(item)]

    def has_opened(self, track: str) -> bool:
        """Whether the picture track's header has been said."""
        return track in self._video

    def _header(self, header: VideoHeader | AudioHeader, at_ms: int) -> list[MediaMessage]:
        if isinstance(header, AudioHeader):
            body = flv.build_audio(AudioCodec.AAC, header.extradata, sequence_header=True)
            return [metadata(audio_metadata(header), at_ms), _audio(at_ms, body)]
        self._video[header.track] = _VIDEO_CODECS[header.codec]
        return [metadata(video_metadata(header), at_ms), sequence_header(header, at_ms)]

    def _frame(self, packet: TrackPacket) -> MediaMessage:
        if packet.track == AUDIO_TRACK:
            return _audio(packet.pts_ms, flv.build_audio(AudioCodec.AAC, packet.data))
        body = flv.build_video(self._video[packet.track], packet.data, keyframe=packet.is_key)
        return _video(packet.pts_ms, body)


def sequence_header(header: VideoHeader, at_ms: int) -> MediaMessage:
    return _video(at_ms, flv.build_video(_VIDEO_CODECS[header.codec], header.extradata, sequence_header=True))


def standby_ready(generation: int) -> MediaMessage:
    """Said on the first track: this standby is proved, and its headers have been published."""
    return MediaMessage(MessageType.DATA, 0, amf0.encode(["onStandbyReady", {"generation": generation}]))


def metadata(values: Mapping[str, amf0.Value], at_ms: int = 0) -> MediaMessage:
    payload = amf0.encode(["@setDataFrame", "onMetaData", amf0.EcmaArray(values)])
    return MediaMessage(MessageType.DATA, at_ms % _WRAP, payload)


def video_metadata(header: VideoHeader) -> dict[str, amf0.Value]:
    return {
        "width": header.width,
        "height": header.height,
        "framerate": header.frame_rate.fps,
        "videodatarate": header.video_bps / 1000,
        "videocodecid": 7 if header.codec == "h264" else _VIDEO_CODECS[header.codec].value,
    }


def audio_metadata(header: AudioHeader) -> dict[str, amf0.Value]:
    known: dict[str, amf0.Value] = {"audiocodecid": 10}
    if header.sample_rate is not None:
        known["audiosamplerate"] = header.sample_rate
    if header.channels is not None:
        known["stereo"] = header.channels == 2
    if header.audio_bps is not None:
        known["audiodatarate"] = header.audio_bps / 1000
    return known


def _video(timestamp_ms: int, payload: bytes) -> MediaMessage:
    return MediaMessage(MessageType.VIDEO, timestamp_ms % _WRAP, payload)


def _audio(timestamp_ms: int, payload: bytes) -> MediaMessage:
    return MediaMessage(MessageType.AUDIO, timestamp_ms % _WRAP, payload)


def _first_video(tag: VideoTag) -> VideoTag:
    return min((tag, *tag.others), key=lambda each: each.track_id)


def _first_audio(tag: AudioTag) -> AudioTag:
    return min((tag, *tag.others), key=lambda each: each.track_id)
