"""Media messages and the batches they travel in.

A received message is kept as a place in the block of bytes that brought it; its payload is cut
out only when somebody asks. A batch also remembers the chunks it came in, so that a relay can
hand them on untouched. Leaves to others: finding the messages (`aiortmp.chunk.reader`), what a
payload means (`aiortmp.flv`).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from enum import IntEnum
from typing import Final, TypeAlias, overload


class MessageType(IntEnum):
    """Message type ids (RTMP specification, sections 5.4, 6.2 and 7.1)."""

    SET_CHUNK_SIZE = 1
    ABORT = 2
    ACKNOWLEDGEMENT = 3
    USER_CONTROL = 4
    WINDOW_ACK_SIZE = 5
    SET_PEER_BANDWIDTH = 6
    AUDIO = 8
    VIDEO = 9
    DATA_AMF3 = 15
    SHARED_OBJECT_AMF3 = 16
    COMMAND_AMF3 = 17
    DATA = 18
    SHARED_OBJECT = 19
    COMMAND = 20
    AGGREGATE = 22


Row: TypeAlias = tuple[int, int, bytes, int, int, int, int]
"""type, timestamp, block, start, end, chunk stream id, chunk size.

The payload is ``block[start:end]``; where chunk size is not 0, it has a one-byte header after each
that many bytes, so only the first 128 bytes may be looked at in place.
"""

Span: TypeAlias = "bytes | memoryview | Row"
"""A run of chunks as they came, or a message that has to be written anew."""

_TYPES: Final = {int(kind): kind for kind in MessageType}
_CHUNK_STREAM: Final = {MessageType.AUDIO: 4, MessageType.VIDEO: 6, MessageType.DATA: 5}
_STREAM_ID: Final = struct.Struct("<I")
_EXTENDED: Final = 0xFFFFFF


def row_payload(row: Row) -> bytes:
    """The payload of a row, continuation headers taken out."""
    _, _, block, start, end, _, chunk_size = row
    if not chunk_size:
        return block if end - start == len(block) else block[start:end]
    body = bytearray(block[start:end])
    del body[chunk_size :: chunk_size + 1]
    return bytes(body)


class MediaMessage:
    """One audio, video or data message: type, timestamp (ms, as on the wire), payload."""

    __slots__ = ("_payload", "_row", "timestamp", "type")

    def __init__(self, type: MessageType, timestamp: int, payload: bytes) -> None:  # noqa: A002 - the field's name
        self.type = type
        self.timestamp = timestamp
        self._payload: bytes | None = payload
        self._row: Row | None = None

    @classmethod
    def _of_row(cls, row: Row) -> MediaMessage:
        message = cls.__new__(cls)
        message.type = _TYPES[row[0]]
        message.timestamp = row[1]
        message._payload = None
        message._row = row
        return message

    @property
    def payload(self) -> bytes:
        """The body without chunk headers; built on first use and kept."""
        payload = self._payload
        if payload is None:
            assert self._row is not None, "a message has a payload or a place to get it from"
            payload = self._payload = row_payload(self._row)
        return payload

    def peek(self, count: int) -> bytes:
        """The first ``count`` (at most 16) payload bytes, fewer if it is shorter; builds nothing."""
        if self._payload is not None:
            return self._payload[:count]
        assert self._row is not None, "a message has a payload or a place to get it from"
        _, _, block, start, end, _, _ = self._row
        return block[start : min(start + count, end)]

    def __len__(self) -> int:
        return len(self.payload)

    def __bool__(self) -> bool:
        return True

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, MediaMessage):
            return NotImplemented
        mine = (self.type, self.timestamp, self.payload)
        return mine == (other.type, other.timestamp, other.payload)

    def __hash__(self) -> int:
        return hash((self.type, self.timestamp, self.payload))

    def __repr__(self) -> str:
        return f"MediaMessage({self.type.name}, {self.timestamp} ms, {len(self)} bytes)"

    def _as_row(self) -> Row:
        payload = self.payload
        lane = _CHUNK_STREAM.get(self.type, 5)
        return (int(self.type), self.timestamp & 0xFFFFFFFF, payload, 0, len(payload), lane, 0)


def encode_row(row: Row, chunk_size: int, stream_id: int, out: list[bytes | memoryview]) -> None:
    """Write a row as a type 0 chunk and its continuations, for any reader at any time."""
    kind, timestamp, block, start, end, lane, source_chunk_size = row
    payload = row_payload(row) if source_chunk_size else block[start:end]
    length = len(payload)
    extended = timestamp >= _EXTENDED
    out.append(_basic(0, lane))
    field = _EXTENDED if extended else timestamp
    out.append((field << 32 | length << 8 | kind).to_bytes(7, "big") + _STREAM_ID.pack(stream_id))
    continuation = _basic(3, lane)
    if extended:
        stamp = timestamp.to_bytes(4, "big")
        out.append(stamp)
        continuation += stamp
    if length <= chunk_size:
        out.append(payload)
    else:
        out.append(continuation.join([payload[at : at + chunk_size] for at in range(0, length, chunk_size)]))


def _basic(form: int, lane: int) -> bytes:
    if lane < 64:
        return bytes((form << 6 | lane,))
    if lane < 320:
        return bytes((form << 6, lane - 64))
    return bytes((form << 6 | 1, (lane - 64) & 255, (lane - 64) >> 8))


class MediaBatch(Sequence[MediaMessage]):
    """What one read brought for one stream, in order. Immutable; give it to as many as you like."""

    __slots__ = (
        "_chunk_size",
        "_has_full_header",
        "_lanes",
        "_messages",
        "_serial",
        "_shift",
        "_source",
        "_spans",
        "_wires",
        "rows",
        "stream_id",
    )

    def __init__(
        self,
        rows: Sequence[Row],
        stream_id: int = 0,
        spans: Sequence[Span] | None = None,
        chunk_size: int = 0,
        source: object = None,
        serial: int = 0,
        lanes: int = 0,
        has_full_header: bool = False,
    ) -> None:
        """For the chunk reader, by position as it makes one for every read; others use `of`."""
        self.rows = rows
        """Where each message lies: for hot paths that only peek, as ``block[start]``."""
        self.stream_id = stream_id
        self._spans = spans
        self._chunk_size = chunk_size
        self._source = source
        self._shift = 0
        self._serial = serial
        self._lanes = lanes
        self._has_full_header = has_full_header
        self._messages: list[MediaMessage] | None = None
        self._wires: dict[tuple[int, int], bytes] | None = None

    @classmethod
    def of(cls, messages: Iterable[MediaMessage]) -> MediaBatch:
        """A batch of these messages, to be sent."""
        kept = list(messages)
        batch = cls([message._as_row() for message in kept])
        batch._messages = kept
        return batch

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[MediaMessage]:
        return iter(self._all())

    @overload
    def __getitem__(self, index: int) -> MediaMessage: ...
    @overload
    def __getitem__(self, index: slice) -> MediaBatch: ...
    def __getitem__(self, index: int | slice) -> MediaMessage | MediaBatch:
        if isinstance(index, int):
            return self._all()[index]
        part = MediaBatch(self.rows[index], stream_id=self.stream_id)
        if self._messages is not None:
            part._messages = self._messages[index]
        first, last, step = index.indices(len(self.rows))
        if step == 1 and first < last == len(self.rows):
            # What follows the whole batch on the wire also follows its tail.
            part._source, part._serial, part._chunk_size = self._source, self._serial, self._chunk_size
            part._shift = self._shift
            part._lanes = _lanes(part.rows)
        return part

    @property
    def first_timestamp(self) -> int:
        """Timestamp of the first message, ms."""
        return self.rows[0][1]

    @property
    def last_timestamp(self) -> int:
        """Timestamp of the last message, ms."""
        return self.rows[-1][1]

    @property
    def size_bytes(self) -> int:
        """Bytes held, payloads with the headers among them."""
        return sum([row[4] - row[3] for row in self.rows])

    @property
    def held_bytes(self) -> int:
        """Bytes that stay in memory as long as this batch does: whole blocks, others' data included."""
        return sum({id(row[2]): len(row[2]) for row in self.rows}.values())

    def encoded(self, chunk_size: int, stream_id: int) -> bytes:
        """Wire form that depends on nothing sent before; made once for each pair and shared."""
        key = (chunk_size, stream_id)
        if self._wires is None:
            self._wires = {}
        wire = self._wires.get(key)
        if wire is None:
            parts: list[bytes | memoryview] = []
            for row in self.rows:
                encode_row(row, chunk_size, stream_id, parts)
            wire = self._wires[key] = b"".join(parts)
        return wire

    def shifted(self, offset_ms: int) -> MediaBatch:
        """The same media at other times, chunks kept: headers mostly hold differences."""
        moved = MediaBatch(
            [_moved(row, offset_ms) for row in self.rows],
            self.stream_id,
            None,
            self._chunk_size,
            self._source,
            self._serial,
            self._lanes,
        )
        moved._shift = self._shift + offset_ms & 0xFFFFFFFF
        if self._spans is not None and not self._has_full_header:
            moved._spans = [_moved(span, offset_ms) if isinstance(span, tuple) else span for span in self._spans]
        return moved

    def _all(self) -> list[MediaMessage]:
        messages = self._messages
        if messages is None:
            messages = self._messages = [MediaMessage._of_row(row) for row in self.rows]
        return messages


def _moved(row: Row, offset_ms: int) -> Row:
    return (row[0], row[1] + offset_ms & 0xFFFFFFFF, *row[2:])


def _lanes(rows: Sequence[Row]) -> int:
    lanes = 0
    for row in rows:
        if row[5] < 64:
            lanes |= 1 << row[5]
    return lanes
