"""A way to tell people: Telegram, e-mail, a webhook, Alertmanager."""

from __future__ import annotations

from typing import Protocol

from app.domain.alert import AlertGroup


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
