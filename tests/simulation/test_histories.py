"""Random histories of a fleet: crashes, stalls, partitions, restarts. Nothing may be lost, nothing may be stuck."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import structlog

from app.domain.stream import StandbyGrade

from .faults import FAULTS
from .invariants import Watchman, at_rest, reported_truly, seen_by_viewers
from .virtual_time import Clock, run
from .world import World

HISTORIES = int(os.environ.get("ENCMAN_HISTORIES", "500"))
FIRST_SEED = int(os.environ.get("ENCMAN_FIRST_SEED", "1"))
IN_ONE_TEST = 50
GRADES = [StandbyGrade(name) for name in os.environ.get("ENCMAN_GRADES", ",".join(StandbyGrade)).split(",")]
TROUBLE_S = 30.0
REST_WITHIN_S = 120.0
"""After the last fault. Back-offs end at 30 s; an encoder that rests is chosen when there is no other."""


@asynccontextmanager
async def fleet(clock: Clock, dice: random.Random, *, streams: int) -> AsyncIterator[World]:
    world = World(clock, dice)
    await world.start()
    for _ in range(streams):
        await world.open_stream(dice.choice(GRADES))
    await world.until(lambda: all(len(stream.viewers[0].pictures) > 5 for stream in world.streams))
    try:
        yield world
    finally:
        await world.end()


async def _history(clock: Clock, dice: random.Random) -> None:
    async with fleet(clock, dice, streams=dice.choice((1, 1, 2))) as world:
        watch = asyncio.create_task(Watchman(world).run())
        faults: list[asyncio.Task[None]] = []
        ends = clock.now_s + TROUBLE_S
        while clock.now_s < ends:
            await asyncio.sleep(dice.expovariate(1 / 3.0))
            faults.append(asyncio.create_task(dice.choice(FAULTS)(world, dice)))
        await asyncio.gather(*faults)
        await _rest(world)
        watch.cancel()
        await asyncio.gather(watch, return_exceptions=True)
        if not watch.cancelled():
            watch.result()
        for stream in world.streams:
            seen_by_viewers(stream)
            await reported_truly(world, stream)


async def _rest(world: World) -> None:
    try:
        await world.until(lambda: all(at_rest(world, stream) is None for stream in world.streams), REST_WITHIN_S)
    except TimeoutError:
        raise AssertionError([at_rest(world, stream) for stream in world.streams]) from None


@pytest.mark.parametrize("first", range(FIRST_SEED, FIRST_SEED + HISTORIES, IN_ONE_TEST))
def test_no_history_of_faults_loses_a_frame_or_leaves_a_stream_stuck(first: int) -> None:
    for seed in range(first, min(first + IN_ONE_TEST, FIRST_SEED + HISTORIES)):
        with structlog.testing.capture_logs() as said:
            try:
                run(seed, _history)
            except BaseException:
                for line in said[-60:]:
                    print(line)
                print(f"seed {seed}: ENCMAN_FIRST_SEED={seed} ENCMAN_HISTORIES=1 repeats it")
                raise
