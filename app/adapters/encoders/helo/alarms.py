"""Alarms of a HELO: base64 of a protobuf message with state, severity and texts. Pure.

The schema is the one that a sister product serves: Alarm {1 state, 2 severity, 3 repeated Error}, Error {1 text,
2 short_text}. Only the state says whether an alarm is active; the severity is there when it is not, too.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from typing import Final

from app.adapters.encoders.helo.wire import Garbled
from app.domain.device import DeviceAlarm

_ACTIVE: Final = 1
_SEVERITIES: Final = ("warning", "error", "fatal")
_MAX_TEXTS: Final = 8
_MAX_TEXT: Final = 200
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def read_alarm(alarm_id: str, value: str) -> DeviceAlarm | None:
    """The alarm when it is active, else None. `alarm_id` without prefix. Raises Garbled."""
    try:
        message = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Garbled(f"{alarm_id} is no base64") from error
    state, severity = 0, 0
    texts: list[str] = []
    for field, content in _fields(message):
        if field == 1 and isinstance(content, int):
            state = content
        elif field == 2 and isinstance(content, int):
            severity = content
        elif field == 3 and isinstance(content, bytes) and len(texts) < _MAX_TEXTS:
            texts.append(_error_text(content))
    if state != _ACTIVE:
        return None
    # A severity of a later schema is at least as bad as the worst one known.
    name = _SEVERITIES[min(severity, len(_SEVERITIES) - 1)]
    return DeviceAlarm(alarm_id, name, "; ".join(filter(None, texts)))


def _error_text(message: bytes) -> str:
    said = {field: content for field, content in _fields(message) if isinstance(content, bytes)}
    text = said.get(1) or said.get(2) or b""
    return "".join(c for c in text[:_MAX_TEXT].decode("utf-8", "replace") if c.isprintable())


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Field number and content. Raises Garbled for anything that does not end where it says."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        field, kind = tag >> 3, tag & 7
        if kind == _VARINT:
            value, at = _varint(message, at)
            yield field, value
            continue
        if kind == _BYTES:
            length, at = _varint(message, at)
        elif kind in (_FIXED64, _FIXED32):
            length = 8 if kind == _FIXED64 else 4
        else:
            raise Garbled("an alarm holds a field of no known kind")
        if at + length > len(message):
            raise Garbled("an alarm is cut off")
        yield field, message[at : at + length]
        at += length


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(message):
            raise Garbled("an alarm is cut off")
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise Garbled("a number in an alarm does not end")
