"""Pictures and sound are looked at by a real child, and whose fault it is comes out right."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from aiortmp import MediaMessage
from app.assembly.settings import Settings
from app.domain.content import Fault, Side
from app.domain.link import ContentSeen
from app.media.content import child, rounds
from benchmarks import scenes
from tests.integration.gateway.echo import EchoWorker, transcode_plan, worker
from tests.integration.gateway.material import publisher
from tests.integration.gateway.remade import Remaker, messages, play
from tests.integration.gateway.rig import Rig, until

PACE = 4.0
"""Stream time runs so much faster, and looks are taken so much more often."""


@pytest.fixture(autouse=True)
def in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "WARM_UP_S", 0.0)
    monkeypatch.setattr(rounds, "LOOK_EVERY_S", rounds.LOOK_EVERY_S / PACE)
    monkeypatch.setattr(rounds, "BEAT_S", rounds.BEAT_S / PACE)
    monkeypatch.setattr(rounds, "SET_ASIDE_S", 0.2)
    monkeypatch.setattr(child, "RESTART_FIRST_S", 0.2)


async def encoder(rig: Rig, made: list[MediaMessage]) -> EchoWorker:
    return await worker(rig, 1, make=partial(Remaker, made=made))


@contextlib.asynccontextmanager
async def playing(rig: Rig, source: list[MediaMessage]) -> AsyncIterator[None]:
    connection, publish = await publisher(rig)
    work = asyncio.create_task(play(publish, source, PACE, rounds=20))
    try:
        yield
    finally:
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        connection.abort("the test is over")


def found(rig: Rig) -> set[tuple[Fault, Side]]:
    told = rig.uplink.seen(ContentSeen)
    return {(finding.fault, finding.side) for fact in told for finding in fact.findings}


async def test_an_encoder_that_makes_a_live_source_black_is_told_apart_from_its_source(rig: Rig) -> None:
    film = scenes.film(1)
    await rig.open(transcode_plan(1))
    await encoder(rig, messages(scenes.during(scenes.flat(16), film, end_s=99), key_at_s=0.0))
    async with playing(rig, messages(film, key_at_s=0.7)):
        await until("a finding", lambda: bool(found(rig)))
    assert found(rig) == {(Fault.BLACK_PICTURE, Side.ENCODER)}
    (fact,) = [fact for fact in rig.uplink.seen(ContentSeen) if fact.findings][:1]
    assert fact.generation == 1


async def test_a_source_that_is_black_itself_is_told_as_the_source_s(rig: Rig) -> None:
    dark = scenes.during(scenes.flat(16), scenes.film(1), end_s=99)
    await rig.open(transcode_plan(1))
    await encoder(rig, messages(dark, key_at_s=0.0))
    async with playing(rig, messages(dark, key_at_s=0.7)):
        await until("a finding", lambda: bool(found(rig)))
        looks = rig.running.content.looks
        await until("some more looks", lambda: rig.running.content.looks > looks + 4)
    assert found(rig) == {(Fault.BLACK_PICTURE, Side.SOURCE)}


async def test_a_child_that_dies_touches_no_stream_and_is_started_anew(rig: Rig) -> None:
    film = scenes.film(2)
    await rig.open(transcode_plan(1))
    await encoder(rig, messages(film, key_at_s=0.0))
    content = rig.running.content
    async with playing(rig, messages(film, key_at_s=0.7)):
        await until("two looks", lambda: content.looks >= 2)
        first = rig.running.sampler.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        looks, room = content.looks, rig.running.gateway.by_stream("str_01")
        assert room is not None
        frames = room.programme.meters["top"].frames
        await until("looks by another child", lambda: content.looks >= looks + 2)
        assert rig.running.sampler.pid not in (None, first)
        assert content.failures >= 1
        assert room.source.is_up
        assert room.programme.meters["top"].frames > frames
    assert found(rig) == set()


async def test_a_stream_that_is_not_to_be_looked_at_is_not(rig: Rig) -> None:
    film = scenes.film(2)
    await rig.open(replace(transcode_plan(1), content_checks=False))
    await encoder(rig, messages(film, key_at_s=0.0))
    async with playing(rig, messages(film, key_at_s=0.7)):
        room = rig.running.gateway.by_stream("str_01")
        assert room is not None
        await until("half of it", lambda: (room.programme.newest_ms or 0) > 5_000)
        assert room.source.tap is None
    assert rig.running.sampler.pid is None


def test_content_checks_are_on_unless_they_are_switched_off(tmp_path: Path) -> None:
    assert Settings(data_dir=tmp_path).content_checks
    assert not Settings(data_dir=tmp_path, content_checks=False).content_checks
