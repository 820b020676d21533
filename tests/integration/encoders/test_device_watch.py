"""A watch over real drivers: sick devices of every kind are told apart, and the well one is read on."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter

import pytest

from app.adapters.encoders.aja_helo import HeloDriver
from app.adapters.encoders.helo.descriptors import DescriptorCache
from app.domain.condition import Condition
from app.domain.events import DeviceRead, Event
from app.monitoring.device_watch import DeviceWatch
from app.runtime.bus import Bus
from tests.contract.encoder_benches import PASSWORD, QUICK, entry, until_ready
from tests.support.helo import helo

WITHIN_S = 30.0
SICK = {
    "unreachable": ("network", {"on": False}, "device_unreachable"),
    "slow": ("slow_answers", {"seconds": 30.0}, "device_slow"),
    "garbled": ("nonsense", {}, "device_garbled"),
    "refusing": ("password", {"is_now": "another"}, "device_login_refused"),
    "without_time": ("alarm", {"parameter": "NTPNameResolutionFailureAlarm"}, "device_ntp_failed"),
}


async def test_each_sick_device_is_told_by_its_own_name_while_the_well_one_is_read_on() -> None:
    bus: Bus[Event] = Bus(lambda error: pytest.fail(repr(error)))
    found: set[tuple[str, str]] = set()
    rounds: Counter[str] = Counter()

    def hear(event: Event) -> None:
        if isinstance(event, DeviceRead):
            rounds[event.encoder_id] += 1
        elif isinstance(event, Condition) and event.is_active:
            found.add((event.subject.id, event.name))

    bus.listen(hear)
    watch = DeviceWatch(on_reading=lambda *_: None, bus=bus, pace_s=0.1)
    cache = DescriptorCache()
    async with contextlib.AsyncExitStack() as stack:
        drivers = {}
        for name in ("well", "restarting", *SICK):
            simulator = await stack.enter_async_context(helo(password=PASSWORD))
            driver = HeloDriver(
                entry(simulator.url, encoder_id=name, password=PASSWORD), cache=cache, patience=QUICK
            )
            stack.push_async_callback(driver.close)
            await until_ready(driver)
            if name in SICK:
                simulator.apply(SICK[name][0], **SICK[name][1])
            watch.add(driver)
            drivers[name] = driver
        wanted = {(name, told) for name, (_, _, told) in SICK.items()} | {("restarting", "device_rebooting")}
        running = asyncio.create_task(watch.run())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(WITHIN_S):
                await drivers["restarting"].reboot()
                while not wanted <= found:  # noqa: ASYNC110 - a watch owes no event for what it has not told
                    await asyncio.sleep(0.05)
        before = rounds["well"]
        async with asyncio.timeout(WITHIN_S):
            while rounds["well"] < before + 10:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.05)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert wanted <= found
    assert not {told for name, told in found if name == "well"}
