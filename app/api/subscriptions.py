"""Takes clients into rooms and tells those that come back what they missed."""

from __future__ import annotations

from typing import Any, Final

from app.api.audience import Audience, Client
from app.api.services import DoorServices
from app.api.socket_events import snapshot, stream_health
from app.api.stream_log import StreamLogs
from app.domain.errors import Unavailable
from app.domain.failover import SwitchReport
from app.domain.ids import EncoderId, StreamId
from app.services.websocket_security import EVERYTHING, Room, Since, room_of, subscription_of

SNAPSHOT_FAILOVERS: Final = 5


class Subscriptions:
    """Every call takes what the client sent and gives the acknowledgement, or raises ManagerError."""

    def __init__(self, *, services: DoorServices, audience: Audience, logs: StreamLogs, rooms: int) -> None:
        self._services = services
        self._audience = audience
        self._logs = logs
        self._rooms = rooms

    async def enter(self, client: Client, asked: object) -> dict[str, Any]:
        """Raises NotFound for what the client may not see."""
        room, since = subscription_of(asked)
        done: dict[str, Any] = {"ok": True, f"{room.kind}_id": room.name}
        if room.kind == "stream" and room.name != EVERYTHING:
            return done | await self._enter_stream(client, room, since)
        if room.kind == "encoder" and room.name != EVERYTHING:
            self._services.encoders.status(EncoderId(room.name))
        self._audience.enter(client, room, self._rooms)
        return done

    async def leave(self, client: Client, asked: object) -> dict[str, Any]:
        room = room_of(asked)
        self._audience.leave(client, room)
        return {"ok": True, f"{room.kind}_id": room.name}

    async def _enter_stream(self, client: Client, room: Room, since: Since | None) -> dict[str, Any]:
        stream_id = StreamId(room.name)
        reports = () if since is None else await self._reports(client, stream_id)
        health = await self._services.streams.health(stream_id, client.who)
        # From here on nothing waits: what is told next comes after what is told now.
        self._audience.enter(client, room, self._rooms)
        done: dict[str, Any] = {"seq": self._logs.last(stream_id), "log_id": self._logs.log_id}
        if since is not None:
            missed = self._logs.missed(stream_id, since)
            if missed is not None and not client.outbox.holds(missed):
                missed = None
            done["resumed"] = missed is not None
            told = (self._logs.read(stream_id, snapshot(health, reports)),) if missed is None else missed
            for one in told:
                self._audience.send(client, one)
        self._audience.send(client, self._logs.read(stream_id, stream_health(health)))
        return done

    async def _reports(self, client: Client, stream_id: StreamId) -> tuple[SwitchReport, ...]:
        """Those for a snapshot; none while the store is away."""
        try:
            return await self._services.streams.failovers(stream_id, client.who, limit=SNAPSHOT_FAILOVERS)
        except Unavailable:
            return ()
