"""What a HELO's parameters hold: stored profiles behind plain names, presets, what lasts, what changed. Pure.

Leaves to others: who may write what, and what follows from it (`unit`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from app.simulators.helo.parameters import SELECTORS, Catalogue, Parameter

_KEPT_CHANGES: Final = 1024
"""A reader who is further behind gets what is left."""
DURATIONS: Final = frozenset(("StreamingDuration", "RecordingDuration", "FileDuration", "SystemTime"))


@dataclass(frozen=True, slots=True)
class Change:
    number: int
    parameter: Parameter
    value: str


class Memory:
    """Values by name without prefix, each a string as on the wire."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        self.changes = 0
        """How many there were so far."""
        self.tells_durations = False
        """Whether what counts every second is a change worth an event."""
        self.hidden: frozenset[str] = frozenset()
        """Names that another firmware does not know: they work inside, and nobody sees them."""
        self._values = {name: parameter.default for name, parameter in catalogue.items()}
        self._log: deque[Change] = deque(maxlen=_KEPT_CHANGES)
        self._presets: dict[int, dict[str, str]] = {}

    def seen(self, name: str) -> Parameter | None:
        """The parameter as clients may know it; None: this firmware does not have it."""
        return None if name in self.hidden else self.catalogue.get(name)

    def all_seen(self) -> Iterator[Parameter]:
        return (parameter for name, parameter in self.catalogue.items() if name not in self.hidden)

    def get(self, name: str) -> str:
        """The value; empty for a name that no firmware has."""
        return self._values.get(self._stored(name), "")

    def number(self, name: str) -> int:
        """The value as a number; 0 for what is none."""
        try:
            return int(self.get(name))
        except ValueError:
            return 0

    def put(self, name: str, value: str | int) -> None:
        """Hold a value, whoever may write it. A name that no firmware has is passed over."""
        parameter = self.catalogue.get(name)
        if parameter is None or self.get(name) == str(value):
            return
        self._values[self._stored(name)] = str(value)
        self._note(parameter)
        if parameter.name in SELECTORS.values():
            for field in self._fields(parameter.section):
                self._note(field)

    def since(self, number: int) -> Iterator[Change]:
        """Changes after that one, the oldest first."""
        return (change for change in self._log if change.number > number)

    def restart(self) -> None:
        """What does not survive a restart is as it was when the unit was made."""
        for name, parameter in self.catalogue.items():
            if not parameter.survives_restart and not parameter.is_profile_field:
                self.put(name, parameter.default)

    def forget(self, *, everything: bool) -> None:
        """A factory reset; the soft one keeps network and identity."""
        for name, parameter in self.catalogue.items():
            if parameter.is_profile_field or not parameter.is_writable:
                continue
            if everything or parameter.is_in_presets or parameter.profile is not None:
                self.put(name, parameter.default)
        if everything:
            self._presets.clear()

    def save_preset(self, number: int) -> None:
        kept = [name for name, parameter in self.catalogue.items() if parameter.is_in_presets]
        self._presets[number] = {name: self.get(name) for name in kept}

    def preset(self, number: int) -> Mapping[str, str] | None:
        """What was stored there; None: nothing."""
        return self._presets.get(number)

    def recall_preset(self, number: int) -> None:
        """Selectors first: the plain names that follow stand for what they select."""
        stored = self._presets[number]
        for name in SELECTORS.values():
            self.put(name, stored.get(name, "0"))
        for name, value in stored.items():
            self.put(name, value)

    def erase_preset(self, number: int) -> None:
        self._presets.pop(number, None)

    def _stored(self, name: str) -> str:
        """Where a value lies: a plain profile field stands for the selected profile's copy."""
        parameter = self.catalogue.get(name)
        if parameter is None or not parameter.is_profile_field:
            return name
        selected = int(self._values.get(SELECTORS[parameter.section], "0"))
        return f"{name}_{selected + 1}"

    def _fields(self, section: str) -> Iterator[Parameter]:
        return (item for item in self.catalogue.values() if item.section == section and item.is_profile_field)

    def _note(self, parameter: Parameter) -> None:
        is_counting = parameter.name in DURATIONS and not self.tells_durations
        if is_counting or parameter.name in self.hidden:
            return
        self.changes += 1
        self._log.append(Change(self.changes, parameter, self.get(parameter.name)))
