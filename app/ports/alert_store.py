"""What outlives a restart of what people are told: alerts, messages on their way, silences."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from app.domain.alert import Alert
from app.domain.notification import KeptAlert, OutMessage, Silence


class AlertStore(Protocol):
    """Every call raises Unavailable while the database is away, NotLeading when another control acts."""

    async def keep_alerts(self, alerts: Sequence[KeptAlert], messages: Sequence[OutMessage] = ()) -> None:
        """Insert or replace the alerts, and put the messages into the outbox: all of it or nothing.

        A message whose id is there already stays as it is. The last 10,000 alerts that are over are kept.
        """

    async def open_alerts(self) -> tuple[KeptAlert, ...]:
        """All that are not settled, oldest first."""

    async def alert_history(self, *, limit: int = 100, before: datetime | None = None) -> tuple[Alert, ...]:
        """Those that began before `before`, newest first, firing ones too."""

    async def waiting_messages(self) -> tuple[OutMessage, ...]:
        """In the order in which they were put there."""

    async def dead_letters(self, *, limit: int = 100) -> tuple[OutMessage, ...]:
        """Newest first; the last 1,000 are kept."""

    async def put_message(self, message: OutMessage) -> None:
        """Remember how it is with a message that is there: attempts, times, dead or not."""

    async def message_sent(self, message_id: str) -> None: ...

    async def put_silence(self, silence: Silence) -> None: ...

    async def silences(self) -> tuple[Silence, ...]:
        """All that were not dropped, those that ended in the last week too."""

    async def drop_silence(self, silence_id: str) -> bool:
        """False when there is no such silence."""
