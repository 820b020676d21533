"""How long to wait before the next try. Pure: randomness is handed in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

FIRST_S: Final = 1.0
MAX_S: Final = 60.0
STEADY_S: Final = 30.0
"""A push that lived this long was good: the next failure begins at the first step again."""


class Backoff:
    """`jitter` gives numbers in [0, 1): half of each wait is random, so many pushes do not return at once."""

    def __init__(self, jitter: Callable[[], float], *, first_s: float = FIRST_S, max_s: float = MAX_S) -> None:
        self._jitter = jitter
        self._first_s = first_s
        self._max_s = max_s
        self._step_s = first_s

    def failed(self, lived_s: float) -> float:
        """Seconds to wait after a try that was up for `lived_s`."""
        if lived_s >= STEADY_S:
            self._step_s = self._first_s
        wait_s = self._step_s * (0.5 + self._jitter() / 2)
        self._step_s = min(self._max_s, self._step_s * 2)
        return wait_s
