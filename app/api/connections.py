"""Guards the TCP side of the HTTP server: caps on connections, a deadline for headers.

aiohttp has neither: it would wait for ever for a client that drips its headers. Timers here run on the event loop's
monotonic clock.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections import Counter

from aiohttp import web, web_protocol

from app.api.limits import DoorLimits
from app.api.peers import is_trusted, parse_address, subject
from app.api.problems import Internal, MalformedRequest, answer
from app.domain.errors import Unavailable

_FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 5\r\n"
    b"Content-Type: application/problem+json\r\nContent-Length: 97\r\n\r\n"
    b'{"type":"/problems/unavailable","title":"Too many connections","status":503,"code":"unavailable"}'
)
NO_ACCESS_LOG = logging.getLogger("aiohttp.access")
"""aiohttp wants one; it stays below its level, for paths may hold what somebody typed."""


class ConnectionBook:
    """Counts open connections; `admit` and `leave` are called once each for every connection."""

    def __init__(self, limits: DoorLimits) -> None:
        self._limits = limits
        self._total = 0
        self._by_address: Counter[str] = Counter()

    @property
    def total(self) -> int:
        return self._total

    def admit(self, peer: str) -> bool:
        address = parse_address(peer)
        if self._total >= self._limits.connections:
            return False
        if address is not None and not is_trusted(address, self._limits.exempt):
            if self._by_address[subject(address)] >= self._limits.connections_per_address:
                return False
            self._by_address[subject(address)] += 1
        self._total += 1
        return True

    def leave(self, peer: str) -> None:
        address = parse_address(peer)
        self._total -= 1
        if address is not None and not is_trusted(address, self._limits.exempt):
            name = subject(address)
            self._by_address[name] -= 1
            if self._by_address[name] <= 0:
                del self._by_address[name]


class GuardedHandler(web_protocol.RequestHandler):
    """aiohttp's protocol, closed when headers take too long: from opening, or from a request's first byte."""

    __slots__ = ("_book", "_busy", "_deadline", "_deadline_s", "_peer")

    def __init__(
        self, manager: web.Server, *, book: ConnectionBook, deadline_s: float, loop: asyncio.AbstractEventLoop
    ) -> None:
        super().__init__(manager, loop=loop, keepalive_timeout=75.0, access_log=NO_ACCESS_LOG)
        self._book = book
        self._deadline_s = deadline_s
        self._deadline: asyncio.TimerHandle | None = None
        self._peer: str | None = None
        self._busy = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        name = transport.get_extra_info("peername")
        peer = name[0] if isinstance(name, tuple) else ""
        if not self._book.admit(peer):
            if isinstance(transport, asyncio.WriteTransport):
                transport.write(_FULL)
            transport.close()
            return
        self._peer = peer
        super().connection_made(transport)
        self._arm()

    def data_received(self, data: bytes) -> None:
        if self._peer is None:
            return
        if not self._busy and self._deadline is None:
            self._arm()
        super().data_received(data)

    def connection_lost(self, exc: BaseException | None) -> None:
        if self._peer is None:
            return
        self._disarm()
        self._book.leave(self._peer)
        super().connection_lost(exc)

    def headers_arrived(self) -> None:
        self._busy = True
        self._disarm()

    def request_done(self) -> None:
        self._busy = False

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """What aiohttp itself refuses (broken request lines and headers); our own answers never come here."""
        self._disarm()
        error = MalformedRequest("this is no well-formed HTTP request") if status < 500 else Internal("no answer")
        response = answer(error, instance="urn:encoder-manager:http")
        response.force_close()
        return response

    def _arm(self) -> None:
        self._deadline = self._loop.call_later(self._deadline_s, self._too_slow)

    def _disarm(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _too_slow(self) -> None:
        self._deadline = None
        self.force_close()


class GuardedSite:
    """Listens for `runner`'s application, the guard in front of every connection. `tls`: None speaks plainly."""

    def __init__(
        self,
        runner: web.AppRunner,
        *,
        host: str,
        port: int,
        limits: DoorLimits,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._runner = runner
        self._host = host
        self._port = port
        self._limits = limits
        self._tls = tls
        self.book = ConnectionBook(limits)
        self._server: asyncio.Server | None = None

    async def start(self) -> int:
        """Begin to listen; returns the port, which matters when 0 was asked for. Raises Unavailable."""
        if self._runner.server is None:
            raise Unavailable("the application is not set up yet")
        loop = asyncio.get_running_loop()

        def make() -> GuardedHandler:
            manager = self._runner.server
            assert manager is not None, "it was set up before the site led to it"
            return GuardedHandler(manager, book=self.book, deadline_s=self._limits.header_deadline_s, loop=loop)

        try:
            self._server = await loop.create_server(
                make,
                self._host,
                self._port,
                backlog=512,
                ssl=self._tls,
                ssl_handshake_timeout=self._limits.header_deadline_s if self._tls else None,
            )
        except OSError as error:
            raise Unavailable(
                f"cannot listen on {self._host}:{self._port}: {error.strerror}",
                hint="another program may hold the port; choose one with control_port",
            ) from error
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def lead_to(self, runner: web.AppRunner) -> None:
        """Who connects from now on is served by `runner`, which is set up."""
        self._runner = runner

    def stop_listening(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
