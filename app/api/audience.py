"""Who hears what: live clients, the rooms they follow, and the outbox of each. Sends nothing itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from app.api.socket_events import Telling, tell
from app.domain.access import Principal, Scope
from app.domain.events import EncoderRead, Event, StreamChanged, StreamHealthRead
from app.domain.ids import EncoderId, StreamId
from app.domain.secret import Secret
from app.domain.stream import StreamState
from app.services.websocket_security import EVERYTHING, Message, MessageSeal, Outbox, Room

READING_INTERVAL_S: Final = 0.9
"""Encoders report twice a second; people look once."""


@dataclass(slots=True, eq=False)
class Client:
    """`transport_id` is Engine.IO's id of the connection, `sid` Socket.IO's of the client on it."""

    sid: str
    transport_id: str
    who: Principal
    key: Secret
    outbox: Outbox
    seal: MessageSeal | None = None
    """Not None: the client asked that messages can be verified."""
    rooms: set[Room] = field(default_factory=set)
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    delivery: asyncio.Task[None] | None = None

    def follows(self, room: Room) -> bool:
        return room in self.rooms or Room(room.kind, EVERYTHING) in self.rooms

    def may_hear(self, tenant: str | None) -> bool:
        return tenant is None or tenant == self.who.tenant or self.who.may(Scope.ADMIN)


class Audience:
    """`score_of` gives an encoder's score; `overrun` takes a client that cannot be told what it must know."""

    def __init__(
        self,
        *,
        score_of: Callable[[EncoderId], float | None],
        overrun: Callable[[Client], None],
        now: Callable[[], float],
    ) -> None:
        self._score_of = score_of
        self._overrun = overrun
        self._now = now
        self._clients: dict[str, Client] = {}
        self._encoder_of: dict[StreamId, EncoderId] = {}
        self._told_at: dict[EncoderId, float] = {}

    def __iter__(self) -> Iterator[Client]:
        return iter(tuple(self._clients.values()))

    def __len__(self) -> int:
        return len(self._clients)

    def find(self, sid: str) -> Client | None:
        return self._clients.get(sid)

    def add(self, client: Client) -> None:
        self._clients[client.sid] = client

    def remove(self, sid: str) -> Client | None:
        return self._clients.pop(sid, None)

    def hear(self, event: Event) -> None:
        """Put `event` into the outbox of everybody who follows it."""
        if isinstance(event, EncoderRead) and self._told_lately(event.encoder_id):
            return
        self._learn(event)
        if not self._clients:
            return
        score = self._score_of(event.encoder_id) if isinstance(event, EncoderRead) else None
        telling = tell(event, score)
        for client in self:
            if client.may_hear(telling.tenant) and self._follows(client, telling):
                for message in telling.messages:
                    self.send(client, message)

    def send(self, client: Client, message: Message) -> None:
        if client.outbox.offer(message):
            client.wake.set()
        else:
            self._overrun(client)

    def _follows(self, client: Client, telling: Telling) -> bool:
        if client.follows(telling.room):
            return True
        if telling.room.kind != "encoder":
            return False
        # Who follows a stream also hears how the encoder is that encodes it.
        return any(
            room.kind == "stream" and self._encoder_of.get(StreamId(room.name)) == telling.room.name
            for room in client.rooms
        )

    def _told_lately(self, encoder_id: EncoderId) -> bool:
        now = self._now()
        if now - self._told_at.get(encoder_id, float("-inf")) < READING_INTERVAL_S:
            return True
        self._told_at[encoder_id] = now
        return False

    def _learn(self, event: Event) -> None:
        if isinstance(event, StreamHealthRead) and event.health.primary_id is not None:
            self._encoder_of[event.health.stream_id] = event.health.primary_id
        elif isinstance(event, StreamChanged) and event.state is StreamState.ENDED:
            self._encoder_of.pop(event.stream_id, None)
