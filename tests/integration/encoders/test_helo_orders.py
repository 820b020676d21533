"""Orders to a HELO that go wrong half-way, or meet it at an awkward moment."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from aiohttp import web

from app.adapters.encoders.aja_helo import HeloDriver
from app.adapters.encoders.helo.client import HeloClient
from app.adapters.encoders.helo.descriptors import DescriptorCache
from app.adapters.encoders.helo.http import Http
from app.adapters.encoders.helo.rounds import Rounds
from app.domain.device import Reach
from app.domain.errors import DeviceError, ManagerError, Unavailable
from app.domain.ids import EncoderId
from tests.contract.encoder_benches import PROFILE, QUICK, entry, helo_bench
from tests.integration.encoders.scripted import Scripted, drop, scripted, value

P60 = 15


@contextlib.asynccontextmanager
async def driving(device: Scripted) -> AsyncIterator[HeloDriver]:
    driver = HeloDriver(entry(device.url), cache=DescriptorCache(), patience=QUICK)
    try:
        yield driver
    finally:
        await driver.close()


async def test_a_refused_change_of_medium_is_no_change_though_the_last_one_succeeded() -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=403) if request.query["action"] == "set" else value(request, "0")

    async with scripted(answer) as device, driving(device) as driver:
        with pytest.raises(DeviceError):
            await driver.change_medium("primary")


async def test_one_that_was_taken_off_its_time_server_and_lost_is_put_back_to_it_the_next_time() -> None:
    held, fails = {"TimeSource": "1"}, True

    async def answer(request: web.Request) -> web.Response:
        name = request.query["paramid"].removeprefix("eParamID_")
        if request.query["action"] == "set":
            if request.query["value"] == "1" and fails:
                return drop(request)
            held[name] = request.query["value"]
        return value(request, held.get(name, "1"))

    async with scripted(answer) as device, driving(device) as driver:
        with pytest.raises(Unavailable):
            await driver.sync_clock()
        assert held["TimeSource"] == "0"
        fails = False
        await driver.sync_clock()
    assert held["TimeSource"] == "1"


async def test_one_that_answers_on_for_a_moment_before_it_restarts_restarts_all_the_same() -> None:
    is_down = False

    async def answer(request: web.Request) -> web.Response:
        return drop(request) if is_down else value(request, "4")

    async with scripted(answer) as device, driving(device) as driver:
        await driver.reboot()
        with contextlib.suppress(ManagerError):
            while driver.reach is not Reach.OK or device.asked["get SystemState"] == 0:
                await driver.read()
        is_down = True
        with pytest.raises(Unavailable):
            await driver.profile()
        assert driver.reach is Reach.REBOOTING


async def test_a_restart_in_the_middle_of_a_round_makes_the_next_one_read_all_anew() -> None:
    restarting = True

    async def answer(request: web.Request) -> web.Response:
        if restarting and request.query.get("paramid", "").endswith("StreamState"):
            rounds.went_away()
        return value(request, "4")

    async with scripted(answer) as device:
        client = HeloClient(link=Http(device.url), password=None, dice=lambda: 0.0, patience=QUICK)
        rounds = Rounds(EncoderId("helo-1"), client=client, cache=DescriptorCache())
        await rounds.read()
        restarting = False
        await rounds.read()
        await rounds.close()
        await client.close()
    assert device.asked["get ReplicatorRecordState"] == 2


async def test_a_restart_is_over_when_it_was_seen_away_and_is_up() -> None:
    is_down = False

    async def answer(request: web.Request) -> web.Response:
        return drop(request) if is_down else value(request, "4")

    async with scripted(answer) as device, driving(device) as driver:
        await driver.reboot()
        for is_down in (True, False, True):
            if is_down:
                with pytest.raises(Unavailable):
                    await driver.profile()
                with contextlib.suppress(Unavailable):
                    await driver.read()
            else:
                before = device.asked["get SystemState"]
                while device.asked["get SystemState"] == before:
                    await driver.read()
        assert driver.reach is Reach.UNREACHABLE


async def test_a_lost_input_is_no_drift_of_settings_that_were_made_for_it() -> None:
    halved = replace(PROFILE, fps=30.0)
    async with helo_bench() as bench:
        bench.device.apply("input_back", hdmi=P60)
        await bench.driver.configure(halved)
        await bench.driver.start_stream()
        bench.device.apply("input_lost")
        assert await bench.driver.drift(halved) == ()
        assert await bench.driver.drift(replace(halved, width=1280)) == ("StreamingWidth",)
