"""Viewers: strangers are turned away, slow ones lose frames and nobody else does."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path

import aiohttp
import pytest

from aiortmp import MediaBatch, MediaMessage, MessageType, Rejected
from aiortmp.aio import connect
from app.assembly.process import new_loop
from app.domain.link import ProgrammeUp
from app.domain.stream import Outputs
from tests.integration.gateway.material import messages_of, publisher, send, shifted
from tests.integration.gateway.rig import PLAYBACK, Rig, gateway, get, plan, until

SourceFile = Callable[[str], Path]


class Counter:
    """A viewer that counts messages."""

    def __init__(self) -> None:
        self.messages = 0
        self.ended: str | None = None

    def on_media(self, batch: MediaBatch) -> None:
        self.messages += len(batch)

    def on_end(self, reason: str) -> None:
        self.ended = reason


@pytest.mark.parametrize("name", ["play_wrong", f"{PLAYBACK}_1080p", f"{PLAYBACK}/../x", "x" * 500])
async def test_a_name_that_names_nothing_is_not_played(rig: Rig, name: str) -> None:
    await rig.open(plan())
    connection = await connect(f"{rig.rtmp}/play")
    with pytest.raises(Rejected, match="no such stream"):
        await connection.play(name, Counter())
    await connection.close()


async def test_outputs_that_are_off_are_not_served(rig: Rig) -> None:
    await rig.open(plan(outputs=Outputs(hls=False, http_flv=False, rtmp_play=False)))
    connection = await connect(f"{rig.rtmp}/play")
    with pytest.raises(Rejected):
        await connection.play(PLAYBACK, Counter())
    await connection.close()
    for path in (f"/hls/{PLAYBACK}/index.m3u8", f"/flv/{PLAYBACK}.flv"):
        assert (await get(rig.http + path))[0] == 404


async def test_who_is_early_is_told_that_nothing_was_published_yet(rig: Rig) -> None:
    await rig.open(plan())
    assert await get(rig.hls_url) == (404, "nothing to play yet\n")
    assert await get(f"{rig.http}/hls/play_wrong/index.m3u8") == (404, "no such stream\n")


async def test_viewers_are_told_when_the_stream_ends(rig: Rig, source_file: SourceFile) -> None:
    await rig.open(plan())
    viewer = Counter()
    connection = await connect(f"{rig.rtmp}/play")
    await connection.play(PLAYBACK, viewer)
    source, publish = await publisher(rig)
    send(publish, messages_of(source_file("plain"))[:200])
    await until("media", lambda: viewer.messages >= 200)
    await rig.close("over and out")
    await until("the end", lambda: viewer.ended is not None)
    await connection.close()
    await source.close()


async def test_a_viewer_that_does_not_read_loses_frames_and_the_others_none(
    rig: Rig, source_file: SourceFile
) -> None:
    await rig.open(plan(outputs=Outputs(hls=False)))
    channel = rig.running.gateway.by_playback(PLAYBACK)
    assert channel is not None
    source, publish = await publisher(rig)
    messages = messages_of(source_file("plain"))
    send(publish, messages)
    await rig.fact(ProgrammeUp)
    with socket.create_connection(("127.0.0.1", rig.running.http_port)) as deaf:
        deaf.sendall(f"GET /flv/{PLAYBACK}.flv HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        viewer = Counter()
        connection = await connect(f"{rig.rtmp}/play")
        await connection.play(PLAYBACK, viewer)
        await until("two viewers", lambda: channel.programme.viewers == 2)
        before, sent = viewer.messages, 0
        for turn in range(1, 400):
            send(publish, shifted(messages[2:], turn * 10_000))
            await publish.drain()
            sent += len(messages) - 2
            if channel.programme.dropped:
                break
        assert channel.programme.dropped > 0
        await until("every message at the quick viewer", lambda: viewer.messages >= before + sent)
        await connection.close()
    await source.close()


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, new_loop])
def test_a_viewer_that_takes_nothing_for_half_a_minute_of_the_stream_is_cut(
    loop: Callable[[], asyncio.AbstractEventLoop], tmp_path: Path, source_file: SourceFile
) -> None:
    messages = messages_of(source_file("plain"))

    async def watch() -> None:
        async with gateway(tmp_path) as rig:
            await rig.open(plan(outputs=Outputs(hls=False)))
            channel = rig.running.gateway.by_playback(PLAYBACK)
            assert channel is not None
            source, publish = await publisher(rig)
            with socket.create_connection(("127.0.0.1", rig.running.http_port)) as deaf:
                deaf.sendall(f"GET /flv/{PLAYBACK}.flv HTTP/1.1\r\nHost: x\r\n\r\n".encode())
                await until("a viewer", lambda: channel.programme.viewers == 1)
                for turn in range(400):
                    send(publish, shifted(messages[2 if turn else 0 :], turn * 10_000))
                    await publish.drain()
                    if not channel.programme.viewers:
                        break
                await until("nobody", lambda: channel.programme.viewers == 0)
            await source.close()

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(watch())


async def test_metrics_name_streams_and_nothing_secret_and_forget_them(rig: Rig, source_file: SourceFile) -> None:
    await rig.open(plan())
    source, publish = await publisher(rig)
    send(publish, messages_of(source_file("plain")))
    await rig.fact(ProgrammeUp)
    status, text = await get(f"{rig.http}/metrics")
    assert status == 200
    assert 'encman_source_up{stream_id="str_01"} 1.0' in text
    assert "testkey" not in text
    assert PLAYBACK not in text
    await rig.close()
    assert "str_01" not in (await get(f"{rig.http}/metrics"))[1]
    await source.close()


async def test_health_is_answered_and_the_rest_is_not_found(rig: Rig) -> None:
    await until("the uplink", lambda: rig.uplink.connected)
    assert (await get(f"{rig.http}/livez"))[0] == 200
    assert (await get(f"{rig.http}/readyz"))[0] == 200
    for path in ("/", "/hls/../../etc/passwd", "/hls/x/index.m3u8", f"/hls/{PLAYBACK}/a/b/c", "/flv/x.flv"):
        assert (await get(rig.http + path))[0] == 404
    async with aiohttp.ClientSession() as session, session.post(f"{rig.http}/livez") as answer:
        assert answer.status == 405


async def test_players_on_other_pages_may_read(rig: Rig) -> None:
    async with aiohttp.ClientSession() as session, session.options(f"{rig.http}/hls/x/index.m3u8") as answer:
        assert answer.status == 204
        assert answer.headers["Access-Control-Allow-Origin"] == "*"


async def test_a_client_that_drips_its_header_is_cut(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    assert rig.running.http_factory is not None
    rig.running.http_factory.deadline_s = 0.2
    reader, writer = await asyncio.open_connection("127.0.0.1", rig.running.http_port)
    writer.write(b"GET /livez HTTP/1.1\r\nX-A: ")
    async with asyncio.timeout(10):
        assert await reader.read() == b""
    assert rig.running.doorman.cut == 1
    writer.close()


@pytest.mark.parametrize(("kind", "flags"), [(MessageType.AUDIO, 4), (MessageType.VIDEO, 1)])
async def test_http_flv_announces_only_what_the_stream_has(
    rig: Rig, source_file: SourceFile, kind: MessageType, flags: int
) -> None:
    await rig.open(plan(outputs=Outputs(hls=False)))
    source, publish = await publisher(rig)
    async with aiohttp.ClientSession() as session, session.get(f"{rig.http}/flv/{PLAYBACK}.flv") as answer:
        send(publish, [message for message in messages_of(source_file("plain")) if message.type is kind])
        assert await answer.content.readexactly(13) == b"FLV\x01" + bytes((flags, 0, 0, 0, 9, 0, 0, 0, 0))
    await source.close()


async def test_a_viewer_that_leaves_a_silent_stream_is_counted_out(rig: Rig, source_file: SourceFile) -> None:
    await rig.open(plan())
    channel = rig.running.gateway.by_playback(PLAYBACK)
    assert channel is not None
    _, writer = await asyncio.open_connection("127.0.0.1", rig.running.http_port)
    writer.write(f"GET /flv/{PLAYBACK}.flv HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    connection = await connect(f"{rig.rtmp}/play")
    await connection.play(PLAYBACK, Counter())
    await until("two viewers", lambda: channel.programme.viewers == 2)
    writer.close()
    await connection.close()
    await until("no viewers", lambda: channel.programme.viewers == 0)
    assert channel.programme.muxes["source"].readers == 0


async def test_a_stream_hls_cannot_carry_says_so(rig: Rig) -> None:
    await rig.open(plan())
    source, publish = await publisher(rig)
    header = MediaMessage(MessageType.VIDEO, 0, b"\x90vp08" + bytes(20))
    send(publish, [header, MediaMessage(MessageType.VIDEO, 0, b"\x91vp08" + bytes(20))])
    await rig.fact(ProgrammeUp)
    status, text = await get(rig.hls_url)
    assert status == 404
    assert "vp08" in text
    await source.close()
