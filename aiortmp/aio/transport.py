"""One connection on asyncio: carries bytes between the transport and a session.

Holds no rule of RTMP. Both roles derive from `Connection` and handle the session's events.
"""

from __future__ import annotations

import asyncio
from typing import Final, Protocol, cast

from aiortmp.aio.gathering import Gathering
from aiortmp.errors import ConnectionLost, LimitExceeded, ProtocolError, RtmpError
from aiortmp.limits import Limits
from aiortmp.media import MediaBatch
from aiortmp.session.base import Session
from aiortmp.session.events import Event

_HIGH_WATER_BYTES: Final = 512 * 1024
_LOW_WATER_BYTES: Final = 128 * 1024


class MediaSink(Protocol):
    """Takes the media of one stream, on the loop, straight from the transport."""

    def on_media(self, batch: MediaBatch) -> None:
        """What one read brought. Must not block; an exception ends the connection."""

    def on_end(self, reason: str) -> None:
        """No more will come. Called once."""


class Connection(asyncio.Protocol):
    """Thin shell around a session. Not thread-safe: use it on its loop only."""

    def __init__(self, session: Session, *, limits: Limits, loop: asyncio.AbstractEventLoop) -> None:
        self.peer: tuple[str, int] = ("", 0)
        """Address and port of the other side."""
        self.bytes_out = 0
        """Bytes handed to the transport."""
        self.media_owner: object = None
        """Who sent media last: another sender must not refer to its chunk headers."""
        self.sinks: dict[int, MediaSink] = {}
        """Where the media of each stream goes."""
        self._session = session
        self._limits = limits
        self._loop = loop
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._wakes_at = 0.0
        self._reason: RtmpError | None = None
        self._cut: asyncio.TimerHandle | None = None
        self._gathering: Gathering | None = None
        self._congested = False
        self._paused = False
        self._fault: RtmpError | None = None
        self._is_over = False
        self._over: asyncio.Future[None] | None = None

    # the owner's side

    @property
    def session(self) -> Session:
        """The protocol state; for the library's own senders."""
        return self._session

    @property
    def bytes_in(self) -> int:
        """Bytes received."""
        return self._session.received_bytes

    @property
    def out_chunk_size(self) -> int:
        """Size of the chunks we send now."""
        return self._session.out_chunk_size

    @property
    def is_closed(self) -> bool:
        """Whether nothing can be sent any more."""
        return self._transport is None or self._reason is not None or self._transport.is_closing()

    @property
    def buffered_bytes(self) -> int:
        """Bytes the kernel has not yet taken."""
        return 0 if self._transport is None else self._transport.get_write_buffer_size()

    def start_closing(self, reason: str) -> None:
        """Send what is buffered, then close."""
        self.flush()
        # The transport first, here and below: an owner's callback that raises must not keep it open.
        self._close_transport()
        self._end(ConnectionLost(reason))

    def abort(self, reason: str = "aborted by this side") -> None:
        """Close at once; what is buffered is lost."""
        if self._transport is not None:
            self._transport.abort()
        self._end(ConnectionLost(reason))

    async def wait_closed(self) -> RtmpError | None:
        """Until the connection is over; why it is."""
        if not self._is_over:
            # Made for those who wait: hardly anybody does.
            self._over = self._over or self._loop.create_future()
            await asyncio.shield(self._over)
        return self._reason

    def pause_reading(self) -> None:
        """Take no more from the peer until `resume_reading`: the kernel's window slows it down."""
        if self._transport is not None and not self.is_closed:
            self._paused = True
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Take from the peer again."""
        if self._transport is not None and not self.is_closed:
            self._paused = False
            self._session.excuse_silence(self._loop.time())
            self._transport.resume_reading()

    def set_idle_s(self, idle_s: float) -> None:
        """Let the peer be silent for so long before it is given up, instead of `Limits.idle_s`."""
        if not self.is_closed:
            self._session.set_idle_s(idle_s, self._loop.time())
            self._arm()

    # for senders and roles

    def write(self, data: bytes | memoryview) -> None:
        """Hand bytes to the transport; nothing happens on a closed connection."""
        transport = self._transport
        if transport is None or self._reason is not None or transport.is_closing():
            return
        self.bytes_out += len(data)
        transport.write(data)
        if self._congested:
            self._check_backlog(transport)

    def write_parts(self, parts: list[bytes | memoryview]) -> None:
        """Several pieces as one write."""
        transport = self._transport
        if transport is None or self._reason is not None or transport.is_closing():
            return
        self.bytes_out += sum([len(part) for part in parts])
        transport.writelines(parts)
        if self._congested:
            self._check_backlog(transport)

    def change_chunk_size(self, size_bytes: int) -> None:
        """Announce another size for our chunks, which holds from here on."""
        self.flush()  # what waits was written in chunks of the old size
        self.write(self._session.change_chunk_size(size_bytes))

    def flush(self) -> None:
        """Hand the session's own bytes to the transport."""
        if self._session.has_data:
            self.write(self._session.data_to_send())

    def linger_and_close(self, reason: str) -> None:
        """Give the peer time to read a refusal, hear nothing more from it, then close."""
        self.flush()
        transport = self._transport
        if transport is not None and self._cut is None and transport.can_write_eof() and not transport.is_closing():
            transport.write_eof()
            self._cut = self._loop.call_later(self._limits.linger_s, transport.abort)
        else:
            self._close_transport()
        self._end(ConnectionLost(reason))

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not checked with isinstance: uvloop's transports only behave like asyncio's.
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=_HIGH_WATER_BYTES, low=_LOW_WATER_BYTES)
        name = transport.get_extra_info("peername")
        if isinstance(name, tuple):
            self.peer = (str(name[0]), int(name[1]))
        # Both asyncio and uvloop have set TCP_NODELAY.
        self._arm()
        self.flush()

    def data_received(self, data: bytes) -> None:
        if self._reason is not None:
            return
        now = self._loop.time()
        try:
            for event in self._session.receive_data(data, now):
                if type(event) is MediaBatch:
                    gathering = self._gathering
                    if gathering is not None:
                        gathering.reads += 1
                        gathering.bytes += len(data)
                        if not gathering.is_gathering:
                            gathering.begin(now)
                    sink = self.sinks.get(event.stream_id)
                    if sink is not None:
                        sink.on_media(event)
                elif self._reason is None:  # a callback may have closed the connection meanwhile
                    self._handle(event)
                    self._arm()  # the next deadline may be an earlier one now
        except ProtocolError as error:
            self._fail(error)
            return
        if self._session._outgoing:  # not `has_data`: this is asked after every read
            self.flush()

    def connection_lost(self, exc: Exception | None) -> None:
        for timer in (self._timer, self._cut):
            if timer is not None:
                timer.cancel()
        lost = ConnectionLost(f"transport failed: {exc}" if exc else "closed by the peer")
        try:
            self._end(self._fault or lost)
        finally:
            self._is_over = True
            if self._over is not None and not self._over.done():
                self._over.set_result(None)

    def pause_writing(self) -> None:
        self._congested = True

    def resume_writing(self) -> None:
        self._congested = False
        self._writable()

    # for roles to fill in

    def _handle(self, event: Event) -> None:
        """Act on one event of the session."""
        raise NotImplementedError

    def _ended(self, reason: RtmpError) -> None:
        """The connection is over; called once."""
        raise NotImplementedError

    def _writable(self) -> None:
        """The transport drained after having been full."""
        raise NotImplementedError

    # inside

    def _check_backlog(self, transport: asyncio.Transport) -> None:
        if transport.get_write_buffer_size() > self._limits.max_send_buffer_bytes:
            # Told by connection_lost and not from here: who sends to many must not see one leave meanwhile.
            self._fault = LimitExceeded("max_send_buffer_bytes", "peer does not read what it asked for")
            transport.abort()

    def _fail(self, error: RtmpError) -> None:
        self.flush()
        if self._transport is not None:
            if self._congested:
                self._transport.abort()
            else:
                self._close_transport()
        self._end(error)

    def _end(self, reason: RtmpError) -> None:
        if self._reason is None:
            self._reason = reason
            self._ended(reason)

    def _close_transport(self) -> None:
        """Close after what is buffered has gone, but do not wait for ever for a peer that is stuck."""
        if self._transport is not None and self._cut is None:
            self._transport.close()
            self._cut = self._loop.call_later(self._limits.close_s, self._transport.abort)

    def _arm(self) -> None:
        """Wake up when the session is due, or sooner: deadlines mostly move away, which then costs nothing."""
        if self._reason is not None:
            return
        due = self._session.due
        if self._timer is not None:
            if self._wakes_at <= due:
                return
            self._timer.cancel()
        self._wakes_at = due
        self._timer = self._loop.call_at(due, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        if self.is_closed:
            return
        if self._paused:
            self._session.excuse_silence(self._loop.time())
        try:
            self._session.tick(self._loop.time())
        except ProtocolError as error:
            self._fail(error)
            return
        self.flush()
        self._arm()
