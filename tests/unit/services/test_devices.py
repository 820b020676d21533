"""Devices that operators enter, take out and vouch for at the same time: each is there once, or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from app.adapters.encoders.no_workers import NoWorkers
from app.adapters.encoders.simulated import SimulatedEncoder
from app.adapters.encoders.simulated_device import SimulatedDevice
from app.adapters.store.sql_store import SqlStore
from app.domain.access import Principal, Scope
from app.domain.device import DeviceEntry, DeviceReading, KeptDevice, NewDevice
from app.domain.encoder import EncoderKind
from app.domain.errors import Conflict, NotFound, Unavailable
from app.domain.events import Event
from app.domain.fleet import Role
from app.domain.ids import EncoderId, KeyId, StreamId
from app.domain.secret import Secret
from app.monitoring.device_watch import DeviceWatch
from app.runtime.bus import Bus
from app.services.devices import Devices
from app.services.fleet import Fleet
from app.services.ledger import Ledger

WHO = Principal(KeyId("key_o"), "default", frozenset({Scope.ADMIN}))
A = EncoderId("a")


class Store(SqlStore):
    """The real one. While `gate` is shut, writes of devices wait before it; `is_away`: they fail."""

    gate: asyncio.Event
    waiting: asyncio.Event
    is_away = False

    async def _turn(self) -> None:
        self.waiting.set()
        await self.gate.wait()
        if self.is_away:
            raise Unavailable("the store is away")

    async def put_device(self, device: KeptDevice) -> None:
        await self._turn()
        await super().put_device(device)

    async def remove_device(self, encoder_id: EncoderId) -> bool:
        await self._turn()
        return await super().remove_device(encoder_id)


class Driver(SimulatedDevice):
    """Tells whether it was closed; waits with its first reading for `gate`."""

    def __init__(self, encoder_id: EncoderId) -> None:
        super().__init__(encoder_id)
        self.is_closed = False
        self.asked: asyncio.Event | None = None
        self.gate: asyncio.Event | None = None

    async def read(self) -> DeviceReading:
        if self.asked is not None:
            self.asked.set()
        if self.gate is not None:
            await self.gate.wait()
        return await super().read()

    async def close(self) -> None:
        self.is_closed = True


@dataclass
class House:
    store: Store
    fleet: Fleet
    ledger: Ledger
    devices: Devices = field(init=False)
    drivers: list[Driver] = field(default_factory=list)
    gate: asyncio.Event | None = None
    asked: asyncio.Event = field(default_factory=asyncio.Event)

    def driver(self, entry: DeviceEntry) -> Driver:
        made = Driver(entry.encoder_id)
        made.gate, made.asked = self.gate, self.asked
        self.drivers.append(made)
        return made

    def new(self, name: str = "a", url: str = "") -> NewDevice:
        return NewDevice(EncoderKind.AJA_HELO, url or f"http://{name}", encoder_id=EncoderId(name))

    async def held_up(self, work: asyncio.Task[object]) -> None:
        """Until it waits for the store."""
        waiting = asyncio.create_task(self.store.waiting.wait())
        await asyncio.wait({work, waiting}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        assert not work.done(), await work

    def open_drivers(self) -> list[Driver]:
        return [driver for driver in self.drivers if not driver.is_closed]


def fail(*error: object) -> None:
    raise AssertionError(error)


async def no_certificate(url: str) -> str | None:
    return None


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    store = await Store.open(f"sqlite+aiosqlite:///{tmp_path}/d.db", seal_key=Secret("seal-key-of-tests"))
    store.gate, store.waiting = asyncio.Event(), asyncio.Event()
    store.gate.set()
    bus: Bus[Event] = Bus(fail)
    ledger = Ledger()
    fleet = Fleet(driver_for=SimulatedEncoder, store=store, ledger=ledger, bus=bus)
    house = House(store, fleet, ledger)
    house.devices = Devices(
        store=store,
        fleet=fleet,
        ledger=ledger,
        driver_for=house.driver,
        fingerprint_of=no_certificate,
        no_workers=NoWorkers,
        watch=DeviceWatch(on_reading=lambda *_: None, bus=bus),
    )
    yield house
    await house.devices.close()
    await store.close()


async def test_one_that_two_people_enter_at_once_is_entered_once(house: House) -> None:
    house.store.gate.clear()
    first = asyncio.create_task(house.devices.enter(house.new(), WHO))
    await house.held_up(first)
    second = asyncio.create_task(house.devices.enter(house.new(), WHO))
    await asyncio.sleep(0)
    house.store.gate.set()
    done = await asyncio.gather(first, second, return_exceptions=True)
    assert [type(one) for one in done] == [str, Conflict]
    assert len(house.open_drivers()) == 1


async def test_one_whose_entering_is_given_up_is_let_go(house: House) -> None:
    house.gate = asyncio.Event()
    entering = asyncio.create_task(house.devices.enter(house.new(), WHO))
    await house.asked.wait()
    entering.cancel()
    await asyncio.gather(entering, return_exceptions=True)
    assert house.open_drivers() == []
    assert A not in house.devices


async def test_while_it_is_taken_out_no_stream_is_put_on_it(house: House) -> None:
    await house.devices.enter(house.new(), WHO)
    house.store.gate.clear()
    house.store.waiting.clear()
    removing = asyncio.create_task(house.devices.remove(A, WHO))
    await house.held_up(removing)
    assert list(house.fleet) == []
    house.store.gate.set()
    await removing
    assert house.open_drivers() == []


async def test_one_that_the_store_could_not_forget_stays(house: House) -> None:
    await house.devices.enter(house.new(), WHO)
    house.store.is_away = True
    with pytest.raises(Unavailable):
        await house.devices.remove(A, WHO)
    assert A in house.devices
    assert house.fleet.info(A) is not None
    assert len(house.open_drivers()) == 1


async def test_one_that_serves_a_stream_is_not_taken_out(house: House) -> None:
    await house.devices.enter(house.new(), WHO)
    house.ledger.promise(A, StreamId("s"), Role.PRIMARY, 1.0)
    with pytest.raises(Conflict):
        await house.devices.remove(A, WHO)


async def test_one_that_is_taken_out_while_its_certificate_is_accepted_does_not_come_back(house: House) -> None:
    await house.devices.enter(house.new(), WHO)
    house.store.gate.clear()
    house.store.waiting.clear()
    removing = asyncio.create_task(house.devices.remove(A, WHO))
    await house.held_up(removing)
    trusting = asyncio.create_task(house.devices.trust(A, "ab" * 32, WHO))
    await asyncio.sleep(0)
    house.store.gate.set()
    await removing
    with pytest.raises(NotFound):
        await trusting
    assert await house.store.devices() == ()
    assert house.devices.ids() == ()


@pytest.mark.parametrize("url", ["http://a:80", "HTTP://A/", "http://a."])
async def test_one_address_is_one_however_it_is_written(house: House, url: str) -> None:
    await house.devices.enter(house.new(), WHO)
    with pytest.raises(Conflict, match="is a already"):
        await house.devices.enter(house.new("b", url), WHO)


async def test_an_address_of_the_newer_kind_names_its_device_without_brackets(house: House) -> None:
    entered = await house.devices.enter(NewDevice(EncoderKind.AJA_HELO, "http://[fd00::1]:8080"), WHO)
    assert entered == "helo-fd00::1:8080"
    assert house.devices.url(entered) == "http://[fd00::1]:8080"
