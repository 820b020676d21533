"""RTMP servers on asyncio: a listener and its connections.

The factory makes one handler for each connection, which answers its requests (`aiortmp.aio.requests`).
"""

from __future__ import annotations

import asyncio
import ssl as ssl_module
from collections.abc import Callable
from typing import Protocol

from aiortmp.aio.gathering import Gathering
from aiortmp.aio.requests import ConnectRequest, Play, PlayRequest, Publication, PublishRequest, StreamRequest
from aiortmp.aio.transport import Connection, MediaSink
from aiortmp.errors import ProtocolError, RtmpError
from aiortmp.limits import Limits
from aiortmp.session.events import ConnectRequested, Event, PlayRequested, PublishRequested, StreamEnded
from aiortmp.session.server import ServerSession


class ServerHandler(Protocol):
    """What a server does about one connection. All calls come on the loop; none is awaited."""

    def on_connect(self, request: ConnectRequest) -> None:
        """A client wants in."""

    def on_publish(self, request: PublishRequest) -> None:
        """It wants to publish."""

    def on_play(self, request: PlayRequest) -> None:
        """It wants to play."""

    def on_closed(self, reason: RtmpError | None) -> None:
        """The connection is over. Called once, also when it never got as far as a request."""


class ServerConnection(Connection):
    """One client of ours."""

    _session: ServerSession

    def __init__(
        self,
        server: Server,
        factory: Callable[[ServerConnection], ServerHandler],
        *,
        limits: Limits,
        chunk_size: int,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        session = ServerSession(limits=limits, now=loop.time(), chunk_size=chunk_size)
        super().__init__(session, limits=limits, loop=loop)
        self._gathering = server.gathering
        self._server = server
        self._requests: dict[int, StreamRequest] = {}
        self._publications: dict[int, Publication] = {}
        self._plays: dict[int, Play] = {}
        self._factory = factory
        self._handler: ServerHandler | None = None

    @property
    def session(self) -> ServerSession:
        """The protocol state."""
        return self._session

    def close(self, reason: str = "closed by this side") -> None:
        """Send what is buffered, then close."""
        self.start_closing(reason)

    def let_in(self, transaction: float) -> None:
        """For requests: accept the client, and obey soon what it has asked for without waiting for that."""
        self._session.accept_connect(transaction)
        self.flush()
        if self._session.has_early_commands:
            # Not from here: the handler is in the middle of deciding.
            self._loop.call_soon(self._obey_early_commands)

    def take_request(self, request: StreamRequest) -> bool:
        """For requests: whether this one still waits for its answer, which it gets now.

        A client may take a request back and use the stream for another, while the owner is deciding.
        """
        if self.is_closed or self._requests.get(request.stream_id) is not request:
            return False
        del self._requests[request.stream_id]
        return True

    def is_running(self, publication: Publication) -> bool:
        """For publications: whether this one has not ended."""
        return self._publications.get(publication.stream_id) is publication

    def add_publication(self, publication: Publication, sink: MediaSink) -> None:
        """For requests: media of this stream goes to its sink from now on."""
        self._publications[publication.stream_id] = publication
        self.sinks[publication.stream_id] = sink

    def add_play(self, play: Play) -> None:
        """For requests: tell it when the transport drains and when the client leaves."""
        self._plays[play.stream_id] = play

    def after_refusal(self, reason: str) -> None:
        """For requests: one that has nothing else here is not kept, so it cannot go on guessing."""
        if self._publications or self._plays:
            self.flush()
        else:
            self.linger_and_close(reason)

    def drop_stream(self, stream_id: int, reason: str) -> None:
        """For requests: this stream has ended, whichever way it ran."""
        self._requests.pop(stream_id, None)
        self._publications.pop(stream_id, None)
        sink = self.sinks.pop(stream_id, None)
        if sink is not None:
            sink.on_end(reason)
        play = self._plays.pop(stream_id, None)
        if play is not None:
            play.over(reason)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._server.connections.add(self)
        try:
            self._handler = self._factory(self)
        except BaseException:
            self.abort("no handler could be made")
            raise
        if self._reason is not None:
            # The factory has turned it away, when there was nobody to tell yet.
            self._handler.on_closed(self._reason)

    def connection_lost(self, exc: Exception | None) -> None:
        self._server.connections.discard(self)
        super().connection_lost(exc)

    def _handle(self, event: Event) -> None:
        assert self._handler is not None, "nothing is received before the handler is made"
        if isinstance(event, ConnectRequested):
            self._handler.on_connect(ConnectRequest(self, event))
        elif isinstance(event, PublishRequested):
            publish = self._requests[event.stream_id] = PublishRequest(self, event)
            self._handler.on_publish(publish)
        elif isinstance(event, PlayRequested):
            play = self._requests[event.stream_id] = PlayRequest(self, event)
            self._handler.on_play(play)
        elif isinstance(event, StreamEnded):
            self.drop_stream(event.stream_id, event.reason)

    def _obey_early_commands(self) -> None:
        if self._reason is not None:
            return
        try:
            for event in self._session.obey_early_commands():
                self._handle(event)
        except ProtocolError as error:
            self._fail(error)
            return
        except BaseException:
            self.abort("the handler failed")
            raise
        self._arm()
        self.flush()

    def _ended(self, reason: RtmpError) -> None:
        self._requests.clear()
        # Each owner is told, whatever another's callback does; the handler last.
        try:
            self._drop_all([*self._publications, *self._plays], str(reason))
        finally:
            if self._handler is not None:
                self._handler.on_closed(reason)

    def _drop_all(self, stream_ids: list[int], reason: str) -> None:
        if stream_ids:
            first, *others = stream_ids
            try:
                self.drop_stream(first, reason)
            finally:
                self._drop_all(others, reason)

    def _writable(self) -> None:
        for play in list(self._plays.values()):
            if play.on_writable is not None:
                play.on_writable()


class Server:
    """A listener and its connections."""

    def __init__(self, gathering: Gathering | None) -> None:
        self.connections: set[ServerConnection] = set()
        self.gathering = gathering
        """For its connections: what takes their reads together."""
        self._listener: asyncio.Server | None = None

    def attach(self, listener: asyncio.Server) -> None:
        """For `serve`."""
        self._listener = listener

    @property
    def port(self) -> int:
        """The port it listens on."""
        assert self._listener is not None, "serve attaches the listener before it returns"
        return int(self._listener.sockets[0].getsockname()[1])

    def close(self) -> None:
        """Accept no more and close every connection."""
        if self._listener is not None:
            self._listener.close()
        for connection in list(self.connections):
            connection.close("server is closing")

    async def wait_closed(self) -> None:
        """Until the listener and all connections are gone."""
        if self._listener is not None:
            await self._listener.wait_closed()
        for connection in list(self.connections):
            await connection.wait_closed()


async def serve(
    factory: Callable[[ServerConnection], ServerHandler],
    host: str | None,
    port: int,
    *,
    ssl: ssl_module.SSLContext | None = None,
    limits: Limits | None = None,
    chunk_size: int = 65536,
    backlog: int = 1024,
    reuse_port: bool = False,
    gathering: Gathering | None = None,
) -> Server:
    """Listen; with ``ssl`` it is RTMPS. ``port`` 0 picks a free one, see `Server.port`.

    ``factory`` makes the handler of each new connection, whose peer is known by then; it may abort
    the connection at once. ``chunk_size`` is that of our own chunks. ``gathering``, which
    servers of one loop may share, takes the frames of many publishers together for a small delay.
    """
    loop = asyncio.get_running_loop()
    bounds = limits or Limits()
    server = Server(gathering)

    def make() -> ServerConnection:
        return ServerConnection(server, factory, limits=bounds, chunk_size=chunk_size, loop=loop)

    listener = await loop.create_server(
        make,
        host,
        port,
        ssl=ssl,
        ssl_handshake_timeout=bounds.handshake_s if ssl else None,
        backlog=backlog,
        reuse_port=reuse_port or None,
    )
    server.attach(listener)
    return server
