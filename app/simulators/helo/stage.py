"""How scenarios are played: a name and parameters become a call of the function that was entered under that name.

A scenario's parameters are those of its function, with their defaults. Leaves to others: which ones there are
(`scenarios`), what follows from them (`unit`).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from app.simulators.helo.faults import Faults
from app.simulators.helo.sessions import Sessions
from app.simulators.helo.storage import SD, USB, Medium
from app.simulators.helo.unit import Unit

_PLACES: Final = {"sd": SD, "usb": USB, "smb": 2, "nfs": 3}


@dataclass(frozen=True, slots=True)
class Stage:
    """What a scenario may touch."""

    unit: Unit
    faults: Faults
    sessions: Sessions
    now: float

    def medium(self, place: str) -> Medium:
        """Raises ValueError for an unknown place."""
        if place not in _PLACES:
            raise ValueError(f"no place {place!r}; there are {', '.join(_PLACES)}")
        return self.unit.storage.media[_PLACES[place]]


Scenario = Callable[..., None]
S = TypeVar("S", bound=Scenario)
_SCENARIOS: Final[dict[str, Scenario]] = {}


def scenario(act: S) -> S:
    _SCENARIOS[act.__name__] = act
    return act


def play(stage: Stage, name: str, how: Mapping[str, object]) -> None:
    """Raises ValueError for an unknown name, an unknown parameter, or a value of another kind."""
    act = _SCENARIOS.get(name)
    if act is None:
        raise ValueError(f"no scenario {name!r}; there are {', '.join(sorted(_SCENARIOS))}")
    known = _parameters(act)
    unknown = set(how) - set(known)
    if unknown:
        raise ValueError(f"{name} knows no {', '.join(sorted(unknown))}; it takes {', '.join(known) or 'nothing'}")
    act(stage, **{key: _as(type(known[key].default), key, value) for key, value in how.items()})


def catalogue() -> dict[str, dict[str, Any]]:
    """Names, what they do, and their parameters with defaults."""
    return {
        name: {
            "does": " ".join((inspect.getdoc(act) or "").split()),
            "parameters": {key: parameter.default for key, parameter in _parameters(act).items()},
        }
        for name, act in sorted(_SCENARIOS.items())
    }


def _parameters(act: Scenario) -> dict[str, inspect.Parameter]:
    return {name: one for name, one in inspect.signature(act).parameters.items() if name != "stage"}


def _as(kind: type, name: str, value: object) -> object:
    """Numbers may come as words, as a command line gives them."""
    if isinstance(value, kind) and isinstance(value, bool) == (kind is bool):
        return value
    words = {"true": True, "false": False}
    try:
        if kind is bool and isinstance(value, str):
            return words[value.lower()]
        if kind in (int, float) and isinstance(value, int | float | str) and not isinstance(value, bool):
            return kind(value)
    except (ValueError, KeyError):
        pass
    raise ValueError(f"{name} is a {kind.__name__}, not {value!r}")
