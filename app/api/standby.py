"""Answers of a control that does not lead: probes, descriptions and the page as ever, everything else 503."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from app.domain.errors import NotLeading

RETRY_S: Final = 2.0
_AS_EVER: Final = frozenset(
    {
        *("/", "/livez", "/readyz", "/metrics", "/version", "/link"),
        *("/api", "/api/v1", "/api/version", "/api/v1/version", "/api/openapi.json", "/api/v1/openapi.json"),
    }
)
"""The link turns peers away by itself."""


def standby_gate(standby: Callable[[], str | None]) -> Middleware:
    """`standby`: why this control does not act, or None. Goes inside of what makes problems of errors."""

    @web.middleware
    async def gate(request: web.Request, handler: Handler) -> web.StreamResponse:
        reason = standby()
        if reason is not None and not _answered(request.path):
            raise NotLeading(reason, retry_after_s=RETRY_S)
        return await handler(request)

    return gate


def _answered(path: str) -> bool:
    return path in _AS_EVER or path.startswith(("/static/", "/problems/"))
