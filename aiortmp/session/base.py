"""What both roles do alike: handshake, acknowledgement, ping, deadlines, outgoing bytes.

Drive it with ``receive_data`` and ``tick``, send what ``data_to_send`` gives after each call, call
``tick`` when ``due`` is reached. Any ProtocolError ends the session.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final, Protocol

from aiortmp.chunk.message import Message
from aiortmp.chunk.reader import ChunkReader
from aiortmp.errors import LimitExceeded
from aiortmp.limits import Limits
from aiortmp.media import MediaBatch, MessageType
from aiortmp.message.command import Command, encode_command, parse_command
from aiortmp.message.control import (
    UserControl,
    acknowledgement,
    parse_u32,
    parse_user_control,
    set_chunk_size,
    user_control,
)
from aiortmp.session.events import Event, HandshakeDone

_DEFAULT_WINDOW_BYTES: Final = 2_500_000
_SMALLEST_WINDOW_BYTES: Final = 16 * 1024
_COMMANDS: Final = frozenset((int(MessageType.COMMAND), int(MessageType.COMMAND_AMF3)))


class Handshake(Protocol):
    """Either role's handshake."""

    done: bool

    def feed(self, data: bytes) -> tuple[bytes, bytes]: ...


class Session:
    """One connection's protocol state, without its transport."""

    def __init__(self, handshake: Handshake, *, limits: Limits, now: float) -> None:
        self.limits = limits
        self.out_chunk_size = 128
        self.received_bytes = 0
        self.reader = ChunkReader(limits)
        self._handshake: Handshake | None = handshake
        self._outgoing: list[bytes] = []
        self._acknowledged_bytes = 0
        self._window_bytes = _DEFAULT_WINDOW_BYTES
        self._setup_deadline: float | None = now + limits.handshake_s
        self._last_heard = now
        self._pinged_at: float | None = None
        self._peer_answers_pings = False

    @property
    def has_data(self) -> bool:
        """Whether `data_to_send` would give anything."""
        return bool(self._outgoing)

    def data_to_send(self) -> bytes:
        """What has to go to the peer now; empties itself."""
        data = b"".join(self._outgoing)
        self._outgoing.clear()
        return data

    @property
    def due(self) -> float:
        """When `tick` has something to do at the latest."""
        # Nothing is pinged before the handshake is done.
        until_next = 1.0 if self._handshake is not None or self._is_pinged() else 0.5
        idle = self._last_heard + self.limits.idle_s * until_next
        return idle if self._setup_deadline is None else min(idle, self._setup_deadline)

    def tick(self, now: float) -> None:
        """Time passed. Raises LimitExceeded when the peer took too long."""
        if self._setup_deadline is not None and now >= self._setup_deadline:
            if self._handshake is not None:
                raise LimitExceeded("handshake_s", "handshake took too long")
            raise LimitExceeded("setup_s", "nothing was published or played in time")
        silent_s = now - self._last_heard
        if silent_s >= self.limits.idle_s:
            if self._may_be_silent():
                self._last_heard = now
                return
            raise LimitExceeded("idle_s", "peer has been silent for too long")
        if self._handshake is None and not self._is_pinged() and silent_s >= self.limits.idle_s / 2:
            self._pinged_at = now
            self._outgoing.append(user_control(UserControl.PING_REQUEST, int(now * 1000)))

    @property
    def is_set_up(self) -> bool:
        """Whether something has been published or played."""
        return self._setup_deadline is None

    def excuse_silence(self, now: float) -> None:
        """Nothing was taken from the peer until now: its silence counts from here."""
        self._last_heard = max(self._last_heard, now)

    def set_idle_s(self, idle_s: float, now: float) -> None:
        """Let the peer be silent for so long from now on, pinged after half of it; its silence counts from here."""
        self.limits = replace(self.limits, idle_s=idle_s)
        self.excuse_silence(now)

    def _is_pinged(self) -> bool:
        return self._pinged_at is not None and self._pinged_at > self._last_heard

    def receive_data(self, data: bytes, now: float) -> list[Event]:
        """What these bytes mean, in order. Raises ProtocolError; the session is over then."""
        self.received_bytes += len(data)
        self._last_heard = now
        if self._setup_deadline is None:
            return self._read(data)
        return self._read_setup(data, now)

    def _read_setup(self, data: bytes, now: float) -> list[Event]:
        """What comes before anything is published or played."""
        if self._handshake is None:
            return self._read(data)
        reply, data = self._handshake.feed(data)
        if reply:
            self._outgoing.append(reply)
        if not self._handshake.done:
            return []
        self._handshake = None
        self._setup_deadline = now + self.limits.setup_s
        return [HandshakeDone(), *self._read(data)]

    def _read(self, data: bytes) -> list[Event]:
        events: list[Event] = []
        for item in self.reader.feed(data):
            if type(item) is MediaBatch:
                events.append(item)
            else:
                assert isinstance(item, Message), "the reader gives messages and batches"
                self._message(item, events)
        if self.received_bytes - self._acknowledged_bytes >= self._window_bytes:
            self._acknowledged_bytes = self.received_bytes
            self._outgoing.append(acknowledgement(self.received_bytes))
        return events

    def change_chunk_size(self, size_bytes: int) -> bytes:
        """Bytes that announce another size for our chunks, which holds from here on."""
        self.out_chunk_size = size_bytes
        return set_chunk_size(size_bytes)

    def _setup_finished(self) -> None:
        self._setup_deadline = None

    def _send_command(self, command: Command) -> None:
        self._outgoing.append(encode_command(command, self.out_chunk_size))

    def _message(self, message: Message, events: list[Event]) -> None:
        kind = message.type
        if kind in _COMMANDS:
            command = parse_command(kind, message.stream_id, message.payload, self.limits)
            self._command(command, events)
        elif kind == MessageType.USER_CONTROL:
            self._user_control(message.payload)
        elif kind == MessageType.WINDOW_ACK_SIZE:
            self._window_bytes = max(parse_u32(message.payload), _SMALLEST_WINDOW_BYTES)
        # Acknowledgements, bandwidths, shared objects and types unknown to us ask nothing of us.

    def _user_control(self, body: bytes) -> None:
        event, values = parse_user_control(body)
        if event == UserControl.PING_RESPONSE:
            self._peer_answers_pings = True
        elif event == UserControl.PING_REQUEST and values:
            self._outgoing.append(user_control(UserControl.PING_RESPONSE, values[0]))

    def _may_be_silent(self) -> bool:
        """For the role: whether a silent peer is kept."""
        return False

    def _command(self, command: Command, events: list[Event]) -> None:
        """For the role: obey or answer."""
        raise NotImplementedError
