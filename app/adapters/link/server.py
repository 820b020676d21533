"""Control's end of the link: lets gateways and nodes in, carries orders down, hands what they say to its owner."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
from collections.abc import Callable
from typing import Final

import structlog
from aiohttp import WSCloseCode, WSMsgType, web

from app.adapters.link.frames import (
    MAX_FRAME_BYTES,
    MAX_REASON_BYTES,
    REFUSED,
    AskClockFrame,
    ClockFrame,
    DoneFrame,
    FactFrame,
    FailedFrame,
    Frame,
    FrameError,
    HelloFrame,
    OrderFrame,
    UnknownFrame,
    WelcomeFrame,
    error_of,
    read,
    write,
)
from app.domain.errors import NotLeading, Unavailable
from app.domain.link import GatewayHello, Hello, Order
from app.domain.secret import Secret
from app.ports.link import LinkEvents, PeerId
from app.runtime.clock import monotonic, utc_now
from app.runtime.tasks import TaskGroupKeeper

PING_S: Final = 5.0
HELLO_S: Final = 5.0
CLOSE_S: Final = 2.0
"""How long a peer may take to read what was sent before its link's end; one that is half dead never does."""
MAX_ORDERS_OPEN: Final = 1_024
MAX_PEERS: Final = 2_000

ASK_CLOCK_FIRST_S: Final = 1.0
ASK_CLOCK_S: Final = 10.0
"""Between two times that a peer is asked for the time; the first ones come sooner."""
FIRST_ANSWERS: Final = 4

log = structlog.get_logger()
ClockHeard = Callable[[PeerId, float, float], None]
"""Peer, its clock minus ours in seconds, and the seconds that asking took."""


