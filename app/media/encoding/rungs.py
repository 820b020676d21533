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
from app.media.encoding.cadence import Cadence
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
    """One rendition on its way: gate and scaler belong to the scaling thread, `encode` to one of its own.

    `independent`: each group of pictures is encoded by a fresh encoder, so it depends on nothing before it.
    """

    def __init__(
        self,
        rendition: Rendition,
        interval_ms: int,
        start_after_ms: int | None = None,
        *,
        independent: bool = False,
    ) -> None:
        self.rendition = rendition
        self.gate = FrameGate(rendition.frame_rate, interval_ms, start_after_ms)
        self.scaler = Scaler(rendition.width, rendition.height)
        self.shots: Conduit[Shot] = Conduit(_SHOTS)
        self._independent = independent
        self._opened_for: Rendition | None = None
        self._header: VideoHeader | None = None

    def encode(self, open_encoder: OpenEncoder, emit: Emit, *, idle_flush_s: float | None) -> None:
        """Until the shots end. After `idle_flush_s` without one, what the encoder holds back is let out."""
        encoder: VideoEncoder | None = None
        cadence = Cadence()
        while True:
            try:
                shot = self.shots.get(idle_flush_s)
            except Closed:
                _emit_all([*cadence.rest(), *_drained(encoder)], emit)
                return
            if shot is None:
                _emit_all([*cadence.rest(), *_drained(encoder)], emit)
                encoder = None
                continue
            is_key = shot.is_key or encoder is None
            if encoder is None or (shot.is_key and self._is_spent):
                # The old one is drained only when the new one stands.
                old, encoder = encoder, self._open(open_encoder, shot.colour)
                cadence.hold(_drained(old))
                self._tell_header(encoder.header, cadence, emit)
            _emit_all(cadence.step(encoder.encode(shot.frame, is_key=is_key)), emit)

    @property
    def _is_spent(self) -> bool:
        """Whether a new group of pictures takes a new encoder. So do new rates: a key frame hides the splice,
        whatever the encoder can do by itself.
        """
        return self._independent or self._opened_for is not self.rendition

    def _open(self, open_encoder: OpenEncoder, colour: Colour) -> VideoEncoder:
        self._opened_for = rendition = self.rendition
        return open_encoder(rendition, colour)

    def _tell_header(self, header: VideoHeader, cadence: Cadence, emit: Emit) -> None:
        """Unless its parameter sets are known: another rate alone is no new beginning."""
        if self._header is None or self._header.extradata != header.extradata:
            self._header = header
            _emit_all(cadence.rest(), emit)  # what comes before is of the old header
            emit(header)


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


def _drained(encoder: VideoEncoder | None) -> list[TrackPacket]:
    return encoder.drain() if encoder is not None else []


def _emit_all(packets: list[TrackPacket], emit: Emit) -> None:
    for packet in packets:
        emit(packet)


def _covers(picture: Picture, rung: Rung) -> bool:
    return picture.frame.width >= rung.rendition.width and picture.frame.height >= rung.rendition.height


def _area(picture: Picture) -> int:
    return picture.frame.width * picture.frame.height
