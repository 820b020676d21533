"""An HTTP listener that strangers cannot exhaust: a deadline for request headers and caps on connections.

aiohttp itself waits for ever for a header and takes any number of sockets.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from app.media.doors.doorman import Doorman

HEADER_DEADLINE_S: Final = 10.0

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class GuardedHandler(RequestHandler):
    """aiohttp's connection with the doorman in front of it."""

    __slots__ = ("_address", "_deadline", "_deadline_s", "_doorman")

    def __init__(self, *args: Any, doorman: Doorman, deadline_s: float, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._doorman = doorman
        self._deadline_s = deadline_s
        self._deadline: asyncio.TimerHandle | None = None
        self._address: str | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        name = transport.get_extra_info("peername")
        address = str(name[0]) if isinstance(name, tuple) else ""
        if not self._doorman.enter(address):
            self.force_close()
            transport.close()
            return
        self._address = address
        self._arm()

    def connection_lost(self, exc: BaseException | None) -> None:
        if self._address is not None:
            self._doorman.leave(self._address)
            self._address = None
        if self._deadline is not None:
            self._deadline.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._messages or self._current_request is not None:
            self._disarm()
        elif self._deadline is None:
            self._arm()

    def _arm(self) -> None:
        loop = asyncio.get_running_loop()
        self._deadline = loop.call_later(self._deadline_s, self._too_slow)

    def _disarm(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _too_slow(self) -> None:
        self._deadline = None
        if self.transport is not None:
            self._doorman.cut += 1
            self.transport.close()


class GuardedServer(web.Server):
    """A protocol factory for `loop.create_server`."""

    def __init__(self, handler: Handler, *, doorman: Doorman, deadline_s: float = HEADER_DEADLINE_S) -> None:
        # A viewer who leaves ends the handler that serves it.
        super().__init__(handler, handler_cancellation=True)
        self._doorman = doorman
        self.deadline_s = deadline_s

    def __call__(self) -> RequestHandler:
        return GuardedHandler(
            self,
            loop=asyncio.get_running_loop(),
            doorman=self._doorman,
            deadline_s=self.deadline_s,
            access_log=None,
            keepalive_timeout=30.0,
        )
