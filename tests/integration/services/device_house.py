"""Devices in memory, and a gateway that has on air what they send: for tests of streams that devices feed."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.adapters.encoders.simulated_device import SimulatedDevice
from app.assembly import device_rooms
from app.domain.device import DeviceEntry, DeviceProfile, EngineState, NewDevice, Reach
from app.domain.encoder import EncoderKind
from app.domain.errors import Conflict
from app.domain.ids import EncoderId, StreamId
from app.domain.link import ChannelReading, InputReading, Order, SourceDown, SourceUp, SwitchInput
from app.domain.session import DeviceWish, StreamHealth, StreamRequest
from app.domain.stream import ChannelPlan, Input, StandbyGrade, StreamMode
from app.monitoring import device_watch
from app.policy import device_feed, encoder_presence
from app.services import device_deeds, device_streams

from .peers import ADMIN, OWNER, Control, FakeGateway, at, until

FED = StreamRequest(
    width=1280,
    height=720,
    bitrate_bps=4_000_000,
    fps=30.0,
    mode=StreamMode.PASSTHROUGH,
    devices=DeviceWish(),
)


class FedGateway(FakeGateway):
    """Sees which device publishes with which key."""

    def __init__(self, devices: dict[str, SimulatedDevice]) -> None:
        super().__init__()
        self._devices = devices
        self.on_air: dict[StreamId, Input] = {}
        self._frames = 0

    def background(self) -> list[asyncio.Task[None]]:
        return [asyncio.create_task(self._watch())]

    async def _watch(self) -> None:
        while True:
            for plan in tuple(self.plans.values()):
                self._tell(plan)
            await asyncio.sleep(0.05)

    def flowing(self, plan: ChannelPlan) -> tuple[Input, ...]:
        keys = {
            hashlib.sha256(device.held.stream_key.reveal().encode()).hexdigest()
            for device in self._devices.values()
            if device.state.streaming is EngineState.RUNNING and device.held is not None
        }
        digests = {Input.MAIN: plan.key_sha256, Input.BACKUP: plan.backup_key_sha256}
        return tuple(name for name, digest in digests.items() if digest in keys)

    def _tell(self, plan: ChannelPlan) -> None:
        stream_id, flowing = plan.stream_id, self.flowing(plan)
        now = self.on_air.get(stream_id)
        if now is not None and now not in flowing:
            del self.on_air[stream_id]
            self.tell(SourceDown(stream_id, at(), "gone"))
        if flowing and stream_id not in self.on_air:
            self.take(stream_id, flowing[0])
        self._frames += 1
        on_air = self.on_air.get(stream_id)
        inputs = tuple(InputReading(name, name is on_air, flows=True, peer="d") for name in flowing)
        self.tell(
            ChannelReading(
                stream_id,
                at(),
                on_air is not None,
                1e6,
                30.0,
                self._frames,
                0,
                0,
                0.0,
                (),
                0,
                0,
                None,
                inputs=inputs,
            )
        )

    def take(self, stream_id: StreamId, name: Input) -> None:
        self.on_air[stream_id] = name
        self.tell(SourceUp(stream_id, at(), "d", None, "avc1", "mp4a", input=name))

    def carry_out(self, order: Order) -> None:
        if isinstance(order, SwitchInput):
            if order.input not in self.flowing(self.plans[order.stream_id]):
                raise Conflict("nothing comes there")
            self.take(order.stream_id, order.input)
        super().carry_out(order)


@dataclass
class DeviceHouse:
    control: Control
    gateway: FedGateway
    devices: dict[str, SimulatedDevice]

    async def enter(self, *names: str) -> None:
        for name in names:
            self.devices.setdefault(name, SimulatedDevice(EncoderId(name)))
            new = NewDevice(EncoderKind.AJA_HELO, f"http://{name}", encoder_id=EncoderId(name))
            await self.control.services.encoders.enter(new, ADMIN)

    async def open(self, request: StreamRequest = FED) -> StreamId:
        return (await self.control.services.streams.open(request, OWNER)).record.stream_id

    def health(self, stream_id: StreamId) -> StreamHealth:
        return next(h for h in self.control.services.streams.all_health(ADMIN) if h.stream_id == stream_id)

    def roles(self, stream_id: StreamId) -> tuple[str | None, str | None]:
        health = self.health(stream_id)
        return health.primary_id, health.backup_id

    async def protected(self, stream_id: StreamId) -> None:
        await until(lambda: self.health(stream_id).protected)

    def streaming(self) -> set[str]:
        return {name for name, one in self.devices.items() if one.state.streaming is EngineState.RUNNING}

    def held(self, name: str) -> DeviceProfile:
        held = self.devices[name].held
        assert held is not None, f"{name} was never set up"
        return held

    def lose(self, name: str) -> None:
        """Its power fails."""
        self.devices[name].reach = Reach.UNREACHABLE
        self.devices[name].tell(streaming=EngineState.STOPPED)

    def comes_back(self, name: str) -> None:
        self.devices[name].reach = Reach.OK


def hurry(patch: pytest.MonkeyPatch) -> None:
    """What takes seconds takes tenths."""
    patch.setattr(encoder_presence, "DEVICE_SUSPECT_S", 0.4)
    patch.setattr(encoder_presence, "DEVICE_OFFLINE_S", 0.8)
    patch.setattr(device_feed, "BLIND_S", 0.3)
    patch.setattr(device_streams, "BEAT_S", 0.05)
    patch.setattr(device_streams, "REST_S", 0.2)
    patch.setattr(device_streams, "RETURN_S", 1.0)
    patch.setattr(device_deeds, "AGAIN_S", 0.3)
    patch.setattr(device_watch.DeviceWatch.__init__, "__kwdefaults__", {"pace_s": 0.1})


def fed(grade: StandbyGrade) -> DeviceWish:
    return DeviceWish(grade=grade)


@asynccontextmanager
async def device_house(database: Path, patch: pytest.MonkeyPatch) -> AsyncIterator[DeviceHouse]:
    hurry(patch)
    devices: dict[str, SimulatedDevice] = {}

    def driver(entry: DeviceEntry, *, cache: object) -> SimulatedDevice:
        return devices[entry.encoder_id]

    patch.setattr(device_rooms, "HeloDriver", driver)
    control = Control(f"sqlite+aiosqlite:///{database}")
    await control.start()
    house = DeviceHouse(control, FedGateway(devices), devices)
    await house.gateway.come(control.port)
    await until(lambda: control.services.gateways.connected() != ())
    try:
        yield house
    finally:
        await house.gateway.go()
        await control.stop()
