"""What a gateway and its sampling child say to each other: a look is asked for, one line answers it.

The media travels as it came, unread: the gateway takes nothing apart that a stranger sent.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO, Final

from aiortmp import MediaMessage, MessageType
from app.domain.errors import InvalidRequest
from app.runtime.records import from_plain, to_plain

MAX_LOOK_BYTES: Final = 12 * 1024 * 1024
MAX_LINE_BYTES: Final = 4096
_MAX_MESSAGES: Final = 4096
_HEAD: Final = struct.Struct("<HHI")
"""Length of the room's name, number of messages, of which so many ask for the picture."""
_ROW: Final = struct.Struct("<BII")


@dataclass(frozen=True, slots=True)
class Look:
    """`room` says what the picture is compared with: the last one of the same room.

    `picture` and `sound` are codec header and frames; empty: not asked for.
    """

    room: str
    picture: Sequence[MediaMessage] = ()
    sound: Sequence[MediaMessage] = ()

    @property
    def size_bytes(self) -> int:
        return sum(len(message) for message in (*self.picture, *self.sound))


@dataclass(frozen=True, slots=True)
class Seen:
    """None: could not be decoded, or was not asked for. `busy_ms` is the processor time that it cost."""

    busy_ms: float
    mean: float | None = None
    dark_share: float | None = None
    light_share: float | None = None
    change: float | None = None
    rms_dbfs: float | None = None
    peak_dbfs: float | None = None


def look_bytes(look: Look) -> bytes:
    """A look as it travels. Raises ValueError for one that is larger than a child takes."""
    messages = (*look.picture, *look.sound)
    room = look.room.encode()
    if look.size_bytes > MAX_LOOK_BYTES or len(messages) > _MAX_MESSAGES:
        raise ValueError("too much to look at")
    parts = [_HEAD.pack(len(room), len(messages), len(look.picture)), room]
    parts += [_ROW.pack(m.type, m.timestamp & 0xFFFFFFFF, len(m)) for m in messages]
    parts += [m.payload for m in messages]
    return b"".join(parts)


def read_look(stream: BinaryIO) -> Look | None:
    """The next look, waited for; None at the end."""
    head = stream.read(_HEAD.size)
    if len(head) < _HEAD.size:
        return None
    name_bytes, count, pictures = _HEAD.unpack(head)
    room = stream.read(name_bytes).decode()
    rows = [_ROW.unpack(stream.read(_ROW.size)) for _ in range(count)]
    messages = [MediaMessage(MessageType(kind), stamp, stream.read(length)) for kind, stamp, length in rows]
    return Look(room, messages[:pictures], messages[pictures:])


def seen_line(seen: Seen) -> bytes:
    return json.dumps(to_plain(seen)).encode() + b"\n"


def read_seen(line: bytes) -> Seen:
    """Raises InvalidRequest."""
    try:
        return from_plain(Seen, json.loads(line))
    except ValueError as error:
        raise InvalidRequest(f"the answer of the sampling child can't be read: {type(error).__name__}") from None
