"""Faults of docs/faults.md in virtual time: clocks that step, and processes that stand still and go on."""

from __future__ import annotations

import asyncio
import random
from datetime import UTC, datetime
from typing import Any

import pytest

from app.domain.stream import StandbyGrade

from .invariants import Watchman, seen_by_viewers
from .scenes import come_to_rest, fleet, gap_s, node_of, speaks, worker_of
from .virtual_time import WALL_AT_ZERO, Clock, VirtualLoop, run
from .world import CONTROL, Stream, World

SEEDS = range(1, 11)
KINDS = pytest.mark.parametrize("grade", [StandbyGrade.COLD, StandbyGrade.WARM])
STANDS_STILL_S = 20.0
END_OF_32_BITS = datetime(2038, 1, 19, 3, 14, 8, tzinfo=UTC).timestamp()


def _standing(world: World, stream: Stream) -> tuple[Any, ...]:
    """All that may not change when nothing is wrong."""
    assert world.services is not None
    encoders = tuple((encoder.info.encoder_id, encoder.state) for encoder in world.services.encoders.list())
    workers = {name for node in world.nodes for name in node.workers}
    return stream.channel.plan, world.live(stream).record.state, encoders, workers, speaks(stream)


@KINDS
@pytest.mark.parametrize(
    "steps", [(30.0, -30.0), (3_600.0, -3_600.0, 0.0), (END_OF_32_BITS - WALL_AT_ZERO - 1_000.0,), (-1e9,)]
)
def test_fo_08_steps_of_the_wall_clock_change_nothing(grade: StandbyGrade, steps: tuple[float, ...]) -> None:
    async def story(clock: Clock, dice: random.Random) -> None:
        async with fleet(clock, dice, grade=grade) as world:
            (stream,) = world.streams
            was = _standing(world, stream)
            for step_s in steps:
                clock.step_s = step_s
                for _ in range(80):
                    await asyncio.sleep(0.25)
                    assert _standing(world, stream) == was
            assert gap_s(stream) < 0.3
            seen_by_viewers(stream)

    run(1, story)


@KINDS
def test_fo_09_control_that_stood_still_changes_nothing_when_nothing_happened(grade: StandbyGrade) -> None:
    async def story(clock: Clock, dice: random.Random) -> None:
        async with fleet(clock, dice, grade=grade) as world:
            (stream,) = world.streams
            was = _standing(world, stream)
            await _control_stands_still(dice)
            for _ in range(40):
                await asyncio.sleep(0.25)
                assert _standing(world, stream) == was
            assert gap_s(stream) < 0.3

    for seed in SEEDS:
        run(seed, story)


def test_fo_09_control_that_stood_still_follows_what_the_gateway_did_meanwhile() -> None:
    async def story(clock: Clock, dice: random.Random) -> None:
        async with fleet(clock, dice) as world:
            (stream,) = world.streams
            standby, watch = worker_of(world, stream, standby=True), Watchman(world)
            asyncio.get_running_loop().call_later(dice.uniform(1, 18), worker_of(world, stream).kill)
            await _control_stands_still(dice)
            await come_to_rest(world)
            watch.look()
            assert worker_of(world, stream) is standby
            assert gap_s(stream) < 1.0
            seen_by_viewers(stream)

    for seed in SEEDS:
        run(seed, story)


@KINDS
def test_fo_09_control_that_stood_still_ends_nobody_who_came_meanwhile(grade: StandbyGrade) -> None:
    async def story(clock: Clock, dice: random.Random) -> None:
        async with fleet(clock, dice, grade=grade) as world:
            (stream,) = world.streams
            node, loop = node_of(world, stream), asyncio.get_running_loop()
            gone_at = dice.uniform(1, 15)
            loop.call_later(gone_at, node.kill)
            loop.call_later(gone_at + dice.uniform(0.5, 4), node.start)
            await _control_stands_still(dice)
            await come_to_rest(world)
            seen_by_viewers(stream)

    for seed in SEEDS:
        run(seed, story)


async def _control_stands_still(dice: random.Random) -> None:
    await asyncio.sleep(dice.uniform(0, 1))
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    loop.stop_process(CONTROL)
    await asyncio.sleep(STANDS_STILL_S)
    loop.continue_process()


@KINDS
def test_fo_09_a_machine_that_was_suspended_with_all_on_it_goes_on_as_it_was(grade: StandbyGrade) -> None:
    async def story(clock: Clock, dice: random.Random) -> None:
        async with fleet(clock, dice, grade=grade) as world:
            (stream,) = world.streams
            was = _standing(world, stream)
            await asyncio.sleep(dice.uniform(0, 2))
            clock.now_s += STANDS_STILL_S
            await asyncio.sleep(10)
            assert _standing(world, stream) == was
            seen_by_viewers(stream)

    for seed in SEEDS:
        run(seed, story)
