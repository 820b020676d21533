"""Whose turn it is to leave for heat: one stream of the whole fleet at a time, of workers and of devices alike."""

from __future__ import annotations

from app.policy.slow_evidence import SPACING_S


class HeatTurn:
    """Times in monotonic seconds."""

    def __init__(self) -> None:
        self._free_from = 0.0

    def is_free(self, now: float) -> bool:
        return now >= self._free_from

    def take(self, now: float) -> None:
        """The next one waits from now on."""
        self._free_from = now + SPACING_S
