"""The server role: who may do what now, and the answers clients wait for.

A message stream is idle, asking, publishing or playing; `_MOVES` is the whole law. Leaves to
others: whether a name may be published or played (the owner answers the events).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final

from aiortmp import amf0
from aiortmp.amf0 import Value
from aiortmp.errors import LimitExceeded
from aiortmp.handshake import ServerHandshake
from aiortmp.limits import Limits
from aiortmp.media import MediaBatch, MediaMessage, MessageType
from aiortmp.message.answers import Answer
from aiortmp.message.command import Command
from aiortmp.message.control import UserControl, set_peer_bandwidth, user_control, window_ack_size
from aiortmp.session.base import Session
from aiortmp.session.events import ConnectRequested, Event, PlayRequested, PublishRequested, StreamEnded

_WINDOW_BYTES: Final = 5_000_000
_FMS_VERSION: Final = "FMS/3,5,7,7009"
_CAPABILITIES: Final = 31.0
_FOURCCS: Final = ("av01", "vp09", "hvc1", "avc1", "Opus", "mp4a", ".mp3", "fLaC", "ac-3", "ec-3")
_CAPS_EX: Final = 2.0 + 4.0
"""Enhanced RTMP v2: multitrack and ModEx are understood; reconnect requests are not sent."""


def _connected(object_encoding: float) -> Answer:
    properties: dict[str, Value] = {"fmsVer": _FMS_VERSION, "capabilities": _CAPABILITIES}
    information: dict[str, Value] = {
        "level": "status",
        "code": "NetConnection.Connect.Success",
        "description": "Connection succeeded.",
        "objectEncoding": object_encoding,
        "fourCcList": list(_FOURCCS),
        "capsEx": _CAPS_EX,
    }
    return Answer("_result", properties, information)


_WELCOME: Final = window_ack_size(_WINDOW_BYTES) + set_peer_bandwidth(_WINDOW_BYTES)
_CONNECTED: Final = {encoding: _connected(encoding) for encoding in (0.0, 3.0)}
_DONE: Final = Answer("_result", None, None)
_NUMBER: Final = Answer("_result", None)
_PUBLISHING: Final = Answer.status("status", "NetStream.Publish.Start", "Publishing.")
_UNPUBLISHED: Final = Answer.status("status", "NetStream.Unpublish.Success", "Stopped publishing.")
_RESETTING: Final = Answer.status("status", "NetStream.Play.Reset", "Playing and resetting.")
_PLAYING: Final = Answer.status("status", "NetStream.Play.Start", "Started playing.")
_STOPPED: Final = Answer.status("status", "NetStream.Play.Stop", "Stopped playing.")


class StreamState(Enum):
    """What a message stream is used for."""

    IDLE = "idle"
    ASKING_PUBLISH = "asking to publish"
    ASKING_PLAY = "asking to play"
    PUBLISHING = "publishing"
    PLAYING = "playing"


class _Admission(Enum):
    NONE = 0
    ASKED = 1
    GRANTED = 2


_SILENT: Final = frozenset(
    ("_result", "_error", "onStatus", "onFCUnpublish", "receiveAudio", "receiveVideo", "pause", "seek")
)
_ACKNOWLEDGED: Final = frozenset(("releaseStream", "FCPublish", "FCSubscribe", "_checkbw"))


class ServerSession(Session):
    """Answer its requests with the accept and reject methods, at once or later."""

    def __init__(self, *, limits: Limits, now: float, chunk_size: int) -> None:
        super().__init__(ServerHandshake(), limits=limits, now=now)
        self._wanted_chunk_size = chunk_size
        self._admission = _Admission.NONE
        self._object_encoding = 0.0
        self._streams: dict[int, StreamState] = {}
        self._names: dict[int, str] = {}
        self._refusals = 0
        self._early: list[Command] = []

    def _read_setup(self, data: bytes, now: float) -> list[Event]:
        # A client that wants nothing may not keep us busy either.
        if self.received_bytes - len(data) > self.limits.max_setup_bytes:
            raise LimitExceeded("max_setup_bytes", "too much was sent before anything was published or played")
        return super()._read_setup(data, now)

    # what the owner decides

    def accept_connect(self, transaction: float) -> None:
        """Let the client in."""
        self._admission = _Admission.GRANTED
        self._outgoing.append(_WELCOME)
        self._outgoing.append(self.change_chunk_size(self._wanted_chunk_size))
        self._say(_CONNECTED[self._object_encoding], transaction)

    @property
    def has_early_commands(self) -> bool:
        """Whether the client has asked for more behind connect, and did not wait for its answer."""
        return bool(self._early)

    def obey_early_commands(self) -> list[Event]:
        """What the client asked for before it was let in, in order; nothing unless it has been.

        Raises LimitExceeded as `receive_data` does.
        """
        events: list[Event] = []
        if self._admission is _Admission.GRANTED:
            early, self._early = self._early, []
            for command in early:
                self._obey(command, events)
        return events

    def reject_connect(self, transaction: float, code: str, description: str) -> None:
        """Refuse the client; the owner closes the transport soon after."""
        information = {"level": "error", "code": code, "description": description}
        self._send_command(Command("_error", transaction, (None, information)))

    def accept_publish(self, stream_id: int) -> bool:
        """Begin; False when the client has gone from this stream meanwhile."""
        if self._streams.get(stream_id) is not StreamState.ASKING_PUBLISH:
            return False
        self._streams[stream_id] = StreamState.PUBLISHING
        self._setup_finished()
        self.reader.open_stream(stream_id)
        self._outgoing.append(user_control(UserControl.STREAM_BEGIN, stream_id))
        self._say(_PUBLISHING, stream_id=stream_id)
        return True

    def accept_play(self, stream_id: int) -> bool:
        """Begin; False when the client has gone from this stream meanwhile."""
        if self._streams.get(stream_id) is not StreamState.ASKING_PLAY:
            return False
        self._streams[stream_id] = StreamState.PLAYING
        self._setup_finished()
        self._outgoing.append(user_control(UserControl.STREAM_BEGIN, stream_id))
        self._say(_RESETTING, stream_id=stream_id)
        self._say(_PLAYING, stream_id=stream_id)
        access = MediaMessage(MessageType.DATA, 0, amf0.encode(["|RtmpSampleAccess", True, True]))
        self._outgoing.append(MediaBatch.of([access]).encoded(self.out_chunk_size, stream_id))
        return True

    def reject(self, stream_id: int, code: str, description: str) -> None:
        """Refuse what the client asked on this stream."""
        if stream_id in self._streams:
            self._streams[stream_id] = StreamState.IDLE
            self.send_status(stream_id, "error", code, description)
        self._count_refusal()

    def end_stream(self, stream_id: int, code: str, description: str) -> None:
        """Stop what runs on this stream from our side; the stream stays."""
        if stream_id in self._streams:
            self._streams[stream_id] = StreamState.IDLE
            self.reader.close_stream(stream_id)
            self.send_status(stream_id, "status", code, description)
            self._outgoing.append(user_control(UserControl.STREAM_EOF, stream_id))

    def send_status(self, stream_id: int, level: str, code: str, description: str) -> None:
        """An onStatus on one stream."""
        information = {"level": level, "code": code, "description": description}
        self._send_command(Command("onStatus", 0.0, (None, information), stream_id))

    # what the client asks

    def _command(self, command: Command, events: list[Event]) -> None:
        name = command.name
        if name == "connect":
            self._connect(command, events)
        elif name in _SILENT or name == "FCUnpublish":
            # ffmpeg hangs up right behind FCUnpublish and deleteStream. An answer to the first meets a closed
            # socket, and the reset throws away the second before it is read.
            return
        elif self._admission is _Admission.GRANTED and not self._early:
            self._obey(command, events)
        elif self._admission is not _Admission.NONE and len(self._early) < self.limits.max_early_commands:
            # Also once it is let in, until the owner has taken those before: nothing may overtake them.
            self._early.append(command)
        else:
            self._refuse(command, "not connected yet")

    def _obey(self, command: Command, events: list[Event]) -> None:
        name = command.name
        if name == "createStream":
            self._create_stream(command)
        elif name in ("publish", "play"):
            self._ask(command, events)
        elif name == "closeStream":
            self._stop(command.stream_id, "closeStream", events)
        elif name == "deleteStream":
            self._delete_stream(command, events)
        elif name in _ACKNOWLEDGED:
            self._answer(command, _DONE)
        elif name == "getStreamLength":
            self._answer(command, _NUMBER, 0.0)
        else:
            self._refuse(command, "unknown command")

    def _connect(self, command: Command, events: list[Event]) -> None:
        if self._admission is not _Admission.NONE:
            self._refuse(command, "connected already")
            return
        self._admission = _Admission.ASKED
        args = command.mapping(0)
        self._object_encoding = 3.0 if args.get("objectEncoding") == 3.0 else 0.0
        events.append(
            ConnectRequested(
                command.transaction,
                app=_text(args, "app"),
                tc_url=_text(args, "tcUrl"),
                flash_ver=_text(args, "flashVer"),
                args=args,
            )
        )

    def _create_stream(self, command: Command) -> None:
        if len(self._streams) >= self.limits.max_streams:
            raise LimitExceeded("max_streams", "too many message streams")
        stream_id = next(number for number in range(1, 2**31) if number not in self._streams)
        self._streams[stream_id] = StreamState.IDLE
        self._answer(command, _NUMBER, stream_id)

    def _ask(self, command: Command, events: list[Event]) -> None:
        stream_id = command.stream_id
        state = self._streams.get(stream_id)
        if state is None:
            self._refuse(command, "no such stream")
            return
        if state is not StreamState.IDLE:
            self._refuse(command, f"stream is {state.value}")
            return
        name = self._names[stream_id] = command.text(1) or ""
        if command.name == "publish":
            self._streams[stream_id] = StreamState.ASKING_PUBLISH
            events.append(PublishRequested(stream_id, name, command.text(2) or "live"))
        else:
            self._streams[stream_id] = StreamState.ASKING_PLAY
            events.append(PlayRequested(stream_id, name))

    def _delete_stream(self, command: Command, events: list[Event]) -> None:
        stream_id = self._stream_meant(command)
        self._stop(stream_id, "deleteStream", events)
        self._streams.pop(stream_id, None)
        self._names.pop(stream_id, None)

    def _stream_meant(self, command: Command) -> int:
        number = command.number(1)
        # NaN and infinity are numbers too, but no stream's.
        if number is not None and abs(number) < 2**32:
            return int(number)
        # GStreamer's sink puts the name where the number belongs.
        named = [stream_id for stream_id, name in self._names.items() if name == command.text(1)]
        return named[0] if named else command.stream_id

    def _stop(self, stream_id: int, reason: str, events: list[Event]) -> None:
        state = self._streams.get(stream_id)
        if state is None or state is StreamState.IDLE:
            return
        self._streams[stream_id] = StreamState.IDLE
        self.reader.close_stream(stream_id)
        if state is StreamState.PUBLISHING:
            self._say(_UNPUBLISHED, stream_id=stream_id)
        elif state is StreamState.PLAYING:
            self._say(_STOPPED, stream_id=stream_id)
        events.append(StreamEnded(stream_id, reason))

    def _say(self, answer: Answer, transaction: float = 0.0, *, stream_id: int = 0) -> None:
        self._outgoing.append(answer.encoded(transaction, self.out_chunk_size, stream_id=stream_id))

    def _answer(self, command: Command, answer: Answer, number: float | None = None) -> None:
        if command.transaction:
            self._outgoing.append(answer.encoded(command.transaction, self.out_chunk_size, number=number))

    def _refuse(self, command: Command, why: str) -> None:
        self._count_refusal()
        if command.transaction:
            information = {"level": "error", "code": "NetConnection.Call.Failed", "description": why}
            self._send_command(Command("_error", command.transaction, (None, information)))

    def _count_refusal(self) -> None:
        self._refusals += 1
        if self._refusals > self.limits.max_refusals:
            raise LimitExceeded("max_refusals", "too many refused commands")


def _text(args: Mapping[str, Value], key: str) -> str:
    value = args.get(key)
    return value if isinstance(value, str) else ""
