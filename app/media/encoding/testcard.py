"""The test card as source packets, H.264 and AAC, endless or for a number of frames.

Leaves to others: drawing (`card`), pace and sending (`publish`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import count
from typing import Any, Final, Protocol

import av
from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame
from av.codec.context import Flags
from av.video.frame import VideoFrame

from app.domain.ladder import FrameRate, Rendition
from app.media.encoding.card import SOUND_RATE, SOUND_SAMPLES, Card, read_counter
from app.media.encoding.colour import BT709, Colour
from app.media.encoding.encoder import VideoEncoder
from app.media.encoding.grid import FrameGate, Verdict
from app.media.encoding.packets import AudioConfig, AudioPacket, SourceItem, TrackPacket, VideoConfig, VideoPacket

__all__ = ["CardPlan", "Drawn", "card_packets", "read_counter"]

THIRTY: Final = FrameRate(30)
_AUDIO_BPS: Final = 128_000


@dataclass(frozen=True, slots=True)
class CardPlan:
    """`frames` None: endless."""

    width: int = 1280
    height: int = 720
    rate: FrameRate = THIRTY
    video_bps: int = 2_500_000
    keyframe_interval_ms: int = 2_000
    frames: int | None = None
    audio_bps: int = _AUDIO_BPS


class Drawn(Protocol):
    """Whatever draws frames of the plan's size and rate, and their sound: a `Card`, or one in disguise."""

    def time_ms(self, number: int) -> int: ...

    def picture(self, number: int) -> VideoFrame: ...

    def sound(self, index: int) -> AudioFrame: ...


def card_packets(plan: CardPlan, drawn: Drawn | None = None) -> Iterator[SourceItem]:
    """Packets of picture and sound, each in order, the picture later by what its encoder looks ahead.

    `drawn` None: the test card itself. Raises ValueError for an odd size.
    """
    card = drawn or Card(plan.width, plan.height, plan.rate)
    rendition = Rendition("card", plan.width, plan.height, plan.rate, plan.video_bps)
    encoder = VideoEncoder(rendition, name="libx264", preset="ultrafast", colour=Colour(BT709, BT709, BT709))
    sound = _sound_encoder(plan.audio_bps)
    yield VideoConfig("h264", encoder.header.extradata)
    yield AudioConfig("aac", sound.extradata or b"", SOUND_RATE, 2)
    gate = FrameGate(plan.rate, plan.keyframe_interval_ms)
    blocks = count()
    block = next(blocks)
    for number in count() if plan.frames is None else range(plan.frames):
        frame = card.picture(number)
        is_key = gate.judge(card.time_ms(number)) is Verdict.KEY
        until = card.time_ms(number + 1)
        while block * SOUND_SAMPLES * 1000 < until * SOUND_RATE:
            yield from _sound_packets(sound.encode(card.sound(block)))
            block = next(blocks)
        yield from map(_as_source, encoder.encode(frame, is_key=is_key))
    yield from map(_as_source, encoder.drain())


def _as_source(packet: TrackPacket) -> VideoPacket:
    return VideoPacket(packet.pts_ms, packet.pts_ms, packet.data, packet.is_key)


def _sound_encoder(audio_bps: int) -> AudioCodecContext:
    context = av.CodecContext.create("aac", "w")
    assert isinstance(context, AudioCodecContext)
    context.sample_rate, context.layout, context.format = SOUND_RATE, "stereo", "fltp"
    context.bit_rate, context.time_base = audio_bps, Fraction(1, SOUND_RATE)
    context.flags |= Flags.global_header
    context.open()
    return context


def _sound_packets(packets: list[av.Packet[Any]]) -> Iterator[AudioPacket]:
    for packet in packets:
        if packet.pts is not None and packet.pts >= 0:
            yield AudioPacket(round(packet.pts * 1000 / SOUND_RATE), bytes(packet))
