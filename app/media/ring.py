"""The replay ring: source packets from the key frame at or before the oldest frame that has not come back encoded.

A new worker is fed from here, so it can encode what the old one took with it. Pure, bounded in bytes and seconds;
when a bound is met the oldest group of pictures goes, and `overruns` says that frames can be lost from now on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final

from aiortmp import MediaBatch, MediaMessage
from app.media.arrival import MESSAGE_BYTES, Arrival, tail
from app.media.frame_times import composition_ms
from app.media.join import Headers

_SOUND_GROUP_MS: Final = 1_000
"""Without pictures any packet is a beginning; groups of this length keep the ring fine enough."""


class _Group:
    """From one key frame up to the next. `shown_ms` is when its first picture is shown, `headers` were in force."""

    __slots__ = ("batches", "end_ms", "headers", "shown_ms", "size_bytes", "start_ms")

    def __init__(self, start_ms: int, shown_ms: int, headers: Sequence[MediaMessage]) -> None:
        self.start_ms = start_ms
        self.shown_ms = shown_ms
        self.end_ms = start_ms
        self.headers = headers
        self.size_bytes = sum([len(message.payload) for message in headers])
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
        self._headers = Headers()
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
        if arrival.headers:
            self._learn(arrival, 0, arrival.key)
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
        return [batch for group in groups[self._first(after_ms) :] for batch in group.batches]

    def opening(self, after_ms: int | None) -> Sequence[MediaMessage]:
        """The headers that were in force where `replay` begins; those that came later stand among its packets."""
        first = self._first(after_ms)
        return self._groups[first].headers if self._groups else ()

    def newest_group(self) -> tuple[Sequence[MediaMessage], Sequence[MediaBatch]]:
        """From the newest key frame on, and the headers before it; in a source without pictures the newest sound.

        Empty: nothing is held.
        """
        return (self._groups[-1].headers, tuple(self._groups[-1].batches)) if self._groups else ((), ())

    def _first(self, after_ms: int | None) -> int:
        """Which group holds the key frame that is shown at or before `after_ms`."""
        first = 0
        if after_ms is not None:
            for index, group in enumerate(self._groups):
                if group.shown_ms <= after_ms:
                    first = index
        return first

    def _learn(self, arrival: Arrival, begin: int, end: int | None) -> None:
        """Headers among the messages from `begin` up to `end`: those behind a key frame are not for it."""
        for index in arrival.headers:
            if begin <= index and (end is None or index < end):
                self._headers.learn(arrival.batch[index])

    def _begin_group(self, start_ms: int, shown_ms: int) -> None:
        group = _Group(start_ms, shown_ms, self._headers.messages(start_ms))
        self._groups.append(group)
        self._size_bytes += group.size_bytes

    def _put_key(self, arrival: Arrival, key: int) -> None:
        self._has_video = True
        if key and self._groups:
            # What came before the key frame in the same read belongs to the group before.
            self._add(arrival.batch[:key], arrival.positions[key - 1])
        position = arrival.positions[key]
        self._begin_group(position, position + composition_ms(arrival.batch[key].payload))
        self._add(tail(arrival, key), arrival.positions[-1])
        self._learn(arrival, key, None)

    def _put_sound(self, arrival: Arrival) -> None:
        if not arrival.audio_frames:
            return
        position = arrival.positions[0]
        if not self._groups or position - self._groups[-1].start_ms >= _SOUND_GROUP_MS:
            self._begin_group(position, position)
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
