"""Socket.IO: lets clients in by their key, takes their subscriptions, sends what waits for them.

The rules (limits, origin, outbox) are in `app/services/websocket_security.py`; who hears what, in `audience.py`.
Engine.IO queues without bound for a client that doesn't read, so a message leaves its outbox only when Engine.IO's
own queue is empty.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import orjson
import socketio
import structlog
from aiohttp import web

from app.api.access import Gatekeeper, bearer
from app.api.audience import Audience, Client
from app.api.limits import DoorLimits, KeyLoad, RateBooks
from app.api.peers import Network, address_of, scheme_of
from app.api.problems import MalformedRequest, document
from app.api.services import DoorServices
from app.api.socket_events import message, stream_health
from app.domain.access import Scope
from app.domain.errors import (
    InvalidRequest,
    ManagerError,
    NotAllowed,
    NotFound,
    TooManyRequests,
    Unavailable,
)
from app.domain.ids import EncoderId, StreamId
from app.domain.secret import Secret
from app.policy.rates import Rate, RateBook
from app.runtime.tasks import TaskGroupKeeper
from app.services.websocket_security import EVERYTHING, Outbox, Room, SocketLimits, join, origin_allowed, room_of

PATH: Final = "/socket.io/"
BATCH: Final = 16
"""Messages handed to Engine.IO at once: what one poll of a client takes."""
CLOSE_GRACE_S: Final = 1.0
"""Time to take a close packet before the transport is cut."""
BAD_PACKET: Final = (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError)
"""What python-socketio raises for packets that are none."""

log = structlog.get_logger("app.api.sockets")


class StrictJson:
    """The JSON of both Socket.IO layers."""

    @staticmethod
    def dumps(value: object, **_: object) -> str:
        return orjson.dumps(value).decode()

    @staticmethod
    def loads(text: str | bytes, **_: object) -> Any:
        return orjson.loads(text)


class SocketDoor:
    def __init__(
        self,
        *,
        services: DoorServices,
        gatekeeper: Gatekeeper,
        books: RateBooks,
        load: KeyLoad,
        doors: DoorLimits,
        trusted: tuple[Network, ...],
        now: Callable[[], float],
        limits: SocketLimits | None = None,
    ) -> None:
        self._services = services
        self._gatekeeper = gatekeeper
        self._books = books
        self._load = load
        self._doors = doors
        self._trusted = trusted
        self._now = now
        self._limits = limits or SocketLimits()
        self._rates = RateBook(Rate(self._limits.messages_per_s, 1.0))
        self._over_rate: dict[str, int] = {}
        self._opened_at: dict[str, float] = {}
        self._wires: dict[str, asyncio.Transport] = {}
        self._audience = Audience(score_of=self._score_of, overrun=self._overrun, now=now)
        self._tasks = TaskGroupKeeper(lambda name, error: log.error("task crashed", task=name, exc_info=error))
        self._unlisten: Callable[[], None] | None = None
        self._sio = self._server()
        self._packet = self._sio.eio.handlers["message"]
        self._sio.eio.on("message", self._on_packet)

    def _server(self) -> Any:
        sio = socketio.AsyncServer(
            async_mode="aiohttp",
            async_handlers=False,
            json=StrictJson,
            logger=False,
            engineio_logger=False,
            max_http_buffer_size=self._limits.message_bytes,
            cors_allowed_origins=self._origin_allowed,
            cors_credentials=False,
        )
        sio.on("connect", self._on_connect)
        sio.on("disconnect", self._on_disconnect)
        sio.on("subscribe", self._on_subscribe)
        sio.on("unsubscribe", self._on_unsubscribe)
        sio.on("*", self._on_unknown)
        return sio

    def mount(self, app: web.Application) -> None:
        for method in ("GET", "POST", "OPTIONS"):
            app.router.add_route(method, PATH, self._handle)

    async def start(self) -> None:
        self._unlisten = self._services.bus.listen(self._audience.hear)
        self._tasks.start(self._sweep(), name="socket sweep")

    async def close(self) -> None:
        if self._unlisten is not None:
            self._unlisten()
            self._unlisten = None
        await asyncio.gather(*(self._end(transport_id) for transport_id in list(self._sio.eio.sockets)))
        await self._tasks.close()
        await self._sio.shutdown()

    # --- transports: Engine.IO's connections, known or not

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        if "j" in request.query:
            raise MalformedRequest("JSONP is not offered")
        if "sid" not in request.query:
            self._count_handshake(request)
        elif "Upgrade" in request.headers and request.transport is not None:
            self._wires[request.query["sid"]] = request.transport
        # A poll answers by itself within the ping interval, and a WebSocket lives on.
        deadline_s = self._doors.body_deadline_s if request.method == "POST" else None
        async with asyncio.timeout(deadline_s):
            response: web.StreamResponse = await self._sio.handle_request(request)
        return response

    def _count_handshake(self, request: web.Request) -> None:
        verdict = self._books.handshakes.ask(address_of(request, self._trusted), self._now())
        if not verdict.allowed:
            raise TooManyRequests("too many new connections", retry_after_s=verdict.retry_after_s)
        if len(self._sio.eio.sockets) >= self._doors.connections:
            raise Unavailable("too many live connections")

    def _origin_allowed(self, origin: str | None, environ: dict[str, Any]) -> bool:
        request: web.Request = environ["aiohttp.request"]
        return origin_allowed(origin, host=request.host, scheme=scheme_of(request, self._trusted))

    async def _on_packet(self, transport_id: str, data: object) -> None:
        """Every message of a transport, before Socket.IO reads it."""
        if not self._rates.ask(transport_id, self._now()).allowed:
            self._over_rate[transport_id] = self._over_rate.get(transport_id, 0) + 1
            if self._over_rate[transport_id] > self._limits.over_rate_forgiven:
                self._cut(transport_id, "too many messages")
            return
        if not isinstance(data, str):
            self._cut(transport_id, "binary messages are not taken")
            return
        try:
            await self._packet(transport_id, data)
        except BAD_PACKET:
            self._cut(transport_id, "not a Socket.IO packet")

    def _cut(self, transport_id: str, reason: str) -> None:
        log.info("live connection closed", reason=reason)
        self._tasks.start(self._end(transport_id), name="socket close")

    async def _end(self, transport_id: str) -> None:
        """Close the transport politely, then surely."""
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_GRACE_S):
                await self._sio.eio.disconnect(transport_id)
        wire = self._wires.pop(transport_id, None)
        if wire is not None:
            wire.abort()
        self._sio.eio.sockets.pop(transport_id, None)
        self._opened_at.pop(transport_id, None)
        self._over_rate.pop(transport_id, None)
        self._rates.forget(transport_id)

    async def _sweep(self) -> None:
        """Closes transports that never show a key, and clients whose key is no longer good."""
        recheck_at = self._now() + self._limits.recheck_s
        while True:
            await asyncio.sleep(self._limits.sweep_s)
            now = self._now()
            self._close_silent(now)
            if now >= recheck_at:
                await self._close_revoked()
                recheck_at = self._now() + self._limits.recheck_s

    def _close_silent(self, now: float) -> None:
        open_now = set(self._sio.eio.sockets)
        known = {client.transport_id for client in self._audience}
        for gone in self._opened_at.keys() - open_now:
            del self._opened_at[gone]
            self._wires.pop(gone, None)
            self._over_rate.pop(gone, None)
        for transport_id in open_now - known:
            opened_at = self._opened_at.setdefault(transport_id, now)
            if now - opened_at >= self._limits.authenticate_s - self._limits.sweep_s:
                self._cut(transport_id, "no key was shown")

    async def _close_revoked(self) -> None:
        verdicts: dict[Secret, bool] = {}
        for client in self._audience:
            if client.key not in verdicts:
                try:
                    verdicts[client.key] = await self._gatekeeper.still_valid(client.key)
                except Unavailable:
                    # The store is away: who is in stays in.
                    verdicts[client.key] = True
            if not verdicts[client.key]:
                self._cut(client.transport_id, "the key expired or was revoked")

    # --- clients: transports that showed a key

    async def _on_connect(self, sid: str, environ: dict[str, Any], auth: object = None) -> None:
        """Called by Socket.IO for CONNECT; a client that emits an event of this name is known already."""
        if self._audience.find(sid) is not None:
            return
        request: web.Request = environ["aiohttp.request"]
        transport_id = self._sio.manager.eio_sid_from_sid(sid, "/")
        if request.transport is not None and "Upgrade" in request.headers:
            self._wires.setdefault(transport_id, request.transport)
        try:
            key = _key(auth, request)
            who = await self._gatekeeper.admit(key, address_of(request, self._trusted))
            if not who.may(Scope.READ):
                raise NotAllowed("this key lacks the scope 'read'")
            self._load.enter(who.key_id)
        except ManagerError as error:
            self._cut(transport_id, error.code)
            raise socketio.exceptions.ConnectionRefusedError(_problem(error)) from None
        client = Client(
            sid, transport_id, who, key, Outbox(self._limits.outbox_messages, self._limits.outbox_bytes)
        )
        self._audience.add(client)
        client.delivery = self._tasks.start(self._deliver(client), name="socket outbox")

    async def _on_disconnect(self, sid: str, *_: object) -> None:
        client = self._audience.find(sid)
        if client is not None:
            # Cut as well: one that only claims to be gone would go on without a key.
            self._dismiss(client, "left")

    async def _on_subscribe(self, sid: str, *args: object) -> dict[str, Any]:
        client = self._audience.find(sid)
        if client is None:
            return _refusal(NotAllowed("not connected"))
        try:
            room = room_of(args[0] if len(args) == 1 else None)
            await self._enter(client, room)
        except ManagerError as error:
            return self._refuse(client, error)
        return {"ok": True, f"{room.kind}_id": room.name}

    async def _enter(self, client: Client, room: Room) -> None:
        """Raises NotFound for what the client may not see."""
        if room.kind == "stream" and room.name != EVERYTHING:
            health = await self._services.streams.health(StreamId(room.name), client.who)
            join(client.rooms, room, self._limits.rooms)
            self._audience.send(client, stream_health(health))
            return
        if room.kind == "encoder" and room.name != EVERYTHING:
            self._services.encoders.status(EncoderId(room.name))
        join(client.rooms, room, self._limits.rooms)

    async def _on_unsubscribe(self, sid: str, *args: object) -> dict[str, Any]:
        client = self._audience.find(sid)
        if client is None:
            return _refusal(NotAllowed("not connected"))
        try:
            room = room_of(args[0] if len(args) == 1 else None)
        except ManagerError as error:
            return self._refuse(client, error)
        client.rooms.discard(room)
        return {"ok": True, f"{room.kind}_id": room.name}

    async def _on_unknown(self, event: object, sid: str, *_: object) -> dict[str, Any]:
        error = InvalidRequest("the events are subscribe and unsubscribe")
        client = self._audience.find(sid)
        return self._refuse(client, error) if client is not None else _refusal(error)

    def _refuse(self, client: Client, error: ManagerError) -> dict[str, Any]:
        """Tells by the acknowledgement and, for clients that ask for none, by an event."""
        self._audience.send(client, message("problem", _problem(error), topic="problem"))
        return _refusal(error)

    def _score_of(self, encoder_id: EncoderId) -> float | None:
        try:
            return self._services.encoders.metrics(encoder_id).score
        except NotFound:
            return None

    def _overrun(self, client: Client) -> None:
        self._dismiss(client, "too far behind")

    def _dismiss(self, client: Client, reason: str) -> None:
        self._audience.remove(client.sid)
        self._load.leave(client.who.key_id)
        if client.delivery is not None:
            client.delivery.cancel()
        self._cut(client.transport_id, reason)

    async def _deliver(self, client: Client) -> None:
        """Empties the outbox at the pace of the client until it leaves."""
        while True:
            await client.wake.wait()
            client.wake.clear()
            while batch := client.outbox.take(BATCH):
                transport = self._sio.eio.sockets.get(client.transport_id)
                if transport is None:
                    return
                for one in batch:
                    await self._sio.emit(one.event, one.data, to=client.sid)
                await transport.queue.join()


def _key(auth: object, request: web.Request) -> Secret:
    """The key of `auth={"token": ...}`, else that of the Authorization header."""
    if isinstance(auth, dict) and "token" in auth:
        token = auth["token"]
        return Secret(token if isinstance(token, str) else "")
    return bearer(request.headers.getall("Authorization", []))


def _problem(error: ManagerError) -> dict[str, Any]:
    return document(error, instance="urn:encoder-manager:socket")


def _refusal(error: ManagerError) -> dict[str, Any]:
    return {"ok": False, **_problem(error)}
