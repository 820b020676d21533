"""Media in the wrappings publishers use, as plain audio, video and data.

Aggregates (type 22) are cut into their tags, AMF3 data (type 15) loses its leading format byte,
and the "@setDataFrame" that publishers put before metadata is taken off, as readers expect none.
"""

from __future__ import annotations

from typing import Final

from aiortmp.errors import ProtocolError
from aiortmp.media import MessageType, Row

_SET_DATA_FRAME: Final = b"\x02\x00\x0d@setDataFrame"
_TAG_HEADER_BYTES: Final = 11
_BACK_POINTER_BYTES: Final = 4
_MOST_TAGS: Final = 4096
"""In one aggregate: empty tags must not become a flood of messages that cost more than their bytes."""


def media_rows(kind: int, timestamp: int, body: bytes, csid: int) -> list[Row]:
    """The messages that a body of any media type holds."""
    if kind == MessageType.AGGREGATE:
        return _split_aggregate(timestamp, body, csid)
    if kind in (MessageType.DATA, MessageType.DATA_AMF3):
        kind, body = MessageType.DATA, plain_data(kind, body)
    return [(kind, timestamp, body, 0, len(body), csid, 0)]


def plain_data(kind: int, body: bytes) -> bytes:
    """A data body in AMF0 as readers expect it."""
    if kind == MessageType.DATA_AMF3 and body[:1] == b"\x00":
        body = body[1:]
    return body.removeprefix(_SET_DATA_FRAME)


def _split_aggregate(timestamp: int, body: bytes, csid: int) -> list[Row]:
    """RTMP specification, section 7.1.6: tag times are shifted so that the first has the message's."""
    rows: list[Row] = []
    offset: int | None = None
    at = 0
    while at < len(body):
        end = at + _TAG_HEADER_BYTES + int.from_bytes(body[at + 1 : at + 4], "big")
        if len(body) - at < _TAG_HEADER_BYTES or end > len(body):
            raise ProtocolError("aggregate ends in the middle of a tag")
        if len(rows) >= _MOST_TAGS:
            raise ProtocolError("aggregate holds too many tags")
        kind = body[at]
        tag_time = int.from_bytes(body[at + 4 : at + 7], "big") | body[at + 7] << 24
        if offset is None:
            offset = timestamp - tag_time
        if kind in (MessageType.AUDIO, MessageType.VIDEO, MessageType.DATA):
            rows.extend(media_rows(kind, tag_time + offset & 0xFFFFFFFF, body[at + _TAG_HEADER_BYTES : end], csid))
        at = end + _BACK_POINTER_BYTES
    return rows
