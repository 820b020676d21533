"""Messages on their way to people: in memory for those who send them, in the store for the next start.

A message is in the store before it is sent, together with the word that its alerts were told, so after a kill at
any moment it is sent at least once, and a second time only if it died between the sending and the acknowledgement.
While the store is away messages go out all the same. Who sends them, and when again, is `alert_sender.py`'s
business.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Final

import structlog

from app.domain.errors import NotFound, NotLeading, Unavailable
from app.domain.notification import KeptAlert, OutMessage
from app.ports.alert_store import AlertStore

MAX_WAITING: Final = 20
"""Of one channel. Beyond it nothing is put there: what happens meanwhile is said in one digest later."""
MAX_FORGOTTEN: Final = 1_000

log = structlog.get_logger()


class Outbox:
    def __init__(self, *, store: AlertStore, channels: Iterable[str]) -> None:
        self._store = store
        self._waiting: dict[str, deque[OutMessage]] = {name: deque() for name in channels}
        self._some: dict[str, asyncio.Event] = {name: asyncio.Event() for name in self._waiting}
        self._is_away = False
        self._unstored: set[str] = set()
        """Waiting here, and made while the store was away: put there with the next word that alerts were told."""
        self._sent_unsaid: dict[str, None] = {}
        """Sent while the store was away: it does not know yet."""

    async def load(self) -> None:
        """What a process before left here. Of channels that are no more, it stays in the store."""
        for message in await self._store.waiting_messages():
            self._append(message)

    def is_full(self, channel: str) -> bool:
        return len(self._waiting[channel]) >= MAX_WAITING

    def count(self, channel: str) -> int:
        return len(self._waiting[channel])

    async def put(self, alerts: Sequence[KeptAlert], messages: Sequence[OutMessage]) -> bool:
        """Keep the alerts and send the messages. False: the store is away; keep the alerts again later.

        Raises NotLeading: another control tells people now.
        """
        late = self._late()
        is_kept = True
        if alerts or messages or late:
            try:
                await self._store.keep_alerts(alerts, (*late, *messages))
                self._unstored.difference_update(message.id for message in late)
            except NotLeading:
                raise
            except Unavailable as error:
                if not self._is_away:
                    log.warning("alerts are not in the store", alerts=len(alerts), reason=error.detail)
                is_kept = False
                self._unstored.update(message.id for message in messages)
            self._is_away = not is_kept
        for message in messages:
            self._append(message)
        return is_kept

    def _late(self) -> tuple[OutMessage, ...]:
        waiting = [message for queue in self._waiting.values() for message in queue]
        self._unstored.intersection_update(message.id for message in waiting)
        return tuple(message for message in waiting if message.id in self._unstored)

    def _append(self, message: OutMessage) -> None:
        waiting = self._waiting.get(message.channel)
        if waiting is not None:
            waiting.append(message)
            self._some[message.channel].set()

    async def first(self, channel: str) -> OutMessage:
        """The one to be sent next; it stays where it is until it is `sent` or `buried`."""
        while not self._waiting[channel]:
            self._some[channel].clear()
            await self._some[channel].wait()
        return self._waiting[channel][0]

    async def sent(self, message: OutMessage) -> None:
        self._waiting[message.channel].popleft()
        self._sent_unsaid[message.id] = None
        if len(self._sent_unsaid) > MAX_FORGOTTEN:
            del self._sent_unsaid[next(iter(self._sent_unsaid))]
        await self.catch_up()

    async def catch_up(self) -> None:
        """Tell the store what was sent. Several channels may do so at once."""
        try:
            for message_id in tuple(self._sent_unsaid):
                await self._store.message_sent(message_id)
                self._sent_unsaid.pop(message_id, None)
        except NotLeading:
            raise
        except Unavailable as error:
            log.warning("the store does not know what was sent", count=len(self._sent_unsaid), reason=error.detail)

    async def put_off(self, message: OutMessage) -> None:
        """It could not be sent; `message` says how often and why."""
        self._waiting[message.channel][0] = message
        await self._remember(message)

    async def bury(self, message: OutMessage) -> None:
        """It will never be sent as it is: kept apart, for somebody to look at."""
        self._waiting[message.channel].popleft()
        await self._remember(replace(message, is_dead=True))

    async def dead(self, *, limit: int) -> tuple[OutMessage, ...]:
        """Raises Unavailable."""
        return await self._store.dead_letters(limit=limit)

    async def revive(self, message_id: str, *, is_allowed: Callable[[OutMessage], bool]) -> OutMessage:
        """Send a dead letter once more. Raises NotFound, Unavailable."""
        for letter in await self._store.dead_letters(limit=MAX_FORGOTTEN):
            if letter.id == message_id and letter.channel in self._waiting and is_allowed(letter):
                alive = replace(letter, is_dead=False, attempts=0, not_before=None, fault=None)
                await self._store.put_message(alive)
                self._append(alive)
                return alive
        raise NotFound("no dead letter of this id waits for a channel that is configured")

    async def _remember(self, message: OutMessage) -> None:
        try:
            await self._store.put_message(message)
        except NotLeading:
            raise
        except Unavailable as error:
            log.warning("the store does not know of an attempt", message_id=message.id, reason=error.detail)
