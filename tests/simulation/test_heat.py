"""Faults of docs/faults.md in virtual time: encoders that heat up, swing about a limit, lose their sensor."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Callable
from itertools import pairwise

import pytest

from app.domain.stream import StandbyGrade
from app.policy.slow_evidence import SPACING_S

from .invariants import reported_truly, seen_by_viewers
from .scenes import come_to_rest, fleet, node_of
from .virtual_time import Clock, run
from .world import Node, Stream, World

SEED = 1
LOOK_S = 0.25


def _active_on(world: World, node: Node) -> list[Stream]:
    return [stream for stream in world.streams if node_of(world, stream) is node]


async def _warmed(
    world: World, clock: Clock, node: Node, heat: Callable[[float], float], for_s: float
) -> tuple[list[float], list[float]]:
    """Give the node this temperature over time; when streams left it, and what it might be given, each look."""
    left: list[float] = []
    allowances: list[float] = []
    began, before = clock.now_s, len(_active_on(world, node))
    assert world.services is not None
    while (elapsed_s := clock.now_s - began) < for_s:
        node.temperature_c = heat(elapsed_s)
        await asyncio.sleep(LOOK_S)
        now = len(_active_on(world, node))
        left.extend([clock.now_s] * (before - now))
        before = now
        allowances.append(world.services.thermal.allowance(node.info.encoder_id))
    return left, allowances


@pytest.mark.parametrize("grade", [StandbyGrade.WARM, StandbyGrade.HOT])
def test_fo_14_on_a_ramp_streams_leave_one_at_a_time_and_no_frame_is_lost(grade: StandbyGrade) -> None:
    async def story(clock: Clock, dice: random.Random) -> None:
        async with fleet(clock, dice, hosts=3, streams=5, grade=grade) as world:
            node = node_of(world, world.streams[0])
            here = len(_active_on(world, node))
            assert here >= 2
            ramp = _ramp(60.0, 90.5, 300.0)
            left, allowances = await _warmed(world, clock, node, ramp, 300.0 + SPACING_S * (here + 2))
            assert len(left) == here
            assert all(after - before >= SPACING_S - LOOK_S for before, after in pairwise(left))
            assert allowances == sorted(allowances, reverse=True)
            assert list(dict.fromkeys(allowances)) == [1.0, 0.8, 0.6, 0.4, 0.2, 0.0]
            assert not node.workers, "a standby waits on a hot encoder"
            await come_to_rest(world)
            for stream in world.streams:
                seen_by_viewers(stream)
                await reported_truly(world, stream)

    run(SEED, story)


def test_fo_13_a_swing_about_the_hot_limit_moves_nothing_and_is_one_change_of_state() -> None:
    async def story(clock: Clock, dice: random.Random) -> None:
        async with fleet(clock, dice, hosts=2, streams=1) as world:
            node = node_of(world, world.streams[0])
            node.temperature_c = 79.0
            await asyncio.sleep(2)
            left, allowances = await _warmed(world, clock, node, lambda s: 80.0 + math.sin(math.tau * s), 600.0)
            assert left == []
            assert list(dict.fromkeys(allowances)) == [0.2, 0.0]
            assert allowances == sorted(allowances, reverse=True)

    run(SEED, story)


@pytest.mark.parametrize("celsius", [None, math.nan, -273.0])
def test_fo_16_an_encoder_that_lost_its_sensor_keeps_its_streams_and_is_given_none(celsius: float | None) -> None:
    async def story(clock: Clock, dice: random.Random) -> None:
        async with fleet(clock, dice, hosts=3, streams=3) as world:
            node = node_of(world, world.streams[0])
            kept = set(node.workers)
            node.temperature_c = celsius
            await asyncio.sleep(1)
            for _ in range(4):
                await world.open_stream(StandbyGrade.WARM)
            await asyncio.sleep(30)
            await world.open_stream(StandbyGrade.WARM)
            await come_to_rest(world)
            assert set(node.workers) == kept

    run(SEED, story)


def test_of_two_critical_encoders_the_hotter_one_is_relieved_first() -> None:
    async def story(clock: Clock, dice: random.Random) -> None:
        async with fleet(clock, dice, hosts=5, streams=5) as world:
            busy = sorted(
                (node for node in world.nodes if _active_on(world, node)), key=lambda node: node.info.name
            )
            first, other, hotter = busy[:3]
            # The next two have to wait after this one, so both are critical when the choice is made.
            first.temperature_c, before = 91.0, _active_on(world, first)
            await world.until(lambda: len(_active_on(world, first)) < len(before))
            streams = _active_on(world, hotter), _active_on(world, other)
            first.temperature_c, hotter.temperature_c, other.temperature_c = 50.0, 93.0, 91.0
            await world.until(lambda: len(_active_on(world, hotter)) < len(streams[0]))
            assert len(_active_on(world, other)) == len(streams[1])
            await world.until(lambda: not _active_on(world, hotter) and not _active_on(world, other), 120.0)
            for stream in world.streams:
                seen_by_viewers(stream)

    run(SEED, story)


def _ramp(start_c: float, end_c: float, over_s: float) -> Callable[[float], float]:
    return lambda elapsed_s: start_c + (end_c - start_c) * min(elapsed_s / over_s, 1.0)
