"""What every encoder that runs workers promises beyond the rest: the node over the real link, the simulated one."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator

import pytest

from app.adapters.encoders.node import NodeDriver
from app.adapters.encoders.simulated import SimulatedEncoder
from app.domain.errors import NoCapacity, Unavailable
from app.domain.ids import StreamId, WorkerId
from app.domain.ladder import Ladder
from app.domain.secret import Secret
from app.domain.stream import EncodeSettings, WorkerOrder
from app.ports.encoder import EncoderDriver
from tests.integration.services.peers import Control, FakeNode, encoder, until

INFO = encoder("under-test", max_streams=2)


def order(stream: str, generation: int = 1) -> WorkerOrder:
    return WorkerOrder(
        StreamId(stream), WorkerId(f"wrk_{stream}_{generation}"), generation, "127.0.0.1", 1935, Secret("t"),
        EncodeSettings(Ladder(()), 2_000),
    )  # fmt: skip


@dataclasses.dataclass
class Bench:
    driver: EncoderDriver
    device: SimulatedEncoder | FakeNode

    def switch_off(self) -> None:
        if isinstance(self.device, SimulatedEncoder):
            self.device.is_off = True
        else:
            self.device.refuse = lambda _: Unavailable("switched off")


@pytest.fixture(params=["simulated", "node"])
async def bench(request: pytest.FixtureRequest, tmp_path: object) -> AsyncIterator[Bench]:
    if request.param == "simulated":
        device = SimulatedEncoder(INFO)
        yield Bench(device, device)
        return
    control, node = Control(f"sqlite+aiosqlite:///{tmp_path}/c.db"), FakeNode(INFO)
    await control.start()
    await node.come(control.port)
    await until(lambda: control.services.link.is_connected(INFO.node_id))
    yield Bench(NodeDriver(encoder_id=INFO.encoder_id, node_id=INFO.node_id, downlink=control.services.link), node)
    await node.go()
    await control.stop()


async def test_a_started_worker_runs_until_it_is_stopped_and_stopping_twice_is_no_error(bench: Bench) -> None:
    assert bench.driver.encoder_id == INFO.encoder_id
    await bench.driver.start(order("a"))
    assert set(bench.device.workers) == {"wrk_a_1"}
    await bench.driver.stop(WorkerId("wrk_a_1"), "over")
    await bench.driver.stop(WorkerId("wrk_a_1"), "over")
    assert not bench.device.workers


async def test_a_newer_worker_of_a_stream_takes_the_older_ones_place(bench: Bench) -> None:
    await bench.driver.start(order("a", 1))
    await bench.driver.start(order("b", 1))
    await bench.driver.start(order("a", 2))
    assert set(bench.device.workers) == {"wrk_a_2", "wrk_b_1"}


async def test_a_reservation_is_kept_used_by_the_start_and_given_back(bench: Bench) -> None:
    await bench.driver.reserve(StreamId("a"), order("a"))
    await bench.driver.reserve(StreamId("b"), order("b"))
    assert bench.device.reserved["a"] == order("a")
    await bench.driver.start(order("a"))
    await bench.driver.release(StreamId("b"))
    await bench.driver.release(StreamId("b"))
    assert not bench.device.reserved


async def test_a_full_encoder_refuses(bench: Bench) -> None:
    await bench.driver.start(order("a"))
    await bench.driver.start(order("b"))
    with pytest.raises(NoCapacity):
        await bench.driver.start(order("c"))


async def test_one_that_is_away_is_unavailable(bench: Bench) -> None:
    bench.switch_off()
    for call in (
        bench.driver.start(order("a")),
        bench.driver.stop(WorkerId("w"), "x"),
        bench.driver.reserve(StreamId("a"), order("a")),
        bench.driver.release(StreamId("a")),
    ):
        with pytest.raises(Unavailable):
            await call
