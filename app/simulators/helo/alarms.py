"""Alarms as the device tells them: a protobuf message in base64 (`state`, `severity`, `error`). Pure.

Source: the schema that a Ki Pro serves. Leaves to others: when an alarm is on.
"""

from __future__ import annotations

import base64
from typing import Final

_SEVERITIES: Final = {"warning": 0, "": 0, "error": 1, "fatal": 2}
_STATE, _SEVERITY, _ERROR = b"\x08", b"\x10", b"\x1a"
_TEXT, _SHORT_TEXT = b"\x0a", b"\x12"


def alarm_value(*, is_active: bool, severity: str, text: str = "") -> str:
    """The value on the wire. `text` is told while the alarm is active; severity is always told."""
    message = _STATE + bytes((is_active,)) + _SEVERITY + bytes((_SEVERITIES[severity],))
    if is_active and text:
        coded = text.encode()[:61]
        error = _TEXT + bytes((len(coded),)) + coded + _SHORT_TEXT + bytes((len(coded),)) + coded
        message += _ERROR + bytes((len(error),)) + error
    return base64.b64encode(message).decode()
