"""RTMP clients on asyncio: one connection, any number of streams published and played on it."""

from __future__ import annotations

import asyncio
import socket
import ssl as ssl_module
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any, TypeVar

from aiortmp.aio.sending import MediaSender
from aiortmp.aio.transport import Connection, MediaSink
from aiortmp.aio.url import Address, parse_url
from aiortmp.amf0 import Value
from aiortmp.errors import ConnectionLost, ProtocolError, Rejected, RtmpError
from aiortmp.limits import Limits
from aiortmp.session.client import ClientSession
from aiortmp.session.events import (
    CommandAnswered,
    CommandRefused,
    Event,
    HandshakeDone,
    StatusReceived,
)

_T = TypeVar("_T")
_FLASH_VERSION = "FMLE/3.0 (compatible; aiortmp)"


class Publish(MediaSender):
    """Our stream on a server: send media to it."""

    connection: ClientConnection

    async def drain(self) -> None:
        """Until the transport has room again. Raises ConnectionLost when it is over."""
        await self.connection.drain()

    async def close(self) -> None:
        """Tell the server that the stream is over; the connection stays."""
        if self.is_open:
            self.connection.drop_stream(self.stream_id, "closed by this side")
            self.connection.session.unpublish(self.stream_id, self.name)
            self.connection.flush()


class ClientPlay:
    """A stream that comes from a server into a sink."""

    def __init__(self, connection: ClientConnection, stream_id: int, name: str) -> None:
        self.connection = connection
        self.stream_id = stream_id
        self.name = name

    async def close(self) -> None:
        """Take no more; the connection stays. The sink's on_end is called unless it has been."""
        if self.connection.drop_stream(self.stream_id, "closed by this side"):
            self.connection.session.delete_stream(self.stream_id)
            self.connection.flush()


