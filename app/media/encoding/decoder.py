"""Opens decoders straight from sequence headers, turns packets into frames, skips and counts what is broken.

Leaves to others: which frames are wanted, and encoding.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any, Final

import av
from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame
from av.codec.context import ThreadType
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

from app.domain.errors import InvalidRequest
from app.media.encoding.packets import AudioConfig, AudioPacket, VideoConfig, VideoPacket

MAX_PIXELS: Final = 8192 * 4320
MILLISECONDS: Final = Fraction(1, 1000)

_VIDEO_DECODERS: Final = {"h264": "h264", "hevc": "hevc", "av1": "libdav1d", "vp9": "vp9"} | {
    name: name for name in ("vp8", "mpeg4", "mpeg2video", "prores", "mjpeg")
}
_AUDIO_DECODERS: Final = frozenset(("aac", "mp3", "mp2", "opus", "vorbis", "flac", "alac", "ac3", "eac3", "speex"))


class VideoDecoder:
    """One decoder for one sequence header. Frames come out in presentation order with the source's timestamps.

    Slice threads only: frame threads would hold back a frame each, and a live picture must not wait.
    Raises InvalidRequest when the codec is unknown or its header can't be read.
    """

    def __init__(self, config: VideoConfig, *, threads: int = 1, max_pixels: int = MAX_PIXELS) -> None:
        self.config = config
        self._threads = threads
        self._max_pixels = max_pixels
        self._context = self._open(reorders=False)
        self._is_fresh = True
        self._skips = False
        self.broken = 0

    def _open(self, *, reorders: bool) -> VideoCodecContext:
        name = _VIDEO_DECODERS.get(self.config.codec)
        if name is None:
            raise InvalidRequest(f"no decoder for video codec {self.config.codec}")
        context = av.CodecContext.create(name, "r")
        assert isinstance(context, VideoCodecContext)
        context.extradata = self.config.extradata or None
        context.thread_type = ThreadType.SLICE
        context.thread_count = self._threads
        options = {"max_pixels": str(self._max_pixels)}
        if name == "libdav1d":
            options["max_frame_delay"] = "1"
        if reorders:
            # Where the header does not say how far pictures are reordered, libav guesses none and loses the first
            # B-frames; strict takes the level's bound. Not for other streams: there it would only cost latency.
            options["strict"] = "strict"
        context.options = options
        _open(context, self.config.codec)
        return context

    @property
    def sample_aspect_ratio(self) -> Fraction:
        return self._context.sample_aspect_ratio or Fraction(1)

    def decode(self, packet: VideoPacket, *, may_skip: bool = False) -> list[VideoFrame]:
        """`may_skip`: nobody wants this picture; it is decoded only if others refer to it."""
        if self._is_fresh and packet.pts_ms > packet.dts_ms:
            self._context = self._open(reorders=True)
        self._is_fresh = False
        if may_skip != self._skips:
            self._skips = may_skip
            self._context.skip_frame = "NONREF" if may_skip else "DEFAULT"
        coded = av.Packet(packet.data)
        coded.pts, coded.dts, coded.time_base = packet.pts_ms, packet.dts_ms, MILLISECONDS
        return self._frames(coded)

    def drain(self) -> list[VideoFrame]:
        """The frames still inside. The decoder takes nothing more."""
        return self._frames(None)

    def _frames(self, coded: av.Packet[Any] | None) -> list[VideoFrame]:
        try:
            frames = self._context.decode(coded)
        except av.FFmpegError:
            self.broken += 1
            return []
        timed = [frame for frame in frames if frame.pts is not None]
        self.broken += len(frames) - len(timed)
        return timed


class AudioDecoder:
    """One decoder for one audio header; frames carry the packet's timestamp in milliseconds."""

    def __init__(self, config: AudioConfig) -> None:
        if config.codec not in _AUDIO_DECODERS:
            raise InvalidRequest(f"no decoder for audio codec {config.codec}")
        context = av.CodecContext.create(config.codec, "r")
        assert isinstance(context, AudioCodecContext)
        context.extradata = config.extradata or None
        if config.sample_rate is not None and not config.extradata:
            context.sample_rate = config.sample_rate
        if config.channels is not None and not config.extradata:
            context.layout = "mono" if config.channels == 1 else "stereo"
        _open(context, config.codec)
        self._context = context
        self.broken = 0

    def decode(self, packet: AudioPacket) -> list[AudioFrame]:
        coded = av.Packet(packet.data)
        coded.pts, coded.dts, coded.time_base = packet.pts_ms, packet.pts_ms, MILLISECONDS
        try:
            return self._context.decode(coded)
        except av.FFmpegError:
            self.broken += 1
            return []


def _open(context: VideoCodecContext | AudioCodecContext, codec: str) -> None:
    try:
        context.open()
    except (av.FFmpegError, ValueError) as error:
        raise InvalidRequest(f"the {codec} header can't be read: {error}") from error
