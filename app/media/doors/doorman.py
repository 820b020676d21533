"""Counts who is inside a door, in all and by address. Pure."""

from __future__ import annotations

from typing import Final

MAX_CONNECTIONS: Final = 2_000
MAX_PER_ADDRESS: Final = 200
"""Many viewers share one address behind a carrier's NAT; workers and relays of one machine do, too."""


class Doorman:
    """`turned_away` counts those who were one too many, `cut` those who took too long to say what they want."""

    def __init__(self, *, total: int = MAX_CONNECTIONS, per_address: int = MAX_PER_ADDRESS) -> None:
        self._total = total
        self._per_address = per_address
        self._held: dict[str, int] = {}
        self.connections = 0
        self.turned_away = 0
        self.cut = 0

    def enter(self, address: str) -> bool:
        """Count one in; False when there are too many, in all or from `address`."""
        held = self._held.get(address, 0)
        if self.connections >= self._total or held >= self._per_address:
            self.turned_away += 1
            return False
        self.connections += 1
        self._held[address] = held + 1
        return True

    def leave(self, address: str) -> None:
        """One who was let in from `address` is gone."""
        self.connections -= 1
        held = self._held.pop(address) - 1
        if held:
            self._held[address] = held
