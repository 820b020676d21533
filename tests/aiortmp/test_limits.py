"""What hostile peers may cost: IN-15 to IN-20 and IN-22 against running servers and parsers."""

from __future__ import annotations

import asyncio
import gc
import socket
import tracemalloc
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from aiortmp import LimitExceeded, Limits, MediaBatch, MediaMessage, MessageType, ProtocolError
from aiortmp.aio import Server, connect, serve
from aiortmp.aio.sending import MediaSender
from aiortmp.chunk.reader import ChunkReader
from aiortmp.session.server import ServerSession
from tests.aiortmp.chunks import ChunkWriter, Sent
from tests.aiortmp.relay import Relay, Sink, until
from tests.aiortmp.test_sending import Wire

SHORT_HANDSHAKE, SHORT_SETUP, SHORT_IDLE = Limits(handshake_s=0.2), Limits(setup_s=0.5), Limits(idle_s=0.5)
"""The real limits, one of them scaled down: what is tested is that it is kept, not how long it is."""


@pytest.fixture
def relay() -> Relay:
    return Relay()


@pytest_asyncio.fixture
async def brief(relay: Relay, request: pytest.FixtureRequest) -> AsyncIterator[Server]:
    running = await serve(relay.handler, "127.0.0.1", 0, limits=request.param)
    yield running
    running.close()
    await running.wait_closed()


async def dial(server: Server) -> socket.socket:
    sock = socket.socket()
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", server.port))
    return sock


async def read_to_end(sock: socket.socket) -> bytes:
    loop = asyncio.get_running_loop()
    out = b""
    async with asyncio.timeout(20):
        while piece := await loop.sock_recv(sock, 65536):
            out += piece
    sock.close()
    return out


def reader(limits: Limits | None = None) -> ChunkReader:
    made = ChunkReader(limits or Limits())
    made.open_stream(1)
    return made


def chunk_size(value: int) -> bytes:
    return ChunkWriter().message(Sent(1, 0, 0, 2, (value % 2**32).to_bytes(4, "big")))


def test_the_defaults_are_those_we_promise() -> None:
    limits = Limits()
    assert (limits.handshake_s, limits.setup_s, limits.idle_s) == (5, 10, 30)
    assert limits.max_setup_bytes == 256 << 10
    assert (limits.max_media_bytes, limits.max_command_bytes) == (8 << 20, 64 << 10)
    assert (limits.min_chunk_bytes, limits.max_chunk_bytes, limits.max_chunk_streams) == (128, 64 << 10, 64)
    assert (limits.max_amf_depth, limits.max_amf_elements, limits.max_amf_string_bytes) == (8, 256, 64 << 10)


@pytest.mark.parametrize("brief", [SHORT_HANDSHAKE], indirect=True)
@pytest.mark.parametrize("start", [b"", b"\x03", b"\x03" + bytes(1000), b"\x03" + b"\xaa" * 1536])
async def test_in_15_half_a_handshake_is_closed_in_time(relay: Relay, brief: Server, start: bytes) -> None:
    sock = await dial(brief)
    await asyncio.get_running_loop().sock_sendall(sock, start)
    await read_to_end(sock)
    await until(lambda: relay.closed)
    reason = relay.closed[0]
    assert isinstance(reason, LimitExceeded)
    assert reason.limit == "handshake_s"


@pytest.mark.parametrize("brief", [Limits()], indirect=True)
async def test_in_15_a_wrong_version_is_closed_at_once(relay: Relay, brief: Server) -> None:
    sock = await dial(brief)
    await asyncio.get_running_loop().sock_sendall(sock, b"GET / HTTP/1.1\r\n\r\n")
    assert await read_to_end(sock) == b""
    await until(lambda: relay.closed)
    assert "version" in str(relay.closed[0])


