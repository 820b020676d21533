"""What a standby that decodes along remembers of the source, to decode it once more.

The pictures that it keeps are bounded in bytes, and large ones fill less than the second that they should. Then it
begins anew with these packets, from a key frame on. Pure. Leaves to others: when that is so (`worker`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final

from app.media.encoding.packets import AudioConfig, AudioPacket, SourceItem, VideoConfig, VideoPacket

SPAN_MS: Final = 1_500
"""More than the pictures that a gateway asks for."""
MAX_BYTES: Final = 48 * 1024 * 1024
_PACKET_BYTES: Final = 256
"""What a packet costs beside its data, so that a flood of tiny ones meets the bound in time."""


class SourceMemory:
    """Headers, and the packets from the last key frame that is `SPAN_MS` old or older."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._groups: deque[list[SourceItem]] = deque()
        self._bytes = 0
        self._picture: VideoConfig | None = None
        self._sound: AudioConfig | None = None

    def add(self, items: Iterable[SourceItem]) -> None:
        for item in items:
            match item:
                case VideoConfig():
                    self._picture = item
                case AudioConfig():
                    self._sound = item
                case VideoPacket(is_key=True):
                    assert self._picture is not None, "a header comes before its packets"
                    self._groups.append([self._picture])
                    self._keep(item)
                    self._forget(item.pts_ms)
                case VideoPacket() | AudioPacket():
                    self._keep(item)

    @property
    def items(self) -> Sequence[SourceItem]:
        """Empty before the first key frame, and after a group of pictures that was too large."""
        header = [self._sound] if self._sound is not None else []
        return [*header, *(item for group in self._groups for item in group)] if self._groups else []

    def _keep(self, item: VideoPacket | AudioPacket) -> None:
        if not self._groups:
            return
        self._groups[-1].append(item)
        self._bytes += len(item.data) + _PACKET_BYTES
        if self._bytes > self._max_bytes:
            self._groups.clear()
            self._bytes = 0

    def _forget(self, newest_ms: int) -> None:
        while len(self._groups) > 1 and _begins_ms(self._groups[1]) <= newest_ms - SPAN_MS:
            packets = [item for item in self._groups.popleft() if isinstance(item, VideoPacket | AudioPacket)]
            self._bytes -= sum([len(packet.data) + _PACKET_BYTES for packet in packets])


def _begins_ms(group: Sequence[SourceItem]) -> int:
    key = group[1]
    assert isinstance(key, VideoPacket), "a group is a header, its key frame, and what follows"
    return key.pts_ms
