"""The client role: connect, open streams, publish and play on them, several at once.

Leaves to others: matching answers with those who wait for them (`aiortmp.aio.client`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from aiortmp.amf0 import Value
from aiortmp.handshake import ClientHandshake
from aiortmp.limits import Limits
from aiortmp.message.command import Command
from aiortmp.message.control import UserControl, user_control, window_ack_size
from aiortmp.session.base import Session
from aiortmp.session.events import CommandAnswered, CommandRefused, Event, StatusReceived

_WINDOW_BYTES: Final = 5_000_000
_FOURCCS: Final = ("av01", "vp09", "hvc1", "avc1", "Opus", "mp4a")
_BUFFER_MS: Final = 3000


class ClientSession(Session):
    """Commands return their transaction number; the events bring the answers."""

    def __init__(self, *, limits: Limits, now: float, chunk_size: int, digest: bool = True) -> None:
        handshake = ClientHandshake(digest=digest)
        super().__init__(handshake, limits=limits, now=now)
        self._wanted_chunk_size = chunk_size
        self._last_transaction = 0
        self._outgoing.append(handshake.start())

    def connect(self, *, app: str, tc_url: str, flash_ver: str, args: Mapping[str, Value]) -> int:
        """Ask to be let in; ``args`` add to or replace what the command object says by default."""
        self._outgoing.append(self.change_chunk_size(self._wanted_chunk_size))
        self._outgoing.append(window_ack_size(_WINDOW_BYTES))
        properties: dict[str, Value] = {
            "app": app,
            "type": "nonprivate",
            "flashVer": flash_ver,
            "tcUrl": tc_url,
            "fpad": False,
            "capabilities": 239.0,
            "audioCodecs": 3575.0,
            "videoCodecs": 252.0,
            "videoFunction": 1.0,
            "objectEncoding": 0.0,
            "fourCcList": list(_FOURCCS),
        }
        return self._call("connect", {**properties, **args})

    def create_stream(self) -> int:
        """Ask for a message stream; the answer's second value is its id."""
        return self._call("createStream", None)

    def release(self, name: str) -> None:
        """What encoders send before they publish a name; servers may do without."""
        self._call("releaseStream", None, name)
        self._call("FCPublish", None, name)

    def publish(self, stream_id: int, name: str, kind: str) -> None:
        """Ask to publish; a status answers."""
        self._call("publish", None, name, kind, stream_id=stream_id)

    def play(self, stream_id: int, name: str) -> None:
        """Ask for live media under this name; a status answers."""
        self.reader.open_stream(stream_id)
        self._call("play", None, name, -2.0, stream_id=stream_id)
        self._outgoing.append(user_control(UserControl.SET_BUFFER_LENGTH, stream_id, _BUFFER_MS))

    def unpublish(self, stream_id: int, name: str) -> None:
        """Stop publishing and give the stream back."""
        self._call("FCUnpublish", None, name)
        self.delete_stream(stream_id)

    def delete_stream(self, stream_id: int) -> None:
        """Give a stream back; nothing answers."""
        self.reader.close_stream(stream_id)
        self._send_command(Command("deleteStream", 0.0, (None, float(stream_id))))

    def setup_finished(self) -> None:
        """The owner got what it came for: the set-up deadline no longer holds."""
        self._setup_finished()

    def _call(self, name: str, *arguments: Value, stream_id: int = 0) -> int:
        self._last_transaction += 1
        self._send_command(Command(name, float(self._last_transaction), arguments, stream_id))
        return self._last_transaction

    def _may_be_silent(self) -> bool:
        # Many servers never answer a ping, nor say anything while a client publishes.
        return not self._peer_answers_pings

    def _command(self, command: Command, events: list[Event]) -> None:
        if command.name == "_result":
            events.append(CommandAnswered(command.transaction, command.arguments))
        elif command.name == "_error":
            code, description = _verdict(command)
            events.append(CommandRefused(command.transaction, code, description))
        elif command.name == "onStatus":
            code, description = _verdict(command)
            level = command.mapping(1).get("level")
            events.append(StatusReceived(command.stream_id, str(level or "status"), code, description))


def _verdict(command: Command) -> tuple[str, str]:
    information = command.mapping(1)
    code = information.get("code")
    description = information.get("description")
    return str(code or command.name), str(description or "")