class ClientConnection(Connection):
    """A connection to a server, made by `connect`."""

    _session: ClientSession

    def __init__(
        self,
        *,
        limits: Limits,
        chunk_size: int,
        timeout_s: float,
        digest: bool,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        session = ClientSession(limits=limits, now=loop.time(), chunk_size=chunk_size, digest=digest)
        super().__init__(session, limits=limits, loop=loop)
        self._timeout_s = timeout_s
        self._ready: asyncio.Future[None] = loop.create_future()
        self._answers: dict[float, asyncio.Future[tuple[Value, ...]]] = {}
        self._statuses: dict[int, asyncio.Future[None]] = {}
        self._publishes: dict[int, Publish] = {}
        self._drained: list[asyncio.Future[None]] = []

    @property
    def session(self) -> ClientSession:
        """The protocol state."""
        return self._session

    async def enter(self, address: Address, *, flash_ver: str, args: Mapping[str, Value]) -> None:
        """For `connect`: handshake and connect command."""
        await self._within(self._ready)
        number = self._session.connect(app=address.app, tc_url=address.tc_url, flash_ver=flash_ver, args=args)
        await self._answer(number)

    async def publish(self, name: str, *, kind: str = "live") -> Publish:
        """Publish under this name. Raises Rejected or ConnectionLost."""
        self._session.release(name)
        stream_id = await self._create_stream()
        publish = self._publishes[stream_id] = Publish(self, stream_id, name)
        self._session.publish(stream_id, name, kind)
        try:
            await self._status(stream_id)
        except BaseException:
            await publish.close()
            raise
        if not publish.is_open:
            raise ConnectionLost("the stream ended as soon as it had begun")
        return publish

    async def play(self, name: str, sink: MediaSink) -> ClientPlay:
        """Play this name into ``sink``. Raises Rejected or ConnectionLost."""
        stream_id = await self._create_stream()
        self.sinks[stream_id] = sink
        self._session.play(stream_id, name)
        try:
            await self._status(stream_id)
        except BaseException:
            if self.sinks.pop(stream_id, None) is not None:
                self._session.delete_stream(stream_id)
                self.flush()
            raise
        return ClientPlay(self, stream_id, name)

    async def drain(self) -> None:
        """Until the transport has room again. Raises ConnectionLost when it is over."""
        if self._congested and not self.is_closed:
            waiter: asyncio.Future[None] = self._loop.create_future()
            self._drained.append(waiter)
            try:
                await waiter
            finally:
                if waiter in self._drained:
                    self._drained.remove(waiter)
        if self.is_closed:
            raise self._lost()

    async def close(self, reason: str = "closed by this side") -> None:
        """Send what is buffered, close, and wait until it is done."""
        self.start_closing(reason)
        await self.wait_closed()

    def drop_stream(self, stream_id: int, reason: str) -> bool:
        """For streams: this one has ended. False when it had before."""
        publish = self._publishes.pop(stream_id, None)
        if publish is not None:
            publish.over(reason)
        sink = self.sinks.pop(stream_id, None)
        if sink is not None:
            sink.on_end(reason)
        return publish is not None or sink is not None

    def _handle(self, event: Event) -> None:
        if isinstance(event, HandshakeDone):
            if not self._ready.done():  # given up a moment ago
                self._ready.set_result(None)
        elif isinstance(event, CommandAnswered):
            answer = self._answers.pop(event.transaction, None)
            if answer is not None and not answer.done():
                answer.set_result(event.arguments)
        elif isinstance(event, CommandRefused):
            answer = self._answers.pop(event.transaction, None)
            if answer is not None and not answer.done():
                answer.set_exception(Rejected(event.code, event.description))
        elif isinstance(event, StatusReceived):
            self._on_status(event)

    def _on_status(self, event: StatusReceived) -> None:
        stream_id = event.stream_id
        if stream_id not in self._statuses and len(self._statuses) == 1 and stream_id == 0:
            # Some servers answer on stream 0; with one question open it is clear which is meant.
            stream_id = next(iter(self._statuses))
        waiting = self._statuses.get(stream_id)
        if waiting is not None and not waiting.done():
            if event.level == "error":
                waiting.set_exception(Rejected(event.code, event.description))
            elif event.code in _STARTED:
                waiting.set_result(None)
        elif event.level == "error" or event.code in _OVER:
            self.drop_stream(stream_id, f"{event.code}: {event.description}")

    def _ended(self, reason: RtmpError) -> None:
        waiters: list[asyncio.Future[Any]] = [self._ready, *self._drained]
        for waiter in [*waiters, *self._answers.values(), *self._statuses.values()]:
            if not waiter.done():
                waiter.set_exception(reason)
                waiter.exception()  # taken here too, in case nobody waits any more
        self._drained.clear()
        # Each owner is told, whatever another's callback does: publishes first, the last pushed being the first.
        with ExitStack() as told:
            for stream_id in reversed([*self._publishes, *self.sinks]):
                told.callback(self.drop_stream, stream_id, str(reason))

    def _writable(self) -> None:
        for waiter in self._drained:
            if not waiter.done():
                waiter.set_result(None)
        self._drained.clear()
        for publish in list(self._publishes.values()):
            if publish.on_writable is not None:
                publish.on_writable()

    async def _create_stream(self) -> int:
        values = await self._answer(self._session.create_stream())
        number = values[1] if len(values) > 1 else None
        if not isinstance(number, float) or not 0 < number < 2**32:
            raise ProtocolError("server answered createStream without a stream id")
        return int(number)

    async def _answer(self, transaction: int) -> tuple[Value, ...]:
        waiter: asyncio.Future[tuple[Value, ...]] = self._loop.create_future()
        self._answers[float(transaction)] = waiter
        self.flush()
        try:
            return await self._within(waiter)
        finally:
            self._answers.pop(float(transaction), None)

    async def _status(self, stream_id: int) -> None:
        waiter: asyncio.Future[None] = self._loop.create_future()
        self._statuses[stream_id] = waiter
        self.flush()
        try:
            await self._within(waiter)
        finally:
            self._statuses.pop(stream_id, None)
        self._session.setup_finished()

    async def _within(self, waiter: asyncio.Future[_T]) -> _T:
        if self._reason is not None:
            raise self._reason
        try:
            # Not wait_for: before Python 3.12 it can swallow a cancellation that meets an answer.
            async with asyncio.timeout(self._timeout_s):
                return await waiter
        except TimeoutError as error:
            raise ConnectionLost("no answer in time") from error

    def _lost(self) -> RtmpError:
        return self._reason or ConnectionLost("connection is closed")


_STARTED = frozenset(("NetStream.Publish.Start", "NetStream.Play.Start", "NetStream.Play.PublishNotify"))
_OVER = frozenset(
    (
        "NetStream.Play.UnpublishNotify",
        "NetStream.Play.Complete",
        "NetStream.Play.Stop",
        "NetStream.Unpublish.Success",
    )
)


async def connect(
    url: str,
    *,
    args: Mapping[str, Value] | None = None,
    ssl: ssl_module.SSLContext | None = None,
    sock: socket.socket | None = None,
    limits: Limits | None = None,
    timeout_s: float = 10.0,
    flash_ver: str = _FLASH_VERSION,
    chunk_size: int = 65536,
    digest: bool = True,
) -> ClientConnection:
    """Dial ``rtmp[s]://host[:port]/app`` and be let in.

    ``sock``: a connected socket to use instead of dialling. ``timeout_s`` bounds dialling and each
    answer of the server. Raises Rejected, ConnectionLost, OSError, or ValueError for the address.
    """
    address = parse_url(url)
    loop = asyncio.get_running_loop()

    def make() -> ClientConnection:
        return ClientConnection(
            limits=limits or Limits(), chunk_size=chunk_size, timeout_s=timeout_s, digest=digest, loop=loop
        )

    context = (ssl or ssl_module.create_default_context()) if address.secure else None
    name = address.host if address.secure else None
    try:
        async with asyncio.timeout(timeout_s):
            if sock is None:
                _, connection = await loop.create_connection(make, address.host, address.port, ssl=context)
            else:
                _, connection = await loop.create_connection(make, sock=sock, ssl=context, server_hostname=name)
    except TimeoutError as error:
        raise ConnectionLost("no connection in time") from error
    try:
        await connection.enter(address, flash_ver=flash_ver, args=args or {})
    except BaseException:
        connection.abort("was not let in")
        raise
    return connection
