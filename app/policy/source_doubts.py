"""How what a publisher sends differs from what was announced, in words. Pure.

Nobody is refused for it: the programme is made from whatever comes. What was asked for at the opening is judged by
`stream_rules.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from app.domain.ladder import Ladder
from app.domain.link import ChannelReading, SourceUp
from app.policy.default_ladder import recommended_bps
from app.policy.stream_rules import MAX_BPS

FPS_APART: Final = 0.05
POOR_SHARE: Final = 0.5
"""Of the recommended rate."""


def source_doubts(asked: Ladder, source: SourceUp | None, reading: ChannelReading | None) -> tuple[str, ...]:
    """Empty while nothing is known, and for streams that are passed through: nothing was announced of them."""
    if not asked.renditions:
        return ()
    return (*_of_size(asked, source), *_of_flow(asked, source, reading))


def _of_size(asked: Ladder, source: SourceUp | None) -> Iterator[str]:
    if source is None or source.width is None or source.height is None:
        return
    top = asked.renditions[0]
    sent, wanted = f"{source.width}x{source.height}", f"{top.width}x{top.height}"
    if source.width * top.height != source.height * top.width and not _about(source, top.width / top.height):
        yield f"the source is {sent}, of another shape than the {wanted} announced"
    elif source.width < top.width:
        yield f"the source is {sent}, smaller than the {wanted} announced"
    elif source.width > top.width:
        yield f"the source is {sent}, larger than the {wanted} announced: bandwidth and decoding for nothing"


def _about(source: SourceUp, ratio: float) -> bool:
    """Even numbers of pixels round a shape: 854x480 is 16:9."""
    return bool(source.width and source.height) and abs(source.width / source.height - ratio) < 0.01  # type: ignore[operator] # both are known here


def _of_flow(asked: Ladder, source: SourceUp | None, reading: ChannelReading | None) -> Iterator[str]:
    if reading is None or not reading.source_up:
        return
    announced, fps, bps = asked.renditions[0].frame_rate.fps, reading.source_fps, reading.source_bps
    if fps is not None and fps > 0.0 and abs(fps - announced) > FPS_APART * announced:
        yield f"the source has {fps:.4g} frames/s, {announced:.4g} were announced"
    if bps is None or bps <= 0.0:
        return
    if bps > MAX_BPS:
        yield f"the source has {bps / 1e6:.1f} Mbit/s, above {MAX_BPS / 1e6:g}"
    if source is not None and source.height is not None and source.width is not None and fps is not None:
        wanted = recommended_bps(min(source.width, source.height), fps)
        if bps < POOR_SHARE * wanted:
            yield f"the source has {bps / 1e6:.1f} Mbit/s; {wanted / 1e6:.1f} are recommended for its size"
