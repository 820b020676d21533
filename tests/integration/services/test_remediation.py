"""Remedies over the real store, real streams of devices, and the protocol of a real device."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from app.adapters.encoders.aja_helo import HeloDriver
from app.adapters.encoders.helo.descriptors import DescriptorCache
from app.adapters.encoders.simulated_device import SimulatedDevice
from app.adapters.store.sql_store import SqlStore
from app.domain.device import DeviceChoice, DeviceEntry, EngineState, NewDevice
from app.domain.encoder import EncoderKind
from app.domain.errors import Conflict
from app.domain.ids import EncoderId
from app.domain.link import SwitchInput
from app.domain.remediation import Automation, Outcome, Remedy, RemedyRun
from app.domain.secret import Secret
from app.domain.stream import StandbyGrade
from app.policy import remedies
from app.runtime.clock import utc_now
from app.simulators.helo.simulator import HeloSimulator
from tests.contract.encoder_benches import PASSWORD, PROFILE, QUICK
from tests.support.helo import helo
from tests.support.remedy_rig import PERSON, Rig

from .device_house import FED, DeviceHouse, device_house, fed
from .peers import until

A = EncoderId("a")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits for a device's effect waits less for a simulated one."""
    hurried = {
        remedy: replace(spec, settle_s=min(spec.settle_s, 0.5)) for remedy, spec in remedies.CATALOGUE.items()
    }
    for remedy, spec in hurried.items():
        monkeypatch.setitem(remedies.CATALOGUE, remedy, spec)  # type: ignore[arg-type]  # a dict behind its face


# --- streams of devices


