"""Requests answered late, twice or never, and askers who change their mind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from aiortmp import ConnectionLost, MediaBatch, MediaMessage, MessageType
from aiortmp.aio import ClientConnection, PlayRequest, PublishRequest, Server, ServerConnection, connect, serve
from aiortmp.message.command import Command, encode_command
from tests.aiortmp.relay import Handler, Relay, Sink, until


class Slow(Handler):
    """Answers nothing by itself."""

    def __init__(self, relay: Relay) -> None:
        super().__init__(relay)
        self.publishes: list[PublishRequest] = []
        self.plays: list[PlayRequest] = []

    def on_publish(self, request: PublishRequest) -> None:
        self.publishes.append(request)

    def on_play(self, request: PlayRequest) -> None:
        self.plays.append(request)


@pytest.fixture
def slow() -> Slow:
    return Slow(Relay())


@pytest_asyncio.fixture
async def client(slow: Slow) -> AsyncIterator[ClientConnection]:
    server: Server = await serve(lambda _: slow, "127.0.0.1", 0)
    made = await connect(f"rtmp://127.0.0.1:{server.port}/live")
    yield made
    await made.close()
    server.close()
    await server.wait_closed()


def say(client: ClientConnection, name: str, *arguments: str | None) -> None:
    client.write(encode_command(Command(name, 0.0, arguments, 1), client.out_chunk_size))


async def asked_twice(client: ClientConnection, slow: Slow) -> list[PublishRequest]:
    """Two requests on one stream, of which the first was taken back."""
    client.session.create_stream()
    client.flush()
    say(client, "publish", None, "first", "live")
    await until(lambda: len(slow.publishes) == 1)
    say(client, "closeStream", None)
    say(client, "publish", None, "second", "live")
    await until(lambda: len(slow.publishes) == 2)
    return slow.publishes


def picture() -> MediaBatch:
    return MediaBatch.of([MediaMessage(MessageType.VIDEO, 0, b"\x17\x01picture")])


async def test_an_answer_to_a_request_taken_back_is_not_taken_for_the_next(
    client: ClientConnection, slow: Slow
) -> None:
    first, second = await asked_twice(client, slow)
    with pytest.raises(ConnectionLost, match="left before"):
        first.accept(Sink())
    sink = Sink()
    second.accept(sink)
    first.reject(description="too late")
    client.write(picture().encoded(client.out_chunk_size, 1))
    await until(lambda: sink.messages)
    assert sink.ends == []


async def test_a_request_is_answered_once(client: ClientConnection, slow: Slow) -> None:
    _, second = await asked_twice(client, slow)
    sink = Sink()
    second.accept(sink)
    second.reject(description="changed my mind")
    with pytest.raises(ConnectionLost):
        second.accept(Sink())
    client.write(picture().encoded(client.out_chunk_size, 1))
    say(client, "closeStream", None)
    await until(lambda: sink.ends)
    assert (len(sink.messages), sink.ends) == (1, ["closeStream"])


async def test_finishing_a_publication_that_is_over_leaves_the_next_alone(
    client: ClientConnection, slow: Slow
) -> None:
    client.session.create_stream()
    client.flush()
    say(client, "publish", None, "first", "live")
    await until(lambda: slow.publishes)
    over, sink = Sink(), Sink()
    first = slow.publishes[0].accept(over)
    say(client, "closeStream", None)
    say(client, "publish", None, "second", "live")
    await until(lambda: len(slow.publishes) == 2)
    slow.publishes[1].accept(sink)
    first.finish()
    client.write(picture().encoded(client.out_chunk_size, 1))
    await until(lambda: sink.messages or sink.ends)
    assert (over.ends, sink.ends) == (["closeStream"], [])


async def test_a_publisher_that_stops_waiting_gives_its_stream_back(client: ClientConnection, slow: Slow) -> None:
    waiting = asyncio.ensure_future(client.publish("name"))
    await until(lambda: slow.publishes)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    again = asyncio.ensure_future(client.publish("name"))
    await until(lambda: len(slow.publishes) == 2)
    with pytest.raises(ConnectionLost):
        slow.publishes[0].accept(Sink())
    slow.publishes[1].accept(Sink())
    publish = await again
    assert publish.stream_id == slow.publishes[0].stream_id


async def test_a_player_that_stops_waiting_gives_its_stream_back(client: ClientConnection, slow: Slow) -> None:
    waiting = asyncio.ensure_future(client.play("name", Sink()))
    await until(lambda: slow.plays)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert client.sinks == {}
    again = asyncio.ensure_future(client.play("name", sink := Sink()))
    await until(lambda: len(slow.plays) == 2)
    with pytest.raises(ConnectionLost):
        slow.plays[0].accept()
    slow.plays[1].accept().send(picture())
    await again
    await until(lambda: sink.of_type(MessageType.VIDEO))


async def test_a_publish_that_ends_with_its_beginning_is_not_given_out() -> None:
    class Fickle(Handler):
        def on_publish(self, request: PublishRequest) -> None:
            request.accept(Sink()).finish(description="replaced")

    def factory(_: ServerConnection) -> Handler:
        return Fickle(Relay())

    server = await serve(factory, "127.0.0.1", 0)
    client = await connect(f"rtmp://127.0.0.1:{server.port}/live")
    with pytest.raises(ConnectionLost, match="ended"):
        await client.publish("name")
    await client.close()
    server.close()
    await server.wait_closed()
