"""One programme handed to many readers, none of whom can slow another or the programme itself.

A reader that does not keep up loses whole stretches up to the next key frame and is counted. What is sent is the
batch as it came, shared by all.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from aiortmp import MediaBatch
from app.media.arrival import Arrival, tail
from app.media.join import Headers, JoinCache

READER_MAX_BYTES: Final = 8 * 1024 * 1024
"""What may wait for one reader: ten seconds of 6 Mbit/s."""
STUCK_MS: Final = 30_000
"""A reader that takes nothing for so long of stream time, with its buffer full, will not come back."""


class Outlet(Protocol):
    """Where a reader's packets go. `send` must not block."""

    @property
    def buffered_bytes(self) -> int: ...

    def send(self, batch: MediaBatch) -> None: ...


class Reader:
    """One viewer, destination or worker. `dropped` counts frames it did not get."""

    __slots__ = ("_cut", "_headers_version", "_max_bytes", "_outlet", "_stuck", "_waiting", "dropped")

    def __init__(
        self, outlet: Outlet, *, max_bytes: int = READER_MAX_BYTES, cut: Callable[[], None] | None = None
    ) -> None:
        self._outlet = outlet
        self._max_bytes = max_bytes
        self._cut = cut
        self._stuck: tuple[int, int] | None = None
        """Bytes that waited and when, while a full buffer does not drain."""
        self._waiting = True
        self._headers_version = -1
        self.dropped = 0

    def offer(self, arrival: Arrival, headers: Headers) -> None:
        if self._waiting:
            self._resume(arrival, headers)
        elif self._outlet.buffered_bytes > self._max_bytes:
            self._waiting = True
            self.dropped += arrival.frames
        else:
            if arrival.headers:
                self._headers_version = headers.version
            self._outlet.send(arrival.batch)

    def start(self, headers: Headers, cache: JoinCache) -> None:
        """Begin with what is cached; without a cache, with the next key frame."""
        if cache.start_ms is None:
            return
        self._announce(headers, cache.start_ms)
        for batch in cache.batches():
            self._outlet.send(batch)
        self._waiting = False

    def _resume(self, arrival: Arrival, headers: Headers) -> None:
        first = arrival.key
        if first is None and not headers.has_video and arrival.audio_frames:
            first = 0
        buffered_bytes = self._outlet.buffered_bytes
        is_full = buffered_bytes > self._max_bytes // 2
        if is_full and arrival.frames:
            self._watch(buffered_bytes, arrival.positions[-1])
        if first is None or is_full:
            if self._headers_version >= 0:
                self.dropped += arrival.frames
            return
        self._stuck = None
        self._announce(headers, arrival.positions[first])
        self._outlet.send(tail(arrival, first))
        self._waiting = False

    def _watch(self, buffered_bytes: int, position_ms: int) -> None:
        if self._stuck is None or buffered_bytes != self._stuck[0]:
            self._stuck = buffered_bytes, position_ms
        elif position_ms - self._stuck[1] > STUCK_MS and self._cut is not None:
            cut, self._cut = self._cut, None
            cut()

    def _announce(self, headers: Headers, position_ms: int) -> None:
        if self._headers_version != headers.version:
            messages = headers.messages(position_ms)
            if messages:
                self._outlet.send(MediaBatch.of(messages))
            self._headers_version = headers.version


class FanOut:
    """The readers of one programme, with what newcomers need. `lost` counts frames dropped by readers that left."""

    def __init__(self) -> None:
        self.headers = Headers()
        self._cache = JoinCache()
        self._readers: list[Reader] = []
        self.lost = 0
        self.on_end: list[Callable[[str], None]] = []
        """Readers' connections, to be told when nothing will come any more."""

    @property
    def readers(self) -> int:
        return len(self._readers)

    @property
    def cached_bytes(self) -> int:
        return self._cache.size_bytes

    @property
    def dropped(self) -> int:
        """Frames that readers lost, over all time."""
        return self.lost + sum([reader.dropped for reader in self._readers])

    def join(
        self, outlet: Outlet, *, max_bytes: int = READER_MAX_BYTES, cut: Callable[[], None] | None = None
    ) -> tuple[Reader, Callable[[], None]]:
        """Begin to send to `outlet`; call the second result to stop. `cut` ends one that is stuck."""
        reader = Reader(outlet, max_bytes=max_bytes, cut=cut)
        reader.start(self.headers, self._cache)
        self._readers.append(reader)

        def leave() -> None:
            if reader in self._readers:
                # Another list: readers may leave while they are sent to.
                self._readers = [other for other in self._readers if other is not reader]
                self.lost += reader.dropped

        return reader, leave

    def push(self, arrival: Arrival) -> None:
        headers = self.headers
        for index in arrival.headers:
            headers.learn(arrival.batch[index])
        self._cache.put(arrival, headers)
        for reader in self._readers:
            reader.offer(arrival, headers)

    def end(self, reason: str) -> None:
        """Nothing will come any more: let the readers go."""
        for tell in tuple(self.on_end):
            tell(reason)

    def pause(self) -> None:
        """The publisher is gone: newcomers wait for the next key frame instead of seeing an old one."""
        self._cache.clear()
