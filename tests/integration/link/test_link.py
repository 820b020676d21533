"""Both ends of the link against each other over a real socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest
from aiohttp import ClientSession, WSMsgType, web
from structlog.testing import capture_logs

from app.adapters.link.frames import FactFrame, HelloFrame, write
from app.adapters.link.server import LinkServer
from app.adapters.link.uplink import WebSocketUplink
from app.domain.encoder import Capabilities, EncoderInfo, EncoderKind, EncoderReading
from app.domain.errors import Conflict, ManagerError, Unavailable
from app.domain.ids import EncoderId, GatewayId, HostId, NodeId, StreamId, WorkerId
from app.domain.ladder import Ladder
from app.domain.link import (
    CloseChannel,
    Fact,
    GatewayHello,
    Heartbeat,
    Hello,
    NodeHello,
    Order,
    SourceDown,
    StartWorker,
)
from app.domain.secret import Secret
from app.domain.stream import EncodeSettings, WorkerOrder
from app.ports.link import PeerId

TOKEN = Secret("link-token-of-this-test")
PEER = GatewayId("gw-1")
HELLO = GatewayHello(PEER, "1.0", "127.0.0.1", 1935, None, "http://127.0.0.1:8081")
AT = datetime(2030, 1, 1, tzinfo=UTC)


class Heard:
    """A LinkEvents that writes down what it is told."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.facts: list[Fact] = []
        self.refused: str | None = None

    def refusal(self, hello: Hello) -> str | None:
        return self.refused

    async def on_hello(self, hello: Hello) -> None:
        self.log.append("hello")

    async def on_fact(self, peer: PeerId, fact: Fact) -> None:
        self.facts.append(fact)

    async def on_lost(self, peer: PeerId, reason: str) -> None:
        self.log.append("lost")


class Control:
    def __init__(self) -> None:
        self.heard = Heard()
        self.port = 0
        self.link = LinkServer(token=TOKEN)
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        self.link = LinkServer(token=TOKEN)
        self.link.listen(self.heard)
        app = web.Application()
        app.router.add_get("/link", self.link.handle)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        await self.link.close()
        if self._runner is not None:
            await self._runner.cleanup()

    def uplink(self, token: Secret = TOKEN) -> WebSocketUplink:
        return WebSocketUplink(control_url=f"http://127.0.0.1:{self.port}", token=token)


@pytest.fixture
async def control() -> AsyncIterator[Control]:
    control = Control()
    await control.start()
    yield control
    await control.stop()


@pytest.fixture
async def running() -> AsyncIterator[list[asyncio.Task[None]]]:
    tasks: list[asyncio.Task[None]] = []
    yield tasks
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def until(true: Callable[[], bool], within_s: float = 10.0) -> None:
    async with asyncio.timeout(within_s):
        while not true():  # noqa: ASYNC110 - the condition belongs to the code under test, which owes us no event
            await asyncio.sleep(0.005)


async def _refuse_all(order: Order) -> None:
    raise Conflict("not here")


async def test_an_order_arrives_whole_and_its_answer_comes_back(
    control: Control, running: list[asyncio.Task[None]]
) -> None:
    seen: list[Order] = []

    async def perform(order: Order) -> None:
        seen.append(order)

    running.append(asyncio.create_task(control.uplink().run(lambda: HELLO, perform)))
    await until(lambda: control.link.is_connected(PEER))
    order = StartWorker(
        WorkerOrder(
            StreamId("str_1"),
            WorkerId("wrk_1"),
            3,
            "127.0.0.1",
            1935,
            Secret("worker-token"),
            EncodeSettings(Ladder(()), 2_000),
        )
    )
    await control.link.order(PEER, order)
    assert seen == [order]


async def test_the_error_a_peer_answers_with_is_raised_at_the_caller(
    control: Control, running: list[asyncio.Task[None]]
) -> None:
    running.append(asyncio.create_task(control.uplink().run(lambda: HELLO, _refuse_all)))
    await until(lambda: control.link.is_connected(PEER))
    with pytest.raises(Conflict, match="not here"):
        await control.link.order(PEER, CloseChannel(StreamId("str_1"), "over"))


