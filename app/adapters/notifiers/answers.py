"""What an answer over HTTP means for a message: taken, later, never, or not by us. Bodies are read only so far."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Final

import aiohttp

from app.domain.errors import InvalidRequest, ManagerError, NotAllowed, Unavailable
from app.runtime.clock import utc_now

MAX_ANSWER_BYTES: Final = 64 * 1024
TOTAL_S: Final = 15.0
_LATER: Final = frozenset({408, 421, 423, 425, 429})
_NOT_BY_US: Final = frozenset({401, 403, 407, 410})


@asynccontextmanager
async def reaching(name: str) -> AsyncIterator[None]:
    """Errors of the way there become Unavailable. They never hold the address: it may hold a token."""
    try:
        yield
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        raise Unavailable(f"{name} cannot be reached: {type(error).__name__}") from error


async def read_some(answer: aiohttp.ClientResponse) -> bytes:
    """The body, which may come in pieces, up to MAX_ANSWER_BYTES."""
    pieces = bytearray()
    while len(pieces) < MAX_ANSWER_BYTES and (piece := await answer.content.read(MAX_ANSWER_BYTES - len(pieces))):
        pieces += piece
    return bytes(pieces)


def refusal(name: str, status: int, retry_after_s: float | None) -> ManagerError:
    """The error for an answer that is no success."""
    text = f"{name} answers {status} {_phrase(status)}".rstrip()
    if status in _LATER or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Unavailable(text, retry_after_s=retry_after_s)
    if status in _NOT_BY_US:
        return NotAllowed(text)
    return InvalidRequest(text)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def retry_after_s(value: str | None) -> float | None:
    """Seconds, from either form of Retry-After (RFC 9110, 10.2.3); None: none was named."""
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            when = parsedate_to_datetime(value)
        except ValueError:
            return None
        when = when if when.tzinfo is not None else when.replace(tzinfo=UTC)
        seconds = (when - utc_now()).total_seconds()
    return max(0.0, seconds) if math.isfinite(seconds) else None
