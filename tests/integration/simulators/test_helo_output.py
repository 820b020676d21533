"""A simulated HELO sends a real picture with sound to a real RTMP server, and its state says the truth about it."""

from __future__ import annotations

import itertools

import pytest
from av.video.frame import VideoFrame

from app.media.encoding.card import read_counter
from tests.support.helo import SMALL, helo
from tests.support.helo_client import page, until
from tests.support.ingest import ingest


def brightness(frame: VideoFrame) -> float:
    luma = bytes(frame.planes[0])
    return sum(luma) / len(luma)


async def test_a_started_stream_arrives_with_picture_and_sound_and_every_frame_in_order() -> None:
    async with ingest(keys={"the-key"}) as server, helo(ingest="real") as unit, page(unit) as ask:
        await ask.aim(server.url, "the-key")
        await ask.put("ReplicatorCommand", 3)
        await ask.until("ReplicatorStreamState", 2)
        assert server.published == ["the-key"]
        await until(lambda: len(server.messages) > 120, "a second of media")
        assert await ask.get("Encoder2StreamURI") == server.url
        await ask.put("ReplicatorCommand", 4)
        await ask.until("ReplicatorStreamState", 1)
        await until(lambda: server.ended == 1, "the end of the stream")
        frames = server.pictures()
        numbers = [read_counter(frame) for frame in frames]
        assert None not in numbers
        assert all(later == earlier + 1 for earlier, later in itertools.pairwise(map(int, map(str, numbers))))
        assert (frames[0].width, frames[0].height) == SMALL
        assert server.sound_packets() > 30


async def test_the_picture_has_the_size_and_rate_of_the_profile() -> None:
    async with ingest() as server, helo(ingest="real", limit=None) as unit, page(unit) as ask:
        await ask.aim(server.url, "k")
        for name, value in {"FrameGeometryType": 1, "Width": 320, "Height": 240, "FrameRate": 1}.items():
            await ask.put(f"Streaming{name}", value)
        await ask.put("ReplicatorCommand", 3)
        await until(lambda: len(server.messages) > 60, "some media")
        frames = server.pictures()
        assert (frames[0].width, frames[0].height) == (320, 240)
        steps = [b.pts - a.pts for a, b in itertools.pairwise(frames) if a.pts is not None and b.pts is not None]
        assert 66 <= sum(steps) / len(steps) <= 67, "half of 30 frames a second"


async def test_a_broken_connection_shows_and_mends_itself() -> None:
    async with ingest() as server, helo(ingest="real") as unit, page(unit) as ask:
        await ask.aim(server.url, "k")
        await ask.put("ReplicatorCommand", 3)
        await ask.until("ReplicatorStreamState", 2)
        server.drop()
        await ask.until("ReplicatorStreamState", 4)
        assert await ask.get("StreamingDuration") == "00:00:00:00"
        await ask.until("ReplicatorStreamState", 2)
        assert server.published == ["k", "k"]


async def test_without_auto_recovery_a_broken_stream_stays_broken_until_it_is_started_again() -> None:
    async with ingest() as server, helo(ingest="real") as unit, page(unit) as ask:
        await ask.aim(server.url, "k")
        await ask.put("AutoRecoverStreaming", 0)
        await ask.put("ReplicatorCommand", 3)
        await ask.until("ReplicatorStreamState", 2)
        server.drop()
        await ask.until("ReplicatorStreamState", 4)
        begun = unit.state()["outputs_begun"]
        assert unit.unit.streaming.due is None, "nothing is planned"
        await ask.put("ReplicatorCommand", 3)
        await ask.until("ReplicatorStreamState", 2)
        assert unit.state()["outputs_begun"] == begun + 1


@pytest.mark.parametrize(("recovers", "state"), [(1, 4), (0, 3)])
async def test_a_wrong_key_never_counts_as_streaming(recovers: int, state: int) -> None:
    async with ingest(keys={"right"}) as server, helo(ingest="real") as unit, page(unit) as ask:
        await ask.aim(server.url, "wrong")
        await ask.put("AutoRecoverStreaming", recovers)
        await ask.put("ReplicatorCommand", 3)
        await ask.until("ReplicatorStreamState", state)
        assert server.published == []
        # Active, a warning, with its label in it.
        assert (await ask.get("StreamingFailedAlarm")).startswith("CAEQAB")


async def test_a_picture_that_cannot_be_encoded_is_a_failed_stream_and_nothing_worse() -> None:
    async with ingest() as server, helo(ingest="real", limit=(32, 32)) as unit, page(unit) as ask:
        await ask.aim(server.url, "k")
        await ask.put("ReplicatorCommand", 3)
        await ask.until("ReplicatorStreamState", 4)
        assert server.published == []
        await ask.put("ReplicatorCommand", 4)
        await ask.until("ReplicatorStreamState", 1)


async def test_a_frozen_then_black_then_silent_source_goes_on_as_a_stream() -> None:
    async with ingest() as server, helo(ingest="real") as unit, page(unit) as ask:
        await ask.aim(server.url, "k")
        await ask.put("ReplicatorCommand", 3)
        await ask.until("ReplicatorStreamState", 2)
        await until(lambda: len(server.messages) > 30, "media")
        unit.apply("picture", shows="freeze")
        await until(lambda: _numbers(server.pictures())[-5:] == 5 * _numbers(server.pictures())[-1:], "a still")
        unit.apply("picture", shows="black")
        await until(lambda: brightness(server.pictures()[-1]) < 20, "a black picture")
        unit.apply("input_lost")
        assert await ask.get("DetectInputFormat") == "0"
        assert await ask.get("ReplicatorStreamState") == "2", "it goes on with its own test pattern"


def _numbers(frames: list[VideoFrame]) -> list[int | None]:
    return [read_counter(frame) for frame in frames]


async def test_two_units_that_film_the_same_thing_show_the_same_numbers_at_the_same_time() -> None:
    async with ingest() as server, ingest() as other:
        two = helo(ingest="real"), helo(ingest="real")
        async with two[0] as first, two[1] as second, page(first) as ask, page(second) as ask_second:
            await ask.aim(server.url, "k")
            await ask_second.aim(other.url, "k")
            await ask.put("ReplicatorCommand", 3)
            await until(lambda: len(server.messages) > 60, "a head start")
            await ask_second.put("ReplicatorCommand", 3)
            await until(lambda: len(other.messages) > 30, "the second")
        latest, second_latest = _numbers(server.pictures())[-1], _numbers(other.pictures())[-1]
        assert latest is not None
        assert second_latest is not None
        assert abs(latest - second_latest) < 30, "less than a second apart, though one began later"