async def test_a_crash_while_performing_is_answered_and_the_link_lives(
    control: Control, running: list[asyncio.Task[None]]
) -> None:
    async def perform(order: Order) -> None:
        raise ZeroDivisionError

    running.append(asyncio.create_task(control.uplink().run(lambda: HELLO, perform)))
    await until(lambda: control.link.is_connected(PEER))
    with pytest.raises(ManagerError, match="ZeroDivisionError"):
        await control.link.order(PEER, CloseChannel(StreamId("str_1"), "over"))
    assert control.link.is_connected(PEER)


async def test_orders_to_an_absent_or_silent_peer_are_unavailable(
    control: Control, running: list[asyncio.Task[None]]
) -> None:
    with pytest.raises(Unavailable):
        await control.link.order(PEER, CloseChannel(StreamId("str_1"), "over"))
    never = asyncio.Event()

    async def perform(order: Order) -> None:
        await never.wait()

    running.append(asyncio.create_task(control.uplink().run(lambda: HELLO, perform)))
    await until(lambda: control.link.is_connected(PEER))
    with pytest.raises(Unavailable, match="did not answer"):
        await control.link.order(PEER, CloseChannel(StreamId("str_1"), "over"), timeout_s=0.05)


async def test_facts_told_while_control_is_away_arrive_after_its_return_but_old_readings_do_not(
    control: Control, running: list[asyncio.Task[None]]
) -> None:
    uplink = control.uplink()
    running.append(asyncio.create_task(uplink.run(lambda: HELLO, _refuse_all)))
    await until(lambda: uplink.connected)
    await control.stop()
    await until(lambda: not uplink.connected)
    fact = SourceDown(StreamId("str_1"), AT, "publisher left")
    uplink.tell(Heartbeat(EncoderReading(cpu_percent=1.0)))
    uplink.tell(fact)
    await control.start()
    await until(lambda: bool(control.heard.facts))
    assert control.heard.facts == [fact]
    assert control.heard.log == ["hello", "lost", "hello"]


async def test_a_second_link_of_one_peer_replaces_the_first(
    control: Control, running: list[asyncio.Task[None]]
) -> None:
    async with ClientSession() as session:
        headers = {"Authorization": f"Bearer {TOKEN.reveal()}"}
        first = await session.ws_connect(f"http://127.0.0.1:{control.port}/link", headers=headers)
        await first.send_str(write(HelloFrame(HELLO)))
        await until(lambda: control.link.is_connected(PEER))
        second = control.uplink()
        running.append(asyncio.create_task(second.run(lambda: HELLO, _refuse_all)))
        assert (await first.receive()).type is WSMsgType.CLOSE
    await until(lambda: second.connected and control.heard.log == ["hello", "lost", "hello"])
    assert control.link.is_connected(PEER)


@asynccontextmanager
async def half_dead(control: Control) -> AsyncIterator[None]:
    """A link of PEER that reads nothing after its hello, with orders before it that fill every buffer."""
    async with ClientSession() as session:
        socket = await session.ws_connect(
            f"http://127.0.0.1:{control.port}/link", headers={"Authorization": f"Bearer {TOKEN.reveal()}"}
        )
        await socket.send_str(write(HelloFrame(HELLO)))
        await until(lambda: control.link.is_connected(PEER))
        flood = CloseChannel(StreamId("str_1"), "x" * 4_000_000)
        orders = [asyncio.create_task(control.link.order(PEER, flood, timeout_s=60.0)) for _ in range(8)]
        await asyncio.wait(orders, timeout=0.1)
        yield
        results = await asyncio.gather(*orders, return_exceptions=True)
        assert {type(result) for result in results} == {Unavailable}


async def test_a_peer_that_comes_back_is_served_at_once_though_its_old_link_is_half_dead(
    control: Control, running: list[asyncio.Task[None]]
) -> None:
    async def perform(order: Order) -> None:
        """Carried out."""

    async with half_dead(control):
        running.append(asyncio.create_task(control.uplink().run(lambda: HELLO, perform)))
        await until(lambda: control.heard.log == ["hello", "lost", "hello"])
        await control.link.order(PEER, CloseChannel(StreamId("str_1"), "test"), timeout_s=1.0)


