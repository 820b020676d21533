"""Devices that stream for nobody: they are told to stop, and one that cannot be asked now is asked later."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.adapters.encoders.no_workers import NoWorkers
from app.adapters.encoders.simulated import SimulatedEncoder
from app.adapters.encoders.simulated_device import SimulatedDevice
from app.adapters.store.sql_store import SqlStore
from app.domain.device import EngineState, NewDevice, Reach
from app.domain.encoder import EncoderKind
from app.domain.events import Event
from app.domain.fleet import Role
from app.domain.ids import EncoderId, StreamId
from app.domain.secret import Secret
from app.monitoring.device_watch import DeviceWatch
from app.runtime.bus import Bus
from app.runtime.tasks import TaskGroupKeeper
from app.services import device_deeds
from app.services.device_deeds import DeviceDeeds
from app.services.devices import Devices
from app.services.fleet import Fleet
from app.services.ledger import Ledger
from tests.contract.encoder_benches import PROFILE
from tests.unit.services.test_devices import WHO, fail, no_certificate

A = EncoderId("a")


@dataclass
class House:
    device: SimulatedDevice
    ledger: Ledger
    deeds: DeviceDeeds
    now_s: float = 1_000.0

    async def beat(self) -> None:
        """As control looks at its devices, and all that follows from it."""
        before = asyncio.all_tasks()
        self.deeds.look_for_forgotten(lambda held: held == PROFILE)
        self.deeds.quiet_strays()
        await asyncio.gather(*(asyncio.all_tasks() - before))


@pytest.fixture
async def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    store = await SqlStore.open(f"sqlite+aiosqlite:///{tmp_path}/d.db", seal_key=Secret("seal-key-of-tests"))
    bus: Bus[Event] = Bus(fail)
    ledger, device, keeper = Ledger(), SimulatedDevice(A), TaskGroupKeeper(fail)
    device.held = PROFILE
    device.tell(streaming=EngineState.RUNNING)
    devices = Devices(
        store=store,
        fleet=Fleet(driver_for=SimulatedEncoder, store=store, ledger=ledger, bus=bus),
        ledger=ledger,
        driver_for=lambda _: device,
        fingerprint_of=no_certificate,
        no_workers=NoWorkers,
        watch=DeviceWatch(on_reading=lambda *_: None, bus=bus),
    )
    await devices.enter(NewDevice(EncoderKind.AJA_HELO, "http://a", encoder_id=A), WHO)
    house = House(device, ledger, DeviceDeeds(devices=devices, ledger=ledger, keeper=keeper))
    monkeypatch.setattr(device_deeds, "monotonic", lambda: house.now_s)
    yield house
    await keeper.close()
    await store.close()


async def test_one_that_streams_for_a_stream_that_is_over_is_told_to_stop(house: House) -> None:
    await house.beat()
    await house.beat()
    assert house.device.orders == ["stop_stream"]


async def test_one_that_cannot_be_asked_for_whom_it_streams_is_asked_again_later(house: House) -> None:
    house.device.reach = Reach.UNREACHABLE
    await house.beat()
    house.device.reach = Reach.OK
    await house.beat()
    assert house.device.orders == []
    house.now_s += device_deeds.AGAIN_S
    await house.beat()
    await house.beat()
    assert house.device.orders == ["stop_stream"]


async def test_one_that_has_a_place_in_a_stream_is_left_alone(house: House) -> None:
    house.ledger.promise(A, StreamId("s"), Role.PRIMARY, 1.0)
    house.deeds.leave(A)
    await house.beat()
    await house.beat()
    assert house.device.orders == []


async def test_one_that_streams_for_somebody_else_is_left_alone(house: House) -> None:
    house.device.held = None
    await house.beat()
    await house.beat()
    assert house.device.orders == []


async def test_one_that_cannot_be_told_to_stop_is_told_when_it_is_back(house: House) -> None:
    house.deeds.leave(A)
    house.device.reach = Reach.UNREACHABLE
    await house.beat()
    house.device.reach = Reach.OK
    await house.beat()
    assert house.device.orders == []
    house.now_s += device_deeds.AGAIN_S
    await house.beat()
    assert house.device.orders == ["stop_stream"]
