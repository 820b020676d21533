"""Chunks to messages, as many as a block of bytes holds.

Media that lies in the block in one piece, which is nearly all of it, is found by a tight loop that
reads one header for each message and checks the continuation headers with one slice; a message that
the block cuts off waits until it is whole. Everything else (interleaving, extended timestamps, wide
chunk stream ids, type 2 and 3 headers, commands) goes chunk by chunk through `_chunk`. Both roads
give the same messages.
Set Chunk Size and Abort are obeyed here, since they change how the next byte is read. Leaves to
others: what messages mean (`aiortmp.session`), payloads (`aiortmp.flv`).
"""

from __future__ import annotations

import struct
from typing import Final

from aiortmp.chunk.lane import Lane
from aiortmp.chunk.message import Message
from aiortmp.chunk.stream import InboundStream
from aiortmp.errors import LimitExceeded, ProtocolError
from aiortmp.limits import Limits
from aiortmp.media import MediaBatch, MessageType
from aiortmp.message.media import media_rows

_U64: Final = struct.Struct(">Q").unpack_from
_STREAM_ID: Final = struct.Struct("<I").unpack_from
_EXTENDED: Final = 0xFFFFFF
_HEADER_BYTES: Final = (11, 7, 3, 0)
_MEDIA: Final = frozenset((8, 9, 15, 18, 22))
_LONG: Final = frozenset((8, 9, 22))
_TINY_BYTES: Final = 4
# Looked up once: reading an enum's member costs more than comparing with it.
_SET_CHUNK_SIZE: Final = int(MessageType.SET_CHUNK_SIZE)
_ABORT: Final = int(MessageType.ABORT)