async def test_in_15_half_open_connections_cost_8_kilobytes_at_most(relay: Relay) -> None:
    count = 400
    server = await serve(relay.handler, "127.0.0.1", 0, limits=Limits(handshake_s=60))
    first = await dial(server)
    await until(lambda: len(server.connections) == 1)
    gc.collect()
    tracemalloc.start()
    socks = [await dial(server) for _ in range(count)]
    loop = asyncio.get_running_loop()
    for sock in socks:
        await loop.sock_sendall(sock, b"\x03" + bytes(700))
    await until(lambda: len(server.connections) == count + 1)
    await until(lambda: sum(connection.bytes_in for connection in server.connections) == count * 701)
    gc.collect()
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    for sock in (first, *socks):
        sock.close()
    server.close()
    await server.wait_closed()
    # Both ends live in this process: the bound holds for the two together.
    assert used / count <= 8 * 1024


@pytest.mark.parametrize("size", [0, 1, 127, 65537, 0x7FFFFFFF, 0xFFFFFFFF, -1, -(2**31)])
def test_in_16_chunk_sizes_out_of_bounds_are_refused(size: int) -> None:
    with pytest.raises(LimitExceeded) as caught:
        reader().feed(chunk_size(size))
    assert caught.value.limit == "max_chunk_bytes"


def test_in_16_the_smallest_chunks_take_no_memory_beyond_their_payload() -> None:
    writer = ChunkWriter()
    wire = b"".join(writer.message(Sent(9, at * 40, 1, 6, bytes(100_000), 1)) for at in range(3))
    made = reader()
    tracemalloc.start()
    for at in range(0, len(wire), 1460):
        made.feed(wire[at : at + 1460])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 * 100_000


@pytest.mark.parametrize(("kind", "length"), [(9, 0), (99, 0), (3, 4)])
def test_in_16_messages_that_cost_more_than_they_hold_are_bounded(kind: int, length: int) -> None:
    head = bytes((6,)) + bytes(3) + length.to_bytes(3, "big") + bytes((kind,)) + (1).to_bytes(4, "little")
    again = (b"\xc6" + bytes(length)) * 1000
    made = reader()
    made.feed(head + bytes(length))
    for _ in range(5):
        made.feed(again)
    with pytest.raises(LimitExceeded) as caught:
        made.feed(again * 2)
    assert caught.value.limit == "max_tiny_messages"


def test_in_17_declared_lengths_on_64_chunk_streams_allocate_nothing() -> None:
    writer = ChunkWriter()
    starts = [writer.chunks(Sent(9, 0, 1, csid, bytes(8 << 20)))[0] for csid in range(4, 68)]
    made = reader()
    tracemalloc.start()
    for start in starts:
        made.feed(start)
    held, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert made.held_bytes == 64 * 128
    assert max(held, peak) <= 256 * 1024


def test_in_17_longer_than_the_limit_is_refused_at_the_header() -> None:
    head = bytes((6,)) + bytes(3) + ((8 << 20) + 1).to_bytes(3, "big") + b"\x09" + (1).to_bytes(4, "little")
    with pytest.raises(LimitExceeded) as caught:
        reader().feed(head)
    assert caught.value.limit == "max_media_bytes"


def test_in_17_a_long_command_is_refused_at_the_header() -> None:
    head = bytes((3,)) + bytes(3) + (65537).to_bytes(3, "big") + b"\x14" + bytes(4)
    with pytest.raises(LimitExceeded) as caught:
        reader().feed(head)
    assert caught.value.limit == "max_command_bytes"


@pytest.mark.parametrize("brief", [SHORT_IDLE], indirect=True)
async def test_in_17_silence_after_a_header_is_closed_by_idle(relay: Relay, brief: Server) -> None:
    client = await connect(f"rtmp://127.0.0.1:{brief.port}/live")
    await client.publish("name")
    client.pause_reading()
    client.write(ChunkWriter().chunks(Sent(9, 0, 1, 6, bytes(1 << 20)))[0])
    await until(lambda: relay.closed)
    reason = relay.closed[0]
    assert isinstance(reason, LimitExceeded)
    assert reason.limit == "idle_s"
    client.abort()


@pytest.mark.parametrize("brief", [SHORT_SETUP], indirect=True)
async def test_a_client_that_connects_and_wants_nothing_is_closed(relay: Relay, brief: Server) -> None:
    client = await connect(f"rtmp://127.0.0.1:{brief.port}/live")
    await client.wait_closed()
    await until(lambda: relay.closed)
    reason = relay.closed[0]
    assert isinstance(reason, LimitExceeded)
    assert reason.limit == "setup_s"


