"""What an encoder of every kind promises: over the link, in memory, over its own interface."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.domain.errors import ManagerError, Unavailable
from tests.contract.encoder_benches import BENCHES, Bench

BOUND_S = 20.0
"""A generous bound for `is told within a bound`: the drivers' own are shorter, and the machine may be busy."""


@pytest.fixture(params=BENCHES)
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    async with BENCHES[request.param](tmp_path) as bench:
        yield bench


async def test_a_start_is_done_when_the_encoder_is_at_work_and_a_stop_when_it_is_not(bench: Bench) -> None:
    assert bench.encoder_id
    assert not bench.is_at_work
    await bench.put_to_work()
    assert bench.is_at_work
    await bench.take_off()
    assert not bench.is_at_work


async def test_starting_and_stopping_twice_is_no_error_nor_is_stopping_what_never_ran(bench: Bench) -> None:
    await bench.take_off()
    await bench.put_to_work()
    await bench.put_to_work()
    assert bench.is_at_work
    await bench.take_off()
    await bench.take_off()
    assert not bench.is_at_work


async def test_an_order_that_is_not_carried_out_is_an_error(bench: Bench) -> None:
    bench.make_it_refuse()
    with pytest.raises(ManagerError):
        await bench.put_to_work()
    assert not bench.is_at_work


async def test_one_that_is_away_is_unavailable_within_a_bound_and_serves_again_when_it_is_back(
    bench: Bench,
) -> None:
    bench.switch_off()
    async with asyncio.timeout(BOUND_S):
        for call in (bench.put_to_work, bench.take_off):
            with pytest.raises(Unavailable):
                await call()
    bench.switch_on()
    async with asyncio.timeout(BOUND_S):
        while not bench.is_at_work:
            with contextlib.suppress(Unavailable):
                await bench.put_to_work()


async def test_what_it_can_do_was_proved_and_what_it_does_not_tell_is_unknown_not_nothing(bench: Bench) -> None:
    able = await bench.capabilities()
    assert able.max_streams >= 1
    assert able.capacity_pixels_per_s > 0
    assert able.build
    assert any(probe.works for probe in able.probes)
    assert all(probe.works or probe.reason for probe in able.probes)
    assert able.cpu_cores is None or able.cpu_cores > 0
    assert able.memory_bytes is None or able.memory_bytes > 0
