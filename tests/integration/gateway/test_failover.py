"""A standby at the gateway, over real connections: whoever fails and whenever, no frame is lost or shown twice."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from aiortmp import MessageType, Rejected
from app.domain.errors import Conflict, NotFound
from app.domain.failover import DecidedBy, SwitchKind, SwitchReport
from app.domain.ids import StreamId
from app.domain.link import (
    GatewayHello,
    SourceDown,
    StandbyReady,
    Switched,
    SwitchMeasured,
    SwitchStream,
    WorkerDown,
)
from app.media.channel import Channel
from tests.integration.gateway.echo import EchoWorker, transcode_plan, worker
from tests.integration.gateway.rig import PLAYBACK, STREAM, Program, Rig, count_frames, get, publish, until

SourceFile = Callable[[str], Path]


def channel_of(rig: Rig) -> Channel:
    channel = rig.running.gateway.by_playback(PLAYBACK)
    assert channel is not None
    return channel


async def pair(rig: Rig) -> tuple[EchoWorker, EchoWorker]:
    await rig.open(transcode_plan(1, standby=2))
    return await worker(rig, 1), await worker(rig, 2)


async def all_of(rig: Rig, file: Path, program: Program) -> None:
    """The whole source came out, each frame once, with no discontinuity."""
    await program.done()
    await rig.fact(SourceDown)
    sent = await count_frames(str(file))
    channel = channel_of(rig)
    await until("the last frame", lambda: channel.programme.meters["top"].frames == sent["h264"])
    await rig.close()
    assert await count_frames(rig.hls_url) == sent
    assert "DISCONTINUITY" not in (await get(f"{rig.http}/hls/{PLAYBACK}/top/index.m3u8"))[1]


def nothing_lost(report: SwitchReport) -> None:
    assert report.complete
    assert [(track.missing, track.doubled) for track in report.tracks] == [(0, 0), (0, 0)]
    assert report.first_frame_ms is not None
    assert report.stall_ms is not None
    assert report.detected_ms is not None
    assert 0 <= report.detected_ms <= report.first_frame_ms <= report.stall_ms


async def test_a_worker_that_is_killed_is_followed_by_its_standby(rig: Rig, source_file: SourceFile) -> None:
    file = source_file("all-intra")
    first, second = await pair(rig)
    program = await publish(file, rig.live_url, rate=2)
    ready = await rig.fact(StandbyReady)
    assert (ready.worker_id, ready.generation) == ("wrk_2", 2)
    await until("half of the source", lambda: first.received > 300)
    first.connection.abort("killed")
    told = await rig.fact(Switched)
    assert (told.kind, told.from_generation, told.generation) == (SwitchKind.REFLEX, 1, 2)
    assert told.cause == "encoder connection lost"
    assert second.words == ["onStandby", "onFeedStart"]
    measured = await rig.fact(SwitchMeasured)
    nothing_lost(measured.report)
    assert measured.report.proved
    assert not rig.uplink.seen(WorkerDown)
    assert rig.uplink.hello is not None
    hello = rig.uplink.hello()
    assert isinstance(hello, GatewayHello)
    [running] = hello.channels
    assert (running.generation, running.reports) == (2, (measured.report,))
    _, metrics = await get(f"{rig.http}/metrics")
    assert 'encman_switches_total{kind="reflex",stream_id="str_01"} 1.0' in metrics
    assert 'encman_standby_ready{stream_id="str_01"} 0.0' in metrics
    await all_of(rig, file, program)


async def test_a_worker_that_stands_still_is_followed_and_its_return_is_refused(
    rig: Rig, source_file: SourceFile
) -> None:
    file = source_file("all-intra")
    first, _ = await pair(rig)
    program = await publish(file, rig.live_url, rate=2)
    await until("a programme", lambda: first.received > 100)
    first.silent = {MessageType.VIDEO, MessageType.AUDIO}
    told = await rig.fact(Switched)
    assert told.cause == "stalled"
    first.silent = set()
    await first.connection.wait_closed()
    with pytest.raises(Rejected, match="newer generation"):
        await worker(rig, 1)
    assert "encman_gateway_workers_refused_total 1.0" in (await get(f"{rig.http}/metrics"))[1]
    nothing_lost((await rig.fact(SwitchMeasured)).report)
    await all_of(rig, file, program)


async def test_a_late_standby_still_loses_nothing_when_both_are_gone(rig: Rig, source_file: SourceFile) -> None:
    file = source_file("all-intra")
    first, second = await pair(rig)
    program = await publish(file, rig.live_url, rate=2)
    await until("a programme", lambda: first.received > 100)
    second.connection.abort("killed")
    await rig.fact(WorkerDown)
    first.connection.abort("killed")
    await rig.fact(WorkerDown, 2)
    await rig.open(transcode_plan(1, standby=3, revision=2))
    third = await worker(rig, 3)
    assert third.words == ["onFeedStart"]
    told = await rig.fact(Switched)
    assert (told.from_generation, told.generation) == (1, 3)
    nothing_lost((await rig.fact(SwitchMeasured)).report)
    await all_of(rig, file, program)


async def test_one_failover_after_the_other_loses_nothing(rig: Rig, source_file: SourceFile) -> None:
    file = source_file("all-intra")
    first, second = await pair(rig)
    program = await publish(file, rig.live_url, rate=2)
    await until("a programme", lambda: first.received > 100)
    first.connection.abort("killed")
    await rig.fact(SwitchMeasured)
    await rig.open(transcode_plan(2, standby=3, revision=2))
    await worker(rig, 3)
    await rig.fact(StandbyReady, 2)
    second.connection.abort("killed")
    nothing_lost((await rig.fact(SwitchMeasured, 2)).report)
    await all_of(rig, file, program)


async def test_a_planned_switch_happens_at_a_border_without_a_pause(rig: Rig, source_file: SourceFile) -> None:
    file = source_file("all-intra")
    first, second = await pair(rig)
    program = await publish(file, rig.live_url, rate=1)
    await rig.fact(StandbyReady)
    await until("a programme", lambda: first.received > 50)
    await rig.uplink.order(SwitchStream(STREAM, 2, "drill", DecidedBy.DRILL))
    told = await rig.fact(Switched)
    assert (told.kind, told.cause, told.decided_by) == (SwitchKind.PLANNED, "drill", DecidedBy.DRILL)
    await first.connection.wait_closed()
    report = (await rig.fact(SwitchMeasured)).report
    assert report.complete
    assert [(track.missing, track.doubled) for track in report.tracks] == [(0, 0), (0, 0)]
    assert report.tracks[0].first_ms is not None
    assert report.tracks[0].first_ms % 2_000 < 40
    assert not rig.uplink.seen(WorkerDown)
    assert second.words == ["onStandby", "onFeedStart"]
    await all_of(rig, file, program)


async def test_a_worker_killed_during_a_planned_switch_costs_nothing(rig: Rig, source_file: SourceFile) -> None:
    file = source_file("all-intra")
    first, second = await pair(rig)
    program = await publish(file, rig.live_url, rate=1)
    await rig.fact(StandbyReady)
    await until("a programme", lambda: first.received > 50)
    await rig.uplink.order(SwitchStream(STREAM, 2, "too hot", DecidedBy.CONTROL))
    first.connection.abort("killed")
    nothing_lost((await rig.fact(SwitchMeasured)).report)
    assert second.words == ["onStandby", "onFeedStart", "onFeedStart"]
    await all_of(rig, file, program)


async def test_a_standby_killed_during_a_planned_switch_costs_nothing(rig: Rig, source_file: SourceFile) -> None:
    file = source_file("all-intra")
    first, second = await pair(rig)
    program = await publish(file, rig.live_url, rate=1)
    await rig.fact(StandbyReady)
    await until("a programme", lambda: first.received > 50)
    await rig.uplink.order(SwitchStream(STREAM, 2, "too hot", DecidedBy.CONTROL))
    second.connection.abort("killed")
    assert not (await rig.fact(SwitchMeasured)).report.complete
    assert (await rig.fact(WorkerDown)).generation == 2
    await all_of(rig, file, program)


async def test_a_switch_to_who_is_not_ready_is_refused(rig: Rig) -> None:
    await rig.open(transcode_plan(1, standby=2))
    with pytest.raises(Conflict):
        await rig.uplink.order(SwitchStream(STREAM, 2, "drill", DecidedBy.DRILL))
    with pytest.raises(NotFound):
        await rig.uplink.order(SwitchStream(StreamId("str_none"), 2, "drill", DecidedBy.DRILL))


async def test_a_standby_that_answers_nothing_is_found_before_it_is_needed(
    rig: Rig, source_file: SourceFile
) -> None:
    first, second = await pair(rig)
    program = await publish(source_file("all-intra"), rig.live_url, rate=1)
    await rig.fact(StandbyReady)
    second.connection.pause_reading()
    down = await rig.fact(WorkerDown)
    assert (down.generation, "silent" in down.reason) == (2, True)
    assert not first.connection.is_closed
    second.connection.abort("test is over")
    await program.stop()
