"""A way to tell people: Telegram, e-mail, a webhook, Alertmanager."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from app.domain.alert import Alert, AlertGroup


class Notifier(Protocol):
    @property
    def name(self) -> str:
        """Of the channel, unique: it stands in logs, alerts and metrics."""

    async def send(self, group: AlertGroup) -> None:
        """Tell it. Done when the other side has taken it.

        Raises Unavailable, with `retry_after_s` where the other side named a time, when trying again makes sense;
        InvalidRequest when this can never be sent; NotAllowed when the channel as a whole is refused, as by a wrong
        token.
        """

    async def close(self) -> None: ...


class AlertTaker(Protocol):
    """Somebody who groups and tells people himself, and wants to hear again and again of what still fires."""

    @property
    def name(self) -> str: ...

    async def hand_in(self, alerts: Sequence[Alert], *, ends_at: datetime) -> None:
        """`ends_at`: when those that fire are over unless they are handed in again.

        Raises Unavailable, NotAllowed, InvalidRequest.
        """
