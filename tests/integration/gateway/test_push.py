"""Pushes: a real nginx-rtmp gets every frame, a stalled or forbidden destination touches nobody else."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from ipaddress import ip_network
from pathlib import Path

import pytest

from app.domain.ids import DestinationId
from app.domain.link import DestinationReading, SourceDown
from app.domain.secret import Secret
from app.domain.stream import Destination, Outputs
from app.media.fanout import FanOut
from app.media.push.backoff import Backoff
from app.media.push.destination import DestinationPush
from app.media.push.dial import Dialler
from tests.integration.gateway.material import messages_of, publisher, send, shifted
from tests.integration.gateway.rig import STREAM, Rig, count_frames, gateway, plan, publish, until
from tests.support.servers import nginx_rtmp
from tests.unit.media.stream_parts import at_stamps

SourceFile = Callable[[str], Path]


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with gateway(tmp_path, allowed_private_targets=(ip_network("127.0.0.0/8"),)) as running:
        yield running


def destination(name: str, url: str) -> Destination:
    return Destination(DestinationId(name), Secret(url))


def readings(rig: Rig) -> dict[str, DestinationReading]:
    [room] = [room for room in rig.running.gateway.rooms() if room.channel.plan.stream_id == STREAM]
    return {reading.id: reading for reading in room.outputs.readings()}


async def test_nginx_rtmp_gets_every_frame(rig: Rig, source_file: SourceFile, tmp_path: Path) -> None:
    file = source_file("b-frames")
    record = tmp_path / "nginx"
    record.mkdir(mode=0o777)
    record.chmod(0o777)
    tmp_path.chmod(0o755)  # noqa: ASYNC240 - a test alone on its loop
    with nginx_rtmp(f"application live {{ live on; record all; record_path {record}; }}") as port:
        url = f"rtmp://127.0.0.1:{port}/live/their_secret_key"
        await rig.open(plan(outputs=Outputs(destinations=(destination("dst_1", url),))))
        await until("a live push", lambda: readings(rig)["dst_1"].state == "live")
        program = await publish(file, rig.live_url)
        await program.done()
        await rig.fact(SourceDown)
        await rig.close()
        [flv] = record.iterdir()
        sent = await count_frames(str(file))
        await until("the whole file", lambda: flv.stat().st_size > file.stat().st_size * 0.95)
        assert await count_frames(str(flv)) == sent


async def test_a_destination_that_never_reads_touches_nothing_else(rig: Rig, source_file: SourceFile) -> None:
    messages = messages_of(source_file("plain"))
    with socket.create_server(("127.0.0.1", 0)) as deaf, nginx_rtmp() as port:
        bad = destination("dst_bad", f"rtmp://127.0.0.1:{deaf.getsockname()[1]}/live/x")
        good = destination("dst_good", f"rtmp://127.0.0.1:{port}/live/y")
        await rig.open(plan(outputs=Outputs(destinations=(bad, good))))
        await until("a live push", lambda: readings(rig)["dst_good"].state == "live")
        source, publication = await publisher(rig)
        for turn in range(20):
            send(publication, shifted(messages[2 if turn else 0 :], turn * 10_000))
            await publication.drain()
        await until("bytes at the good one", lambda: readings(rig)["dst_good"].bytes_sent > 1_000_000)
        assert readings(rig)["dst_good"].frames_dropped == 0
        assert readings(rig)["dst_bad"].state in ("connecting", "backing_off")
        await source.close()


async def test_a_destination_that_is_not_there_is_tried_again(rig: Rig) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    url = f"rtmp://127.0.0.1:{port}/live/their_secret_key"
    await rig.open(plan(outputs=Outputs(destinations=(destination("dst_1", url),))))
    await until("a failure", lambda: readings(rig)["dst_1"].state == "backing_off")
    assert "refuses the connection" in str(readings(rig)["dst_1"].detail)
    connected = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connected.set()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", port)
    async with asyncio.timeout(20):
        await connected.wait()
    server.close()
    assert "their_secret_key" not in repr(readings(rig))


async def test_a_destination_that_refuses_the_key_is_told_apart(rig: Rig) -> None:
    url = rig.live_url.rpartition("/")[0] + "/their_secret_key"  # a real door that knows no such key
    await rig.open(plan(outputs=Outputs(destinations=(destination("dst_1", url),))))
    await until("a failure", lambda: readings(rig)["dst_1"].state == "backing_off")
    detail = str(readings(rig)["dst_1"].detail)
    assert detail.startswith("the destination refuses the stream or its key: ")
    assert "their_secret_key" not in detail


@pytest.mark.parametrize(
    "url", ["rtmp://127.0.0.1:1935/live/x", "rtmp://[::1]:1935/live/x", "rtmp://localhost:1935/live/x"]
)
async def test_a_private_address_is_refused_unless_released(tmp_path: Path, url: str) -> None:
    async with gateway(tmp_path) as closed:
        await closed.open(plan(outputs=Outputs(destinations=(destination("dst_1", url),))))
        await until("the refusal", lambda: readings(closed)["dst_1"].state == "refused")
        assert "private" in str(readings(closed)["dst_1"].detail)
        assert "ENCMAN_ALLOWED_PRIVATE_TARGETS" in str(readings(closed)["dst_1"].detail)


async def test_taking_one_destination_away_leaves_the_other_connected(rig: Rig) -> None:
    with nginx_rtmp() as port:
        one = destination("dst_1", f"rtmp://127.0.0.1:{port}/live/a")
        two = destination("dst_2", f"rtmp://127.0.0.1:{port}/live/b")
        await rig.open(plan(outputs=Outputs(destinations=(one, two))))
        await until("two live pushes", lambda: all(r.state == "live" for r in readings(rig).values()))
        sent = readings(rig)["dst_2"].bytes_sent
        await rig.open(plan(revision=2, outputs=Outputs(destinations=(two,))))
        assert list(readings(rig)) == ["dst_2"]
        assert readings(rig)["dst_2"].state == "live"
        assert readings(rig)["dst_2"].bytes_sent == sent


async def test_a_push_that_is_handed_another_programme_keeps_its_connection(
    source_file: SourceFile, tmp_path: Path
) -> None:
    file = source_file("plain")
    messages = messages_of(file)
    record = tmp_path / "nginx"
    record.mkdir(mode=0o777)
    record.chmod(0o777)
    tmp_path.chmod(0o755)  # noqa: ASYNC240 - a test alone on its loop
    high, low = FanOut(), FanOut()
    with nginx_rtmp(f"application live {{ live on; record all; record_path {record}; }}") as port:
        push = DestinationPush(
            destination("dst_1", f"rtmp://127.0.0.1:{port}/live/key"),
            high,
            dialler=Dialler(allowed=(ip_network("127.0.0.0/8"),)),
            backoff=Backoff(lambda: 0.0),
            monotonic=asyncio.get_running_loop().time,
        )
        push.start(asyncio.create_task(push.run()))
        await until("a live push", lambda: push.reading().state == "live")
        begins = at_stamps(*messages)
        assert begins.key is not None
        high.push(begins)
        low.push(at_stamps(*messages[:2]))
        push.follow(low)
        assert (high.readers, low.readers) == (0, 1)
        low.push(at_stamps(*shifted(messages[2:], 11_000)))
        await until("a recording", lambda: list(record.iterdir()))
        [flv] = record.iterdir()
        await until("both programmes", lambda: flv.stat().st_size > file.stat().st_size * 1.95)
        assert push.reading().frames_dropped == 0
        await push.close()
        assert low.readers == 0
    assert list(record.iterdir()) == [flv]
    sent = await count_frames(str(file))
    unheard = begins.key - 2  # sound before the first picture of all
    assert await count_frames(str(flv)) == {"h264": 2 * sent["h264"], "aac": 2 * sent["aac"] - unheard}
