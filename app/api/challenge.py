"""Answers an authority that wants to see that a name leads here (RFC 8555, section 8.3).

Without a key, as the authority has none; it tells only what the running order wants told, nothing from any disk.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from aiohttp import web

from app.domain.errors import NotFound

PATH: Final = "/.well-known/acme-challenge/{token}"


def mount(app: web.Application, answer: Callable[[str], str | None]) -> None:
    """`answer`: None for a token that the running order does not have."""

    async def handle(request: web.Request) -> web.Response:
        text = answer(request.match_info["token"])
        if text is None:
            raise NotFound("no such challenge is open")
        return web.Response(body=text.encode("ascii"), content_type="application/octet-stream")

    app.router.add_get(PATH, handle)
