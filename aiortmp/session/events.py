"""What a session can report. `MediaBatch` is one of them and carries its ``stream_id`` itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from aiortmp.amf0 import Value
from aiortmp.media import MediaBatch


@dataclass(frozen=True, slots=True)
class HandshakeDone:
    """Both sides may send messages now."""


@dataclass(frozen=True, slots=True)
class ConnectRequested:
    """A client wants in; answer with accept_connect or reject_connect."""

    transaction: float
    app: str
    tc_url: str
    flash_ver: str
    args: Mapping[str, Value]
    """The whole command object, as the client sent it."""


@dataclass(frozen=True, slots=True)
class PublishRequested:
    """Answer with accept_publish or reject."""

    stream_id: int
    name: str
    kind: str


@dataclass(frozen=True, slots=True)
class PlayRequested:
    """Answer with accept_play or reject."""

    stream_id: int
    name: str


@dataclass(frozen=True, slots=True)
class StreamEnded:
    """The peer stopped publishing or playing on this stream."""

    stream_id: int
    reason: str


@dataclass(frozen=True, slots=True)
class CommandAnswered:
    """A _result for one of our commands."""

    transaction: float
    arguments: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class CommandRefused:
    """An _error for one of our commands."""

    transaction: float
    code: str
    description: str


@dataclass(frozen=True, slots=True)
class StatusReceived:
    """An onStatus; ``stream_id`` 0 where the server did not say which stream."""

    stream_id: int
    level: str
    code: str
    description: str


Event: TypeAlias = (
    MediaBatch
    | HandshakeDone
    | ConnectRequested
    | PublishRequested
    | PlayRequested
    | StreamEnded
    | CommandAnswered
    | CommandRefused
    | StatusReceived
)
