"""Orders of control: plans by revision, ends that are told, and a gateway that serves on without control."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from aiortmp import Rejected
from app.domain.errors import Conflict, InvalidRequest
from app.domain.ids import StreamId, WorkerId
from app.domain.link import CloseChannel, GatewayHello, SourceDown, SourceUp, StopWorker
from app.domain.stream import Outputs, StreamMode
from app.media.admission import STARTING
from tests.integration.gateway.material import messages_of, publisher, send
from tests.integration.gateway.rig import KEY, PLAYBACK, STREAM, Rig, get, plan, until

SourceFile = Callable[[str], Path]
OTHER_KEY = "otherkey_0123456789abcdef"


async def test_an_older_revision_is_refused_and_the_newer_one_stays(rig: Rig) -> None:
    await rig.open(plan(revision=5, outputs=Outputs(hls=False)))
    with pytest.raises(Conflict):
        await rig.open(plan(revision=4))
    channel = rig.running.gateway.by_stream(STREAM)
    assert channel is not None
    assert channel.plan.revision == 5
    await rig.open(plan(revision=5))


async def test_a_running_stream_keeps_its_mode(rig: Rig) -> None:
    await rig.open(plan())
    with pytest.raises(Conflict):
        await rig.open(plan(revision=2, mode=StreamMode.TRANSCODE))


async def test_orders_for_nodes_are_refused(rig: Rig) -> None:
    with pytest.raises(InvalidRequest):
        await rig.uplink.order(StopWorker(WorkerId("wrk_1"), "x"))


async def test_closing_what_is_not_open_is_done(rig: Rig) -> None:
    await rig.uplink.order(CloseChannel(StreamId("str_none"), "x"))


async def test_a_new_plan_may_bring_a_new_key_and_the_publisher_stays(rig: Rig, source_file: SourceFile) -> None:
    await rig.open(plan())
    connection, publish = await publisher(rig)
    send(publish, messages_of(source_file("plain"))[:50])
    await rig.fact(SourceUp)
    await rig.open(plan(revision=2, key=OTHER_KEY))
    with pytest.raises(Rejected):
        await publisher(rig, KEY)
    assert rig.uplink.seen(SourceDown) == []
    await connection.close()
    await rig.fact(SourceDown)
    again, _ = await publisher(rig, OTHER_KEY)
    await again.close()


async def test_the_end_of_a_stream_lets_its_publisher_go(rig: Rig, source_file: SourceFile) -> None:
    await rig.open(plan())
    connection, publish = await publisher(rig)
    send(publish, messages_of(source_file("plain"))[:50])
    await rig.fact(SourceUp)
    await rig.close("ended by request")
    await connection.wait_closed()
    down = await rig.fact(SourceDown)
    assert down.reason == "ended by request"


async def test_a_playlist_ends_when_the_publisher_stays_away(rig: Rig, source_file: SourceFile) -> None:
    await rig.open(plan(reconnect_window_s=0))
    connection, publish = await publisher(rig)
    send(publish, messages_of(source_file("plain")))
    await publish.drain()
    await connection.close()
    await rig.fact(SourceDown)
    channel = rig.running.gateway.by_playback(PLAYBACK)
    assert channel is not None
    await until("the end", lambda: channel.programme.packager and channel.programme.packager.ended)
    _, text = await get(f"{rig.http}/hls/{PLAYBACK}/source/index.m3u8")
    assert text.endswith("#EXT-X-ENDLIST\n")
    first_numbers = text.split(".m4s")[0].splitlines()[-1]
    again, publish = await publisher(rig)
    send(publish, messages_of(source_file("plain")))
    await until("a new list", lambda: channel.programme.packager and not channel.programme.packager.ended)
    await until("segments", lambda: channel.programme.packager and channel.programme.packager.is_ready)
    _, text = await get(f"{rig.http}/hls/{PLAYBACK}/source/index.m3u8")
    assert "ENDLIST" not in text
    assert int(text.split(".m4s")[0].splitlines()[-1]) > int(first_numbers)
    await again.close()


async def test_a_gateway_that_knows_no_streams_yet_asks_for_patience(rig: Rig) -> None:
    for _ in range(7):
        with pytest.raises(Rejected, match=STARTING):
            await publisher(rig)
    await rig.open(plan())
    connection, _ = await publisher(rig)
    await connection.close()


async def test_hello_tells_what_runs(rig: Rig, source_file: SourceFile) -> None:
    await rig.open(plan(revision=3))
    connection, publish = await publisher(rig)
    send(publish, messages_of(source_file("plain"))[:50])
    told = await rig.fact(SourceUp)
    assert rig.uplink.hello is not None
    hello = rig.uplink.hello()
    assert isinstance(hello, GatewayHello)
    assert hello.rtmp_port == rig.running.rtmp_port
    [channel] = hello.channels
    assert (channel.stream_id, channel.revision, channel.source) == (STREAM, 3, told)
    await connection.close()


async def test_streams_go_on_when_control_is_away(rig: Rig, source_file: SourceFile) -> None:
    await rig.open(plan())
    rig.uplink.connected = False
    connection, publish = await publisher(rig)
    send(publish, messages_of(source_file("plain")))
    channel = rig.running.gateway.by_playback(PLAYBACK)
    assert channel is not None
    await until("segments", lambda: channel.programme.packager and channel.programme.packager.is_ready)
    assert (await get(rig.hls_url))[0] == 200
    assert (await get(f"{rig.http}/readyz"))[0] == 503
    await connection.close()


async def test_many_changes_of_publisher_leave_nothing_behind(rig: Rig, source_file: SourceFile) -> None:
    messages = messages_of(source_file("plain"))[:20]
    await rig.open(plan())
    tasks, descriptors = len(asyncio.all_tasks()), psutil.Process().num_fds()
    for turn in range(1, 51):
        connection, publish = await publisher(rig)
        send(publish, messages)
        await publish.drain()
        await connection.close()
        await rig.fact(SourceDown, turn)
    assert len(asyncio.all_tasks()) <= tasks + 2
    assert psutil.Process().num_fds() <= descriptors + 2
    channel = rig.running.gateway.by_playback(PLAYBACK)
    assert channel is not None
    assert channel.timeline.breaks == 0
