"""Encoding workers at the gateway: who may sit down, what they are fed, and that a change loses no frame."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from aiortmp import MessageType, Rejected
from app.domain.ladder import FrameRate, Ladder, Rendition
from app.domain.link import ChannelReading, ProgrammeUp, SourceDown, WorkerDown, WorkerUp
from tests.integration.gateway.echo import transcode_plan, worker
from tests.integration.gateway.rig import PLAYBACK, STREAM, Rig, count_frames, get, publish, until

SourceFile = Callable[[str], Path]


@pytest.mark.parametrize(("generation", "token"), [(1, "wrong"), (2, None), (0, None)])
async def test_only_the_worker_of_the_plan_comes_in(rig: Rig, generation: int, token: str | None) -> None:
    await rig.open(transcode_plan(1))
    with pytest.raises(Rejected, match="not the one the plan names"):
        await worker(rig, generation, token)


async def test_a_worker_publishes_no_track_of_its_own_invention(rig: Rig) -> None:
    await rig.open(transcode_plan(1))
    echo = await worker(rig, 1)
    with pytest.raises(Rejected, match="no such track"):
        await echo.connection.publish("extra")


async def test_a_change_of_worker_loses_no_frame_and_shows_none_twice(rig: Rig, source_file: SourceFile) -> None:
    file = source_file("all-intra")
    await rig.open(transcode_plan(1))
    first = await worker(rig, 1)
    program = await publish(file, rig.live_url, rate=2)
    await until("half of the source", lambda: first.received > 300)
    first.connection.abort("killed")
    down = await rig.fact(WorkerDown)
    assert (down.worker_id, down.generation) == ("wrk_1", 1)
    await rig.open(transcode_plan(2))
    second = await worker(rig, 2)
    await program.done()
    await rig.fact(SourceDown)
    sent = await count_frames(str(file))
    channel = rig.running.gateway.by_playback(PLAYBACK)
    assert channel is not None
    await until("the last frame", lambda: channel.programme.meters["top"].frames == sent["h264"])
    assert second.start_after is not None
    assert isinstance(second.start_after["top"], float)
    assert channel.switch.doubled() == 0
    await rig.close()
    assert await count_frames(rig.hls_url) == sent
    assert await count_frames(str(rig.data_dir / "recordings" / STREAM / "part-0001.mp4")) == sent
    ups = [rig.uplink.seen(ProgrammeUp)[turn] for turn in (0, 1)]
    assert [up.generation for up in ups] == [1, 2]
    assert ups[0].stall_ms is None
    assert ups[1].stall_ms is not None
    assert len(rig.uplink.seen(WorkerUp)) == 2


async def test_the_ring_holds_only_what_has_not_come_back(rig: Rig, source_file: SourceFile) -> None:
    await rig.open(transcode_plan(1))
    echo = await worker(rig, 1)
    program = await publish(source_file("plain"), rig.live_url, rate=8)
    await program.done()
    channel = rig.running.gateway.by_playback(PLAYBACK)
    assert channel is not None
    await until("everything back", lambda: channel.programme.meters["top"].frames == 250)
    assert channel.ring.span_s <= 2.1
    assert channel.ring.overruns == 0
    await echo.connection.close()


async def test_without_a_worker_the_ring_is_bounded(rig: Rig, source_file: SourceFile) -> None:
    await rig.open(transcode_plan(1))
    program = await publish(source_file("plain"), rig.live_url, rate=8)
    await program.done()
    channel = rig.running.gateway.by_playback(PLAYBACK)
    assert channel is not None
    assert channel.ring.span_s == pytest.approx(10, abs=0.2)
    reading = await rig.fact(ChannelReading)
    assert reading.ring_bytes > 0


@pytest.mark.parametrize("silent", [{MessageType.VIDEO}, {MessageType.VIDEO, MessageType.AUDIO}])
async def test_a_worker_whose_picture_stands_still_is_let_go(
    rig: Rig, source_file: SourceFile, silent: set[MessageType]
) -> None:
    await rig.open(transcode_plan(1))
    echo = await worker(rig, 1)
    program = await publish(source_file("all-intra"), rig.live_url, rate=1)
    await until("a programme", lambda: echo.received > 50)
    echo.silent = silent
    down = await rig.fact(WorkerDown)
    assert "no programme frame" in down.reason
    await echo.connection.wait_closed()
    await program.stop()


async def test_a_newer_worker_takes_the_seat_and_the_old_one_is_closed(rig: Rig, source_file: SourceFile) -> None:
    await rig.open(transcode_plan(1))
    old = await worker(rig, 1)
    program = await publish(source_file("all-intra"), rig.live_url, rate=2)
    await until("a programme", lambda: old.received > 50)
    await rig.open(transcode_plan(2))
    new = await worker(rig, 2)
    await old.connection.wait_closed()
    await until("frames of the new one", lambda: len(rig.uplink.seen(ProgrammeUp)) == 2)
    assert new.received > 0
    with pytest.raises(Rejected):
        await worker(rig, 1)
    await program.stop()


async def test_another_ladder_goes_on_where_the_old_one_ended(rig: Rig, source_file: SourceFile) -> None:
    file = source_file("all-intra")
    await rig.open(transcode_plan(1))
    first = await worker(rig, 1)
    program = await publish(file, rig.live_url, rate=2)
    await until("half of the source", lambda: first.received > 300)
    other = Ladder((Rendition("other", 320, 180, FrameRate(25), 400_000),))
    await rig.open(transcode_plan(2, other))
    second = await worker(rig, 2, top="other")
    await program.done()
    await rig.fact(SourceDown)
    channel = rig.running.gateway.by_playback(PLAYBACK)
    assert channel is not None
    assert second.start_after is not None
    await until(
        "the last frame",
        lambda: (
            channel.programme.meters["other"].last_ms == channel.timeline.newest_ms
            or channel.programme.meters["other"].frames > 100
        ),
    )
    assert isinstance(second.start_after["other"], float)
    assert second.start_after["other"] > 0
    await rig.close()
    _, index = await get(rig.hls_url)
    assert "other/index.m3u8" in index
    assert "top/index.m3u8" not in index
