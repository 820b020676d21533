"""Faults of docs/faults.md in virtual time: workers and encoders that stop, come back, are cut off, or all go."""

from __future__ import annotations

import asyncio
import random
from itertools import pairwise

import pytest

from app.domain.events import Event, StreamErrorSeen
from app.domain.severity import Severity
from app.domain.stream import StandbyGrade, StreamState

from .invariants import seen_by_viewers
from .scenes import come_to_rest, fleet, gap_s, node_of, speaks, worker_of
from .virtual_time import Clock, run
from .world import Stream, World

SEEDS = range(1, 11)
KINDS = pytest.mark.parametrize("grade", [StandbyGrade.COLD, StandbyGrade.WARM, StandbyGrade.HOT])


def _one_speaks_at_a_time(stream: Stream) -> None:
    for viewer in stream.viewers:
        assert all(a <= b for a, b in pairwise(viewer.made_by)), "an older worker was heard after a newer one"


@KINDS
def test_fo_02_a_worker_that_stands_still_is_found_by_its_missing_frames(grade: StandbyGrade) -> None:
    async def story(clock: Clock, dice: random.Random) -> None:
        async with fleet(clock, dice, grade=grade) as world:
            (stream,) = world.streams
            was = speaks(stream)
            await asyncio.sleep(dice.uniform(0, 2))
            worker_of(world, stream).stop()
            await world.until(lambda: speaks(stream) > was)
            await come_to_rest(world)
            assert gap_s(stream) <= 3.5
            seen_by_viewers(stream)

    for seed in SEEDS:
        run(seed, story)


@KINDS
def test_fo_03_a_worker_that_wakes_up_replaced_is_not_heard_and_ends(grade: StandbyGrade) -> None:
    async def story(clock: Clock, dice: random.Random) -> None:
        async with fleet(clock, dice, grade=grade) as world:
            (stream,) = world.streams
            was, old = speaks(stream), worker_of(world, stream)
            if grade is not StandbyGrade.COLD:
                # Control would end it; it must learn by itself that it was replaced.
                await world.kill_control()
            await asyncio.sleep(dice.uniform(0, 2))
            old.stop()
            await world.until(lambda: stream.viewers[0].made_by[-1] > was)
            heard = stream.viewers[0].made_by.count(was)
            await asyncio.sleep(dice.uniform(0, 5))
            old.go_on()
            await world.until(lambda: not old.alive, 1.0)
            await asyncio.sleep(5)
            assert stream.viewers[0].made_by.count(was) == heard
            _one_speaks_at_a_time(stream)
            seen_by_viewers(stream)

    for seed in SEEDS:
        run(seed, story)


@KINDS
def test_fo_07_a_node_cut_off_from_control_alone_interrupts_nothing(grade: StandbyGrade) -> None:
    async def story(clock: Clock, dice: random.Random) -> None:
        async with fleet(clock, dice, grade=grade) as world:
            (stream,) = world.streams
            node = node_of(world, stream)
            node.uplink.cut_off(cut=True)
            await asyncio.sleep(dice.uniform(5, 30))
            node.uplink.cut_off(cut=False)
            await come_to_rest(world)
            assert gap_s(stream) < 0.5
            _one_speaks_at_a_time(stream)
            seen_by_viewers(stream)

    for seed in SEEDS:
        run(seed, story)


@KINDS
def test_fo_07_a_node_cut_off_from_the_gateway_is_replaced_and_never_are_two_heard(grade: StandbyGrade) -> None:
    async def story(clock: Clock, dice: random.Random) -> None:
        async with fleet(clock, dice, grade=grade) as world:
            (stream,) = world.streams
            was, old = speaks(stream), worker_of(world, stream)
            await asyncio.sleep(dice.uniform(0, 2))
            old.cut_off(cut=True)
            await world.until(lambda: speaks(stream) > was, 3.5)
            await asyncio.sleep(dice.uniform(0, 5))
            old.cut_off(cut=False)
            await come_to_rest(world)
            assert gap_s(stream) <= 3.5
            assert not old.alive
            _one_speaks_at_a_time(stream)
            seen_by_viewers(stream)

    for seed in SEEDS:
        run(seed, story)


