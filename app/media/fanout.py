"""One programme handed to many readers, none of whom can slow another or the programme itself.

A reader that does not keep up loses whole stretches up to the next key frame and is counted. What is sent is the
batch as it came, shared by all. Readers may be handed to another programme: they go on with its next key frame.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from aiortmp import MediaBatch
from app.media.arrival import Arrival, tail
from app.media.join import Headers, JoinCache
from app.media.selection import select_or_none
from app.media.timeline import AUDIO

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
    """One viewer or destination. `dropped` counts frames it did not get, `end` tells it that nothing more comes."""

    __slots__ = (
        "_after_ms",
        "_cut",
        "_known",
        "_max_bytes",
        "_outlet",
        "_stuck",
        "_waiting",
        "dropped",
        "end",
        "home",
    )

    def __init__(
        self,
        outlet: Outlet,
        home: FanOut,
        *,
        max_bytes: int,
        cut: Callable[[], None] | None,
        end: Callable[[str], None] | None,
    ) -> None:
        self._outlet = outlet
        self.home = home
        self._max_bytes = max_bytes
        self._cut = cut
        self.end = end
        self._stuck: tuple[int, int] | None = None
        """Bytes that waited and when, while a full buffer does not drain."""
        self._waiting = True
        self._known: tuple[Headers, int] | None = None
        """The headers it was told."""
        self._after_ms: int | None = None
        """It came from another programme, which it has seen up to here, and waits for a key frame of this one."""
        self.dropped = 0

    def offer(self, arrival: Arrival, headers: Headers) -> None:
        if self._waiting:
            self._resume(arrival, headers)
        elif self._outlet.buffered_bytes > self._max_bytes:
            self._waiting = True
            self.dropped += arrival.frames
        else:
            if arrival.headers:
                self._known = headers, headers.version
            self._outlet.send(arrival.batch)

    def start(self, headers: Headers, cache: JoinCache) -> None:
        """Begin with what is cached; without a cache, with the next key frame."""
        if cache.start_ms is None:
            return
        self._announce(headers, cache.start_ms)
        for batch in cache.batches():
            self._outlet.send(batch)
        self._waiting = False

    def go_on(self, headers: Headers, cache: JoinCache, after_ms: int) -> None:
        """From now on it is offered another programme; of the one before it was offered all up to `after_ms`."""
        if self._known is None:
            self.start(headers, cache)
        elif not self._waiting or self._after_ms is not None:
            self._waiting, self._after_ms = True, after_ms
            if cache.start_ms is not None and cache.start_ms > after_ms:
                self.start(headers, cache)
                self._after_ms = None

    def _resume(self, arrival: Arrival, headers: Headers) -> None:
        first = _first(arrival, headers, self._after_ms)
        buffered_bytes = self._outlet.buffered_bytes
        is_full = buffered_bytes > self._max_bytes // 2
        if is_full and arrival.frames:
            self._watch(buffered_bytes, arrival.positions[-1])
        if is_full:
            self._after_ms = None
        if self._after_ms is not None:
            self._hear(arrival, self._after_ms, len(arrival.positions) if first is None else first)
        elif self._known is not None and (first is None or is_full):
            self.dropped += arrival.frames
        if first is None or is_full:
            return
        self._stuck = self._after_ms = None
        self._announce(headers, arrival.positions[first])
        self._outlet.send(tail(arrival, first))
        self._waiting = False

    def _hear(self, arrival: Arrival, after_ms: int, until: int) -> None:
        """Send the sound among what comes before message `until`; the pictures are lost."""
        sound: list[int] = []
        for index in range(until):
            kind, is_header = arrival.batch[index].type, index in arrival.headers
            if index in arrival.others or not (is_header or arrival.positions[index] > after_ms):
                continue
            if kind == AUDIO:
                sound.append(index)
            elif not is_header:
                self.dropped += 1
        said = select_or_none(arrival, sound)
        if said is not None:
            self._outlet.send(said.batch)

    def _watch(self, buffered_bytes: int, position_ms: int) -> None:
        if self._stuck is None or buffered_bytes != self._stuck[0]:
            self._stuck = buffered_bytes, position_ms
        elif position_ms - self._stuck[1] > STUCK_MS and self._cut is not None:
            cut, self._cut = self._cut, None
            cut()

    def _announce(self, headers: Headers, position_ms: int) -> None:
        if self._known != (headers, headers.version):
            messages = headers.messages(position_ms)
            if messages:
                self._outlet.send(MediaBatch.of(messages))
            self._known = headers, headers.version


def _first(arrival: Arrival, headers: Headers, after_ms: int | None) -> int | None:
    """Where a reader that waits may begin: at a key frame, or without a picture anywhere, but after `after_ms`."""
    first = arrival.key
    if first is None and not headers.has_video and arrival.audio_frames:
        first = 0
    if first is None or after_ms is None or arrival.positions[first] > after_ms:
        return first
    if headers.has_video:
        return None
    return next((index for index, position in enumerate(arrival.positions) if position > after_ms), None)


class FanOut:
    """The readers of one programme, with what newcomers need. `lost` counts frames dropped by readers that left.

    `newest_ms` is how far it has come, -1 before its first frame.
    """

    def __init__(self) -> None:
        self.headers = Headers()
        self._cache = JoinCache()
        self._readers: list[Reader] = []
        self._heir: FanOut | None = None
        self.newest_ms = -1
        self.lost = 0

    @property
    def now(self) -> FanOut:
        """Where its readers are: here, or with the one that took its place."""
        found = self
        while found._heir is not None:
            found = found._heir
        return found

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
        self,
        outlet: Outlet,
        *,
        max_bytes: int = READER_MAX_BYTES,
        cut: Callable[[], None] | None = None,
        end: Callable[[str], None] | None = None,
    ) -> tuple[Reader, Callable[[], None]]:
        """Begin to send to `outlet`; call the second result to stop.

        `cut` ends one that is stuck, `end` hears why nothing will come any more.
        """
        home = self.now
        reader = Reader(outlet, home, max_bytes=max_bytes, cut=cut, end=end)
        reader.start(home.headers, home._cache)
        home._readers.append(reader)

        def leave() -> None:
            if reader.home._remove(reader):
                reader.home.lost += reader.dropped

        return reader, leave

    def hand(self, reader: Reader, to: FanOut) -> None:
        """`reader` goes on with the programme of `to`."""
        if not self._remove(reader):
            return
        reader.home = to
        to._readers = [*to._readers, reader]
        reader.go_on(to.headers, to._cache, self.newest_ms)

    def follow(self, heir: FanOut) -> None:
        """This programme is made no more: its readers, and those to come, go on with `heir`."""
        for reader in tuple(self._readers):
            self.hand(reader, heir)
        heir.lost += self.lost
        self._heir, self.lost, self.headers = heir, 0, heir.headers
        self._cache.clear()

    def begins_after(self, seen_ms: int) -> int:
        """A reader that has seen another programme up to `seen_ms` gets nothing of this one up to here."""
        start_ms = self._cache.start_ms
        return start_ms - 1 if start_ms is not None and start_ms > seen_ms else self.newest_ms

    def _remove(self, reader: Reader) -> bool:
        if reader not in self._readers:
            return False
        # Another list: readers may leave while they are sent to.
        self._readers = [other for other in self._readers if other is not reader]
        return True

    def push(self, arrival: Arrival) -> None:
        headers = self.headers
        for index in arrival.headers:
            headers.learn(arrival.batch[index])
        if arrival.frames and arrival.positions[-1] > self.newest_ms:
            self.newest_ms = arrival.positions[-1]
        self._cache.put(arrival, headers)
        for reader in self._readers:
            reader.offer(arrival, headers)

    def end(self, reason: str) -> None:
        """Nothing will come any more: let the readers go."""
        for reader in tuple(self._readers):
            if reader.end is not None:
                reader.end(reason)

    def pause(self) -> None:
        """The publisher is gone: newcomers wait for the next key frame instead of seeing an old one."""
        self._cache.clear()
