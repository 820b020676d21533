"""Around every request: its id, the security headers, and problem answers for whatever goes wrong."""

from __future__ import annotations

import re
import secrets
from collections.abc import Awaitable, Callable
from typing import Final

import structlog
from aiohttp import web

from app.api import problems
from app.api.connections import GuardedHandler
from app.domain.errors import ManagerError, NotAllowed, NotAuthenticated, Unavailable

REQUEST_ID: Final = web.RequestKey("request_id", str)
_GIVEN_ID: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")
SECURITY_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}
"""The page sets its own policy; these are for everything that sets none."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
log = structlog.get_logger("app.api")


@web.middleware
async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Outermost: nothing gets out of here but an answer."""
    given = request.headers.get("X-Request-ID", "")
    request_id = given if _GIVEN_ID.fullmatch(given) else f"req_{secrets.token_hex(8)}"
    request[REQUEST_ID] = request_id
    protocol = request.protocol
    if isinstance(protocol, GuardedHandler):
        protocol.headers_arrived()
    try:
        return await handler(request)
    except ManagerError as error:
        if problems.kind_of(error).status >= 500:
            log.warning("request failed", route=_route(request), code=error.code, detail=error.detail)
        return problems.answer(error, instance=instance_of(request_id))
    except web.HTTPException as error:
        return _from_http(error, request_id)
    except Exception:  # entry of every request: a fault of ours must not leak its text
        log.exception("request crashed", route=_route(request), request_id=request_id)
        crash = problems.Internal("something went wrong on our side")
        return problems.answer(crash, instance=instance_of(request_id))
    finally:
        if isinstance(protocol, GuardedHandler):
            protocol.request_done()


def instance_of(request_id: str) -> str:
    return f"urn:encoder-manager:request:{request_id}"


def _route(request: web.Request) -> str:
    """The route's pattern: never the path itself, which may hold what somebody typed."""
    resource = request.match_info.route.resource
    return f"{request.method} {resource.canonical if resource is not None else '?'}"


_HTTP: Final[dict[int, tuple[type[ManagerError], str]]] = {
    401: (NotAuthenticated, "a valid token is needed"),
    403: (NotAllowed, "this is not allowed"),
    404: (problems.NoSuchRoute, "there is no such route"),
    405: (problems.WrongMethod, "the route has no such method"),
    413: (problems.BodyTooLarge, "the body is too large"),
    503: (Unavailable, "this part is not ready yet"),
}


def _from_http(error: web.HTTPException, request_id: str) -> web.StreamResponse:
    """aiohttp's own refusals, and those of handlers that are no rows, as problems."""
    if error.status < 400:
        raise error
    kind, detail = _HTTP.get(error.status, (problems.MalformedRequest, error.reason))
    response = problems.answer(kind(detail), instance=instance_of(request_id))
    if isinstance(error, web.HTTPMethodNotAllowed):
        response.headers["Allow"] = ", ".join(sorted(error.allowed_methods))
    return response


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Signal `on_response_prepare`: also reaches answers that are no problem and no JSON."""
    for name, value in SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers["X-Request-ID"] = request.get(REQUEST_ID, "")
    if "Server" in response.headers:
        del response.headers["Server"]