@pytest.mark.parametrize("brief", [Limits(idle_s=2)], indirect=True)
async def test_a_player_that_only_answers_pings_stays(relay: Relay, brief: Server) -> None:
    client = await connect(f"rtmp://127.0.0.1:{brief.port}/live")
    await client.play("name", Sink())
    (connection,) = brief.connections
    silent = connection.bytes_in
    # Each answer to a ping is 18 bytes: two of them span one idle time.
    await until(lambda: connection.bytes_in >= silent + 2 * 18)
    assert not connection.is_closed
    await client.close()


async def test_in_19_a_hundred_thousand_create_streams_end_in_one_refusal(relay: Relay) -> None:
    server = await serve(relay.handler, "127.0.0.1", 0)
    client = await connect(f"rtmp://127.0.0.1:{server.port}/live")
    for _ in range(100_000):
        if client.is_closed:
            break
        client.session.create_stream()
        client.flush()
        await asyncio.sleep(0)
    await client.wait_closed()
    reason = relay.closed[0]
    assert isinstance(reason, LimitExceeded)
    assert reason.limit == "max_streams"
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "a\0b", "\r\nlog: forged", "ke\u0443", "user:pass@host", "?", "", "\x1b[31m"]
)
async def test_in_20_odd_names_reach_the_owner_unchanged_and_nothing_else(name: str) -> None:
    relay = Relay()
    server = await serve(relay.handler, "127.0.0.1", 0)
    client = await connect(f"rtmp://127.0.0.1:{server.port}/live")
    await client.publish(name)
    assert list(relay.streams) == [name]
    await client.close()
    server.close()
    await server.wait_closed()


def test_in_20_a_name_of_64_kilobytes_is_a_protocol_error() -> None:
    session = ServerSession(limits=Limits(), now=0.0, chunk_size=4096)
    session.receive_data(b"\x03" + bytes(1536 * 2), 0.0)
    with pytest.raises(ProtocolError):
        session.receive_data(ChunkWriter().message(Sent(20, 0, 0, 3, b"\x0c\x00\x01\x00\x01" + b"x" * 65537)), 0.0)


TIMES = {
    "backwards": [1000, 960, 920, 0],
    "24 days ahead": [0, 40, 40 + 24 * 86_400_000, 80],
    "over the 24 bit border": [0xFFFFFE, 0xFFFFFF, 0x1000000, 0x1000001],
    "over the 32 bit border": [2**32 - 40, 2**32 - 1, 0, 40],
    "all zero": [0, 0, 0, 0],
}


@pytest.mark.parametrize("name", TIMES)
def test_in_22_timestamps_of_any_kind_come_through_both_ways(name: str) -> None:
    messages = [MediaMessage(MessageType.VIDEO, at, b"\x27\x01" + bytes(300)) for at in TIMES[name]]
    writer = ChunkWriter()
    wire = b"".join(writer.message(Sent(9, m.timestamp, 1, 6, m.payload, 1)) for m in messages)
    received = [batch for batch in reader().feed(wire) if isinstance(batch, MediaBatch)]
    assert [message for batch in received for message in batch] == messages
    onward = Wire()
    play = MediaSender(onward, 1, "name")  # type: ignore[arg-type]  # Wire has all a sender uses
    for batch in received:
        play.send(batch)
    play.send(MediaBatch.of(messages))
    again = reader().feed(b"".join(onward.written))
    assert [message for batch in again if isinstance(batch, MediaBatch) for message in batch] == messages * 2


@pytest.mark.parametrize("brief", [Limits(handshake_s=60, setup_s=0.5)], indirect=True)
async def test_a_time_for_the_handshake_that_is_left_over_does_not_lengthen_the_next(
    relay: Relay, brief: Server
) -> None:
    client = await connect(f"rtmp://127.0.0.1:{brief.port}/live")
    await client.wait_closed()
    await until(lambda: relay.closed)
    assert "nothing was published" in str(relay.closed[0])
