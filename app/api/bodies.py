"""Reads a JSON body strictly: size, time, charset, depth, doubled names, then the model. Queries alike.

What the fields mean is the model's business.
"""

from __future__ import annotations

import asyncio
import json
import zlib
from collections.abc import Mapping
from typing import Any, Final, TypeVar

import orjson
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from pydantic import ValidationError

from app.api.problems import BodyTooLarge, InvalidFields, MalformedRequest, TooSlow, UnsupportedMedia
from app.api.registry import Body

MAX_BODY_BYTES: Final = 256 * 1024
MAX_DEPTH: Final = 32
MAX_FAULTS: Final = 20
BODY_DEADLINE_S: Final = 30.0

B = TypeVar("B", bound=Body)


async def read_body(request: web.Request, model: type[B], *, deadline_s: float = BODY_DEADLINE_S) -> B:
    """The body of `request` as `model`. Raises MalformedRequest, BodyTooLarge, UnsupportedMedia, TooSlow or
    InvalidFields."""
    if request.content_type != "application/json" or (request.charset or "utf-8").lower() not in ("utf-8", "utf8"):
        raise UnsupportedMedia(f"the body is {request.content_type}, not application/json in UTF-8")
    try:
        async with asyncio.timeout(deadline_s):
            raw = await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise BodyTooLarge(f"the body is larger than {MAX_BODY_BYTES} bytes") from None
    except TimeoutError:
        raise TooSlow(f"the body did not arrive within {deadline_s:g} s") from None
    except (web.RequestPayloadError, HttpProcessingError, zlib.error):
        raise MalformedRequest("the body is not encoded as its headers say") from None
    return parse(raw, model)


def read_query(request: web.Request, model: type[B]) -> B:
    """The query of `request` as `model`. Raises MalformedRequest or InvalidFields."""
    given = request.query
    if len(set(given)) != len(given):
        raise MalformedRequest("the query names an entry twice")
    try:
        return model.model_validate(dict(given))
    except ValidationError as error:
        raise InvalidFields(tuple(_faults(error))) from None


def parse(raw: bytes, model: type[B]) -> B:
    """`raw` as `model`, after everything that JSON parsers disagree about has been refused."""
    check_json(raw)
    try:
        return model.model_validate_json(raw)
    except ValidationError as error:
        raise InvalidFields(tuple(_faults(error))) from None


def check_json(raw: bytes) -> None:
    """Raises MalformedRequest for what is no JSON, deeper than MAX_DEPTH, or names an entry twice."""
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        # Only where, never what: the text may hold a secret.
        raise MalformedRequest(f"the body is not JSON: {error.msg} at {error.lineno}:{error.colno}") from None
    if _depth(value) > MAX_DEPTH:
        raise MalformedRequest(f"the body is nested deeper than {MAX_DEPTH}")
    json.loads(raw, object_pairs_hook=_no_doubles, parse_int=str, parse_float=str)


def _no_doubles(pairs: list[tuple[str, Any]]) -> Mapping[str, Any]:
    entries = dict(pairs)
    if len(entries) != len(pairs):
        raise MalformedRequest("the body names an entry twice")
    return entries


def _depth(value: Any) -> int:
    level, depth = [value], 0
    while level:
        depth += 1
        if depth > MAX_DEPTH:
            break
        level = [
            child
            for item in level
            if isinstance(item, dict | list)
            for child in (item.values() if isinstance(item, dict) else item)
        ]
    return depth


def _faults(error: ValidationError) -> list[tuple[str, str]]:
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return [(".".join(str(part) for part in fault["loc"]) or "body", fault["msg"]) for fault in found[:MAX_FAULTS]]
