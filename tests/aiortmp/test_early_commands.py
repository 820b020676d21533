"""Commands that a client sends before its connect is answered: held, and carried out once it is let in."""

from __future__ import annotations

import asyncio

import pytest

from aiortmp import LimitExceeded, Limits
from aiortmp.aio import ConnectRequest, ServerConnection, serve
from aiortmp.session.client import ClientSession
from aiortmp.session.events import (
    CommandAnswered,
    CommandRefused,
    ConnectRequested,
    PublishRequested,
    StatusReceived,
)
from tests.aiortmp.pairs import Pair
from tests.aiortmp.relay import Handler, Relay, until

HELD = Limits().max_early_commands


def hasty(pair: Pair) -> None:
    """Connect, create a stream and publish on it, said in one go."""
    pair.run()
    pair.client.connect(app="live", tc_url="rtmp://host/live", flash_ver="test", args={})
    pair.client.create_stream()
    pair.client.publish(1, "name", "live")
    pair.run()


def refusals(pair: Pair) -> list[str]:
    return [event.description for event in pair.client_events(CommandRefused)]


def test_what_is_asked_with_connect_is_carried_out_after_it() -> None:
    pair = Pair()
    hasty(pair)
    request = pair.server_event(ConnectRequested)
    assert not pair.client_events(CommandAnswered)
    pair.server.accept_connect(request.transaction)
    assert pair.server.has_early_commands
    assert pair.server.obey_early_commands() == [PublishRequested(1, "name", "live")]
    assert pair.server.obey_early_commands() == []
    assert pair.server.accept_publish(1)
    pair.run()
    assert [event.transaction for event in pair.client_events(CommandAnswered)] == [1.0, 2.0]
    assert [event.code for event in pair.client_events(StatusReceived)] == ["NetStream.Publish.Start"]
    assert refusals(pair) == []


def test_what_comes_behind_early_commands_does_not_overtake_them() -> None:
    pair = Pair()
    hasty(pair)
    pair.server.accept_connect(1.0)
    pair.client.delete_stream(1)
    pair.run()
    events = pair.server.obey_early_commands()
    assert events[0] == PublishRequested(1, "name", "live")
    assert not pair.server.accept_publish(1)


def test_early_commands_are_neither_obeyed_nor_answered_before_the_client_is_let_in() -> None:
    pair = Pair()
    hasty(pair)
    assert pair.server.obey_early_commands() == []
    pair.server.reject_connect(1.0, "NetConnection.Connect.Rejected", "no")
    pair.run()
    assert pair.server.obey_early_commands() == []
    assert [event.transaction for event in pair.client_events(CommandRefused)] == [1.0]
    assert not pair.client_events(CommandAnswered)


def test_early_commands_are_bounded() -> None:
    pair = Pair()
    pair.run()
    pair.client.connect(app="live", tc_url="rtmp://host/live", flash_ver="test", args={})
    for _ in range(HELD + 2):
        pair.client.create_stream()
    pair.run()
    assert refusals(pair) == ["not connected yet"] * 2
    pair.server.accept_connect(1.0)
    pair.server.obey_early_commands()
    pair.run()
    assert len(pair.client_events(CommandAnswered)) == 1 + HELD


def test_early_commands_meet_the_same_bounds_as_late_ones() -> None:
    pair = Pair(limits=Limits(max_streams=2))
    pair.run()
    pair.client.connect(app="live", tc_url="rtmp://host/live", flash_ver="test", args={})
    for _ in range(3):
        pair.client.create_stream()
    pair.run()
    pair.server.accept_connect(1.0)
    with pytest.raises(LimitExceeded, match="too many message streams"):
        pair.server.obey_early_commands()


class Late(Handler):
    """Lets clients in when the test says so."""

    def __init__(self, relay: Relay) -> None:
        super().__init__(relay)
        self.connects: list[ConnectRequest] = []

    def on_connect(self, request: ConnectRequest) -> None:
        self.connects.append(request)


class Hasty:
    """A client that says all it has to say in one write behind the handshake."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.session = ClientSession(limits=Limits(), now=0.0, chunk_size=4096, digest=False)

    async def speak(self, streams: int = 1) -> None:
        self.writer.write(self.session.data_to_send())
        self.session.receive_data(await self.reader.readexactly(1 + 2 * 1536), 0.0)
        self.session.connect(app="live", tc_url="rtmp://host/live", flash_ver="test", args={})
        for _ in range(streams):
            self.session.create_stream()
        self.session.publish(1, "name", "live")
        self.writer.write(self.session.data_to_send())

    async def is_publishing(self) -> bool:
        """Whether the server says so before it closes the connection."""
        while data := await self.reader.read(65536):
            events = self.session.receive_data(data, 0.0)
            if any(isinstance(event, StatusReceived) for event in events):
                return True
        return False


@pytest.mark.parametrize("is_late", [False, True], ids=["let in at once", "let in later"])
async def test_a_client_that_does_not_wait_for_answers_publishes(is_late: bool) -> None:
    handler = Late(Relay()) if is_late else Handler(Relay())
    server = await serve(lambda _: handler, "127.0.0.1", 0)
    client = Hasty(*await asyncio.open_connection("127.0.0.1", server.port))
    async with asyncio.timeout(10):
        await client.speak()
        if isinstance(handler, Late):
            await until(lambda: handler.connects)
            handler.connects[0].accept()
        assert await client.is_publishing()
    client.writer.close()
    server.close()
    await server.wait_closed()


async def test_one_that_asks_too_much_before_it_is_let_in_is_cut_off_when_it_is() -> None:
    handler = Late(Relay())
    connections: list[ServerConnection] = []

    def factory(connection: ServerConnection) -> Handler:
        connections.append(connection)
        return handler

    server = await serve(factory, "127.0.0.1", 0, limits=Limits(max_streams=2))
    client = Hasty(*await asyncio.open_connection("127.0.0.1", server.port))
    async with asyncio.timeout(10):
        await client.speak(streams=3)
        await until(lambda: handler.connects)
        handler.connects[0].accept()
        assert not await client.is_publishing()
        assert "too many message streams" in str(await connections[0].wait_closed())
    client.writer.close()
    server.close()
    await server.wait_closed()
