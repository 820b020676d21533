"""Faults that come again and again, in virtual time: streams move a bounded number of times and lose nothing."""

from __future__ import annotations

import asyncio
import os
import random

from .invariants import seen_by_viewers
from .test_histories import fleet
from .virtual_time import Clock, run
from .world import Node, Stream, World

SEED = int(os.environ.get("ENCMAN_FIRST_SEED", "2"))


def moves(world: World, stream: Stream) -> int:
    """Takeovers: with `active-active` frames of both workers are seen, so generations would say too much."""
    return int(world.live(stream).restarts)


def node_of(world: World, stream: Stream) -> Node:
    active = world.live(stream).active
    return next(node for node in world.nodes if node.info.encoder_id == active.encoder_id)


async def _flap(clock: Clock, dice: random.Random) -> None:
    async with fleet(clock, dice, streams=1) as world:
        (stream,) = world.streams
        flapping, ends = node_of(world, stream), clock.now_s + 1800.0
        while clock.now_s < ends:
            flapping.kill()
            await asyncio.sleep(10.0)
            flapping.start()
            await asyncio.sleep(10.0)
        seen_by_viewers(stream)
        assert 1 <= moves(world, stream) <= 6


async def _heat(clock: Clock, dice: random.Random) -> None:
    """Every encoder swings over the critical temperature, each with another period."""
    async with fleet(clock, dice, streams=1) as world:
        (stream,) = world.streams
        periods = [dice.uniform(20.0, 200.0) for _ in world.nodes]
        ends = clock.now_s + 1800.0
        while clock.now_s < ends:
            for node, period in zip(world.nodes, periods, strict=True):
                node.temperature_c = 92.0 if clock.now_s % period < period / 2 else 60.0
            await asyncio.sleep(1.0)
        seen_by_viewers(stream)
        assert 1 <= moves(world, stream) <= 6


def test_an_encoder_that_comes_and_goes_for_half_an_hour_moves_a_stream_six_times_at_most() -> None:
    run(SEED, _flap)


def test_heat_that_comes_and_goes_moves_a_stream_six_times_an_hour_at_most() -> None:
    run(SEED, _heat)
