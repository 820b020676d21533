"""Answers of a HELO's web interface, read strictly: they come from a machine that others can reach too. Pure.

Content types are ignored: the device names the wrong ones. Values are text even where they are numbers; a number
where text is due is taken too. Asking and waiting are `client.py`'s.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, urlencode

import orjson

PREFIX: Final = "eParamID_"
LOGIN_PATH: Final = "/authenticator/login"
DESCRIPTORS_PATH: Final = "/desc.json"
PICTURE_PATH: Final = "/wall/videofeed.jpg"
_MAX_TEXT: Final = 8_192
_MAX_EVENTS: Final = 4_096
_SESSION: Final = re.compile(r"session=([!#-+\--:<-\[\]-~]{1,256})")
_CONNECTION: Final = re.compile(r"[0-9]{1,20}")


class Garbled(ValueError):
    """Not an answer of this interface. The text names the place, never the content."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """`id` without its prefix. `value` as text; compare numbers, never names."""

    id: str
    value: str


def number(text: str | None) -> int | None:
    """A whole number in decimal, or None."""
    if text is None or len(text) > 20 or not text.isascii():
        return None
    return int(text) if text.removeprefix("-").isdigit() else None


def get_query(param_id: str) -> str:
    return f"/config?action=get&paramid={PREFIX}{param_id}"


def set_query(param_id: str, value: str) -> str:
    return f"/config?action=set&paramid={PREFIX}{param_id}&value={quote(value, safe='')}"


def login_form(password: str) -> bytes:
    return urlencode({"password_provided": password}).encode()


def read_parameter(body: bytes, wanted: str) -> Parameter | None:
    """None: the device does not have it. Raises Garbled."""
    answer = _object(body)
    name = answer.get("name", PREFIX + wanted)
    if name != PREFIX + wanted:
        raise Garbled(f"the answer about {wanted} is about something else")
    value = _text(answer.get("value"), f"the value of {wanted}")
    if value == "" and answer.get("value_name") == "Invalid":
        return None
    return Parameter(wanted, value)


def read_login(body: bytes) -> bool:
    """Whether the password was taken. Raises Garbled."""
    said = _object(body).get("login")
    if not isinstance(said, str):
        raise Garbled("the answer to the login says nothing of it")
    return said == "success"


def session_cookie(set_cookie: str) -> str | None:
    """The session in a Set-Cookie header; None where there is none, or one that means a refusal."""
    found = _SESSION.match(set_cookie.strip())
    if found is None or "invalid" in found[1].lower():
        return None
    return found[1]


def read_connection(body: bytes) -> str | None:
    """The id of an event connection; None: refused. Raises Garbled."""
    connection = _text(_object(body).get("connectionid", "0"), "the connection id")
    if not _CONNECTION.fullmatch(connection):
        raise Garbled("the connection id is no number")
    return connection if int(connection) else None


def read_events(body: bytes) -> frozenset[str]:
    """Ids of the parameters that changed. Empty where nothing did. Raises Garbled: the connection has expired.

    Only that they changed is taken from here: no event of this device was ever published, so the values are asked.
    """
    if body.strip() in (b"", b"{}"):
        return frozenset()
    events = _json(body)
    if not isinstance(events, list) or len(events) > _MAX_EVENTS:
        raise Garbled("the events are no list")
    ids = (event.get("param_id") for event in events if isinstance(event, dict))
    return frozenset(i.removeprefix(PREFIX) for i in ids if isinstance(i, str) and len(i) < 100)


def _object(body: bytes) -> Mapping[str, Any]:
    answer = _json(body)
    if not isinstance(answer, dict):
        raise Garbled("the answer is no JSON object")
    return answer


def _json(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Garbled("the answer is no JSON") from error


def _text(value: object, what: str) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or len(value) > _MAX_TEXT:
        raise Garbled(f"{what} is no text")
    return value
