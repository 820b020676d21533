"""Encoders that get worse or are overloaded, in virtual time: streams leave before a limit, or get less work."""

from __future__ import annotations

import asyncio
import random

from app.domain.stream import StandbyGrade
from app.policy.health_verdict import HealthLimits
from app.policy.quality_ladder import DWELL_S, RELIEVED_S, steps
from app.policy.recent_drops import LATELY_S
from app.services.wellbeing import SPACING_S

from .invariants import reported_truly, seen_by_viewers
from .scenes import come_to_rest, fleet, node_of
from .virtual_time import Clock, run
from .world import World

SEED = 1


async def _no_frame_lost(world: World) -> None:
    await come_to_rest(world)
    for stream in world.streams:
        seen_by_viewers(stream)
        await reported_truly(world, stream)


def test_streams_leave_an_encoder_whose_history_declines_before_any_limit_and_no_frame_is_lost() -> None:
    async def story(clock: Clock, dice: random.Random) -> None:
        async with fleet(clock, dice, hosts=3, streams=1) as world:
            stream, node = world.streams[0], node_of(world, world.streams[0])
            await asyncio.sleep(65.0)
            # Far from any limit of its own for speed, heat or memory; no alert's time has come either.
            node.cpu_percent = 84.0
            began = clock.now_s
            await world.until(lambda: node_of(world, stream) is not node, 120.0)
            assert clock.now_s - began > 20.0
            await _no_frame_lost(world)
            await asyncio.sleep(120.0)
            assert node_of(world, stream) is not node
            await _no_frame_lost(world)

    run(SEED, story)


def test_where_every_encoder_declines_alike_no_stream_moves() -> None:
    async def story(clock: Clock, dice: random.Random) -> None:
        async with fleet(clock, dice, hosts=2, streams=2) as world:
            before = [node_of(world, stream) for stream in world.streams]
            await asyncio.sleep(65.0)
            for node in world.nodes:
                node.cpu_percent = 90.0
            await asyncio.sleep(150.0)
            assert [node_of(world, stream) for stream in world.streams] == before
            await _no_frame_lost(world)

    run(SEED, story)


def test_many_streams_leave_one_after_the_other() -> None:
    async def story(clock: Clock, dice: random.Random) -> None:
        async with fleet(clock, dice, hosts=3, streams=4) as world:
            node = node_of(world, world.streams[0])
            here = [stream for stream in world.streams if node_of(world, stream) is node]
            assert len(here) >= 2
            await asyncio.sleep(65.0)
            node.cpu_percent = 95.0
            left: list[float] = []
            async with asyncio.timeout(300.0):
                while len(left) < 2:
                    await asyncio.sleep(0.25)
                    gone = sum(node_of(world, stream) is not node for stream in here)
                    left.extend([clock.now_s] * (gone - len(left)))
            assert left[1] - left[0] >= SPACING_S - 3.0
            await _no_frame_lost(world)

    run(SEED, story)


def test_a_slow_source_is_no_decline_of_its_encoder() -> None:
    async def story(clock: Clock, dice: random.Random) -> None:
        async with fleet(clock, dice, hosts=2, streams=1) as world:
            stream, node = world.streams[0], node_of(world, world.streams[0])
            await asyncio.sleep(65.0)
            node.speed = 0.975  # and yet the programme keeps up with what the source sends
            await asyncio.sleep(120.0)
            assert node_of(world, stream) is node
            assert world.live(stream).record.asked is None

    run(SEED, story)


def test_a_sick_encoder_is_left_for_a_well_one_and_a_sick_backup_for_a_better_one() -> None:
    async def story(clock: Clock, dice: random.Random) -> None:
        async with fleet(clock, dice, hosts=4, streams=1) as world:
            stream = world.streams[0]
            sick = [node_of(world, stream), node_of(world, stream, standby=True)]
            for node in sick:
                node.cpu_percent, node.memory_percent, node.temperature_c = 88.0, 92.0, 76.0
            await world.until(lambda: node_of(world, stream) not in sick, 300.0)
            await _no_frame_lost(world)
            assert node_of(world, stream, standby=True) not in sick

    run(SEED, story)


def test_where_every_encoder_is_sick_alike_backups_stay_where_they_are() -> None:
    async def story(clock: Clock, dice: random.Random) -> None:
        async with fleet(clock, dice, hosts=4, streams=2) as world:
            before = [node_of(world, stream, standby=True) for stream in world.streams]
            for node in world.nodes:
                node.memory_percent, node.temperature_c = 92.0, 76.0
            for _ in range(60):
                await asyncio.sleep(5.0)
                assert [node_of(world, stream, standby=True) for stream in world.streams] == before
            assert all(world.health(stream).verdict == "preventive" for stream in world.streams)
            await _no_frame_lost(world)

    run(SEED, story)


