"""A standby's proof: the way of a picture through decoder, scalers and encoders, before it is needed.

One key frame goes through a pipeline of the real settings; what comes out tells the parameter sets. It also leaves
libraries loaded and warm. Leaves to others: when to prove (`standby`), and telling the gateway (`worker`).
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import av

from app.domain.errors import ManagerError, Unavailable
from app.domain.stream import EncodeSettings
from app.media.encoding.conduit import Closed
from app.media.encoding.packets import SourceItem, TrackPacket, VideoConfig, VideoHeader, VideoPacket
from app.media.encoding.pipeline import Pipeline
from app.media.encoding.rungs import Picture

PROOF_S: Final = 10.0
_GREY: Final = 128


@dataclass(frozen=True, slots=True)
class Sample:
    """What to prove with: a header and a key frame of it."""

    config: VideoConfig
    key: VideoPacket


@dataclass(frozen=True, slots=True)
class Proof:
    """`headers`: one for each rendition, in their order. `at_ms` is the picture's time.

    `failure` says why this worker can't encode, `unread` why there was nothing to encode: the source's fault.
    """

    headers: tuple[VideoHeader, ...]
    at_ms: int
    failure: ManagerError | None = None
    unread: str | None = None


def prove(pipeline: Pipeline, settings: EncodeSettings, sample: Sample | None) -> Proof:
    """Blocks. `pipeline` is fresh, and over afterwards."""
    at_ms = sample.key.pts_ms if sample is not None else 0
    headers: dict[str, VideoHeader] = {}
    encoded: set[str] = set()
    try:
        for item in _inlets(settings, sample):
            pipeline.put(item)
        pipeline.finish()
        while (out := pipeline.outbox.get(PROOF_S)) is not None:
            if isinstance(out, VideoHeader):
                headers[out.track] = out
            elif isinstance(out, TrackPacket):
                encoded.add(out.track)
    except Closed:
        pass
    pipeline.abort()
    tracks = [rendition.name for rendition in settings.ladder.renditions]
    missing = [track for track in tracks if track not in encoded]
    failure, unread = pipeline.failure, None
    if missing and failure is None:
        text = f"no picture for {', '.join(missing)}"
        failure, unread = (Unavailable(text), None) if sample is None else (None, text)
    return Proof(tuple([headers[track] for track in tracks if track in headers]), at_ms, failure, unread)


def _inlets(settings: EncodeSettings, sample: Sample | None) -> list[SourceItem | Picture]:
    if sample is not None:
        return [sample.config, sample.key]
    return [grey_picture(settings)] if settings.ladder.renditions else []


def grey_picture(settings: EncodeSettings) -> Picture:
    """As large as the highest rendition."""
    highest = settings.ladder.renditions[0]
    frame = av.VideoFrame(highest.width, highest.height, "yuv420p")
    for plane in frame.planes:
        plane.update(bytes((_GREY,)) * plane.buffer_size)
    frame.pts, frame.time_base = 0, Fraction(1, 1000)
    return Picture(frame, Fraction(1))
