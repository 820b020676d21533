"""Server and client over real sockets, on asyncio's own loop and on uvloop."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from aiortmp import (
    ConnectionLost,
    LimitExceeded,
    Limits,
    MediaBatch,
    MediaMessage,
    MessageType,
    ProtocolError,
    Rejected,
)
from aiortmp.aio import Server, connect, serve
from tests.aiortmp import certificates
from tests.aiortmp.chunks import ChunkWriter, Sent
from tests.aiortmp.relay import Relay, Sink, until

VIDEO, AUDIO, DATA = MessageType.VIDEO, MessageType.AUDIO, MessageType.DATA


@pytest.fixture
def relay() -> Relay:
    return Relay()


@pytest_asyncio.fixture
async def server(relay: Relay) -> AsyncIterator[Server]:
    running = await serve(relay.handler, "127.0.0.1", 0)
    yield running
    running.close()
    await running.wait_closed()


def url(server: Server, app: str = "live") -> str:
    return f"rtmp://127.0.0.1:{server.port}/{app}"


def frames(count: int, *, size: int = 5000, start_ms: int = 0) -> list[MediaMessage]:
    """Alternating video and audio, a key frame every ten."""
    made: list[MediaMessage] = []
    for at in range(count):
        first = b"\x17\x01" if at % 10 == 0 else b"\x27\x01"
        made.append(MediaMessage(VIDEO, start_ms + at * 40, first + bytes((at % 256,)) * size))
        made.append(MediaMessage(AUDIO, start_ms + at * 40 + 7, b"\xaf\x01" + bytes((at % 256,)) * 200))
    return made


def media_only(sink: Sink) -> list[MediaMessage]:
    return [message for message in sink.messages if message.type is not DATA]


async def test_what_is_published_is_played(relay: Relay, server: Server) -> None:
    publisher = await connect(url(server))
    publish = await publisher.publish("name")
    player = await connect(url(server))
    sink = Sink()
    play = await player.play("name", sink)
    sent = frames(200)
    for at in range(0, len(sent), 6):
        publish.send(MediaBatch.of(sent[at : at + 6]))
        await publish.drain()
    await until(lambda: len(media_only(sink)) == len(sent))
    assert media_only(sink) == sent
    await publish.close()
    await until(lambda: sink.ends)
    assert sink.ends == ["NetStream.Play.UnpublishNotify: "]
    assert relay.stream("name").sink.ends == ["deleteStream"]
    await play.close()
    await player.close()
    await publisher.close()


async def test_a_player_that_comes_late_begins_with_headers_and_the_last_key_frame(
    relay: Relay, server: Server
) -> None:
    publisher = await connect(url(server))
    publish = await publisher.publish("name")
    header = MediaMessage(VIDEO, 0, b"\x17\x00header")
    sent = frames(25)
    publish.send(MediaBatch.of([header]))
    for message in sent:
        publish.send(MediaBatch.of([message]))
    await until(lambda: len(relay.stream("name").sink.messages) == 51)
    player = await connect(url(server))
    sink = Sink()
    await player.play("name", sink)
    publish.send(MediaBatch.of(more := frames(3, start_ms=1000)))
    await until(lambda: len(media_only(sink)) == 1 + 10 + 6)
    assert media_only(sink) == [header, *sent[40:], *more]
    await player.close()
    await publisher.close()


async def test_one_connection_plays_one_stream_and_publishes_others(relay: Relay, server: Server) -> None:
    source = await connect(url(server))
    source_publish = await source.publish("source")
    worker = await connect(url(server))
    sink = Sink()
    await worker.play("source", sink)
    renditions = [await worker.publish(name) for name in ("720p", "480p", "360p")]
    sent = frames(30)
    for at in range(0, 60, 2):
        source_publish.send(MediaBatch.of(sent[at : at + 2]))
    await until(lambda: len(media_only(sink)) == 60)
    for at, message in enumerate(media_only(sink)):
        renditions[at % 3].send(MediaBatch.of([message]))
    await until(lambda: sum(len(relay.stream(name).sink.messages) for name in ("720p", "480p", "360p")) == 60)
    for at, name in enumerate(("720p", "480p", "360p")):
        assert relay.stream(name).sink.messages == sent[at::3]
    await renditions[1].close()
    await until(lambda: relay.stream("480p").sink.ends)
    assert relay.stream("720p").sink.ends == []
    assert sink.ends == []
    await worker.close()
    await until(lambda: relay.stream("720p").sink.ends)
    await source.close()


async def test_a_second_play_on_a_connection_does_not_spoil_the_first(relay: Relay, server: Server) -> None:
    publisher = await connect(url(server))
    await publisher.publish("first")
    writer = ChunkWriter()
    publisher.write(writer.set_chunk_size(4096))
    player = await connect(url(server))
    sink = Sink()
    await player.play("first", sink)
    for at in range(6):
        if at == 3:
            await player.play("second", Sink())
        publisher.write(writer.message(Sent(8, at * 20, 1, 5, b"\xaf\x01sound", 1)))
        await until(lambda count=at + 1: len(media_only(sink)) == count)
    assert [message.timestamp for message in media_only(sink)] == [0, 20, 40, 60, 80, 100]
    await player.close()
    await publisher.close()


async def test_a_wrong_key_is_refused_with_the_servers_words(relay: Relay, server: Server) -> None:
    client = await connect(url(server))
    with pytest.raises(Rejected) as caught:
        await client.publish("bad key")
    assert (caught.value.code, caught.value.description) == ("NetStream.Publish.BadName", "no such stream key")
    assert isinstance(await client.wait_closed(), ConnectionLost)
    await until(lambda: relay.closed)
    assert str(relay.closed[0]) == "refused: NetStream.Publish.BadName"


async def test_a_refusal_leaves_other_streams_of_the_connection_alone(relay: Relay, server: Server) -> None:
    client = await connect(url(server))
    publish = await client.publish("good")
    with pytest.raises(Rejected):
        await client.play("bad", Sink())
    publish.send(MediaBatch.of(frames(1)))
    await until(lambda: len(relay.stream("good").sink.messages) == 2)
    await client.close()


async def test_a_refused_application_is_told_why(relay: Relay, server: Server) -> None:
    with pytest.raises(Rejected, match="this application is closed"):
        await connect(url(server, "closed"))
    await until(lambda: relay.closed)


async def test_what_the_client_says_of_itself_arrives(relay: Relay, server: Server) -> None:
    client = await connect(url(server, "live/room?x=1"), args={"token": "t", "n": 2.0}, flash_ver="tester")
    (request,) = relay.connects
    assert (request.app, request.flash_ver) == ("live/room?x=1", "tester")
    assert (request.args["token"], request.args["n"]) == ("t", 2.0)
    assert request.tc_url == f"rtmp://127.0.0.1:{server.port}/live/room?x=1"
    assert request.peer[0] == "127.0.0.1"
    await client.close()


async def test_both_sides_learn_that_the_connection_is_over_once_and_why(relay: Relay, server: Server) -> None:
    client = await connect(url(server))
    publish = await client.publish("name")
    reasons: list[str] = []
    publish.on_end = reasons.append
    (connection,) = server.connections
    connection.close("maintenance")
    assert isinstance(await client.wait_closed(), ConnectionLost)
    assert reasons == ["closed by the peer"]
    await until(lambda: relay.closed)
    assert [str(reason) for reason in relay.closed] == ["maintenance"]
    assert relay.stream("name").sink.ends == ["maintenance"]
    publish.send(MediaBatch.of(frames(1)))
    with pytest.raises(ConnectionLost):
        await publish.drain()
    with pytest.raises(ConnectionLost):
        await client.publish("again")


async def test_a_publisher_that_is_replaced_is_told_and_may_stay(relay: Relay, server: Server) -> None:
    client = await connect(url(server))
    publish = await client.publish("name")
    reasons: list[str] = []
    publish.on_end = reasons.append
    relay.publications[0].finish(description="replaced")
    await until(lambda: reasons)
    assert reasons == ["NetStream.Unpublish.Success: replaced"]
    assert relay.stream("name").sink.ends == ["replaced"]
    await client.publish("name")
    await client.close()


async def test_a_slow_player_is_seen_and_told_when_there_is_room_again(relay: Relay, server: Server) -> None:
    player = await connect(url(server))
    sink = Sink()
    await player.play("name", sink)
    (play,) = relay.stream("name").plays
    rooms: list[int] = []
    play.on_writable = lambda: rooms.append(play.buffered_bytes)
    player.pause_reading()
    sent = 0
    while play.buffered_bytes < 2_000_000:
        play.send(MediaBatch.of([MediaMessage(VIDEO, sent, bytes(100_000))]))
        sent += 1
        await asyncio.sleep(0)
    assert rooms == []
    player.resume_reading()
    await until(lambda: rooms)
    assert rooms[0] <= 128 * 1024
    await until(lambda: len(media_only(sink)) == sent)
    await player.close()


async def test_a_player_that_never_reads_is_cut_at_the_limit(relay: Relay) -> None:
    server = await serve(relay.handler, "127.0.0.1", 0, limits=Limits(max_send_buffer_bytes=1_000_000))
    player = await connect(url(server))
    await player.play("name", Sink())
    (play,) = relay.stream("name").plays
    player.pause_reading()
    batch = MediaBatch.of([MediaMessage(VIDEO, 0, bytes(200_000))])
    for _ in range(200):
        play.send(batch)
        assert play.buffered_bytes <= 1_300_000
        await asyncio.sleep(0)
    await until(lambda: relay.closed)
    reason = relay.closed[0]
    assert isinstance(reason, LimitExceeded)
    assert reason.limit == "max_send_buffer_bytes"
    player.abort()
    server.close()
    await server.wait_closed()


async def test_a_publisher_waits_while_the_server_does_not_read(relay: Relay, server: Server) -> None:
    client = await connect(url(server))
    publish = await client.publish("name")
    (connection,) = server.connections
    connection.pause_reading()
    for _ in range(100):
        publish.send(MediaBatch.of([MediaMessage(VIDEO, 0, bytes(100_000))]))
    waiting = asyncio.ensure_future(publish.drain())
    await asyncio.sleep(0)
    assert not waiting.done()
    connection.resume_reading()
    await asyncio.wait_for(waiting, 10)
    await client.close()


async def test_a_connected_socket_may_be_handed_in(relay: Relay, server: Server) -> None:
    sock = socket.create_connection(("127.0.0.1", server.port))
    sock.setblocking(False)
    client = await connect("rtmp://name.invalid/live", sock=sock)
    await client.publish("name")
    assert relay.connects[0].tc_url == "rtmp://name.invalid:1935/live"
    await client.close()


async def test_rtmps_carries_media_and_checks_the_certificate(relay: Relay, tmp_path: Path) -> None:
    for_server, for_client = certificates.contexts(tmp_path)
    server = await serve(relay.handler, "127.0.0.1", 0, ssl=for_server)
    secure = f"rtmps://127.0.0.1:{server.port}/live"
    client = await connect(secure, ssl=for_client)
    publish = await client.publish("name")
    sink = Sink()
    await client.play("name", sink)
    sent = frames(50)
    publish.send(MediaBatch.of(sent))
    await until(lambda: len(media_only(sink)) == 100)
    assert media_only(sink) == sent
    await client.close()
    with pytest.raises(ssl.SSLCertVerificationError):
        await connect(secure)
    with pytest.raises(Rejected, match="no such stream key"):
        await (await connect(secure, ssl=for_client)).publish("bad")
    server.close()
    await server.wait_closed()


async def test_nobody_listening_is_an_os_error(server: Server) -> None:
    port = server.port
    server.close()
    await server.wait_closed()
    with pytest.raises(OSError, match=str(port)):
        await connect(f"rtmp://127.0.0.1:{port}/live")


@contextlib.asynccontextmanager
async def stranger(says: bytes) -> AsyncIterator[str]:
    """A listener that is no RTMP server: says this to one client and waits for it to leave."""
    left = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            writer.write(says)
            await reader.read()
            writer.close()
            await writer.wait_closed()
        left.set()

    listener = await asyncio.start_server(talk, "127.0.0.1", 0)
    yield f"rtmp://127.0.0.1:{listener.sockets[0].getsockname()[1]}/live"
    await left.wait()
    listener.close()
    await listener.wait_closed()


async def test_a_server_that_says_nothing_is_given_up() -> None:
    async with stranger(b"") as address:
        with pytest.raises(ConnectionLost, match="in time"):
            await connect(address, timeout_s=0.05)


async def test_a_server_that_is_not_rtmp_is_a_protocol_error() -> None:
    async with stranger(b"HTTP/1.1 400 Bad Request\r\n\r\n") as address:
        with pytest.raises(ProtocolError, match="version"):
            await connect(address)


@pytest.mark.parametrize("loop_name", ["asyncio", "uvloop"])
def test_writes_keep_their_order_while_the_transport_is_full(loop_name: str) -> None:
    factory = asyncio.new_event_loop if loop_name == "asyncio" else pytest.importorskip("uvloop").new_event_loop

    async def story() -> None:
        relay = Relay()
        server = await serve(relay.handler, "127.0.0.1", 0)
        player = await connect(url(server))
        sink = Sink()
        await player.play("name", sink)
        (play,) = relay.stream("name").plays
        sent = [
            MediaMessage(VIDEO, at, b"\x27\x01" + bytes((at % 256,)) * (at * 977 % 60_000)) for at in range(1500)
        ]
        for at, message in enumerate(sent):
            play.send(MediaBatch.of([message]))
            if at % 100 == 0:
                await asyncio.sleep(0)
        await until(lambda: len(media_only(sink)) == len(sent))
        assert media_only(sink) == sent
        await player.close()
        server.close()
        await server.wait_closed()

    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(story())


def test_everything_works_on_uvloop_too() -> None:
    uvloop = pytest.importorskip("uvloop")

    async def story() -> None:
        relay = Relay()
        server = await serve(relay.handler, "127.0.0.1", 0)
        client = await connect(url(server))
        publish = await client.publish("name")
        sink = Sink()
        await client.play("name", sink)
        sent = frames(300, size=20_000)
        for at in range(0, len(sent), 7):
            publish.send(MediaBatch.of(sent[at : at + 7]))
            await publish.drain()
        await until(lambda: len(media_only(sink)) == len(sent))
        assert media_only(sink) == sent
        with pytest.raises(Rejected):
            await (await connect(url(server))).publish("bad")
        await client.close()
        server.close()
        await server.wait_closed()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(story())


@pytest.mark.parametrize("loop_name", ["asyncio", "uvloop"])
def test_loops_do_not_hold_small_answers_back_by_themselves(loop_name: str) -> None:
    factory = asyncio.new_event_loop if loop_name == "asyncio" else pytest.importorskip("uvloop").new_event_loop

    async def no_delay() -> int:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(asyncio.Protocol, "127.0.0.1", 0)
        transport, _ = await loop.create_connection(asyncio.Protocol, *server.sockets[0].getsockname())
        option = transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        transport.close()
        server.close()
        return int(option)

    with asyncio.Runner(loop_factory=factory) as runner:
        assert runner.run(no_delay()) == 1
