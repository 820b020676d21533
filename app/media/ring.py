"""The replay ring: source packets from the key frame at or before the oldest frame that has not come back encoded.

A new worker is fed from here, so it can encode what the old one took with it. Pure, bounded in bytes and seconds;
when a bound is met the oldest group of pictures goes, and `overruns` says that frames can be lost from now on.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from aiortmp import MediaBatch
from app.media.arrival import MESSAGE_BYTES, Arrival, tail
from app.media.frame_times import composition_ms

_SOUND_GROUP_MS: Final = 1_000
"""Without pictures any packet is a beginning; groups of this length keep the ring fine enough."""


class _Group:
    """From one key frame up to the next. `shown_ms` is when its first picture is shown."""

    __slots__ = ("batches", "end_ms", "shown_ms", "size_bytes", "start_ms")

    def __init__(self, start_ms: int, shown_ms: int) -> None:
        self.start_ms = start_ms
        self.shown_ms = shown_ms
        self.end_ms = start_ms
        self.size_bytes = 0
        self.batches: list[MediaBatch] = []

    def add(self, batch: MediaBatch, end_ms: int) -> None:
        self.batches.append(batch)
        self.size_bytes += batch.size_bytes + MESSAGE_BYTES * len(batch)
        self.end_ms = max(self.end_ms, end_ms)


class ReplayRing:
    def __init__(self, *, max_bytes: int, max_s: int) -> None:
        self._max_bytes = max_bytes
        self._max_ms = max_s * 1000
        self._groups: deque[_Group] = deque()
        self._has_video = False
        self._size_bytes = 0
        self.overruns = 0

    @property
    def size_bytes(self) -> int:
        return self._size_bytes

    @property
    def span_s(self) -> float:
        """Seconds of source held."""
        return (self._groups[-1].end_ms - self._groups[0].start_ms) / 1000 if self._groups else 0.0

    @property
    def start_ms(self) -> int | None:
        """Where the oldest picture held is shown."""
        return self._groups[0].shown_ms if self._groups else None

    def put(self, arrival: Arrival, *, has_video: bool) -> None:
        """Keep what came. Before the first key frame of a source with pictures there is nothing to keep."""
        self._has_video = self._has_video or has_video
        if arrival.key is not None:
            self._put_key(arrival, arrival.key)
        elif not self._has_video:
            self._put_sound(arrival)
        elif self._groups:
            self._add(arrival.batch, arrival.positions[-1])

    def release(self, through_ms: int) -> None:
        """Everything at or before `through_ms` has come back: let go what no worker needs any more."""
        groups = self._groups
        while len(groups) > 1 and groups[1].shown_ms <= through_ms:
            self._drop_oldest()

    def clear(self) -> None:
        """The stream is over: nobody will ask again."""
        self._groups.clear()
        self._size_bytes = 0

    def replay(self, after_ms: int | None) -> list[MediaBatch]:
        """From the key frame shown at or before `after_ms`; None, or one that is gone: all there is."""
        groups = list(self._groups)
        first = 0
        if after_ms is not None:
            for index, group in enumerate(groups):
                if group.shown_ms <= after_ms:
                    first = index
        return [batch for group in groups[first:] for batch in group.batches]

    def newest_group(self) -> list[MediaBatch]:
        """From the newest key frame on; in a source without pictures the newest sound. Empty: nothing is held."""
        return list(self._groups[-1].batches) if self._groups else []

    def _put_key(self, arrival: Arrival, key: int) -> None:
        self._has_video = True
        if key and self._groups:
            # What came before the key frame in the same read belongs to the group before.
            self._add(arrival.batch[:key], arrival.positions[key - 1])
        position = arrival.positions[key]
        self._groups.append(_Group(position, position + composition_ms(arrival.batch[key].payload)))
        self._add(tail(arrival, key), arrival.positions[-1])

    def _put_sound(self, arrival: Arrival) -> None:
        if not arrival.audio_frames:
            return
        position = arrival.positions[0]
        if not self._groups or position - self._groups[-1].start_ms >= _SOUND_GROUP_MS:
            self._groups.append(_Group(position, position))
        self._add(arrival.batch, arrival.positions[-1])

    def _add(self, batch: MediaBatch, end_ms: int) -> None:
        newest = self._groups[-1]
        before = newest.size_bytes
        newest.add(batch, end_ms)
        self._size_bytes += newest.size_bytes - before
        while self._groups and (
            self._size_bytes > self._max_bytes or end_ms - self._groups[0].start_ms > self._max_ms
        ):
            self.overruns += 1
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        self._size_bytes -= self._groups.popleft().size_bytes
