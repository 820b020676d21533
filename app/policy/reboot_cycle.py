"""Whether something restarts again and again: three times within five minutes. Pure."""

from __future__ import annotations

from typing import Final

RESTARTS: Final = 3
WITHIN_S: Final = 300.0


class RebootCycle:
    """Of one device or medium; `now` in monotonic seconds."""

    def __init__(self) -> None:
        self._at: tuple[float, ...] = ()

    def restarted(self, now: float) -> None:
        """Once more."""
        self._at = (*(at for at in self._at if now - at <= WITHIN_S), now)[-RESTARTS:]

    def lasts(self, now: float) -> bool:
        """Until it has been quiet for as long."""
        return len(self._at) == RESTARTS and now - self._at[-1] <= WITHIN_S
