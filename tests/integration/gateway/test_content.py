"""Pictures and sound are looked at by a real child, and whose fault it is comes out right."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest

from aiortmp import MediaBatch, MediaMessage, MessageType
from aiortmp.aio import Publish
from app.assembly.settings import Settings
from app.domain.content import Fault, Side
from app.domain.link import ContentSeen
from app.media.content import child, rounds
from app.media.encoding.packets import SourceItem
from app.media.encoding.wire import PublisherWriter
from benchmarks import scenes
from tests.integration.gateway.echo import EchoWorker, transcode_plan, worker
from tests.integration.gateway.material import publisher
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


def messages(draw: scenes.Draw, *, key_at_s: float) -> list[MediaMessage]:
    writer = PublisherWriter()
    items: list[SourceItem] = list(scenes.encoded(draw, scenes.music(), bps=400_000, key_s=2.0, key_at_s=key_at_s))
    return [message for item in items for message in writer.write(item)]


class Remaker(EchoWorker):
    """An encoder that makes its own pictures: one for each of the source's, from `made`."""

    made: ClassVar[dict[int, MediaMessage]]

    def on_media(self, batch: MediaBatch) -> None:
        super().on_media(MediaBatch.of([self._remade(message) for message in batch]))

    def _remade(self, message: MediaMessage) -> MediaMessage:
        if message.type is not MessageType.VIDEO:
            return message
        is_header = message.payload[1] == 0
        return self.made[-1 if is_header else message.timestamp]


async def encoder(rig: Rig, made: list[MediaMessage]) -> EchoWorker:
    pictures = [message for message in made if message.type is MessageType.VIDEO]

    class Remaking(Remaker):
        made: ClassVar[dict[int, MediaMessage]] = {message.timestamp: message for message in pictures[1:]} | {
            -1: pictures[0]
        }

    return await worker(rig, 1, make=Remaking)


async def play(publish: Publish, source: list[MediaMessage]) -> None:
    """At PACE times the speed of life."""
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    for message in source:
        wait_s = began_s + message.timestamp / 1000 / PACE - loop.time()
        if wait_s > 0:
            await asyncio.sleep(wait_s)
        publish.send(MediaBatch.of([message]))


@contextlib.asynccontextmanager
async def playing(rig: Rig, source: list[MediaMessage]) -> AsyncIterator[None]:
    connection, publish = await publisher(rig)
    work = asyncio.create_task(play(publish, source))
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
    async with playing(rig, source := messages(dark, key_at_s=0.7)):
        room = rig.running.gateway.by_stream("str_01")
        assert room is not None
        end_ms = source[-1].timestamp
        await until("the end", lambda: (room.timeline.newest_ms or 0) >= end_ms)
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
        await until("half of it", lambda: (room.programme.newest_ms or 0) > 8_000)
        assert room.source.tap is None
    assert rig.running.sampler.pid is None


def test_content_checks_are_on_unless_they_are_switched_off(tmp_path: Path) -> None:
    assert Settings(data_dir=tmp_path).content_checks
    assert not Settings(data_dir=tmp_path, content_checks=False).content_checks
