"""Errors as clients see them: `application/problem+json` (RFC 9457), made from the one error tree.

Adds the few errors only HTTP has. Which error is raised is left to those who raise it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import orjson
from aiohttp import web

from app.domain.errors import (
    Conflict,
    DeviceError,
    InvalidRequest,
    InvalidSettings,
    ManagerError,
    NoCapacity,
    NotAllowed,
    NotAuthenticated,
    NotFound,
    NotLeading,
    TooManyRequests,
    Unavailable,
)

MEDIA_TYPE: Final = "application/problem+json"


class MalformedRequest(InvalidRequest):
    """Not readable as what it claims to be: broken JSON, a path with foreign characters."""

    code = "malformed_request"


class InvalidFields(InvalidRequest):
    """Readable, but fields are missing, unknown or out of range. `faults`: (field, what is wrong with it)."""

    code = "invalid_fields"

    def __init__(self, faults: tuple[tuple[str, str], ...]) -> None:
        places = ", ".join(place for place, _ in faults[:5])
        super().__init__(f"{len(faults)} field(s) are not as they must be: {places}")
        self.faults = faults


class BodyTooLarge(InvalidRequest):
    code = "body_too_large"


class UnsupportedMedia(InvalidRequest):
    code = "unsupported_media_type"


class TooSlow(ManagerError):
    code = "request_timeout"
    retryable: ClassVar[bool] = True


class NoSuchRoute(NotFound):
    code = "no_such_route"


class WrongMethod(NotFound):
    code = "method_not_allowed"


class Internal(ManagerError):
    """A fault of ours. Its text never carries the cause: that is for the log."""

    code = "internal"


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of problem: its status, its title and what a client does about it."""

    error: type[ManagerError]
    status: int
    title: str
    advice: str


KINDS: Final[Mapping[str, Kind]] = {
    kind.error.code: kind
    for kind in (
        Kind(MalformedRequest, 400, "Malformed request", "Send well-formed UTF-8 JSON and plain ids."),
        Kind(NotAuthenticated, 401, "Not authenticated", "Send 'Authorization: Bearer <api key>'."),
        Kind(NotAllowed, 403, "Not allowed", "Use a key with the scope this request needs."),
        Kind(NotFound, 404, "Not found", "Check the id; a thing of another tenant does not exist for you."),
        Kind(NoSuchRoute, 404, "No such route", "Look the route up in /api/openapi.json."),
        Kind(WrongMethod, 405, "Method not allowed", "Use one of the methods in the Allow header."),
        Kind(TooSlow, 408, "Request too slow", "Send the request faster, or again over a better line."),
        Kind(Conflict, 409, "Conflict", "Look at the state of the thing first, then decide."),
        Kind(BodyTooLarge, 413, "Body too large", "Send less; the limit is in the detail."),
        Kind(UnsupportedMedia, 415, "Unsupported media type", "Send application/json in UTF-8."),
        Kind(InvalidFields, 422, "Invalid fields", "Correct the fields listed in 'errors'."),
        Kind(InvalidRequest, 422, "Request refused by a rule", "Change what the detail names."),
        Kind(TooManyRequests, 429, "Too many requests", "Wait for Retry-After seconds."),
        Kind(Internal, 500, "Internal error", "Report it with the request id."),
        Kind(InvalidSettings, 500, "Settings not usable", "An operator must correct the settings."),
        Kind(DeviceError, 502, "Encoder did not do it", "Look at the encoder's status."),
        Kind(NoCapacity, 503, "No encoder can take it now", "Try again later or add an encoder."),
        Kind(NotLeading, 503, "Another control acts", "Try again after Retry-After seconds, or at that one."),
        Kind(Unavailable, 503, "A part of the system is away", "Try again after Retry-After seconds."),
    )
}
DEFAULT_RETRY_S: Final = 5
"""Retry-After of a 503 whose error names no time."""


def kind_of(error: ManagerError) -> Kind:
    """The most special kind known for `error`."""
    for ancestor in type(error).__mro__:
        kind = KINDS.get(getattr(ancestor, "code", ""))
        if kind is not None and isinstance(error, kind.error):
            return kind
    return KINDS["internal"]


def document(error: ManagerError, *, instance: str) -> dict[str, Any]:
    """The problem document; `instance` is the request's id as `urn:`-like text."""
    kind = kind_of(error)
    problem: dict[str, Any] = {
        "type": f"/problems/{kind.error.code}",
        "title": kind.title,
        "status": kind.status,
        "detail": error.detail,
        "instance": instance,
        "code": kind.error.code,
        "hint": error.hint or kind.advice,
        "retryable": error.retryable,
    }
    if isinstance(error, InvalidFields):
        problem["errors"] = [{"field": field, "message": message} for field, message in error.faults]
    if isinstance(error, NoCapacity) and error.reason is not None:
        problem["reason"] = error.reason
    return problem


def headers_of(error: ManagerError) -> dict[str, str]:
    headers: dict[str, str] = {}
    status = kind_of(error).status
    if status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="encoder-manager"'
    if error.retry_after_s is not None:
        headers["Retry-After"] = str(max(1, round(error.retry_after_s + 0.5)))
    elif status == 503:
        headers["Retry-After"] = str(DEFAULT_RETRY_S)
    return headers


def answer(error: ManagerError, *, instance: str) -> web.Response:
    return web.Response(
        body=orjson.dumps(document(error, instance=instance)),
        status=kind_of(error).status,
        content_type=MEDIA_TYPE,
        headers=headers_of(error),
    )
