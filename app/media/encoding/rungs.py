"""The rungs of the ladder: who takes which frame, scaled from what, and encoded on its own thread.

Leaves to others: decoding, queues between threads (`pipeline`), what each part does (`grid`, `scaler`, `encoder`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from av.video.frame import VideoFrame

from app.domain.ladder import Rendition
from app.media.encoding.colour import Colour
from app.media.encoding.conduit import Closed, Conduit
from app.media.encoding.encoder import VideoEncoder
from app.media.encoding.grid import FrameGate, Verdict
from app.media.encoding.packets import ProgrammeItem, TrackPacket, VideoHeader
from app.media.encoding.scaler import Scaler

_SHOTS: Final = 3

OpenEncoder = Callable[[Rendition, Colour], VideoEncoder]
Emit = Callable[[ProgrammeItem], None]


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded or scaled frame; `aspect` is the shape of one sample."""

    frame: VideoFrame
    aspect: Fraction

    @property
    def pts_ms(self) -> int:
        pts_ms = self.frame.pts
        assert pts_ms is not None, "decoders give timed frames only"
        return pts_ms


@dataclass(frozen=True, slots=True)
class Shot:
    """A frame of a rendition's size, on its way to the encoder."""

    frame: VideoFrame
    is_key: bool
    colour: Colour


class Rung:
    """One rendition on its way: gate and scaler belong to the scaling thread, `encode` to one of its own."""

    def __init__(self, rendition: Rendition, interval_ms: int, start_after_ms: int | None = None) -> None:
        self.rendition = rendition
        self.gate = FrameGate(rendition.frame_rate, interval_ms, start_after_ms)
        self.scaler = Scaler(rendition.width, rendition.height)
        self.shots: Conduit[Shot] = Conduit(_SHOTS)

    def encode(self, open_encoder: OpenEncoder, emit: Emit, *, idle_flush_s: float | None) -> None:
        """Until the shots end. After `idle_flush_s` without one, what the encoder holds back is let out."""
        encoder: VideoEncoder | None = None
        header: VideoHeader | None = None
        while True:
            try:
                shot = self.shots.get(idle_flush_s)
            except Closed:
                _drain(encoder, emit)
                return
            if shot is None:
                _drain(encoder, emit)
                encoder = None
                continue
            is_key = shot.is_key or encoder is None
            if encoder is None:
                encoder = open_encoder(self.rendition, shot.colour)
                if encoder.header != header:
                    header = encoder.header
                    emit(header)
            _emit_all(encoder.encode(shot.frame, is_key=is_key), emit)


def share_out(rungs: Sequence[Rung], picture: Picture, pts_ms: int, colour: Colour) -> None:
    """Give the frame to every rung that takes it, each scaled from the smallest picture that is large enough."""
    pictures = [picture]
    shots: list[tuple[Rung, Shot]] = []
    for rung in rungs:
        verdict = rung.gate.judge(pts_ms)
        if verdict is Verdict.SKIP:
            continue
        start = min((each for each in pictures if _covers(each, rung)), key=_area, default=picture)
        frame = rung.scaler.scale(start.frame, start.aspect)
        if any(frame is shot.frame for _, shot in shots):
            frame = rung.scaler.own_handle(frame)
        elif frame is not start.frame:
            pictures.append(Picture(frame, Fraction(1)))
        shots.append((rung, Shot(frame, verdict is Verdict.KEY, colour)))
    # Handed on only when all are scaled: scaling touches the fields of the frame it reads.
    for rung, shot in shots:
        rung.shots.put(shot)


def _drain(encoder: VideoEncoder | None, emit: Emit) -> None:
    if encoder is not None:
        _emit_all(encoder.drain(), emit)


def _emit_all(packets: list[TrackPacket], emit: Emit) -> None:
    for packet in packets:
        emit(packet)


def _covers(picture: Picture, rung: Rung) -> bool:
    return picture.frame.width >= rung.rendition.width and picture.frame.height >= rung.rendition.height


def _area(picture: Picture) -> int:
    return picture.frame.width * picture.frame.height