@pytest.fixture
async def house(database: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[DeviceHouse]:
    async with device_house(database, monkeypatch) as house:
        yield house


async def test_rm_04_the_only_device_of_a_live_stream_is_restarted_by_force_alone(house: DeviceHouse) -> None:
    await house.enter("a")
    await house.open()
    await until(lambda: house.streaming() == {"a"})
    service = house.control.services.remedies
    await until(lambda: house.control.services.devices.reading(A) is not None)
    with pytest.raises(Conflict, match="the last that feeds"):
        await service.ask(A, Remedy.REBOOT, PERSON)
    assert "reboot" not in house.devices["a"].orders
    run = await service.ask(A, Remedy.REBOOT, PERSON, force=True)
    assert run.is_forced
    await until(lambda: "reboot" in house.devices["a"].orders)


async def test_a_stream_goes_over_to_the_other_device_before_its_device_is_touched(house: DeviceHouse) -> None:
    await house.enter("a", "b")
    stream_id = await house.open(replace(FED, devices=fed(StandbyGrade.HOT)))
    await house.protected(stream_id)
    primary, backup = house.roles(stream_id)
    assert primary is not None
    service = house.control.services.remedies
    await service.ask(EncoderId(primary), Remedy.RESTART_STREAM, PERSON)
    await until(lambda: house.roles(stream_id)[0] == backup)
    (order,) = [order for order in house.gateway.orders if isinstance(order, SwitchInput)]
    assert order.cause == "remedy: restart_stream"
    await until(lambda: "start_stream" in house.devices[primary].orders)
    await until(lambda: house.streaming() == {"a", "b"})

    async with asyncio.timeout(10):
        while True:
            (run,) = (await service.standing()).runs
            if run.is_over:
                break
            await asyncio.sleep(0.05)
    assert run.outcome is Outcome.KEPT


async def test_the_spare_input_that_was_entered_is_known_after_a_restart_of_control(house: DeviceHouse) -> None:
    house.devices["a"] = SimulatedDevice(A)
    new = NewDevice(EncoderKind.AJA_HELO, "http://a", encoder_id=A, spare_input="sdi")
    await house.control.services.encoders.enter(new, PERSON)
    await house.control.stop()
    await house.control.start()
    await until(lambda: house.control.services.devices.reading(A) is not None)
    run = await house.control.services.remedies.ask(A, Remedy.CHANGE_INPUT, PERSON)
    assert (run.was, run.wanted) == ("hdmi", "sdi")
    await until(lambda: house.devices["a"].orders == ["choose video_input sdi"])


# --- the device's own protocol


@pytest.fixture
async def unit() -> AsyncIterator[HeloSimulator]:
    async with helo(password=PASSWORD) as simulator:
        yield simulator


@pytest.fixture
async def driver(unit: HeloSimulator) -> AsyncIterator[HeloDriver]:
    entry = DeviceEntry(A, EncoderKind.AJA_HELO, unit.url, "a", utc_now(), password=Secret(PASSWORD))
    driver = HeloDriver(entry, cache=DescriptorCache(), patience=QUICK)
    yield driver
    await driver.close()


async def mended(driver: HeloDriver, remedy: Remedy, *, rig: Rig | None = None) -> RemedyRun:
    """A person's wish, carried to its end on the device."""
    rig = rig or Rig("a")
    rig.devices[A] = driver  # type: ignore[assignment]  # the real driver in the place of one in memory
    async with rig.control(Automation.OFF) as service:
        run = await service.ask(A, remedy, PERSON)
        await until(lambda: rig.store.kept[run.id].is_over)
    return rig.store.kept[run.id]


async def test_a_device_is_led_out_of_file_transfer(unit: HeloSimulator, driver: HeloDriver) -> None:
    unit.apply("transfer_mode", on=True)
    assert (await mended(driver, Remedy.LEAVE_TRANSFER_MODE)).outcome is Outcome.KEPT
    assert (await driver.read()).is_in_transfer_mode is False


async def test_a_device_is_restarted_once_and_seen_to_be_well(unit: HeloSimulator, driver: HeloDriver) -> None:
    run = await mended(driver, Remedy.REBOOT)
    assert (run.outcome, unit.state()["starts"]) == (Outcome.KEPT, 2)


async def test_its_clock_is_set_right(unit: HeloSimulator, driver: HeloDriver) -> None:
    unit.apply("clock", offset_s=-4_000.0)
    assert (await mended(driver, Remedy.SYNC_CLOCK)).outcome is Outcome.KEPT


async def test_it_is_unmuted(driver: HeloDriver) -> None:
    await driver.choose(DeviceChoice.MUTE, "on")
    run = await mended(driver, Remedy.UNMUTE)
    assert (run.outcome, run.command) == (Outcome.KEPT, "unmute it: on -> off")


async def test_its_lost_input_is_changed_for_the_spare_one(unit: HeloSimulator, driver: HeloDriver) -> None:
    unit.apply("input_back", hdmi=0, sdi=18)
    rig = Rig("a")
    rig.spare[A] = "sdi"
    run = await mended(driver, Remedy.CHANGE_INPUT, rig=rig)
    assert run.outcome is Outcome.KEPT
    assert await driver.choice(DeviceChoice.VIDEO_INPUT) == "sdi"


def everything(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.glob("journal.db*"))


async def test_settings_that_somebody_changed_are_given_again_and_no_secret_is_written_down(
    unit: HeloSimulator, driver: HeloDriver, tmp_path: Path
) -> None:
    await driver.configure(PROFILE)
    unit.apply("somebody_writes", parameter="StreamingWidth", value="1920")
    rig = Rig("a")
    rig.profiles[A] = PROFILE
    run = await mended(driver, Remedy.REAPPLY_PROFILE, rig=rig)
    assert run.outcome is Outcome.KEPT
    assert await driver.drift(PROFILE) == ()
    store = await SqlStore.open(f"sqlite+aiosqlite:///{tmp_path}/journal.db", seal_key=Secret("k" * 32))
    await store.remedies.put_run(run)
    await store.close()
    written = everything(tmp_path)
    assert PROFILE.stream_key.reveal().encode() not in written
    assert PASSWORD.encode() not in written


async def test_a_device_that_streams_is_not_restarted(unit: HeloSimulator, driver: HeloDriver) -> None:
    await driver.configure(PROFILE)
    await driver.start_stream()
    with pytest.raises(Conflict, match="it streams"):
        await mended(driver, Remedy.REBOOT)
    assert (await driver.read()).streaming is EngineState.RUNNING
    assert unit.state()["starts"] == 1
