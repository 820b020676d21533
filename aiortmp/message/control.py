"""Protocol control and user control messages (RTMP specification, sections 5.4 and 7.1.7)."""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import Final

from aiortmp.errors import ProtocolError
from aiortmp.media import MessageType

_U32: Final = struct.Struct(">I")
_CONTROL_LANE: Final = 2


class UserControl(IntEnum):
    """Event types of user control messages."""

    STREAM_BEGIN = 0
    STREAM_EOF = 1
    STREAM_DRY = 2
    SET_BUFFER_LENGTH = 3
    STREAM_IS_RECORDED = 4
    PING_REQUEST = 6
    PING_RESPONSE = 7


def _control(kind: MessageType, body: bytes) -> bytes:
    header = (len(body) << 8 | kind).to_bytes(7, "big")
    return bytes((_CONTROL_LANE,)) + header + bytes(4) + body


def set_chunk_size(size_bytes: int) -> bytes:
    """From here on our chunks have this size."""
    return _control(MessageType.SET_CHUNK_SIZE, _U32.pack(size_bytes))


def acknowledgement(received_bytes: int) -> bytes:
    """So many bytes have come since the start, modulo 2**32."""
    return _control(MessageType.ACKNOWLEDGEMENT, _U32.pack(received_bytes & 0xFFFFFFFF))


def window_ack_size(window_bytes: int) -> bytes:
    """Acknowledge each time this many bytes have come."""
    return _control(MessageType.WINDOW_ACK_SIZE, _U32.pack(window_bytes))


def set_peer_bandwidth(window_bytes: int) -> bytes:
    """Limit type 2, dynamic: treat as hard or ignore, as you did before."""
    return _control(MessageType.SET_PEER_BANDWIDTH, _U32.pack(window_bytes) + b"\x02")


def user_control(event: UserControl, *values: int) -> bytes:
    """A user control event with its 32-bit values."""
    body = event.to_bytes(2, "big") + b"".join([_U32.pack(value & 0xFFFFFFFF) for value in values])
    return _control(MessageType.USER_CONTROL, body)


def parse_u32(body: bytes) -> int:
    """The value of a control message that holds one."""
    if len(body) < 4:
        raise ProtocolError("control message is too short")
    return int.from_bytes(body[:4], "big")


def parse_user_control(body: bytes) -> tuple[int, list[int]]:
    """Event type (possibly one that `UserControl` does not know) and its whole 32-bit values."""
    if len(body) < 2:
        raise ProtocolError("user control message is too short")
    ends = range(6, len(body) + 1, 4)
    return int.from_bytes(body[:2], "big"), [int.from_bytes(body[end - 4 : end], "big") for end in ends]
