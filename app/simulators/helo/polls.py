"""The long poll's connections: who has seen which changes, and whose id is no more. Pure.

Leaves to others: holding a request until something changes (`doors`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from app.simulators.helo.memory import Change
from app.simulators.helo.parameters import PREFIX, Kind, Parameter

_MOST_CONNECTIONS: Final = 64
_WIRE_TYPES: Final = {Kind.ENUM: "1", Kind.INTEGER: "2", Kind.STRING: "12", Kind.DATA: "13"}


@dataclass(slots=True)
class _Connection:
    seen: int
    used_at: float


class Polls:
    def __init__(self, life_s: float) -> None:
        self._life_s = life_s
        self._last_id = 0
        self._connections: dict[int, _Connection] = {}

    def open(self, now: float, changes: int) -> int:
        """A new id; it hears of changes after the first `changes` ones."""
        while len(self._connections) >= _MOST_CONNECTIONS:
            del self._connections[min(self._connections, key=lambda one: self._connections[one].used_at)]
        self._last_id += 1
        self._connections[self._last_id] = _Connection(changes, now)
        return self._last_id

    def seen(self, number: int, now: float) -> int | None:
        """How many changes this one has heard of; None: the id is no more. Counts as use."""
        connection = self._connections.get(number)
        if connection is None or now - connection.used_at > self._life_s:
            self._connections.pop(number, None)
            return None
        connection.used_at = now
        return connection.seen

    def told(self, number: int, now: float, changes: int) -> None:
        connection = self._connections.get(number)
        if connection is not None:
            connection.seen, connection.used_at = changes, now

    def forget(self) -> None:
        """A restart: ids begin low again."""
        self._connections.clear()
        self._last_id = 0


def events(changes: Iterable[Change]) -> list[dict[str, Any]]:
    """As they go out, each parameter once, with its latest value."""
    latest = {change.parameter.name: change for change in changes}
    return [_event(change) for change in latest.values()]


def _event(change: Change) -> dict[str, Any]:
    parameter, value = change.parameter, change.value
    is_text = parameter.kind in (Kind.STRING, Kind.DATA)
    name = value if is_text else value_name(change.parameter, value)
    return {
        "int_value": "0" if is_text else value,
        "last_config_update": str(change.number),
        "param_id": PREFIX + parameter.name,
        "param_type": _WIRE_TYPES[parameter.kind],
        "str_value": name,
    }


def value_name(parameter: Parameter, value: str) -> str:
    """The device's word for a value; an integer's is the number again, a text has none."""
    if parameter.kind is Kind.INTEGER:
        return value
    if parameter.kind is Kind.ENUM and value.lstrip("-").isdigit():
        return parameter.texts.get(int(value), "")
    return ""
