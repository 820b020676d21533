"""Follows the connection to every encoder: hears what comes and what is lost, answers how good it is.

What makes a connection good is `app/policy/connection_health.py`'s verdict; who is offline is the fleet's.
"""

from __future__ import annotations

from typing import Final

from app.domain.connection import ConnectionHealth
from app.domain.encoder import EncoderState
from app.domain.events import EncoderChanged, EncoderRead, Event
from app.domain.ids import EncoderId
from app.policy.connection_health import HISTORY_S, History, came, heard, judge, lost
from app.runtime.clock import monotonic

MAX_ENCODERS: Final = 10_000
_NOTHING: Final = History()


class HealthConnections:
    """`hear` is a listener of the bus."""

    def __init__(self) -> None:
        self._histories: dict[EncoderId, History] = {}

    def hear(self, event: Event) -> None:
        match event:
            case EncoderRead():
                self._note(event.encoder_id, heard(self._history(event.encoder_id), monotonic()))
            case EncoderChanged(state=EncoderState.OFFLINE):
                self._note(event.encoder_id, lost(self._history(event.encoder_id), monotonic()))
            case EncoderChanged(state=EncoderState.ONLINE | EncoderState.DRAINING):
                self._note(event.encoder_id, came(self._history(event.encoder_id), monotonic()))
            case _:
                pass

    def of(self, encoder_id: EncoderId) -> ConnectionHealth | None:
        """None: it was never met."""
        history = self._histories.get(encoder_id)
        return None if history is None else judge(history, monotonic())

    def _history(self, encoder_id: EncoderId) -> History:
        return self._histories.get(encoder_id, _NOTHING)

    def _note(self, encoder_id: EncoderId, history: History) -> None:
        if encoder_id not in self._histories and len(self._histories) >= MAX_ENCODERS:
            self._forget_the_gone()
            if len(self._histories) >= MAX_ENCODERS:
                return
        self._histories[encoder_id] = history

    def _forget_the_gone(self) -> None:
        now = monotonic()
        self._histories = {
            encoder_id: history
            for encoder_id, history in self._histories.items()
            if history.is_up or not history.drops or now - history.drops[-1].at < HISTORY_S
        }
