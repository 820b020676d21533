"""What can go wrong in a fleet: each fault is done by itself and undone after a while."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable
from typing import Final

from app.domain.drill import DrillKind
from app.domain.errors import ManagerError, Unavailable
from app.domain.session import StreamChange

from .virtual_time import VirtualLoop
from .world import CONTROL, OWNER, Node, Stream, World

Fault = Callable[[World, random.Random], Awaitable[None]]


def _node(world: World, dice: random.Random) -> Node:
    return dice.choice(world.nodes)


def _node_of(world: World, stream: Stream, *, active: bool) -> Node | None:
    plan = stream.channel.plan
    grant = plan.active if active else plan.standby
    return next(
        (node for node in world.nodes if grant is not None and node.info.encoder_id == grant.encoder_id), None
    )


async def kill_a_worker(world: World, dice: random.Random) -> None:
    workers = [worker for node in world.nodes for worker in node.workers.values()]
    if workers:
        dice.choice(workers).kill()


async def stop_a_worker(world: World, dice: random.Random) -> None:
    workers = [worker for node in world.nodes for worker in node.workers.values()]
    if workers:
        worker = dice.choice(workers)
        worker.stop()
        await asyncio.sleep(dice.uniform(0.2, 10.0))
        worker.go_on()


async def kill_a_node(world: World, dice: random.Random) -> None:
    await _down_for(_node(world, dice), dice)


async def kill_the_active_node(world: World, dice: random.Random) -> None:
    node = _node_of(world, dice.choice(world.streams), active=True)
    if node is not None:
        await _down_for(node, dice)


async def kill_both_nodes(world: World, dice: random.Random) -> None:
    stream = dice.choice(world.streams)
    pair = [_node_of(world, stream, active=active) for active in (True, False)]
    await asyncio.gather(*(_down_for(node, dice) for node in pair if node is not None))


async def _down_for(node: Node, dice: random.Random) -> None:
    if not node.up:
        return
    node.kill()
    await asyncio.sleep(dice.uniform(0.3, 8.0))
    if not node.up:
        node.start()


async def cut_a_node_off(world: World, dice: random.Random) -> None:
    node = _node(world, dice)
    node.cut_off(cut=True)
    await asyncio.sleep(dice.uniform(0.3, 8.0))
    node.cut_off(cut=False)


async def cut_a_node_off_from_control(world: World, dice: random.Random) -> None:
    node = _node(world, dice)
    uplink = node.uplink
    uplink.cut_off(cut=True)
    await asyncio.sleep(dice.uniform(0.3, 10.0))
    uplink.cut_off(cut=False)


async def cut_the_gateway_off_from_control(world: World, dice: random.Random) -> None:
    world.uplink.cut_off(cut=True)
    await asyncio.sleep(dice.uniform(0.3, 10.0))
    world.uplink.cut_off(cut=False)


async def break_a_link(world: World, dice: random.Random) -> None:
    dice.choice([world.uplink, *(node.uplink for node in world.nodes)]).break_now()


async def kill_control(world: World, dice: random.Random) -> None:
    if world.services is None:
        return
    await world.kill_control()
    await asyncio.sleep(dice.uniform(0.2, 8.0))
    while world.services is None:
        # Without its store it ends again, and its supervisor starts it again.
        with contextlib.suppress(Unavailable):
            await world.start_control()
        await asyncio.sleep(0.5)


async def take_the_store_away(world: World, dice: random.Random) -> None:
    world.store.away = True
    await asyncio.sleep(dice.uniform(0.3, 5.0))
    world.store.away = False


async def refuse_at_times(world: World, dice: random.Random) -> None:
    world.refusals = 0.5
    await asyncio.sleep(dice.uniform(0.5, 4.0))
    world.refusals = 0.0


async def heat_a_node(world: World, dice: random.Random) -> None:
    node = _node(world, dice)
    node.temperature_c = dice.choice((82.0, 91.0, 96.0))
    await asyncio.sleep(dice.uniform(0.5, 15.0))
    node.temperature_c = 50.0


async def stop_control(world: World, dice: random.Random) -> None:
    """SIGSTOP and, later, SIGCONT."""
    loop = asyncio.get_running_loop()
    if isinstance(loop, VirtualLoop) and world.services is not None and not loop.is_holding:
        loop.stop_process(CONTROL)
        await asyncio.sleep(dice.uniform(0.5, 10.0))
        loop.continue_process()


async def step_the_wall_clock(world: World, dice: random.Random) -> None:
    world.clock.step_s = dice.choice((-3600.0, -30.0, 30.0, 3600.0))


async def drill(world: World, dice: random.Random) -> None:
    """What is done on purpose goes wrong as well: in the midst of it something else may fail."""
    services, stream = world.services, dice.choice(world.streams)
    if services is not None:
        with contextlib.suppress(ManagerError):
            kind = dice.choice(tuple(DrillKind))
            await world.in_control(services.drills.drill(stream.id, kind, 1, OWNER))


async def change_the_bitrate(world: World, dice: random.Random) -> None:
    services, stream = world.services, dice.choice(world.streams)
    if services is not None:
        with contextlib.suppress(ManagerError):
            change = StreamChange(bitrate_bps=dice.randrange(1_000_000, 4_000_000))
            await world.in_control(services.streams.change(stream.id, change, OWNER))


FAULTS: Final[tuple[Fault, ...]] = (
    kill_a_worker,
    kill_a_worker,
    stop_a_worker,
    kill_a_node,
    kill_the_active_node,
    kill_both_nodes,
    cut_a_node_off,
    cut_a_node_off_from_control,
    cut_the_gateway_off_from_control,
    break_a_link,
    kill_control,
    take_the_store_away,
    refuse_at_times,
    heat_a_node,
    stop_control,
    step_the_wall_clock,
    drill,
    drill,
    change_the_bitrate,
)
