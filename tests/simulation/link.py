"""The link between control and its peers, with the faults of a network: delay, loss of a connection, partition.

Control's end is `SimLink` (a `Downlink`), the other's `SimUplink` (an `Uplink`). A partition swallows what is under
way; both ends learn of it after a while, as from unanswered pings.
"""

from __future__ import annotations

import asyncio
import contextvars
import random
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from app.adapters.link.facts import FactQueue
from app.domain.errors import ManagerError, Unavailable
from app.domain.link import Fact, GatewayHello, Hello, Order
from app.ports.link import LinkEvents, PeerId

DIAL_S = 0.3
PING_LOST_S = 3.0
DELAY_S = (0.001, 0.02)


class SimLink:
    """Belongs to one life of control. `context` is that of control's process: what peers say is heard in it."""

    def __init__(self, context: contextvars.Context) -> None:
        self._context = context
        self._events: LinkEvents | None = None
        self._peers: dict[PeerId, _Connection] = {}
        self.clock_heard: object = None
        self.facts_heard = 0
        self.orders_sent = 0

    def listen(self, events: LinkEvents) -> None:
        self._events = events

    @property
    def events(self) -> LinkEvents | None:
        return self._events

    def is_connected(self, peer: PeerId) -> bool:
        return peer in self._peers

    async def order(self, peer: PeerId, order: Order, *, timeout_s: float = 5.0) -> None:
        connection = self._peers.get(peer)
        if connection is None:
            raise Unavailable(f"{peer} is not connected")
        try:
            async with asyncio.timeout(timeout_s):
                await connection.order(order)
        except TimeoutError:
            raise Unavailable(f"{peer} did not answer in {timeout_s:g} s") from None

    async def came(self, connection: _Connection, hello: Hello) -> bool:
        if self._events is None or self._events.refusal(hello) is not None:
            return False
        old = self._peers.pop(connection.peer, None)
        if old is not None:
            old.fail("the peer connected again")
            await self._heard(self._events.on_lost(connection.peer, "the peer connected again"))
        if self._events is None:
            return False  # killed while it heard that
        self._peers[connection.peer] = connection
        await self._heard(self._events.on_hello(hello))
        return True

    async def went(self, connection: _Connection, reason: str) -> None:
        connection.fail(reason)
        if self._peers.get(connection.peer) is connection and self._events is not None:
            del self._peers[connection.peer]
            await self._heard(self._events.on_lost(connection.peer, reason))

    async def told(self, connection: _Connection, fact: Fact) -> None:
        if self._events is not None and not connection.broken.done():
            await self._heard(self._events.on_fact(connection.peer, fact))

    async def _heard(self, hearing: Coroutine[Any, Any, None]) -> None:
        await asyncio.get_running_loop().create_task(hearing, context=self._context)

    def die(self) -> None:
        """Control is killed: every connection breaks, nobody is told anything by it."""
        self._events = None
        peers, self._peers = self._peers, {}
        for connection in peers.values():
            connection.fail("control died")

    async def close(self) -> None:
        self.die()


class _Connection:
    def __init__(self, peer: PeerId, uplink: SimUplink) -> None:
        self.peer = peer
        self._uplink = uplink
        self._waiting: set[asyncio.Future[None]] = set()
        self.broken: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def order(self, order: Order) -> None:
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.add(answer)
        try:
            self._uplink.take(self, order, answer)
            await answer
        finally:
            self._waiting.discard(answer)

    def fail(self, reason: str) -> None:
        if not self.broken.done():
            self.broken.set_result(reason)
        for answer in self._waiting:
            if not answer.done():
                answer.set_exception(Unavailable(f"{self.peer}: {reason}"))


class SimUplink:
    """One peer's end. `cut` is the partition; `control` is whoever is control now."""

    def __init__(self, peer: PeerId, control: Callable[[], SimLink | None], dice: random.Random) -> None:
        self._peer = peer
        self._control = control
        self._dice = dice
        self._facts = FactQueue()
        self._news = asyncio.Event()
        self._orders: asyncio.Queue[tuple[_Connection, Order, asyncio.Future[None]]] = asyncio.Queue()
        self._perform: Callable[[Order], Awaitable[None]] | None = None
        self._connection: _Connection | None = None
        self.cut = False

    @property
    def connected(self) -> bool:
        return self._connection is not None

    def tell(self, fact: Fact) -> None:
        self._facts.put(fact)
        self._news.set()

    async def run(self, hello: Callable[[], Hello], perform: Callable[[Order], Awaitable[None]]) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._perform_all(perform))
            while True:
                await asyncio.sleep(DIAL_S * (0.5 + self._dice.random()))
                link = self._control()
                if link is None or self.cut or link.events is None:
                    continue
                await self._one_link(link, hello)

    async def _one_link(self, link: SimLink, hello: Callable[[], Hello]) -> None:
        connection = _Connection(self._peer, self)
        self._facts.forget_readings()
        said = hello()
        await self._delay()
        if self.cut or not await link.came(connection, said):
            return
        self._connection = connection
        sending = asyncio.create_task(self._send(link, connection))
        try:
            reason = await connection.broken
        finally:
            self._connection = None
            sending.cancel()
        await link.went(connection, reason)

    def cut_off(self, *, cut: bool) -> None:
        self.cut = cut
        connection = self._connection
        if cut and connection is not None:
            loop = asyncio.get_running_loop()
            loop.call_later(PING_LOST_S, connection.fail, "no answer to a ping")

    def break_now(self) -> None:
        """The connection is reset; it is dialled anew."""
        if self._connection is not None:
            self._connection.fail("reset")

    def take(self, connection: _Connection, order: Order, answer: asyncio.Future[None]) -> None:
        self._orders.put_nowait((connection, order, answer))

    async def _perform_all(self, perform: Callable[[Order], Awaitable[None]]) -> None:
        while True:
            connection, order, answer = await self._orders.get()
            await self._delay()
            if self.cut or connection is not self._connection:
                continue
            error: ManagerError | None = None
            try:
                await perform(order)
            except ManagerError as refused:
                error = refused
            await self._delay()
            if self.cut or answer.done():
                continue
            if error is None:
                answer.set_result(None)
            else:
                answer.set_exception(error)

    async def _send(self, link: SimLink, connection: _Connection) -> None:
        while True:
            taken = self._facts.take()
            if taken is None:
                self._news.clear()
                await self._news.wait()
                continue
            if self.cut:
                self._facts.give_back(*taken)
                await asyncio.sleep(DIAL_S)
                continue
            await self._delay()
            await link.told(connection, taken[1])

    async def _delay(self) -> None:
        await asyncio.sleep(self._dice.uniform(*DELAY_S))


def peer_of(hello: Hello) -> PeerId:
    return hello.gateway_id if isinstance(hello, GatewayHello) else hello.encoder.node_id
