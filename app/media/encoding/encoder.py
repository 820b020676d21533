"""One rendition's encoder: frames in, packets out, in presentation order.

Leaves to others: which frames are key frames (`grid`), sizes (`scaler`), the options (`codecs`).
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any, Final

import av
from av.codec.context import Flags
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType, VideoFrame

from app.domain.errors import Unavailable
from app.domain.ladder import Rendition
from app.media.encoding.codecs import OUTPUT_CODECS, encoder_options, pixel_format
from app.media.encoding.colour import Colour
from app.media.encoding.decoder import MILLISECONDS
from app.media.encoding.nal import avc_record, hevc_record, length_prefixed
from app.media.encoding.packets import TrackPacket, VideoHeader

_LIMITED_RANGE: Final = 1


class VideoEncoder:
    """Opens at once; `header` tells the parameter sets. Raises Unavailable when this build or device refuses."""

    def __init__(
        self, rendition: Rendition, *, name: str, preset: str, colour: Colour, repeatable: bool = False
    ) -> None:
        self._track = rendition.name
        context = av.CodecContext.create(name, "w")
        assert isinstance(context, VideoCodecContext)
        context.width, context.height, context.pix_fmt = rendition.width, rendition.height, pixel_format(name)
        context.time_base = MILLISECONDS
        context.framerate = Fraction(rendition.frame_rate.num, rendition.frame_rate.den)
        context.color_primaries, context.color_trc = colour.primaries, colour.transfer
        context.colorspace, context.color_range = colour.matrix, _LIMITED_RANGE
        context.flags |= Flags.global_header
        context.options = encoder_options(name, rendition, preset, repeatable=repeatable)
        try:
            context.open()
        except (av.FFmpegError, ValueError) as error:
            raise Unavailable(f"{name} refuses {rendition.width}x{rendition.height}: {error}") from error
        self._context = context
        self.header = _header(rendition, OUTPUT_CODECS[name], context.extradata or b"")

    def encode(self, frame: VideoFrame, *, is_key: bool) -> list[TrackPacket]:
        frame.pict_type = PictureType.I if is_key else PictureType.NONE
        return [self._packet(coded) for coded in self._context.encode(frame)]

    def drain(self) -> list[TrackPacket]:
        """The packets still inside. The encoder takes nothing more."""
        return [self._packet(coded) for coded in self._context.encode(None)]

    def _packet(self, coded: av.Packet[Any]) -> TrackPacket:
        assert coded.pts is not None, "frames go in with their timestamps"
        return TrackPacket(self._track, coded.pts, length_prefixed(bytes(coded)), coded.is_keyframe)


def _header(rendition: Rendition, codec: str, parameter_sets: bytes) -> VideoHeader:
    make = avc_record if codec == "h264" else hevc_record
    try:
        record = make(parameter_sets)
    except ValueError as error:
        raise Unavailable(f"rendition {rendition.name}: {error}") from error
    return VideoHeader(
        track=rendition.name,
        codec=codec,
        extradata=record,
        width=rendition.width,
        height=rendition.height,
        frame_rate=rendition.frame_rate,
        video_bps=rendition.video_bps,
    )
