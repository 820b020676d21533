"""An HTTP listener that can go away and come back on the same port, its connections reset: a cable, a restart."""

from __future__ import annotations

import asyncio
import ssl
from typing import Final

from aiohttp import web

_SHUTDOWN_S: Final = 0.2


class Listener:
    """`port` 0: any free one, kept from then on."""

    def __init__(
        self, application: web.Application, host: str, port: int, tls: ssl.SSLContext | None = None
    ) -> None:
        # A request whose client has gone must not go on waiting.
        self._runner = web.AppRunner(
            application, access_log=None, shutdown_timeout=_SHUTDOWN_S, handler_cancellation=True
        )
        self._host = host
        self._port = port
        self._tls = tls
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{'http' if self._tls is None else 'https'}://{host}:{self._port}"

    async def open(self) -> None:
        """Listen, unless it does. Raises OSError when the port is taken."""
        if self._server is not None:
            return
        if self._runner.server is None:
            await self._runner.setup()
        factory = self._runner.server
        assert factory is not None, "setup made it"
        self._server = await asyncio.get_running_loop().create_server(
            factory, self._host, self._port, ssl=self._tls
        )
        self._port = self._server.sockets[0].getsockname()[1]

    async def shut(self) -> None:
        """Listen no more; every connection is reset. `open` brings it back."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self.drop_connections()

    def drop_connections(self) -> None:
        server = self._runner.server
        for connection in list(server.connections) if server is not None else ():
            if connection.transport is not None:
                connection.transport.abort()

    async def end(self) -> None:
        """For good."""
        await self.shut()
        await self._runner.cleanup()
