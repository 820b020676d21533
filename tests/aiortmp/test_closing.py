"""How connections end: owners whose callbacks fail, refusals in a row, peers that read nothing."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio

from aiortmp import ConnectionLost, LimitExceeded, Limits, MediaBatch, MediaMessage, MessageType
from aiortmp.aio import PublishRequest, Server, ServerConnection, connect, serve
from aiortmp.message.control import UserControl, user_control
from tests.aiortmp.relay import Handler, Relay, Sink, until


@pytest.fixture
def relay() -> Relay:
    return Relay()


@pytest_asyncio.fixture
async def server(relay: Relay) -> AsyncIterator[Server]:
    running = await serve(relay.handler, "127.0.0.1", 0)
    yield running
    running.close()
    await running.wait_closed()


@pytest.fixture
def reported() -> list[dict[str, object]]:
    return []


def url(server: Server) -> str:
    return f"rtmp://127.0.0.1:{server.port}/live"


def picture(size: int = 1000) -> MediaBatch:
    return MediaBatch.of([MediaMessage(MessageType.VIDEO, 0, b"\x17\x01" + bytes(size))])


class Fragile(Sink):
    def on_end(self, reason: str) -> None:
        super().on_end(reason)
        raise ZeroDivisionError("a defect of the owner")


WAYS: dict[str, Callable[[ServerConnection], None]] = {
    "closed by its owner": lambda connection: connection.close("maintenance"),
    "aborted by its owner": lambda connection: connection.abort("maintenance"),
    "broken protocol": lambda connection: connection.data_received(bytes((0xFF,)) * 20),
}


@pytest.mark.parametrize("way", WAYS)
async def test_an_owner_that_fails_at_the_end_keeps_nothing_open_and_nobody_in_the_dark(
    relay: Relay, server: Server, way: str
) -> None:
    client = await connect(url(server))
    await client.publish("first")
    await client.publish("second")
    (connection,) = server.connections
    sinks = [Fragile(), Fragile()]
    for publication, sink in zip(relay.publications, sinks, strict=True):
        connection.sinks[publication.stream_id] = sink
    with pytest.raises(ZeroDivisionError):
        WAYS[way](connection)
    assert [len(sink.ends) for sink in sinks] == [1, 1]
    assert len(relay.closed) == 1
    assert connection.is_closed
    async with asyncio.timeout(10):
        await client.wait_closed()
        await connection.wait_closed()
    assert not server.connections


async def test_an_owner_that_fails_when_the_peer_leaves_is_reported_and_no_more(
    relay: Relay, server: Server, reported: list[dict[str, object]]
) -> None:
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))
    client = await connect(url(server))
    await client.publish("name")
    (connection,) = server.connections
    connection.sinks[relay.publications[0].stream_id] = Fragile()
    client.abort()
    async with asyncio.timeout(10):
        await connection.wait_closed()
    await until(lambda: reported)
    assert isinstance(reported[0]["exception"], ZeroDivisionError)
    assert len(relay.closed) == 1
    assert not server.connections


async def test_nothing_is_asked_of_a_handler_whose_connection_is_over(relay: Relay) -> None:
    asked: list[str] = []

    class Refusing(Handler):
        def on_publish(self, request: PublishRequest) -> None:
            asked.append(request.name)
            request.reject(description="no")

    server = await serve(lambda _: Refusing(relay), "127.0.0.1", 0)
    client = await connect(url(server))
    streams = [client.session.create_stream(), client.session.create_stream()]
    for stream_id in range(1, len(streams) + 1):
        client.session.publish(stream_id, f"name{stream_id}", "live")
    client.flush()
    await client.wait_closed()
    await until(lambda: not server.connections)
    assert asked == ["name1"]
    assert len(relay.closed) == 1
    server.close()
    await server.wait_closed()


async def test_a_handler_made_for_a_connection_turned_away_hears_that_it_is_over(relay: Relay) -> None:
    def factory(connection: ServerConnection) -> Handler:
        connection.abort("too many from this address")
        return relay.handler(connection)

    server = await serve(factory, "127.0.0.1", 0)
    with pytest.raises(ConnectionLost):
        await connect(url(server))
    await until(lambda: not server.connections)
    assert [str(reason) for reason in relay.closed] == ["too many from this address"]
    server.close()
    await server.wait_closed()


async def test_a_player_cut_while_media_is_handed_out_does_not_cost_the_next_one_a_message(relay: Relay) -> None:
    server = await serve(relay.handler, "127.0.0.1", 0, limits=Limits(max_send_buffer_bytes=1_000_000))
    stuck, good = await connect(url(server)), await connect(url(server))
    sink = Sink()
    await stuck.play("name", Sink())
    await good.play("name", sink)
    stuck.pause_reading()
    stream = relay.stream("name")
    sent = 0
    while len(stream.plays) == 2:
        stream.on_media(picture(200_000))
        sent += 1
        await asyncio.sleep(0)
    await until(lambda: len(sink.of_type(MessageType.VIDEO)) == sent)
    reason = relay.closed[0]
    assert isinstance(reason, LimitExceeded)
    assert reason.limit == "max_send_buffer_bytes"
    stuck.abort()
    await good.close()
    server.close()
    await server.wait_closed()


async def test_a_stranger_that_asks_and_never_reads_fills_no_more_than_it_may_send(
    relay: Relay, server: Server
) -> None:
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(sock, ("127.0.0.1", server.port))
    await loop.sock_sendall(sock, b"\x03" + bytes(2 * 1536))
    await until(lambda: server.connections)
    (connection,) = server.connections
    pings = user_control(UserControl.PING_REQUEST, 1) * 5000
    with contextlib.suppress(ConnectionError):
        while not connection.is_closed:
            await loop.sock_sendall(sock, pings)
            assert connection.buffered_bytes < 1_000_000
    sock.close()
    await until(lambda: relay.closed)
    reason = relay.closed[0]
    assert isinstance(reason, LimitExceeded)
    assert reason.limit == "max_setup_bytes"


async def test_a_publisher_that_we_do_not_read_is_not_called_silent(relay: Relay) -> None:
    server = await serve(relay.handler, "127.0.0.1", 0, limits=Limits(idle_s=0.1))
    client = await connect(url(server))
    publish = await client.publish("name")
    (connection,) = server.connections
    connection.pause_reading()
    first = connection.session.due
    await until(lambda: connection.is_closed or connection.session.due > first + 0.3)
    assert not connection.is_closed
    connection.resume_reading()
    publish.send(picture())
    await until(lambda: relay.stream("name").sink.messages)
    await client.close()
    server.close()
    await server.wait_closed()


async def test_a_peer_that_may_be_silent_for_less_time_from_now_on_is_given_up_then(
    relay: Relay, server: Server
) -> None:
    client = await connect(url(server))
    await client.publish("name")
    (connection,) = server.connections
    client.pause_reading()
    connection.set_idle_s(0.1)
    await until(lambda: relay.closed)
    reason = relay.closed[0]
    assert isinstance(reason, LimitExceeded)
    assert reason.limit == "idle_s"
    connection.set_idle_s(0.1)  # of no use any more, and no harm
    client.abort()


async def test_a_change_of_chunk_size_stays_behind_what_was_written_before_it(relay: Relay, server: Server) -> None:
    client = await connect(url(server))
    publish = await client.publish("name")
    reasons: list[str] = []
    publish.on_end = reasons.append
    (connection,) = server.connections
    connection.session.send_status(publish.stream_id, "error", "NetStream.Failed", "x" * 5000)
    connection.change_chunk_size(1024)
    await until(lambda: reasons)
    assert reasons == ["NetStream.Failed: " + "x" * 5000]
    await client.close()


async def test_publishes_hear_of_the_end_before_what_is_played(relay: Relay, server: Server) -> None:
    heard: list[str] = []

    class Telling(Sink):
        def on_end(self, reason: str) -> None:
            heard.append("played")

    client = await connect(url(server))
    await client.play("source", Telling())
    for name in ("first", "second"):
        publish = await client.publish(name)
        publish.on_end = lambda _, name=name: heard.append(name)
    (connection,) = server.connections
    connection.abort("cut")
    await client.wait_closed()
    assert heard == ["first", "second", "played"]


async def test_a_broken_sink_ends_its_connection_and_no_other(relay: Relay, server: Server) -> None:
    class Broken(Sink):
        def on_media(self, batch: MediaBatch) -> None:
            raise ZeroDivisionError("a defect of the owner")

    reported: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))
    good, bad = await connect(url(server)), await connect(url(server))
    publish, broken = await good.publish("good"), await bad.publish("broken")
    relay.publications[1].connection.sinks[relay.publications[1].stream_id] = Broken()
    broken.send(MediaBatch.of(picture()))
    await bad.wait_closed()
    publish.send(MediaBatch.of(picture()))
    await until(lambda: len(relay.stream("good").sink.messages) == 1)
    assert isinstance(reported[0]["exception"], ZeroDivisionError)
    await good.close()


async def test_the_factory_knows_the_peer_and_may_turn_it_away(relay: Relay) -> None:
    peers: list[str] = []

    def factory(connection: ServerConnection) -> Handler:
        peers.append(connection.peer[0])
        connection.abort("too many from this address")
        return relay.handler(connection)

    server = await serve(factory, "127.0.0.1", 0)
    with pytest.raises(ConnectionLost):
        await connect(url(server))
    assert peers == ["127.0.0.1"]
    server.close()
    await server.wait_closed()


async def test_a_factory_that_fails_costs_only_its_connection(relay: Relay) -> None:
    def factory(connection: ServerConnection) -> Handler:
        raise ZeroDivisionError("a defect of the owner")

    reported: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))
    server = await serve(factory, "127.0.0.1", 0)
    with pytest.raises(ConnectionLost):
        await connect(url(server))
    assert isinstance(reported[0]["exception"], ZeroDivisionError)
    server.close()
    await server.wait_closed()
