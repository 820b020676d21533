"""Puts picture and sound that come from two encoders into one order of time. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Final

from app.media.encoding.packets import AudioPacket, SourceItem, VideoPacket

_MAX_HELD: Final = 512
"""Sound held back while the picture's encoder looks ahead; more of it means that the picture has stopped."""


def in_order(items: Iterable[SourceItem], *, has_picture: bool) -> Iterator[SourceItem]:
    """The same items, sound held until the picture's time has come. Each track is in order already."""
    held: deque[AudioPacket] = deque()
    for item in items:
        if isinstance(item, AudioPacket) and has_picture:
            held.append(item)
            if len(held) > _MAX_HELD:
                yield held.popleft()
            continue
        if isinstance(item, VideoPacket):
            while held and held[0].pts_ms <= item.dts_ms:
                yield held.popleft()
        yield item
    yield from held
