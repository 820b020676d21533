"""Whether a running worker can go on at other rates: nothing else changes, its parameter sets included.

Levels of H.264 and HEVC follow the rate too; players would have to begin anew. Leaves to others: the change itself
(`rungs`), and what is done instead (a planned switch to another worker).
"""

from __future__ import annotations

from dataclasses import replace

from app.domain.errors import ManagerError
from app.domain.ladder import Rendition
from app.domain.stream import EncodeSettings
from app.media.encoding.codecs import encoder_name
from app.media.encoding.colour import BT709, Colour
from app.media.encoding.encoder import VideoEncoder


def refusal(now: EncodeSettings, wanted: EncodeSettings) -> str | None:
    """Why `wanted` can't be reached without a new worker; None: it can. Opens encoders, so it takes a moment."""
    if _without_rates(now) != _without_rates(wanted):
        return "more than the bitrate of the picture changes"
    name = encoder_name(now.codec)
    changes = zip(now.ladder.renditions, wanted.ladder.renditions, strict=True)
    try:
        for before, after in changes:
            if before != after and _sets(name, before, now.preset) != _sets(name, after, now.preset):
                return f"{after.name} would need other parameter sets at {after.video_bps} bit/s"
    except ManagerError as error:
        return error.detail
    return None


def _without_rates(settings: EncodeSettings) -> EncodeSettings:
    renditions = tuple(replace(rendition, video_bps=0) for rendition in settings.ladder.renditions)
    return replace(settings, ladder=replace(settings.ladder, renditions=renditions))


def _sets(name: str, rendition: Rendition, preset: str) -> bytes:
    colour = Colour(BT709, BT709, BT709)
    return VideoEncoder(rendition, name=name, preset=preset, colour=colour).header.extradata
