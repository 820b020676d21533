"""Who hears what: live clients, the rooms they follow, and the outbox of each. Sends nothing itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from app.api.socket_events import Saying, is_reading, message, room_of_event, tell
from app.api.stream_log import StreamLogs
from app.domain.access import Principal, Scope
from app.domain.events import EncoderChanged, EncoderRead, Event, StreamChanged, StreamHealthRead
from app.domain.fleet import EncoderMetrics
from app.domain.ids import EncoderId, StreamId
from app.domain.secret import Secret
from app.domain.stream import StreamState
from app.services.websocket_security import EVERYTHING, Message, MessageSeal, Outbox, Room, join

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

    def may_hear(self, tenant: str | None) -> bool:
        return tenant is None or tenant == self.who.tenant or self.who.may(Scope.ADMIN)


class Audience:
    """`metrics_of` gives an encoder's figures; `overrun` takes a client that cannot be told what it must know."""

    def __init__(
        self,
        *,
        metrics_of: Callable[[EncoderId], EncoderMetrics | None],
        overrun: Callable[[Client], None],
        logs: StreamLogs,
        now: Callable[[], float],
    ) -> None:
        self._metrics_of = metrics_of
        self._overrun = overrun
        self._logs = logs
        self._now = now
        self._clients: dict[str, Client] = {}
        self._in: dict[Room, set[Client]] = {}
        """Who is in each room: an event is looked up, not asked of every client."""
        self._encoder_of: dict[StreamId, EncoderId] = {}
        self._streams_of: dict[EncoderId, set[StreamId]] = {}
        self._told_at: dict[EncoderId, float] = {}

    def __iter__(self) -> Iterator[Client]:
        return iter(tuple(self._clients.values()))

    def __len__(self) -> int:
        return len(self._clients)

    def __contains__(self, client: Client) -> bool:
        return self._clients.get(client.sid) is client

    def find(self, sid: str) -> Client | None:
        return self._clients.get(sid)

    def add(self, client: Client) -> None:
        self._clients[client.sid] = client

    def remove(self, sid: str) -> None:
        client = self._clients.pop(sid, None)
        if client is not None:
            for room in tuple(client.rooms):
                self.leave(client, room)

    def enter(self, client: Client, room: Room, limit: int) -> None:
        """Raises TooManyRequests when the client is in `limit` rooms already. One that has left gets in nowhere."""
        if client not in self:
            return
        join(client.rooms, room, limit)
        self._in.setdefault(room, set()).add(client)

    def leave(self, client: Client, room: Room) -> None:
        client.rooms.discard(room)
        inside = self._in.get(room)
        if inside is not None:
            inside.discard(client)
            if not inside:
                del self._in[room]

    def hear(self, event: Event) -> None:
        """Put `event` into the outbox of everybody who follows it; a stream's changes are kept as well."""
        if isinstance(event, EncoderRead) and self._told_lately(event.encoder_id):
            return
        self._learn(event)
        hearers = self._hearers(event)
        if not hearers and is_reading(event):
            return
        telling = tell(event, self._metrics_of(event.encoder_id) if isinstance(event, EncoderRead) else None)
        for saying in telling.sayings:
            told = self._written(telling.stream_id, saying)
            for client in hearers:
                if client.may_hear(telling.tenant):
                    self.send(client, told)

    def _written(self, stream_id: StreamId | None, saying: Saying) -> Message:
        return message(saying) if stream_id is None else self._logs.tell(stream_id, saying)

    def send(self, client: Client, message: Message) -> None:
        if client not in self:
            return
        if client.outbox.offer(message):
            client.wake.set()
        else:
            self._overrun(client)

    def _hearers(self, event: Event) -> set[Client]:
        """All in the rooms of `event`; who follows a stream also hears how its encoder is."""
        room = room_of_event(event)
        rooms = [room, Room(room.kind, EVERYTHING)]
        if isinstance(event, EncoderRead | EncoderChanged):
            rooms += [Room("stream", name) for name in self._streams_of.get(event.encoder_id, ())]
        return set[Client]().union(*(self._in.get(one, ()) for one in rooms))

    def _told_lately(self, encoder_id: EncoderId) -> bool:
        now = self._now()
        if now - self._told_at.get(encoder_id, float("-inf")) < READING_INTERVAL_S:
            return True
        self._told_at[encoder_id] = now
        return False

    def _learn(self, event: Event) -> None:
        if isinstance(event, StreamHealthRead):
            self._encodes(event.health.stream_id, event.health.primary_id)
        elif isinstance(event, StreamChanged) and event.state is StreamState.ENDED:
            self._encodes(event.stream_id, None)

    def _encodes(self, stream_id: StreamId, encoder_id: EncoderId | None) -> None:
        before = self._encoder_of.pop(stream_id, None)
        if before is not None:
            self._streams_of[before].discard(stream_id)
            if not self._streams_of[before]:
                del self._streams_of[before]
        if encoder_id is not None:
            self._encoder_of[stream_id] = encoder_id
            self._streams_of.setdefault(encoder_id, set()).add(stream_id)
