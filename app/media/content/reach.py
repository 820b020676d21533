"""What a channel's own counts say to those who judge its content: how far it is, how fast, how far apart. Pure."""

from __future__ import annotations

from typing import Final

from app.domain.ladder import AUDIO_TRACK
from app.domain.stream import StreamMode
from app.media.channel import Channel
from app.media.content.tap import ContentTap, SideTap
from app.policy.content_watch import Reach
from app.policy.flow_watch import FlowReading

NOWHERE: Final = Reach(None, None, None)
"""Of a stream whose source does not flow: nothing of it is anybody's fault."""


def reach_of(channel: Channel, tap: ContentTap) -> Reach:
    programme_ms = _furthest(tap.programme) if channel.plan.mode is StreamMode.TRANSCODE else None
    return Reach(_furthest(tap.source), programme_ms, tap.source.sound_ms)


def flow_of(channel: Channel, tap: ContentTap, now_s: float) -> FlowReading:
    """Rates are those of the last reading that the gateway told."""
    source = channel.source
    if not source.is_up:
        return FlowReading(now_s, source_jumps=channel.timeline.breaks, programme_jumps=tap.encoder_jumps)
    passes = channel.plan.mode is StreamMode.PASSTHROUGH
    meters = channel.programme.meters
    renditions = channel.shown_plan.ladder.renditions
    lowest = renditions[-1] if renditions and not passes else None
    meter = meters.get(lowest.name) if lowest is not None else None
    pictures = [m.bps for name, m in meters.items() if name != AUDIO_TRACK and m.bps is not None]
    has_video = source.newest_video_ms is not None
    return FlowReading(
        now_s,
        source_fps=source.meter.fps if has_video else None,
        programme_fps=meter.fps if meter is not None else None,
        due_fps=lowest.frame_rate.fps if lowest is not None else None,
        source_bps=source.meter.bps,
        programme_bps=sum(pictures) if pictures and not passes else None,
        source_apart_ms=_apart(tap.source),
        programme_apart_ms=None if passes else _apart(tap.programme),
        source_jumps=channel.timeline.breaks,
        programme_jumps=tap.encoder_jumps,
    )


def _furthest(side: SideTap) -> int | None:
    known = [ms for ms in (side.picture_ms, side.sound_ms) if ms is not None]
    return max(known, default=None)


def _apart(side: SideTap) -> float | None:
    return None if side.picture_ms is None or side.sound_ms is None else float(side.picture_ms - side.sound_ms)