@KINDS
def test_fo_10_when_primary_and_backup_die_together_a_third_takes_over(grade: StandbyGrade) -> None:
    async def story(clock: Clock, dice: random.Random) -> None:
        async with fleet(clock, dice, grade=grade) as world:
            (stream,) = world.streams
            pair = [node_of(world, stream), node_of(world, stream, standby=True)]
            dice.shuffle(pair)
            pair[0].kill()
            await asyncio.sleep(dice.uniform(0, 1))
            pair[1].kill()
            await world.until(lambda: stream.viewers[0].made_by[-1] > 2, 8.0)
            assert node_of(world, stream) not in pair
            seen_by_viewers(stream)

    for seed in SEEDS:
        run(seed, story)


@KINDS
def test_fo_10_with_nobody_left_it_is_said_and_the_next_encoder_is_taken_at_once(grade: StandbyGrade) -> None:
    async def story(clock: Clock, dice: random.Random) -> None:
        async with fleet(clock, dice, hosts=2, grade=grade) as world:
            (stream,) = world.streams
            assert world.services is not None
            told: list[Event] = []
            world.services.bus.listen(told.append)
            for node in world.nodes:
                node.kill()
                await asyncio.sleep(dice.uniform(0, 1))
            await world.until(lambda: any(_says_no_encoder(event) for event in told), 5.0)
            await asyncio.sleep(dice.uniform(5, 40))
            health = world.health(stream)
            assert health.state is not StreamState.LIVE
            assert any(reason.startswith("no encoder") for reason in health.reasons)
            assert not stream.publisher.cut_off
            shown = len(stream.viewers[0].pictures)
            dice.choice(world.nodes).start()
            await world.until(lambda: len(stream.viewers[0].pictures) > shown, 5.0)
            assert not stream.publisher.cut_off

    for seed in SEEDS:
        run(seed, story)


def _says_no_encoder(event: Event) -> bool:
    return isinstance(event, StreamErrorSeen) and event.severity is Severity.CRITICAL


def test_fo_19_a_publisher_that_comes_and_goes_keeps_its_session_and_its_worker() -> None:
    async def story(clock: Clock, dice: random.Random) -> None:
        async with fleet(clock, dice) as world:
            (stream,) = world.streams
            plan, workers = stream.channel.plan, _running(world)
            for _ in range(50):
                stream.publisher.leave()
                await asyncio.sleep(dice.choice((0.02, 0.3, 2.0)))
                shown = len(stream.viewers[0].pictures)
                stream.publish_again()
                await world.until(lambda shown=shown: len(stream.viewers[0].pictures) > shown, 1.0)
                await asyncio.sleep(dice.uniform(0, 3))
            assert (stream.channel.plan, _running(world)) == (plan, workers)
            assert speaks(stream) == 1

    run(1, story)


def _running(world: World) -> set[str]:
    return {name for node in world.nodes for name in node.workers}


@KINDS
def test_a_stream_whose_encoders_die_one_after_the_other_does_not_wait_long_for_one_that_never_failed(
    grade: StandbyGrade,
) -> None:
    async def story(clock: Clock, dice: random.Random) -> None:
        async with fleet(clock, dice, hosts=12, grade=grade) as world:
            (stream,) = world.streams
            for _ in range(8):
                was = speaks(stream)
                node_of(world, stream).kill()
                await world.until(lambda was=was: stream.viewers[0].made_by[-1] > was)
                await asyncio.sleep(dice.uniform(0, 2))
            await come_to_rest(world)
            assert gap_s(stream) <= 6.5
            seen_by_viewers(stream)

    for seed in SEEDS[:3]:
        run(seed, story)
