"""Serves the page: static files of `app/dashboard`, under a policy that lets in nothing but them and the media."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from importlib import resources
from typing import Final

from aiohttp import web

TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


class Page:
    """Reads every file once, at start: what isn't there then cannot be asked for, whatever the path says."""

    def __init__(self, *, media_origins: Callable[[], tuple[str, ...]]) -> None:
        self._media_origins = media_origins
        self._files = dict(_files())

    def mount(self, app: web.Application) -> None:
        app.router.add_get("/", self._index)
        for name in self._files:
            app.router.add_get(f"/static/{name}", self._file(name))

    async def _index(self, request: web.Request) -> web.Response:
        response = self._answer(request, "index.html")
        response.headers["Content-Security-Policy"] = policy(self._media_origins())
        return response

    def _file(self, name: str) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handle(request: web.Request) -> web.StreamResponse:
            return self._answer(request, name)

        return handle

    def _answer(self, request: web.Request, name: str) -> web.Response:
        content, tag = self._files[name]
        headers = {"ETag": tag, "Cache-Control": "no-cache", "Content-Type": TYPES[_suffix(name)]}
        if request.headers.get("If-None-Match") == tag:
            return web.Response(status=304, headers={"ETag": tag, "Cache-Control": "no-cache"})
        return web.Response(body=content, headers=headers)


def policy(media_origins: tuple[str, ...]) -> str:
    """The page's Content-Security-Policy: own files, own sockets, the gateways' media; no inline code at all."""
    media = " ".join(("'self'", *media_origins))
    return "; ".join(
        (
            "default-src 'self'",
            f"connect-src {media}",
            f"media-src {media} blob:",
            "img-src 'self' data:",
            "object-src 'none'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    )


def _files() -> list[tuple[str, tuple[bytes, str]]]:
    root = resources.files("app.dashboard")
    found = []
    for folder, prefix in ((root, ""), (root / "vendor", "vendor/")):
        for entry in folder.iterdir():
            if entry.is_file() and _suffix(entry.name) in TYPES:
                content = entry.read_bytes()
                found.append((prefix + entry.name, (content, f'"{hashlib.sha256(content).hexdigest()[:32]}"')))
    return found


def _suffix(name: str) -> str:
    return name[name.rfind(".") :]
