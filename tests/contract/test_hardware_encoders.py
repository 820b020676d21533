"""What every hardware encoder promises beyond the rest: settings, recording, media, restarts, what it tells."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from app.adapters.encoders.simulated_device import SimulatedDevice
from app.domain.device import DeviceChoice, EngineState, Reach
from app.domain.errors import Conflict, DeviceError, Unavailable
from tests.contract.encoder_benches import BENCHES, PROFILE, DeviceBench

DEVICES = ("simulated_device", "helo", "helo_with_password", "helo_otherwise")
BOUND_S = 20.0


@pytest.fixture(params=DEVICES)
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[DeviceBench]:
    async with BENCHES[request.param](tmp_path) as bench:
        assert isinstance(bench, DeviceBench)
        yield bench


async def test_what_was_configured_is_what_it_holds(bench: DeviceBench) -> None:
    wanted = replace(PROFILE, width=1280, height=720, video_bps=4_000_000)
    await bench.driver.configure(wanted)
    held = await bench.driver.profile()
    assert held is not None
    assert replace(held, fps=None) == wanted
    assert await bench.driver.drift(wanted) == ()


async def test_a_setting_that_somebody_changed_is_named_and_its_value_is_not(bench: DeviceBench) -> None:
    await bench.driver.configure(PROFILE)
    if isinstance(bench.device, SimulatedDevice):
        bench.device.held = replace(PROFILE, width=1920)
    else:
        bench.device.apply("somebody_writes", parameter="StreamingWidth", value="1920")
    (name,) = await bench.driver.drift(PROFILE)
    assert "width" in name.lower()
    await bench.driver.configure(PROFILE)
    assert await bench.driver.drift(PROFILE) == ()


async def test_a_choice_that_was_made_is_what_it_holds_and_an_unknown_one_is_refused(bench: DeviceBench) -> None:
    for name, value in (
        (DeviceChoice.VIDEO_INPUT, "sdi"),
        (DeviceChoice.AUDIO_INPUT, "analog"),
        (DeviceChoice.MUTE, "on"),
    ):
        assert await bench.driver.choice(name) != value
        await bench.driver.choose(name, value)
        assert await bench.driver.choice(name) == value
        with pytest.raises(DeviceError):
            await bench.driver.choose(name, "something else")


async def test_it_takes_the_order_to_fetch_its_calendar(bench: DeviceBench) -> None:
    await bench.driver.sync_calendar()


async def test_settings_are_not_changed_while_it_streams(bench: DeviceBench) -> None:
    await bench.driver.configure(PROFILE)
    await bench.driver.start_stream()
    with pytest.raises(Conflict):
        await bench.driver.configure(replace(PROFILE, width=1280))
    with pytest.raises(Conflict):
        await bench.driver.sync_clock()
    await bench.driver.stop_stream()
    await bench.driver.sync_clock()


async def test_recording_is_started_and_stopped_beside_the_stream(bench: DeviceBench) -> None:
    await bench.driver.start_stream()
    await bench.driver.start_recording()
    await bench.driver.start_recording()
    assert await states(bench) == (EngineState.RUNNING, EngineState.RUNNING)
    await bench.driver.stop_stream()
    await bench.driver.stop_recording()
    await bench.driver.stop_recording()
    assert await states(bench) == (EngineState.STOPPED, EngineState.STOPPED)


async def test_in_transfer_mode_it_starts_nothing_until_it_is_led_out_of_it(bench: DeviceBench) -> None:
    if isinstance(bench.device, SimulatedDevice):
        bench.device.tell(is_in_transfer_mode=True)
    else:
        bench.device.apply("transfer_mode", on=True)
    with pytest.raises((Conflict, DeviceError)):
        await bench.driver.start_stream()
    await bench.driver.leave_transfer_mode()
    await bench.driver.start_stream()
    assert bench.is_at_work


async def test_what_it_tells_is_what_is_so(bench: DeviceBench) -> None:
    await bench.driver.start_stream()
    reading = await bench.driver.read()
    assert reading.at.tzinfo is not None
    assert reading.has_input is True
    assert reading.input_format is not None
    assert reading.temperature_c is None or 0 < reading.temperature_c < 150
    for medium in reading.media:
        assert medium.free_percent is None or 0 <= medium.free_percent <= 100
        assert medium.is_mounted or medium.free_percent is None


async def test_a_slot_that_it_does_not_have_is_refused(bench: DeviceBench) -> None:
    with pytest.raises(DeviceError):
        await bench.driver.change_medium("third")


async def test_a_restart_is_done_when_it_was_sent_and_the_device_is_seen_to_come_back(bench: DeviceBench) -> None:
    await bench.driver.reboot()
    if isinstance(bench.device, SimulatedDevice):
        assert bench.driver.reach is Reach.REBOOTING
        bench.device.reach = Reach.OK
    async with asyncio.timeout(BOUND_S):
        while not await is_back(bench):
            continue
    assert bench.driver.reach is Reach.OK
    assert not bench.is_at_work


async def test_it_shows_its_input(bench: DeviceBench) -> None:
    assert (await bench.driver.preview()).startswith(b"\xff\xd8")


async def test_closing_it_twice_is_no_error(bench: DeviceBench) -> None:
    await bench.driver.close()
    await bench.driver.close()


async def states(bench: DeviceBench) -> tuple[EngineState | None, EngineState | None]:
    """As the device tells after what it told before is old."""
    async with asyncio.timeout(BOUND_S):
        while True:
            reading = await bench.driver.read()
            told = bench.is_at_work == (reading.streaming is EngineState.RUNNING)
            if told and EngineState.STARTING not in (reading.streaming, reading.recording):
                return reading.streaming, reading.recording
            await asyncio.sleep(0.01)


async def is_back(bench: DeviceBench) -> bool:
    await asyncio.sleep(0.3)  # five failures in a row and it is left in peace for seconds
    with contextlib.suppress(Unavailable):
        return (await bench.driver.read()).is_well is True
    return False
