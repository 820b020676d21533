"""Socket.IO: lets clients in by their key, takes their subscriptions, sends what waits for them.

The rules (limits, origin, outbox) are in `app/services/websocket_security.py`; who hears what, in `audience.py`.
Engine.IO queues without bound for a client that doesn't read, so a message leaves its outbox only when Engine.IO's
own queue is empty.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

import orjson
import socketio
import structlog
from aiohttp import web

from app.api.access import Gatekeeper, bearer
from app.api.audience import Audience, Client
from app.api.limits import DoorLimits, KeyLoad, RateBooks
from app.api.peers import Network, address_of, scheme_of
from app.api.problems import BodyTooLarge, MalformedRequest, TooSlow, document
from app.api.services import DoorServices
from app.api.socket_events import Saying, message
from app.api.socket_transports import Transports
from app.api.stream_log import StreamLogs
from app.api.subscriptions import Subscriptions
from app.domain.access import Scope
from app.domain.errors import (
    InvalidRequest,
    ManagerError,
    NotAllowed,
    NotAuthenticated,
    NotFound,
    TooManyRequests,
    Unavailable,
)
from app.domain.fleet import EncoderMetrics
from app.domain.ids import EncoderId
from app.domain.secret import Secret
from app.runtime.tasks import TaskGroupKeeper, run_again
from app.services.websocket_security import MessageSeal, Outbox, SocketLimits, origin_allowed

PATH: Final = "/socket.io/"
BATCH: Final = 16
"""Messages handed to Engine.IO at once: what one poll of a client takes."""

Work = Callable[[Client, object], Awaitable[dict[str, Any]]]

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
        logs: StreamLogs,
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
        self._audience = Audience(metrics_of=self._metrics_of, overrun=self._overrun, logs=logs, now=now)
        self._subscriptions = Subscriptions(
            services=services, audience=self._audience, logs=logs, rooms=self._limits.rooms
        )
        self._tasks = TaskGroupKeeper(_crashed)
        self._unlisten: Callable[[], None] | None = None
        self._sio = self._server()
        self._transports = Transports(engine=self._sio.eio, limits=self._limits, tasks=self._tasks, now=now)

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

    @property
    def clients(self) -> int:
        """Live clients that showed a key."""
        return len(self._audience)

    def mount(self, app: web.Application) -> None:
        for method in ("GET", "POST", "OPTIONS"):
            app.router.add_route(method, PATH, self._handle)

    async def start(self) -> None:
        self._unlisten = self._services.bus.listen(self._audience.hear)
        sweeping = run_again(self._sweep, pause_s=self._limits.sweep_s, on_crash=_crashed)
        self._tasks.start(sweeping, name="socket sweep")

    async def close(self) -> None:
        if self._unlisten is not None:
            self._unlisten()
            self._unlisten = None
        await self._transports.close_all()
        await self._tasks.close()
        await self._sio.shutdown()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        if "j" in request.query:
            raise MalformedRequest("JSONP is not offered")
        # As Engine.IO reads it: an id that is empty is none.
        known_as = [value for value in request.query.getall("sid", []) if value]
        if known_as:
            self._transports.remember(known_as[0], request)
        else:
            self._count_handshake(request)
        if request.method == "POST":
            await self._whole_body(request)
        response: web.StreamResponse = await self._sio.handle_request(request)
        return response

    async def _whole_body(self, request: web.Request) -> None:
        """Engine.IO takes what the first read gives for all of it, so it may only read once all is there."""
        if request.content_length is None or "Content-Encoding" in request.headers:
            raise MalformedRequest("a plain body with its Content-Length is needed")
        if request.content_length > self._limits.message_bytes:
            raise BodyTooLarge(f"a message is larger than {self._limits.message_bytes} bytes")
        try:
            async with asyncio.timeout(self._doors.body_deadline_s):
                await request.content.wait_eof()
        except TimeoutError:
            raise TooSlow("the body did not arrive in time") from None

    def _count_handshake(self, request: web.Request) -> None:
        verdict = self._books.handshakes.ask(address_of(request, self._trusted), self._now())
        if not verdict.allowed:
            raise TooManyRequests("too many new connections", retry_after_s=verdict.retry_after_s)
        if len(self._transports) >= self._doors.connections:
            raise Unavailable("too many live connections")

    def _origin_allowed(self, origin: str | None, environ: dict[str, Any]) -> bool:
        request: web.Request = environ["aiohttp.request"]
        return origin_allowed(origin, host=request.host, scheme=scheme_of(request, self._trusted))

    async def _sweep(self) -> None:
        """Closes transports that never show a key, and clients whose key is no longer good."""
        recheck_at = self._now() + self._limits.recheck_s
        while True:
            await asyncio.sleep(self._limits.sweep_s)
            for client in self._audience:
                if client.transport_id not in self._transports:
                    self._dismiss(client, "gone")
            self._transports.close_silent({client.transport_id for client in self._audience})
            if self._now() >= recheck_at:
                await self._close_revoked()
                recheck_at = self._now() + self._limits.recheck_s

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
                self._transports.cut(client.transport_id, "the key expired or was revoked")

    async def _on_connect(self, sid: str, environ: dict[str, Any], auth: object = None) -> None:
        """Called by Socket.IO for CONNECT; a client that emits an event of this name is known already."""
        if self._audience.find(sid) is not None:
            return
        request: web.Request = environ["aiohttp.request"]
        transport_id = self._sio.manager.eio_sid_from_sid(sid, "/")
        if any(client.transport_id == transport_id for client in self._audience):
            self._transports.cut(transport_id, "a second client on one connection")
            raise socketio.exceptions.ConnectionRefusedError("one client for each connection")
        try:
            key = _key(auth, request)
            who = await self._gatekeeper.admit(key, address_of(request, self._trusted))
            if not who.may(Scope.READ):
                raise NotAllowed("this key lacks the scope 'read'")
            self._load.enter(who.key_id)
        except ManagerError as error:
            self._transports.cut(transport_id, error.code)
            raise socketio.exceptions.ConnectionRefusedError(error.detail, _problem(error)) from None
        outbox = Outbox(self._limits.outbox_messages, self._limits.outbox_bytes)
        client = Client(sid, transport_id, who, key, outbox, MessageSeal(key, sid) if _wants_seal(auth) else None)
        self._audience.add(client)
        client.delivery = self._tasks.start(self._deliver(client), name="socket outbox")

    async def _on_disconnect(self, sid: str, *_: object) -> None:
        client = self._audience.find(sid)
        if client is not None:
            # Cut as well: one that only claims to be gone would go on without a key.
            self._dismiss(client, "left")

    async def _on_subscribe(self, sid: str, *args: object) -> dict[str, Any]:
        return await self._carry_out("subscribe", sid, args, self._subscriptions.enter)

    async def _on_unsubscribe(self, sid: str, *args: object) -> dict[str, Any]:
        return await self._carry_out("unsubscribe", sid, args, self._subscriptions.leave)

    async def _carry_out(self, event: str, sid: str, args: tuple[object, ...], work: Work) -> dict[str, Any]:
        """The acknowledgement of one request of a client."""
        client = self._audience.find(sid)
        if client is None:
            return _refusal(NotAllowed("not connected"))
        try:
            asked = args[0] if len(args) == 1 else None
            done = await work(client, client.seal.unwrap(event, asked) if client.seal else asked)
        except NotAuthenticated as error:
            self._dismiss(client, error.detail)
            return _refusal(error)
        except ManagerError as error:
            done = self._refuse(client, error)
        return client.seal.answer(event, done) if client.seal else done

    async def _on_unknown(self, event: object, sid: str, *_: object) -> dict[str, Any]:
        error = InvalidRequest("the events are subscribe and unsubscribe")
        client = self._audience.find(sid)
        return self._refuse(client, error) if client is not None else _refusal(error)

    def _refuse(self, client: Client, error: ManagerError) -> dict[str, Any]:
        """Tells by the acknowledgement and, for clients that ask for none, by an event."""
        self._audience.send(client, message(Saying("problem", _problem(error), "problem")))
        return _refusal(error)

    def _metrics_of(self, encoder_id: EncoderId) -> EncoderMetrics | None:
        try:
            return self._services.encoders.metrics(encoder_id)
        except NotFound:
            return None

    def _overrun(self, client: Client) -> None:
        self._dismiss(client, "too far behind")

    def _dismiss(self, client: Client, reason: str) -> None:
        self._audience.remove(client.sid)
        self._load.leave(client.who.key_id)
        if client.delivery is not None:
            client.delivery.cancel()
        self._transports.cut(client.transport_id, reason)

    async def _deliver(self, client: Client) -> None:
        """Empties the outbox at the pace of the client until it leaves."""
        while True:
            await client.wake.wait()
            client.wake.clear()
            while batch := client.outbox.take(BATCH):
                for one in batch:
                    data = client.seal.wrap(one.event, one.data) if client.seal else one.data
                    await self._sio.emit(one.event, data, to=client.sid)
                    self._services.performance.count_socket_message()
                if not await self._transports.drained(client.transport_id):
                    return


def _crashed(name: str, error: BaseException) -> None:
    log.error("task crashed", task=name, exc_info=error)


def _key(auth: object, request: web.Request) -> Secret:
    """The key of `auth={"token": ...}`, else that of the Authorization header."""
    if isinstance(auth, dict) and "token" in auth:
        token = auth["token"]
        return Secret(token if isinstance(token, str) else "")
    return bearer(request.headers.getall("Authorization", []))


def _wants_seal(auth: object) -> bool:
    return isinstance(auth, dict) and auth.get("seal") is True


def _problem(error: ManagerError) -> dict[str, Any]:
    return document(error, instance="urn:encoder-manager:socket")


def _refusal(error: ManagerError) -> dict[str, Any]:
    return {"ok": False, **_problem(error)}