async def test_a_refused_peer_hears_why_and_the_one_that_is_there_stays(
    control: Control, running: list[asyncio.Task[None]]
) -> None:
    orders: list[Order] = []

    async def perform(order: Order) -> None:
        orders.append(order)

    running.append(asyncio.create_task(control.uplink().run(lambda: HELLO, perform)))
    await until(lambda: control.link.is_connected(PEER))
    control.heard.refused = "this id is in use on another machine"
    second = control.uplink()
    with capture_logs() as logs:
        running.append(asyncio.create_task(second.run(lambda: HELLO, _refuse_all)))
        await until(lambda: any(line["event"] == "control refuses this peer" for line in logs))
    assert [line["reason"] for line in logs if line["log_level"] == "error"] == [control.heard.refused] * 2
    assert control.heard.log == ["hello"]
    await control.link.order(PEER, CloseChannel(StreamId("str_1"), "test"))
    assert len(orders) == 1


async def test_a_node_under_a_gateways_id_is_refused_and_the_gateway_stays(
    control: Control, running: list[asyncio.Task[None]]
) -> None:
    running.append(asyncio.create_task(control.uplink().run(lambda: HELLO, _refuse_all)))
    await until(lambda: control.link.is_connected(PEER))
    able = Capabilities(None, 1, 1 << 30, (), (), 1, 1e9, "1")
    node = EncoderInfo(EncoderId(PEER), NodeId(PEER), HostId("h"), EncoderKind.SOFTWARE, "n", able)
    with capture_logs() as logs:
        running.append(asyncio.create_task(control.uplink().run(lambda: NodeHello("1", node), _refuse_all)))
        await until(lambda: any(line["event"] == "control refuses this peer" for line in logs))
    assert control.heard.log == ["hello"]
    with pytest.raises(Conflict):
        await control.link.order(PEER, CloseChannel(StreamId("str_1"), "test"))


async def test_a_peer_without_the_token_never_says_hello(
    control: Control, running: list[asyncio.Task[None]]
) -> None:
    stranger, ours = control.uplink(Secret("wrong")), control.uplink()
    with capture_logs() as logs:
        running.append(asyncio.create_task(stranger.run(lambda: HELLO, _refuse_all)))
        running.append(asyncio.create_task(ours.run(lambda: HELLO, _refuse_all)))
        await until(lambda: control.heard.log != [])
        await until(lambda: any(line["event"] == "control refuses this peer" for line in logs))
    assert ["ENCMAN_LINK_TOKEN" in line["reason"] for line in logs if line["log_level"] == "error"] == [True]
    assert not stranger.connected
    assert control.heard.log == ["hello"]


async def test_a_bad_frame_ends_the_link_and_an_unknown_fact_does_not(control: Control) -> None:
    async with ClientSession() as session:
        headers = {"Authorization": f"Bearer {TOKEN.reveal()}"}
        peer = await session.ws_connect(f"http://127.0.0.1:{control.port}/link", headers=headers)
        await peer.send_str(write(HelloFrame(HELLO)))
        await peer.send_str('{"fact": {"type": "FactOfTheFuture"}}')
        await peer.send_str(write(FactFrame(SourceDown(StreamId("str_1"), AT, "left"))))
        await until(lambda: len(control.heard.facts) == 1)
        await peer.send_str("rubbish")
        assert (await peer.receive()).type is WSMsgType.CLOSE
    await until(lambda: control.heard.log == ["hello", "lost"])


@pytest.mark.parametrize("first", ["rubbish", '{"done": 1}'])
async def test_a_peer_that_does_not_begin_with_a_hello_is_sent_away(control: Control, first: str) -> None:
    async with ClientSession() as session:
        headers = {"Authorization": f"Bearer {TOKEN.reveal()}"}
        peer = await session.ws_connect(f"http://127.0.0.1:{control.port}/link", headers=headers)
        await peer.send_str(first)
        assert (await peer.receive()).type is WSMsgType.CLOSE
    assert control.heard.log == []


async def test_facts_keep_their_order_over_a_link_that_breaks_again_and_again(
    control: Control, running: list[asyncio.Task[None]]
) -> None:
    uplink = control.uplink()
    running.append(asyncio.create_task(uplink.run(lambda: HELLO, _refuse_all)))
    for number in range(300):
        uplink.tell(SourceDown(StreamId(f"str_{number:03}"), AT, "left"))
        if number % 100 == 50:
            await until(lambda: uplink.connected)
            await control.stop()
            await until(lambda: not uplink.connected)
        elif number % 100 == 80:
            await control.start()
    uplink.tell(SourceDown(StreamId("str_end"), AT, "left"))
    await until(lambda: any(getattr(f, "stream_id", "") == "str_end" for f in control.heard.facts))
    heard = [getattr(fact, "stream_id", "") for fact in control.heard.facts]
    assert heard == sorted(heard)
