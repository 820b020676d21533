"""A server session and a client session joined in memory: no socket, no waiting."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from aiortmp import Limits
from aiortmp.amf0 import Value
from aiortmp.media import MediaBatch
from aiortmp.message.command import Command, encode_command
from aiortmp.session.client import ClientSession
from aiortmp.session.events import (
    CommandAnswered,
    ConnectRequested,
    Event,
    HandshakeDone,
    PlayRequested,
    PublishRequested,
)
from aiortmp.session.server import ServerSession

_T = TypeVar("_T")


class Pair:
    """Carries bytes both ways and keeps what each side reports."""

    def __init__(self, *, limits: Limits | None = None, digest: bool = True) -> None:
        bounds = limits or Limits()
        self.now = 0.0
        self.server = ServerSession(limits=bounds, now=0.0, chunk_size=4096)
        self.client = ClientSession(limits=Limits(), now=0.0, chunk_size=4096, digest=digest)
        self.at_server: list[Event] = []
        self.at_client: list[Event] = []

    def run(self) -> None:
        """Until neither side has anything to say."""
        while self.client.has_data or self.server.has_data:
            self.at_server += self.server.receive_data(self.client.data_to_send(), self.now)
            self.at_client += self.client.receive_data(self.server.data_to_send(), self.now)

    def connect(self, args: Mapping[str, Value] | None = None) -> ConnectRequested:
        """Up to an accepted connect command."""
        self.run()
        assert HandshakeDone() in self.at_client
        self.client.connect(app="live", tc_url="rtmp://host/live", flash_ver="test", args=args or {})
        self.run()
        request = self.server_event(ConnectRequested)
        self.server.accept_connect(request.transaction)
        self.run()
        return request

    def create_stream(self) -> int:
        number = self.client.create_stream()
        self.run()
        answer = next(
            event for event in self.at_client if isinstance(event, CommandAnswered) and event.transaction == number
        )
        stream_id = answer.arguments[1]
        assert isinstance(stream_id, float)
        return int(stream_id)

    def publish(self, name: str = "name") -> int:
        """Up to an accepted publish."""
        stream_id = self.create_stream()
        self.client.publish(stream_id, name, "live")
        self.run()
        assert PublishRequested(stream_id, name, "live") in self.at_server
        assert self.server.accept_publish(stream_id)
        self.run()
        return stream_id

    def play(self, name: str = "name") -> int:
        """Up to an accepted play."""
        stream_id = self.create_stream()
        self.client.play(stream_id, name)
        self.run()
        assert PlayRequested(stream_id, name) in self.at_server
        assert self.server.accept_play(stream_id)
        self.run()
        return stream_id

    def command(self, name: str, transaction: float, *arguments: Value, stream_id: int = 0) -> None:
        """Any command from the client, whatever the client role would have sent."""
        wire = encode_command(Command(name, transaction, arguments, stream_id), 4096)
        self.at_server += self.server.receive_data(wire, self.now)
        self.run()

    def media(self, stream_id: int, batch: MediaBatch) -> None:
        """Media from the client."""
        wire = batch.encoded(self.client.out_chunk_size, stream_id)
        self.at_server += self.server.receive_data(wire, self.now)
        self.run()

    def server_event(self, kind: type[_T]) -> _T:
        """The only event of this kind that the server saw."""
        (event,) = [event for event in self.at_server if isinstance(event, kind)]
        return event

    def client_events(self, kind: type[_T]) -> list[_T]:
        """The events of this kind that the client saw."""
        return [event for event in self.at_client if isinstance(event, kind)]
