"""Control's end of the link."""

from __future__ import annotations

from aiohttp import web


class LinkServer:
    async def handle(self, request: web.Request) -> web.WebSocketResponse:
        """The aiohttp handler of `GET /link`."""
        raise NotImplementedError
