"""One life of a control's services: they stand by, then act under one epoch, then never again.

The process may lead again under a later epoch, with new services; what is left of these has no part in that.
"""

from __future__ import annotations

from app.services.leadership import Leadership


class Reign:
    def __init__(self, leadership: Leadership) -> None:
        self._leadership = leadership
        self._mine: int | None = None
        self._is_open = False

    @property
    def epoch(self) -> int | None:
        """Under which these services may act at this moment; None: they may not."""
        epoch = self._leadership.epoch
        return epoch if epoch is not None and epoch == self._mine else None

    @property
    def standby(self) -> str | None:
        """Why nobody is let in here, in words; None: these services lead."""
        if self._is_open and self.epoch is not None:
            return None
        return self._leadership.standby or "standby: this control is taking over"

    def begin(self, epoch: int) -> None:
        self._mine = epoch

    def open(self) -> None:
        """What the store holds is known: clients may come."""
        self._is_open = True