class ChunkReader:
    """Feed it what the transport brings; it gives back what is complete."""

    def __init__(self, limits: Limits) -> None:
        self.chunk_size = 128
        self.discarded = 0
        """Media messages for streams that nobody opened."""
        self._limits = limits
        self._streams: dict[int, InboundStream] = {}
        self._touched: list[InboundStream] = []
        self._lanes: dict[int, Lane] = {}
        # Chunk streams by the six bits of a one-byte header; None sends a chunk the slow way.
        self._quick: list[Lane | None] = [None] * 64
        self._partial_bytes = 0
        self._tiny = 0
        # What is unfinished at the end of what was read: pieces, their length, the length worth a look.
        self._tail: list[bytes] = []
        self._held = 0
        self._need = 1
        # While a whole message is waited for: where its next continuation header has to stand, how far
        # apart they are (0: nothing of the kind), and what they look like.
        self._boundary = 0
        self._step = 0
        self._continuation = b""
        self._out: list[Message | MediaBatch] = []

    def open_stream(self, stream_id: int) -> None:
        """Take media for this message stream from now on."""
        self._streams[stream_id] = InboundStream(stream_id)

    def close_stream(self, stream_id: int) -> None:
        """Discard media for this message stream from now on."""
        self._streams.pop(stream_id, None)

    @property
    def held_bytes(self) -> int:
        """Bytes of unfinished messages and chunks."""
        return self._partial_bytes + self._held

    def feed(self, data: bytes) -> list[Message | MediaBatch]:
        """What these bytes complete, in order. Raises ProtocolError; then the reader is spent."""
        at = 0
        self._tiny = 0
        while self._held:
            at += self._take(data, at)
            if self._held < self._need:
                break
            head = b"".join(self._tail)
            self._tail, self._held, self._step = [], 0, 0
            self._scan(head, 0)
        else:
            self._scan(data, at)
        if self._touched:
            self._flush()
        out = self._out
        self._out = []
        return out

    def _take(self, data: bytes, at: int) -> int:
        """Add to what is held until it is worth another look; how many bytes of ``data`` that took."""
        piece = data[at : at + self._need - self._held]
        self._tail.append(piece)
        if self._step:
            headers = piece[self._boundary - self._held :: self._step]
            self._boundary += self._step * len(headers)
            if headers.strip(self._continuation):
                # Another chunk stream has come in between: no use in waiting for the whole message.
                self._need = self._held + len(piece)
        self._held += len(piece)
        if self._partial_bytes + self._held > self._limits.max_partial_bytes:
            raise LimitExceeded("max_partial_bytes", "too many unfinished messages")
        return len(piece)

    def _flush(self) -> None:
        """Close the batches gathered so far, so that what comes next comes after them."""
        for stream in self._touched:
            if stream.rows:
                self._out.append(stream.take(self.chunk_size))
        self._touched.clear()

    def _scan(self, data: bytes, at: int) -> None:
        """The tight loop. One long body and local names: each call would cost what a message may."""
        size = len(data)
        quick = self._quick
        limit = self._limits.max_media_bytes
        stream_id = -1
        stream: InboundStream | None = None
        run = -1
        while size - at >= 12:
            chunk_size = self.chunk_size
            word = _U64(data, at)[0]
            first = word >> 56
            lane = quick[first & 63]
            if lane is not None and first < 128:
                length = word >> 8 & 0xFFFFFF
                stamp = word >> 32 & 0xFFFFFF
                kind = word & 0xFF
                if first >= 64:
                    start = at + 8
                    target = lane.stream_id
                    timestamp = lane.timestamp + stamp & 0xFFFFFFFF
                else:
                    start = at + 12
                    target = _STREAM_ID(data, at + 8)[0]
                    timestamp = stamp
                strip = 0
                if length > chunk_size:
                    strip = chunk_size
                    count = (length - 1) // chunk_size
                    end = start + length + count
                    whole = (
                        end <= size and data[start + chunk_size : end : chunk_size + 1] == lane.continuation * count
                    )
                else:
                    end = start + length
                    whole = end <= size
                if whole and (kind == 9 or kind == 8) and stamp != _EXTENDED and 0 < length <= limit:
                    if target != stream_id or stream is None:
                        if run >= 0:
                            assert stream is not None, "a run belongs to a stream"
                            stream.add_run(data, run, at)
                        run = -1
                        stream = self._streams.get(target)
                        if stream is None:
                            stream_id = -1
                            self.discarded += 1
                        else:
                            stream_id = target
                            if not stream.rows:
                                self._touched.append(stream)
                    if stream is not None:
                        if run < 0:
                            run = at
                        stream.rows.append((kind, timestamp, data, start, end, first & 63, strip))
                        stream.lanes |= lane.bit
                        if first < 64:
                            stream.has_full_header = True
                    lane.timestamp = timestamp
                    lane.stamp = stamp
                    lane.length = length
                    lane.type = kind
                    lane.stream_id = target
                    at = end
                    continue
                if not whole and end > size and self._may_wait(data, at, start, end, kind, stamp, length, lane):
                    break
            if run >= 0:
                assert stream is not None, "a run belongs to a stream"
                stream.add_run(data, run, at)
                run = -1
            stream_id = -1
            used = self._chunk(data, at, size)
            if not used:
                break
            at += used
        if run >= 0:
            assert stream is not None, "a run belongs to a stream"
            stream.add_run(data, run, at)
        while at < size and not self._held:
            used = self._chunk(data, at, size)
            if not used:
                self._tail, self._held, self._step = [data[at:]], size - at, 0
                return
            at += used

    def _may_wait(
        self, data: bytes, at: int, start: int, end: int, kind: int, stamp: int, length: int, lane: Lane
    ) -> bool:
        """Hold a message whose end has not come, if so far nothing stands between its chunks."""
        if kind not in (8, 9) or stamp == _EXTENDED or not 0 < length <= self._limits.max_media_bytes:
            return False
        step = self.chunk_size + 1
        headers = data[start + self.chunk_size :: step] if length > self.chunk_size else b""
        if headers.strip(lane.continuation):
            return False
        self._tail, self._held, self._need = [data[at:]], len(data) - at, end - at
        self._boundary = start - at + self.chunk_size + step * len(headers)
        self._step = step
        self._continuation = lane.continuation
        return True

    def _chunk(self, data: bytes, at: int, size: int) -> int:
        """Take one chunk at ``at``; how many bytes, 0 if not yet whole.

        With 0, `_need` says how many bytes from ``at`` on are worth another try.
        """
        have = size - at
        first = data[at]
        csid = first & 63
        basic = (2, 3)[csid] if csid < 2 else 1
        form = first >> 6
        header = basic + _HEADER_BYTES[form]
        if have < header:
            self._need = header
            return 0
        if csid == 0:
            csid = 64 + data[at + 1]
        elif csid == 1:
            csid = 64 + data[at + 1] + (data[at + 2] << 8)
        lane = self._lanes.get(csid)
        if lane is None:
            lane = self._new_lane(csid, form)
        stamp = lane.stamp
        field = at + basic
        if form < 3:
            if lane.received:
                raise ProtocolError("a new message begins inside an unfinished one on its chunk stream")
            stamp = int.from_bytes(data[field : field + 3], "big")
        extended = stamp == _EXTENDED if form < 3 else lane.extended
        if extended:
            known = lane.stamp.to_bytes(4, "big") if form == 3 else b""
            given = data[at + header : at + header + 4]
            # Some writers leave the field out of type 3 chunks; what stands there tells.
            if form < 3 or known.startswith(given):
                if len(given) < 4:
                    self._need = header + 4
                    return 0
                header += 4
                stamp = int.from_bytes(given, "big")
        length = lane.length if form > 1 else int.from_bytes(data[field + 3 : field + 6], "big")
        kind = lane.type if form > 1 else data[field + 6]
        if not lane.received:
            self._check_length(kind, length)
        take = min(self.chunk_size, length - lane.received)
        if have < header + take:
            self._need = header + take
            return 0
        if not lane.received:
            self._begin(lane, form, stamp, extended)
            lane.length, lane.type = length, kind
            if form == 0:
                lane.stream_id = _STREAM_ID(data, field + 7)[0]
            # Not kept while it comes in: a peer that was let do nothing must not fill memory with it.
            lane.is_unwanted = kind in _MEDIA and lane.stream_id not in self._streams
        start = at + header
        self._append(lane, data[start : start + take])
        return header + take

    def _new_lane(self, csid: int, form: int) -> Lane:
        if form > 1:
            raise ProtocolError("a chunk stream begins with a header that refers to nothing")
        if len(self._lanes) >= self._limits.max_chunk_streams:
            raise LimitExceeded("max_chunk_streams", "too many chunk streams")
        lane = self._lanes[csid] = Lane(csid)
        return lane

    def _check_length(self, kind: int, length: int) -> None:
        if kind in _LONG:
            if length > self._limits.max_media_bytes:
                raise LimitExceeded("max_media_bytes", "media message is too long")
        elif length > self._limits.max_command_bytes:
            raise LimitExceeded("max_command_bytes", "message is too long for its type")

    def _begin(self, lane: Lane, form: int, stamp: int, extended: bool) -> None:
        if form == 0:
            lane.timestamp = stamp
        else:
            # Type 3 after type 0 repeats the absolute time as the difference (section 5.3.1.2.4).
            lane.timestamp = lane.timestamp + stamp & 0xFFFFFFFF
        lane.stamp = stamp
        lane.extended = extended
        # Until a message of this chunk stream has gone into a batch again, the difference in the next
        # header refers to something that readers of the batch never see.
        if lane.csid < 64:
            self._quick[lane.csid] = None

    def _append(self, lane: Lane, body: bytes) -> None:
        if lane.received + len(body) < lane.length:
            lane.received += len(body)
            if not lane.is_unwanted:
                lane.parts.append(body)
                self._partial_bytes += len(body)
            if self._partial_bytes > self._limits.max_partial_bytes:
                raise LimitExceeded("max_partial_bytes", "too many unfinished messages")
            return
        if lane.received:
            body = b"".join((*lane.parts, body))
            self._forget(lane)
        self._complete(lane, body)

    def _forget(self, lane: Lane) -> None:
        """The chunk stream is between messages again."""
        if not lane.is_unwanted:
            self._partial_bytes -= lane.received
        lane.received = 0
        lane.parts = []

    def _complete(self, lane: Lane, body: bytes) -> None:
        if len(body) <= _TINY_BYTES:
            self._tiny += 1
            if self._tiny > self._limits.max_tiny_messages:
                raise LimitExceeded("max_tiny_messages", "too many messages with next to nothing in them")
        if lane.is_unwanted:
            self.discarded += 1
        elif lane.type in _MEDIA:
            self._media(lane, body)
        elif lane.type == _SET_CHUNK_SIZE:
            self._flush()
            self._set_chunk_size(body)
        elif lane.type == _ABORT:
            self._abort(body)
        else:
            if self._touched:
                self._flush()
            self._out.append(Message(lane.type, lane.timestamp, lane.stream_id, body))

    def _media(self, lane: Lane, body: bytes) -> None:
        stream = self._streams.get(lane.stream_id)
        if stream is None:
            self.discarded += 1
            return
        for row in media_rows(lane.type, lane.timestamp, body, lane.csid):
            if not stream.rows:
                self._touched.append(stream)
            stream.rows.append(row)
            stream.spans.append(row)
            stream.lanes |= lane.bit
        # Chunk streams 2 and 3 also carry our own commands on the way out: never handed on raw. Behind
        # an aggregate, differences count from its own time, not from that of its last tag.
        if 3 < lane.csid < 64 and not lane.extended and lane.type != MessageType.AGGREGATE:
            self._quick[lane.csid] = lane

    def _set_chunk_size(self, body: bytes) -> None:
        if len(body) < 4:
            raise ProtocolError("Set Chunk Size is too short")
        size = int.from_bytes(body[:4], "big")
        if not self._limits.min_chunk_bytes <= size <= self._limits.max_chunk_bytes:
            raise LimitExceeded("max_chunk_bytes", f"chunk size {size} is out of bounds")
        self.chunk_size = size

    def _abort(self, body: bytes) -> None:
        if len(body) < 4:
            raise ProtocolError("Abort is too short")
        lane = self._lanes.get(int.from_bytes(body[:4], "big"))
        if lane is not None and lane.received:
            self._forget(lane)
