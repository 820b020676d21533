"""An HTTP listener that strangers cannot exhaust: a deadline for request headers and caps on connections.

aiohttp itself waits for ever for a header and takes any number of sockets.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

HEADER_DEADLINE_S: Final = 10.0
MAX_CONNECTIONS: Final = 2_000
MAX_PER_ADDRESS: Final = 200
"""Many viewers share one address behind a carrier's NAT."""

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Doorman:
    """Counts connections. `turned_away` are those that were one too many, `cut` those that dripped."""

    def __init__(self, *, total: int = MAX_CONNECTIONS, per_address: int = MAX_PER_ADDRESS) -> None:
        self._total = total
        self._per_address = per_address
        self._held: dict[str, int] = {}
        self.connections = 0
        self.turned_away = 0
        self.cut = 0

    def enter(self, address: str) -> bool:
        held = self._held.get(address, 0)
        if self.connections >= self._total or held >= self._per_address:
            self.turned_away += 1
            return False
        self.connections += 1
        self._held[address] = held + 1
        return True

    def leave(self, address: str) -> None:
        self.connections -= 1
        held = self._held.pop(address) - 1
        if held:
            self._held[address] = held


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
        super().__init__(handler)
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
