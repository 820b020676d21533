"""Several controls behind one link: peers find the one that leads, and obey no older one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import ClientSession, WSMsgType, web

from app.adapters.link.frames import DoneFrame, FailedFrame, Frame, OrderFrame, WelcomeFrame, read, write
from app.adapters.link.server import LinkServer
from app.adapters.link.uplink import WebSocketUplink
from app.domain.errors import NotLeading
from app.domain.ids import StreamId
from app.domain.link import CloseChannel, Order
from tests.integration.link.test_link import HELLO, PEER, TOKEN, Heard, until

ORDER = CloseChannel(StreamId("str_1"), "over")


class Control:
    """A door with a link behind it. `epoch` None: it does not lead."""

    def __init__(self, epoch: int | None) -> None:
        self.epoch = epoch
        self.link = LinkServer(token=TOKEN, reign=lambda: self.epoch)
        self.link.listen(Heard())
        self.asked = 0
        self.port = 0
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        app = web.Application()
        app.router.add_get("/link", self._handle)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True).start()
        self.port = self._runner.addresses[0][1]

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self.asked += 1
        return await self.link.handle(request)

    async def stop(self) -> None:
        await self.link.close()
        if self._runner is not None:
            await self._runner.cleanup()


class Old:
    """A control that was overtaken without knowing: it goes on under its epoch. Says what it is answered."""

    def __init__(self, frames: tuple[Frame, ...]) -> None:
        self.frames = frames
        self.answers: list[Frame] = []
        self.port = 0
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        app = web.Application()
        app.router.add_get("/link", self._handle)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.port = self._runner.addresses[0][1]

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.receive()
        for frame in self.frames:
            await socket.send_str(write(frame))
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                self.answers.append(read(message.data))
        return socket

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()


class Peer:
    def __init__(self, *controls: Control | Old) -> None:
        urls = ", ".join(f"http://127.0.0.1:{control.port}/" for control in controls)
        self.uplink = WebSocketUplink(control_url=urls, token=TOKEN, jitter=lambda: 0.0)
        self.performed: list[Order] = []
        self.task = asyncio.create_task(self.uplink.run(lambda: HELLO, self._perform))

    async def _perform(self, order: Order) -> None:
        self.performed.append(order)


@pytest.fixture
async def both() -> AsyncIterator[tuple[Control, Control]]:
    one, other = Control(None), Control(7)
    await one.start()
    await other.start()
    yield one, other
    await one.stop()
    await other.stop()


@pytest.fixture
async def ended() -> AsyncIterator[list[Peer]]:
    peers: list[Peer] = []
    yield peers
    for peer in peers:
        peer.task.cancel()
    await asyncio.gather(*(peer.task for peer in peers), return_exceptions=True)


async def test_a_peer_finds_the_control_that_leads_among_several_addresses(
    both: tuple[Control, Control], ended: list[Peer]
) -> None:
    standby, leader = both
    peer = Peer(standby, leader)
    ended.append(peer)
    await until(lambda: leader.link.is_connected(PEER))
    await leader.link.order(PEER, ORDER)
    assert peer.performed == [ORDER]
    assert standby.asked == 1


async def test_peers_follow_a_change_of_leader(both: tuple[Control, Control], ended: list[Peer]) -> None:
    standby, leader = both
    peer = Peer(standby, leader)
    ended.append(peer)
    await until(lambda: leader.link.is_connected(PEER))
    standby.epoch, leader.epoch = 8, None
    with pytest.raises(NotLeading):
        await leader.link.order(PEER, ORDER)
    await leader.stop()
    await until(lambda: standby.link.is_connected(PEER))
    await standby.link.order(PEER, ORDER)
    assert peer.performed == [ORDER]


async def test_a_peer_that_heard_of_a_newer_epoch_lets_no_older_control_in(
    both: tuple[Control, Control], ended: list[Peer]
) -> None:
    old, new = both
    peer = Peer(new, old)
    ended.append(peer)
    await until(lambda: new.link.is_connected(PEER))
    # Its welcome was heard once an order has been carried out.
    await new.link.order(PEER, ORDER)
    new.epoch, old.epoch = None, 6
    await new.stop()
    await until(lambda: old.asked >= 2)
    assert peer.performed == [ORDER]
    old.epoch = 8
    await until(lambda: old.link.is_connected(PEER))
    await old.link.order(PEER, ORDER)
    assert peer.performed == [ORDER, ORDER]


@pytest.mark.parametrize("welcome", [(), (WelcomeFrame(5),)])
async def test_orders_of_an_epoch_that_is_over_are_refused_and_the_link_ends(
    ended: list[Peer], welcome: tuple[Frame, ...]
) -> None:
    old = Old((*welcome, OrderFrame(1, ORDER, 6), OrderFrame(2, ORDER, 5), OrderFrame(3, ORDER, 6)))
    await old.start()
    peer = Peer(old)
    ended.append(peer)
    await until(lambda: len(old.answers) >= 2)
    answers = {frame.number: frame for frame in old.answers[:2] if isinstance(frame, DoneFrame | FailedFrame)}
    refused = answers[2]
    assert isinstance(refused, FailedFrame)
    assert refused.code == NotLeading.code
    assert 3 not in answers
    await old.stop()


async def test_a_control_that_does_not_lead_turns_peers_away_at_the_door(both: tuple[Control, Control]) -> None:
    standby, _ = both
    async with ClientSession() as http:
        headers = {"Authorization": f"Bearer {TOKEN.reveal()}"}
        async with http.get(f"http://127.0.0.1:{standby.port}/link", headers=headers) as answer:
            assert answer.status == 503
