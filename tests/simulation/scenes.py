"""A fleet at rest, and what stories about it ask: who works for a stream, how long viewers saw nothing."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app.domain.stream import StandbyGrade
from app.policy.health_verdict import HealthLimits

from .invariants import at_rest
from .virtual_time import Clock
from .worker import SimWorker
from .world import Node, Stream, World


@asynccontextmanager
async def fleet(
    clock: Clock,
    dice: random.Random,
    *,
    hosts: int = 3,
    streams: int = 1,
    grade: StandbyGrade = StandbyGrade.WARM,
    places: int = 8,
    health_limits: HealthLimits | None = None,
) -> AsyncIterator[World]:
    """Every stream is published, live and protected, and the encoders have been there for a while."""
    world = World(clock, dice, hosts=hosts, places=places)
    world.health_limits = health_limits or world.health_limits
    await world.start()
    for _ in range(streams):
        await world.open_stream(grade)
    try:
        await come_to_rest(world)
        yield world
    finally:
        await world.end()


async def come_to_rest(world: World, within_s: float = 60.0) -> None:
    try:
        await world.until(lambda: all(at_rest(world, stream) is None for stream in world.streams), within_s)
    except TimeoutError:
        raise AssertionError([at_rest(world, stream) for stream in world.streams]) from None


def worker_of(world: World, stream: Stream, *, standby: bool = False) -> SimWorker:
    """The one that speaks, or the one that stands by. Raises KeyError when it does not run."""
    grant = stream.channel.plan.standby if standby else stream.channel.plan.active
    assert grant is not None
    workers = {name: worker for node in world.nodes for name, worker in node.workers.items()}
    return workers[grant.worker_id]


def node_of(world: World, stream: Stream, *, standby: bool = False) -> Node:
    """Whose worker speaks, or whose stands by or is kept room for."""
    grant = stream.channel.plan.standby if standby else stream.channel.plan.active
    assert grant is not None
    return next(node for node in world.nodes if node.info.encoder_id == grant.encoder_id)


def speaks(stream: Stream) -> int:
    """The generation that speaks."""
    return stream.channel.switch.generation


def gap_s(stream: Stream) -> float:
    return max(viewer.longest_gap_s() for viewer in stream.viewers)
