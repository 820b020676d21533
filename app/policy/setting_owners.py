"""Who may change a setting of a device when several rules want it otherwise: one at a time, and not back. Pure.

A rule that changed a setting owns it until it gives it up. A setting is changed once a minute at most, and never
back to a value that it was changed away from within the hour: two rules that pull it both ways come to rest after
the first change. Undoing a change of one's own is always allowed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

DWELL_S: Final = 60.0
NOT_BACK_S: Final = 3_600.0
MAX_SETTINGS: Final = 10_000


@dataclass(slots=True)
class _Held:
    owner: str | None
    changed: float
    left: tuple[tuple[float, str | None], ...] = ()
    """Values that it was changed away from, and when."""


class SettingOwners:
    """`key`: the device and its setting; values as words; `now` in monotonic seconds."""

    def __init__(self) -> None:
        self._held: dict[tuple[str, str], _Held] = {}

    def refusal(self, key: tuple[str, str], owner: str, value: str, now: float) -> str | None:
        """Why `owner` may not set it to `value` now; None: it may."""
        held = self._held.get(key)
        if held is None:
            return "too many settings are watched" if len(self._held) >= MAX_SETTINGS else None
        if held.owner not in (None, owner):
            return f"{held.owner} has set it"
        if now - held.changed < DWELL_S:
            return "it was changed within the last minute"
        if any(now - at < NOT_BACK_S and was == value for at, was in held.left):
            return "it was changed away from this value within the last hour"
        return None

    def changed(self, key: tuple[str, str], owner: str, was: str | None, now: float) -> None:
        held = self._held.setdefault(key, _Held(owner, now))
        fresh = tuple((at, value) for at, value in held.left if now - at < NOT_BACK_S)
        held.owner, held.changed, held.left = owner, now, (*fresh, (now, was))

    def undone(self, key: tuple[str, str], now: float) -> None:
        """The last change was taken back: nobody owns it, and it may be tried again after the dwell time."""
        held = self._held.get(key)
        if held is not None:
            held.owner, held.changed, held.left = None, now, held.left[:-1]

    def give_up(self, key: tuple[str, str]) -> None:
        """What its owner changed it for is over."""
        held = self._held.get(key)
        if held is not None:
            held.owner = None