def test_frames_that_a_worker_dropped_in_one_bad_minute_do_not_make_its_stream_ill_for_good() -> None:
    async def story(clock: Clock, dice: random.Random) -> None:
        async with fleet(clock, dice, hosts=2, streams=1) as world:
            stream, node = world.streams[0], node_of(world, world.streams[0])
            await asyncio.sleep(5.0)
            well = world.health(stream).score
            node.frames_dropped = 150
            await world.until(lambda: world.health(stream).score < well, 10.0)
            await world.until(lambda: world.health(stream).score == well, LATELY_S + 30.0)
            assert world.health(stream).dropped_frames == 150

    run(SEED, story)


STRICT = HealthLimits(96.0, 94.0, 93.0)
"""So that one figure alone is enough: a full memory leaves a stream with a score of 90."""


def test_below_the_last_limit_the_backup_takes_over_where_it_is_better_and_nothing_is_lost() -> None:
    async def story(clock: Clock, dice: random.Random) -> None:
        async with fleet(clock, dice, hosts=2, streams=1, health_limits=STRICT) as world:
            stream, node = world.streams[0], node_of(world, world.streams[0])
            node.memory_percent = 90.0
            await world.until(lambda: world.health(stream).verdict == "reset", 15.0)
            await world.until(lambda: node_of(world, stream) is not node, 15.0)
            await _no_frame_lost(world)
            cause = (await world.store.failovers(stream.id))[0].cause
            assert cause == "its encoder's health is 80, the backup's 100"

    run(SEED, story)


def test_below_the_last_limit_a_stream_stays_where_the_backup_is_no_better() -> None:
    async def story(clock: Clock, dice: random.Random) -> None:
        async with fleet(clock, dice, hosts=2, streams=1, health_limits=STRICT) as world:
            stream, node = world.streams[0], node_of(world, world.streams[0])
            for one in world.nodes:
                one.memory_percent = 90.0
            await world.until(lambda: world.health(stream).verdict == "reset", 15.0)
            assert node_of(world, stream) is node
            await asyncio.sleep(120.0)
            causes = {report.cause for report in await world.store.failovers(stream.id)}
            assert causes <= {"picture changed"}, "only its quality may have been changed"

    run(SEED, story)


def test_an_overloaded_encoder_is_asked_for_less_and_gives_all_again_without_a_lost_frame() -> None:
    async def story(clock: Clock, dice: random.Random) -> None:
        async with fleet(clock, dice, hosts=2, streams=1, grade=StandbyGrade.WARM) as world:
            stream = world.streams[0]
            asked = world.live(stream).record.ladder
            for node in world.nodes:  # there is no better place
                node.speed, node.cpu_percent = 0.9, 100.0
            await world.until(lambda: world.live(stream).record.asked is not None, 200.0)
            await world.until(lambda: world.live(stream).record.ladder == steps(asked)[1], 30.0)
            assert world.live(stream).record.asked == asked
            assert world.health(stream).quality.step == 1
            for node in world.nodes:
                node.speed, node.cpu_percent = 1.0, 40.0
            began = clock.now_s
            await world.until(lambda: world.live(stream).record.asked is None, RELIEVED_S + 2 * DWELL_S + 60.0)
            assert clock.now_s - began >= RELIEVED_S - 2.0
            assert world.live(stream).record.ladder == asked
            await _no_frame_lost(world)

    run(SEED, story)


def test_a_stream_without_a_running_backup_is_never_interrupted_for_its_quality() -> None:
    async def story(clock: Clock, dice: random.Random) -> None:
        async with fleet(clock, dice, hosts=2, streams=1, grade=StandbyGrade.COLD, health_limits=STRICT) as world:
            stream, node = world.streams[0], node_of(world, world.streams[0])
            node.memory_percent = 90.0
            await world.until(lambda: world.health(stream).verdict == "reset", 15.0)
            active = stream.channel.plan.active
            await asyncio.sleep(400.0)
            assert stream.channel.plan.active == active
            await _no_frame_lost(world)

    run(SEED, story)


def test_a_control_that_was_killed_gives_back_what_the_one_before_took() -> None:
    async def story(clock: Clock, dice: random.Random) -> None:
        async with fleet(clock, dice, hosts=2, streams=1) as world:
            stream = world.streams[0]
            asked = world.live(stream).record.ladder
            for node in world.nodes:
                node.speed, node.cpu_percent = 0.9, 100.0
            await world.until(lambda: world.live(stream).record.ladder == steps(asked)[1], 200.0)
            await asyncio.sleep(2.0)
            await world.kill_control()
            for node in world.nodes:
                node.speed, node.cpu_percent = 1.0, 40.0
            await asyncio.sleep(3.0)
            await world.start_control()
            await world.until(lambda: world.live(stream) is not None, 30.0)
            assert world.live(stream).record.asked == asked
            await world.until(lambda: world.live(stream).record.asked is None, 400.0)
            assert world.live(stream).record.ladder == asked
            await _no_frame_lost(world)

    run(SEED, story)
