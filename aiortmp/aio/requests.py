"""Requests of clients as their owner sees them, and what comes of those that are accepted.

Each is answered once, at once or later. Leaves to others: what a connection does about the answer
(`aiortmp.aio.server`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from aiortmp.aio.sending import MediaSender
from aiortmp.aio.transport import MediaSink
from aiortmp.amf0 import Value
from aiortmp.errors import ConnectionLost
from aiortmp.session.events import ConnectRequested, PlayRequested, PublishRequested

if TYPE_CHECKING:
    from aiortmp.aio.server import ServerConnection


class ConnectRequest:
    """A client's connect command."""

    def __init__(self, connection: ServerConnection, event: ConnectRequested) -> None:
        self.connection = connection
        self.app = event.app
        self.tc_url = event.tc_url
        self.flash_ver = event.flash_ver
        self.args: Mapping[str, Value] = event.args
        self._transaction = event.transaction

    @property
    def peer(self) -> tuple[str, int]:
        """Address and port of the client."""
        return self.connection.peer

    def accept(self) -> None:
        """Let it in. Without effect when it has gone meanwhile."""
        self.connection.let_in(self._transaction)

    def reject(self, code: str = "NetConnection.Connect.Rejected", description: str = "") -> None:
        """Refuse and close; ``description`` is what encoders show to people."""
        self.connection.session.reject_connect(self._transaction, code, description)
        self.connection.linger_and_close(f"refused: {code}")


class StreamRequest:
    """What publish and play requests have in common."""

    def __init__(self, connection: ServerConnection, stream_id: int, name: str) -> None:
        self.connection = connection
        self.stream_id = stream_id
        self.name = name
        """The name as sent, with its query."""

    def _reject(self, code: str, description: str) -> None:
        if self.connection.take_request(self):
            self.connection.session.reject(self.stream_id, code, description)
            self.connection.after_refusal(f"refused: {code}")

    def _gone(self) -> ConnectionLost:
        return ConnectionLost("the client left before it was accepted")


class PublishRequest(StreamRequest):
    """A client's publish command."""

    def __init__(self, connection: ServerConnection, event: PublishRequested) -> None:
        super().__init__(connection, event.stream_id, event.name)
        self.kind = event.kind

    def accept(self, sink: MediaSink) -> Publication:
        """Let it publish into ``sink``. Raises ConnectionLost when it has gone meanwhile."""
        connection = self.connection
        if not connection.take_request(self) or not connection.session.accept_publish(self.stream_id):
            raise self._gone()
        publication = Publication(connection, self.stream_id, self.name)
        connection.add_publication(publication, sink)
        connection.flush()
        return publication

    def reject(self, code: str = "NetStream.Publish.BadName", description: str = "") -> None:
        """Refuse; ``description`` is what encoders show. Closes unless other streams are running."""
        self._reject(code, description)


class PlayRequest(StreamRequest):
    """A client's play command."""

    def __init__(self, connection: ServerConnection, event: PlayRequested) -> None:
        super().__init__(connection, event.stream_id, event.name)

    def accept(self) -> Play:
        """Let it play; send media to what this returns. Raises ConnectionLost when it has gone."""
        connection = self.connection
        if not connection.take_request(self) or not connection.session.accept_play(self.stream_id):
            raise self._gone()
        # The answer contains a data message, on a chunk stream that raw media may be using.
        connection.media_owner = None
        play = Play(connection, self.stream_id, self.name)
        connection.add_play(play)
        connection.flush()
        return play

    def reject(self, code: str = "NetStream.Play.StreamNotFound", description: str = "") -> None:
        """Refuse; ``description`` is what players show. Closes unless other streams are running."""
        self._reject(code, description)


class Publication:
    """A client's stream that comes in here."""

    def __init__(self, connection: ServerConnection, stream_id: int, name: str) -> None:
        self.connection = connection
        self.stream_id = stream_id
        self.name = name

    def finish(self, code: str = "NetStream.Unpublish.Success", description: str = "") -> None:
        """Take no more; the connection stays. Without effect when it has ended."""
        if self.connection.is_running(self):
            self.connection.drop_stream(self.stream_id, description or code)
            self.connection.session.end_stream(self.stream_id, code, description)
            self.connection.flush()


class Play(MediaSender):
    """A client that plays: send media to it."""

    connection: ServerConnection

    def finish(self, code: str = "NetStream.Play.UnpublishNotify", description: str = "") -> None:
        """Tell the player that the media is over; the connection stays."""
        if self.is_open:
            self.connection.drop_stream(self.stream_id, description or code)
            self.connection.session.end_stream(self.stream_id, code, description)
            self.connection.flush()
