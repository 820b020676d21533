"""Every kind of encoder on a bench: what the contract suite does to it, and what it sees of it from outside."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from app.adapters.encoders.aja_helo import HeloDriver
from app.adapters.encoders.helo.descriptors import DescriptorCache
from app.adapters.encoders.helo.patience import Patience
from app.adapters.encoders.node import NodeDriver
from app.adapters.encoders.simulated import SimulatedEncoder
from app.adapters.encoders.simulated_device import SimulatedDevice
from app.domain.device import DeviceEntry, DeviceProfile, EngineState, Reach
from app.domain.encoder import Capabilities, EncoderKind
from app.domain.errors import NoCapacity, Unavailable
from app.domain.ids import EncoderId, StreamId, WorkerId
from app.domain.ladder import Ladder
from app.domain.secret import Secret
from app.domain.stream import EncodeSettings, WorkerOrder
from app.ports.device import HardwareEncoder
from app.ports.encoder import EncoderDriver
from app.runtime.clock import utc_now
from app.simulators.helo.quirks import Quirks, Unknown, WhileDown
from app.simulators.helo.simulator import HeloSimulator
from tests.integration.services.peers import Control, FakeNode, encoder, until
from tests.support.helo import helo

INFO = encoder("under-test", max_streams=2)
QUICK: Final = Patience(
    answer_s=2.0, descriptors_s=5.0, events_s=2.0, look_again_s=0.02, start_s=2.0, faulty_s=0.5, stop_s=3.0,
    read_back_s=1.0, restart_s=10.0,
)  # fmt: skip
PROFILE: Final = DeviceProfile(
    rtmp_url="rtmp://127.0.0.1:1935/live", stream_key=Secret("key-of-the-suite"), width=640, height=360,
    video_bps=2_000_000, audio_bps=128_000,
)  # fmt: skip
PASSWORD: Final = "word of the suite"


class Bench(Protocol):
    """One encoder. `is_at_work` looks at it past its driver."""

    encoder_id: EncoderId

    async def put_to_work(self) -> None: ...

    async def take_off(self) -> None: ...

    async def capabilities(self) -> Capabilities: ...

    @property
    def is_at_work(self) -> bool: ...

    def make_it_refuse(self) -> None:
        """It answers, and does not do what it is told."""

    def switch_off(self) -> None: ...

    def switch_on(self) -> None: ...


def order(stream: str, generation: int = 1) -> WorkerOrder:
    return WorkerOrder(
        StreamId(stream), WorkerId(f"wrk_{stream}_{generation}"), generation, "127.0.0.1", 1935, Secret("t"),
        EncodeSettings(Ladder(()), 2_000),
    )  # fmt: skip


@dataclass
class WorkerBench:
    """One that runs workers for streams of ours."""

    driver: EncoderDriver
    device: SimulatedEncoder | FakeNode

    @property
    def encoder_id(self) -> EncoderId:
        return self.driver.encoder_id

    async def put_to_work(self) -> None:
        await self.driver.start(order("a"))

    async def take_off(self) -> None:
        await self.driver.stop(WorkerId("wrk_a_1"), "over")

    async def capabilities(self) -> Capabilities:
        return INFO.capabilities

    @property
    def is_at_work(self) -> bool:
        return set(self.device.workers) == {"wrk_a_1"}

    def make_it_refuse(self) -> None:
        if isinstance(self.device, SimulatedEncoder):
            self.device.workers = {order(s).worker_id: order(s) for s in ("x", "y")}
        else:
            self.device.refuse = lambda _: NoCapacity("full")

    def switch_off(self) -> None:
        if isinstance(self.device, SimulatedEncoder):
            self.device.is_off = True
        else:
            self.device.refuse = lambda _: Unavailable("switched off")

    def switch_on(self) -> None:
        if isinstance(self.device, SimulatedEncoder):
            self.device.is_off = False
        else:
            self.device.refuse = lambda _: None


@dataclass
class DeviceBench:
    """One with an input of its own."""

    driver: HardwareEncoder
    device: SimulatedDevice | HeloSimulator

    @property
    def encoder_id(self) -> EncoderId:
        return self.driver.encoder_id

    async def put_to_work(self) -> None:
        await self.driver.start_stream()

    async def take_off(self) -> None:
        await self.driver.stop_stream()

    async def capabilities(self) -> Capabilities:
        return await self.driver.capabilities()

    @property
    def is_at_work(self) -> bool:
        if isinstance(self.device, SimulatedDevice):
            return self.device.state.streaming is EngineState.RUNNING
        return bool(self.device.state()["stream_state"] == 2)

    def make_it_refuse(self) -> None:
        if isinstance(self.device, SimulatedDevice):
            self.device.refusal = "it does not want to"
        else:
            self.device.apply("ingest", behaves="refuses")

    def switch_off(self) -> None:
        if isinstance(self.device, SimulatedDevice):
            self.device.reach = Reach.UNREACHABLE
        else:
            self.device.apply("network", on=False)

    def switch_on(self) -> None:
        if isinstance(self.device, SimulatedDevice):
            self.device.reach = Reach.OK
        else:
            self.device.apply("network", on=True)


def entry(
    url: str, *, encoder_id: str = "helo-1", password: str | None = None, fingerprint: str | None = None
) -> DeviceEntry:
    return DeviceEntry(
        encoder_id=EncoderId(encoder_id),
        kind=EncoderKind.AJA_HELO,
        url=url,
        name=encoder_id,
        added_at=utc_now(),
        password=None if password is None else Secret(password),
        fingerprint=fingerprint,
    )


@contextlib.asynccontextmanager
async def helo_bench(*, password: str | None = None, **options: object) -> AsyncIterator[DeviceBench]:
    """A driver with a simulator that is ready to stream."""
    async with helo(password=password, **options) as simulator:
        driver = HeloDriver(entry(simulator.url, password=password), cache=DescriptorCache(), patience=QUICK)
        try:
            await until_ready(driver)
            await driver.configure(PROFILE)
            yield DeviceBench(driver, simulator)
        finally:
            await driver.close()


async def until_ready(driver: HardwareEncoder) -> None:
    while (await driver.read()).streaming in (None, EngineState.STARTING):
        continue


@contextlib.asynccontextmanager
async def simulated_device(_: Path) -> AsyncIterator[Bench]:
    device = SimulatedDevice(EncoderId("dev-1"))
    yield DeviceBench(device, device)


@contextlib.asynccontextmanager
async def simulated_encoder(_: Path) -> AsyncIterator[Bench]:
    device = SimulatedEncoder(INFO)
    yield WorkerBench(device, device)


@contextlib.asynccontextmanager
async def node(folder: Path) -> AsyncIterator[Bench]:
    control, machine = Control(f"sqlite+aiosqlite:///{folder}/c.db"), FakeNode(INFO)
    await control.start()
    await machine.come(control.port)
    await until(lambda: control.services.link.is_connected(INFO.node_id))
    link = control.services.link
    yield WorkerBench(NodeDriver(encoder_id=INFO.encoder_id, node_id=INFO.node_id, downlink=link), machine)
    await machine.go()
    await control.stop()


@contextlib.asynccontextmanager
async def plain_helo(_: Path) -> AsyncIterator[Bench]:
    async with helo_bench() as bench:
        yield bench


@contextlib.asynccontextmanager
async def locked_helo(_: Path) -> AsyncIterator[Bench]:
    async with helo_bench(password=PASSWORD) as bench:
        yield bench


@contextlib.asynccontextmanager
async def other_helo(_: Path) -> AsyncIterator[Bench]:
    """One that does otherwise what no document says."""
    quirks = Quirks(unknown=Unknown.NOT_FOUND, while_down=WhileDown.BUSY, numeric_connection_id=True)
    async with helo_bench(quirks=quirks) as bench:
        yield bench


Opening = Callable[[Path], contextlib.AbstractAsyncContextManager[Bench]]
BENCHES: Final[dict[str, Opening]] = {
    "simulated_encoder": simulated_encoder,
    "node": node,
    "simulated_device": simulated_device,
    "helo": plain_helo,
    "helo_with_password": locked_helo,
    "helo_otherwise": other_helo,
}
