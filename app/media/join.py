"""What a newcomer must be told before live packets make sense: metadata, codec headers, the pictures since the
last key frame. Pure and bounded; a batch is kept as it came.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from aiortmp import MediaBatch, MediaMessage
from app.media.arrival import MASK, MESSAGE_BYTES, Arrival, tail
from app.media.timeline import AUDIO, VIDEO

CACHE_MAX_BYTES: Final = 24 * 1024 * 1024
CACHE_MAX_MS: Final = 30_000
AUDIO_ONLY_MS: Final = 1_000
"""Without pictures a newcomer hears this much of what was."""


class Headers:
    """The newest metadata and codec header of each kind. `version` rises with every real change."""

    __slots__ = ("_by_kind", "version")

    def __init__(self) -> None:
        self._by_kind: dict[int, MediaMessage] = {}
        self.version = 0

    def learn(self, message: MediaMessage) -> bool:
        """True when this header says something new. Of data messages only metadata is for newcomers."""
        if message.type not in (VIDEO, AUDIO) and b"onMetaData" not in message.payload[:64]:
            return False
        known = self._by_kind.get(message.type)
        if known is not None and known.payload == message.payload:
            return False
        self._by_kind[message.type] = message
        self.version += 1
        return True

    def get(self, kind: int) -> MediaMessage | None:
        return self._by_kind.get(kind)

    @property
    def has_video(self) -> bool:
        return VIDEO in self._by_kind

    @property
    def has_audio(self) -> bool:
        return AUDIO in self._by_kind

    def messages(self, position_ms: int) -> list[MediaMessage]:
        """All of them, data first, as of `position_ms`; data at 0: ffmpeg takes later metadata for subtitles."""
        order = sorted(self._by_kind, key=lambda kind: (kind in (VIDEO, AUDIO), -kind))
        return [
            MediaMessage(known.type, position_ms & MASK if kind in (VIDEO, AUDIO) else 0, known.payload)
            for kind, known in ((kind, self._by_kind[kind]) for kind in order)
        ]


class JoinCache:
    """The batches since the last key frame."""

    __slots__ = ("_batches", "_has_key", "_size_bytes")

    def __init__(self) -> None:
        self._batches: deque[tuple[int, MediaBatch, int]] = deque()
        self._size_bytes = 0
        self._has_key = False

    def put(self, arrival: Arrival, headers: Headers) -> None:
        key = arrival.key
        if key is not None:
            self.clear()
            self._has_key = True
            self._add(arrival, arrival.positions[key], tail(arrival, key))
        elif self._has_key:
            self._add(arrival, arrival.positions[0], arrival.batch)
        elif arrival.audio_frames and not headers.has_video:
            self._add(arrival, arrival.positions[0], arrival.batch)
            while len(self._batches) > 1 and arrival.positions[-1] - self._batches[0][0] > AUDIO_ONLY_MS:
                self._size_bytes -= self._batches.popleft()[2]

    def _add(self, arrival: Arrival, position_ms: int, batch: MediaBatch) -> None:
        size_bytes = arrival.size_bytes + MESSAGE_BYTES * len(arrival.positions)
        self._batches.append((position_ms, batch, size_bytes))
        self._size_bytes += size_bytes
        if self._size_bytes > CACHE_MAX_BYTES or position_ms - self._batches[0][0] > CACHE_MAX_MS:
            self.clear()

    def clear(self) -> None:
        self._batches.clear()
        self._size_bytes = 0
        self._has_key = False

    @property
    def size_bytes(self) -> int:
        return self._size_bytes

    @property
    def start_ms(self) -> int | None:
        """Where the cached pictures begin; None when there are none."""
        return self._batches[0][0] if self._batches else None

    def batches(self) -> list[MediaBatch]:
        return [batch for _, batch, _ in self._batches]