class LinkServer:
    """Implements `Downlink`. `listen` names the owner before the first peer may come.

    `reign` says under which epoch this control may act at this moment, None: it may not. Without it orders carry no
    epoch. Who wants to know the peers' clocks sets `clock_heard`.
    """

    def __init__(self, *, token: Secret, reign: Callable[[], int | None] | None = None) -> None:
        self._token = token.reveal().encode()
        self._reign = reign
        self._events: LinkEvents | None = None
        self._peers: dict[PeerId, _Peer] = {}
        self._entering = asyncio.Lock()
        self._closing = TaskGroupKeeper(_close_failed)
        self.clock_heard: ClockHeard | None = None
        self.facts_heard = 0
        self.orders_sent = 0

    def listen(self, events: LinkEvents) -> None:
        self._events = events

    def is_connected(self, peer: PeerId) -> bool:
        return peer in self._peers

    async def order(self, peer: PeerId, order: Order, *, timeout_s: float = 5.0) -> None:
        epoch = self._epoch()
        connection = self._peers.get(peer)
        if connection is None:
            raise Unavailable(f"{peer} is not connected")
        self.orders_sent += 1
        await connection.order(order, epoch, timeout_s)

    def _epoch(self) -> int | None:
        """Raises NotLeading."""
        if self._reign is None:
            return None
        epoch = self._reign()
        if epoch is None:
            raise NotLeading("this control does not lead")
        return epoch

    async def handle(self, request: web.Request) -> web.WebSocketResponse:
        """The aiohttp handler of `GET /link`. 401 without the installation's token, 503 before `listen`."""
        events = self._events
        if not self._may_enter(request):
            raise web.HTTPUnauthorized(text="the link token is missing or wrong")
        if events is None or len(self._peers) >= MAX_PEERS or not self._leads():
            raise web.HTTPServiceUnavailable(text="the link takes no peer now")
        socket = web.WebSocketResponse(heartbeat=PING_S, max_msg_size=MAX_FRAME_BYTES, compress=False)
        await socket.prepare(request)
        try:
            hello = await asyncio.wait_for(_hello(socket), HELLO_S)
        except (TimeoutError, FrameError) as error:
            log.warning("link refused", reason=str(error) or "no hello in time", peer_address=request.remote)
            await socket.close(code=REFUSED, message=b"no hello")
            return socket
        await self._serve(_Peer(hello, socket, request.transport, self), hello, events)
        return socket

    async def close(self) -> None:
        await asyncio.gather(*(peer.end("control is stopping") for peer in tuple(self._peers.values())))
        await self._closing.close()

    def _may_enter(self, request: web.Request) -> bool:
        shown = request.headers.get("Authorization", "").encode("utf-8", "surrogateescape")
        return bool(self._token) and hmac.compare_digest(shown, b"Bearer " + self._token)

    def _leads(self) -> bool:
        return self._reign is None or self._reign() is not None

    async def _serve(self, peer: _Peer, hello: Hello, events: LinkEvents) -> None:
        reason = "control is stopping"
        try:
            async with self._entering:
                refusal = self._namesake(peer) or events.refusal(hello)
                if refusal is None:
                    await peer.welcome(self._epoch())
                    await self._replace(peer, events)
                    log.info("peer up", peer=peer.id, kind=peer.kind.__name__, version=hello.version)
                    await events.on_hello(hello)
            if refusal is None:
                reason = await self._read(peer, events)
            else:
                log.error("peer refused", peer=peer.id, reason=refusal)
                await peer.end(refusal, code=REFUSED)
        except NotLeading as error:
            reason = error.detail
            await peer.end(reason)
        finally:
            peer.fail_open(reason)
            # A peer that was replaced has been reported lost already.
            if self._peers.get(peer.id) is peer:
                del self._peers[peer.id]
                log.info("peer lost", peer=peer.id, reason=reason)
                await events.on_lost(peer.id, reason)

    async def _read(self, peer: _Peer, events: LinkEvents) -> str:
        asking = asyncio.create_task(peer.ask_clock(), name=f"clock {peer.id}")
        try:
            return await peer.read(events)
        finally:
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)

    def _namesake(self, peer: _Peer) -> str | None:
        """Gateways and nodes are called by their ids alike: one of each under one id would drive each other out."""
        there = self._peers.get(peer.id)
        if there is None or there.kind is peer.kind:
            return None
        return f"the id {peer.id} is in use by a peer of another kind; gateway_id and encoder_id must differ"

    async def _replace(self, peer: _Peer, events: LinkEvents) -> None:
        """The last one to come is the one that lives: the older connection may be half dead for minutes.

        Its end is not waited for: the new one must be read, or its orders would find no answer.
        """
        previous = self._peers.pop(peer.id, None)
        self._peers[peer.id] = peer
        if previous is not None:
            reason = "the peer connected again"
            previous.fail_open(reason)
            self._closing.start(previous.end(reason), name=f"close {peer.id}")
            await events.on_lost(peer.id, reason)


