"""Content failover as a whole: a real control and a real gateway, an encoder that makes a live source black."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pytest

from aiortmp import MediaMessage
from aiortmp.aio import ClientConnection, connect
from app.adapters.link.uplink import WebSocketUplink
from app.assembly.gateway import RunningGateway
from app.assembly.settings import Settings
from app.domain.condition import Condition
from app.domain.failover import DecidedBy, SwitchKind
from app.domain.ladder import FrameRate, Rendition
from app.domain.link import Order, StartWorker
from app.domain.session import OpenedStream
from app.domain.stream import WorkerOrder
from app.media.channel import Channel
from app.media.content import rounds
from app.runtime.tasks import TaskGroupKeeper
from benchmarks import scenes
from tests.integration.gateway.echo import EchoWorker, nonce
from tests.integration.gateway.remade import Remaker, messages, play

from .peers import OWNER, REQUEST, TOKEN, Control, FakeNode, encoder, until

PACE = 4.0
TOP = Rendition("top", scenes.WIDTH, scenes.HEIGHT, FrameRate(30), 400_000)


class MakingNode(FakeNode):
    """Runs a worker for each order. Those of the first generation make what they are told to, others echo."""

    def __init__(self, name: str, made: list[MediaMessage], keeper: TaskGroupKeeper) -> None:
        super().__init__(encoder(name))
        self._made = made
        self._keeper = keeper
        self.connections: list[ClientConnection] = []

    def carry_out(self, order: Order) -> None:
        super().carry_out(order)
        if isinstance(order, StartWorker):
            self._keeper.start(self._run(order.order), name="worker")

    async def leave(self) -> None:
        for connection in self.connections:
            connection.abort("the test is over")
        await self.go()

    async def _run(self, order: WorkerOrder) -> None:
        url = f"rtmp://{order.gateway_host}:{order.gateway_port}/worker"
        args = {
            "stream_id": order.stream_id,
            "worker_id": order.worker_id,
            "generation": order.generation,
            "token": order.token.reveal(),
            "nonce": nonce(order.generation),
        }
        connection = await connect(url, args=args)
        self.connections.append(connection)
        picture, sound = await connection.publish("top"), await connection.publish("audio")
        make = partial(Remaker, made=self._made) if order.generation == 1 else EchoWorker
        echo = make(connection, picture, sound, top="top", generation=order.generation)
        await connection.play("source", echo)


@dataclass
class Studio:
    control: Control
    gateway: RunningGateway
    nodes: list[MakingNode]
    stream: OpenedStream

    @property
    def channel(self) -> Channel:
        channel = self.gateway.gateway.by_stream(self.stream.record.stream_id)
        assert channel is not None
        return channel

    async def publish(self, source: list[MediaMessage]) -> None:
        connection = await connect(f"rtmp://127.0.0.1:{self.gateway.rtmp_port}/live")
        self.nodes[0].connections.append(connection)
        await play(await connection.publish(self.stream.stream_key.reveal()), source, PACE)


@pytest.fixture(autouse=True)
def in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "WARM_UP_S", 0.0)
    monkeypatch.setattr(rounds, "LOOK_EVERY_S", rounds.LOOK_EVERY_S / PACE)
    monkeypatch.setattr(rounds, "BEAT_S", rounds.BEAT_S / PACE)


@pytest.fixture
async def made() -> list[MediaMessage]:
    """Black from the sixth second on."""
    return messages(scenes.during(scenes.flat(16), scenes.film(1), end_s=99), key_at_s=0.0)


@pytest.fixture
async def studio(tmp_path: Path, made: list[MediaMessage]) -> AsyncIterator[Studio]:
    control = Control(f"sqlite+aiosqlite:///{tmp_path / 'control.db'}")
    keeper = TaskGroupKeeper(lambda name, error: None)
    nodes = [MakingNode(name, made, keeper) for name in ("a", "b", "c")]
    async with AsyncExitStack() as stack:
        await control.start()
        stack.push_async_callback(control.stop)
        uplink = WebSocketUplink(control_url=f"http://127.0.0.1:{control.port}", token=TOKEN)
        gateway = RunningGateway(Settings(data_dir=tmp_path, rtmp_port=0, http_port=0, link_token=TOKEN), uplink)
        await gateway.start()
        stack.push_async_callback(gateway.stop)
        for node in nodes:
            await node.come(control.port)
            stack.push_async_callback(node.leave)
        stack.push_async_callback(keeper.close)
        await until(lambda: len(control.services.encoders.list()) == 3)
        await until(lambda: control.services.gateways.connected() != ())
        request = replace(REQUEST, width=1280, height=720, renditions=(TOP,))
        yield Studio(control, gateway, nodes, await control.services.streams.open(request, OWNER))


def conditions(studio: Studio) -> list[Condition]:
    told = [event for event in studio.control.told(Condition) if isinstance(event, Condition)]
    return [condition for condition in told if condition.name == "black_picture" and condition.is_active]


async def test_an_encoder_that_makes_a_live_source_black_loses_the_stream_to_its_standby(studio: Studio) -> None:
    source = asyncio.create_task(studio.publish(messages(scenes.film(1), key_at_s=0.0)))
    await until(lambda: studio.channel.switch.generation == 1 and studio.channel.programme.begun)
    await until(lambda: studio.channel.switch.generation > 1)
    assert {dict(condition.labels)["side"] for condition in conditions(studio)} == {"encoder"}
    await until(lambda: bool(studio.channel.switches.reports))
    report = studio.channel.switches.reports[-1]
    assert (report.kind, report.decided_by) == (SwitchKind.PLANNED, DecidedBy.CONTROL)
    assert "black" in report.cause
    source.cancel()
    await asyncio.gather(source, return_exceptions=True)


async def test_a_source_that_is_black_itself_is_told_and_moves_nothing(
    studio: Studio, made: list[MediaMessage]
) -> None:
    await studio.publish(made)
    await until(lambda: conditions(studio) != [])
    assert {dict(condition.labels)["side"] for condition in conditions(studio)} == {"source"}
    assert studio.channel.switch.generation == 1
    assert not studio.channel.switches.reports
