"""FLV as a file or an HTTP body: header and tags around the same payloads (FLV spec., annex E.2-E.4)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from aiortmp.errors import LimitExceeded, ProtocolError
from aiortmp.limits import Limits
from aiortmp.media import MediaMessage, MessageType

_HEADER_BYTES: Final = 9
_TAG_HEADER_BYTES: Final = 11
_BACK_POINTER_BYTES: Final = 4
_TYPES: Final = {8: MessageType.AUDIO, 9: MessageType.VIDEO, 18: MessageType.DATA}


def file_header(*, audio: bool = True, video: bool = True) -> bytes:
    """The first 13 bytes: signature, flags, and the back pointer to nothing."""
    return b"FLV\x01" + bytes((audio << 2 | int(video),)) + b"\x00\x00\x00\x09" + bytes(4)


def tag(message: MediaMessage) -> bytes:
    """One tag with its back pointer."""
    payload = message.payload
    size = len(payload)
    stamp = message.timestamp & 0xFFFFFFFF
    head = bytes((message.type,)) + size.to_bytes(3, "big") + (stamp & 0xFFFFFF).to_bytes(3, "big")
    head += bytes((stamp >> 24, 0, 0, 0))
    return b"".join((head, payload, (size + _TAG_HEADER_BYTES).to_bytes(4, "big")))


def tags(messages: Iterable[MediaMessage]) -> bytes:
    """Several tags in a row."""
    return b"".join([tag(message) for message in messages])


class FlvReader:
    """Cuts an FLV body into messages, however its bytes come."""

    def __init__(self, limits: Limits | None = None) -> None:
        self._limit = (limits or Limits()).max_media_bytes
        self._buffer = bytearray()
        self._begun = False

    def feed(self, data: bytes) -> list[MediaMessage]:
        """What is complete now. Raises ProtocolError; tags of unknown type are skipped."""
        self._buffer += data
        if not self._begun and not self._begin():
            return []
        messages: list[MediaMessage] = []
        at = 0
        while len(self._buffer) - at >= _TAG_HEADER_BYTES:
            size = int.from_bytes(self._buffer[at + 1 : at + 4], "big")
            if size > self._limit:
                raise LimitExceeded("max_media_bytes", "FLV tag is too long")
            start = at + _TAG_HEADER_BYTES
            if len(self._buffer) < start + size + _BACK_POINTER_BYTES:
                break
            kind = _TYPES.get(self._buffer[at] & 0x1F)
            stamp = int.from_bytes(self._buffer[at + 4 : at + 7], "big") | self._buffer[at + 7] << 24
            if kind is not None:
                messages.append(MediaMessage(kind, stamp, bytes(self._buffer[start : start + size])))
            at = start + size + _BACK_POINTER_BYTES
        del self._buffer[:at]
        return messages

    def _begin(self) -> bool:
        if not b"FLV".startswith(self._buffer[:3]):
            raise ProtocolError("not an FLV body")
        if len(self._buffer) < _HEADER_BYTES:
            return False
        size = int.from_bytes(self._buffer[5:9], "big")
        if not _HEADER_BYTES <= size <= 1024:
            raise ProtocolError("FLV header has an impossible length")
        if len(self._buffer) < size + _BACK_POINTER_BYTES:
            return False
        del self._buffer[: size + _BACK_POINTER_BYTES]
        self._begun = True
        return True