class _Peer:
    """One connection: its socket and the orders that wait for their answer."""

    def __init__(
        self,
        hello: Hello,
        socket: web.WebSocketResponse,
        transport: asyncio.Transport | None,
        server: LinkServer,
    ) -> None:
        self.id = _peer_id(hello)
        self._server = server
        self._asked: tuple[int, float, float] | None = None
        """Number of the last question for the time, and when it was put: monotonic and wall clock."""
        self.kind = type(hello)
        self._socket = socket
        self._transport = transport
        # One at a time: aiohttp lets all who wait for a full buffer share a future, which one's time-out cancels.
        self._sending = asyncio.Lock()
        self._open: dict[int, asyncio.Future[None]] = {}
        self._next = 0
        self._ended: str | None = None

    async def welcome(self, epoch: int | None) -> None:
        if epoch is not None:
            with contextlib.suppress(ConnectionError, RuntimeError):  # its end is found where it is read
                await self._socket.send_str(write(WelcomeFrame(epoch)))

    async def order(self, order: Order, epoch: int | None, timeout_s: float) -> None:
        if self._ended is not None:
            raise Unavailable(f"{self.id}: {self._ended}")
        if len(self._open) >= MAX_ORDERS_OPEN:
            raise Unavailable(f"{self.id} has too many orders open")
        number = self._next
        self._next += 1
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._open[number] = answer
        try:
            async with asyncio.timeout(timeout_s):
                async with self._sending:
                    await self._socket.send_str(write(OrderFrame(number, order, epoch)))
                await answer
        except TimeoutError:
            raise Unavailable(f"{self.id} did not answer in {timeout_s:g} s") from None
        except (ConnectionError, RuntimeError) as error:
            # aiohttp says RuntimeError for a socket that is already closing.
            raise Unavailable(f"{self.id}: {error}") from error
        finally:
            self._open.pop(number, None)
            if answer.done() and not answer.cancelled():
                answer.exception()  # it may have failed while the order was still being sent

    async def read(self, events: LinkEvents) -> str:
        """Reads until the connection ends; says why it did."""
        async for message in self._socket:
            if message.type is not WSMsgType.TEXT:
                return f"a {message.type.name} frame"
            try:
                frame = read(message.data)
            except FrameError as error:
                await self._socket.close(code=REFUSED, message=b"bad frame")
                return str(error)
            if isinstance(frame, FactFrame):
                self._server.facts_heard += 1
                await events.on_fact(self.id, frame.fact)
            elif isinstance(frame, ClockFrame):
                self._told_time(frame)
            else:
                self._answer(frame)
        return str(self._socket.exception() or f"closed ({self._socket.close_code})")

    async def ask_clock(self) -> None:
        """Asks for the time again and again until the link ends. One question is open at most."""
        number = 0
        while True:
            await asyncio.sleep(ASK_CLOCK_FIRST_S if number < FIRST_ANSWERS else ASK_CLOCK_S)
            if self._server.clock_heard is None:
                continue
            number += 1
            try:
                async with self._sending:
                    self._asked = number, monotonic(), utc_now().timestamp()
                    await self._socket.send_str(write(AskClockFrame(number)))
            except (ConnectionError, RuntimeError):
                return  # its end is found where it is read

    def _told_time(self, frame: ClockFrame) -> None:
        asked, self._asked = self._asked, None
        if asked is None or asked[0] != frame.number or self._server.clock_heard is None:
            return
        took_s = monotonic() - asked[1]
        self._server.clock_heard(self.id, frame.at - asked[2] - took_s / 2.0, took_s)

    def _answer(self, frame: Frame) -> None:
        if isinstance(frame, UnknownFrame):
            log.warning("peer says what this version does not know", peer=self.id, what=frame.what)
        elif isinstance(frame, DoneFrame | FailedFrame):
            answer = self._open.get(frame.number)
            if answer is None or answer.done():
                return  # it came after its time
            if isinstance(frame, DoneFrame):
                answer.set_result(None)
            else:
                answer.set_exception(error_of(frame))

    def fail_open(self, reason: str) -> None:
        """Every open order fails with `reason`; later ones too."""
        self._ended = reason
        for answer in self._open.values():
            if not answer.done():
                answer.set_exception(Unavailable(f"{self.id}: {reason}"))

    async def end(self, reason: str, *, code: int = WSCloseCode.GOING_AWAY) -> None:
        self.fail_open(reason)
        closing = asyncio.create_task(self._socket.close(code=code, message=reason.encode()[:MAX_REASON_BYTES]))
        _, late = await asyncio.wait((closing,), timeout=CLOSE_S)
        if late and self._transport is not None:
            self._transport.abort()


def _close_failed(name: str, error: BaseException) -> None:
    log.warning("link not closed well", task=name, error=repr(error))


def _peer_id(hello: Hello) -> PeerId:
    return hello.gateway_id if isinstance(hello, GatewayHello) else hello.encoder.node_id


async def _hello(socket: web.WebSocketResponse) -> Hello:
    message = await socket.receive()
    if message.type is not WSMsgType.TEXT:
        raise FrameError("the connection ended before its hello")
    frame = read(message.data)
    if not isinstance(frame, HelloFrame):
        raise FrameError("the first frame must be a hello")
    return frame.hello
