"""What one chunk stream remembers from chunk to chunk (RTMP specification, section 5.3.1.2)."""

from __future__ import annotations


class Lane:
    """The last header of a chunk stream and the message it is in the middle of."""

    __slots__ = (
        "bit",
        "continuation",
        "csid",
        "extended",
        "is_unwanted",
        "length",
        "parts",
        "received",
        "stamp",
        "stream_id",
        "timestamp",
        "type",
    )

    def __init__(self, csid: int) -> None:
        self.csid = csid
        self.bit = 1 << csid if csid < 64 else 0
        self.continuation = bytes((0xC0 | csid & 63,))
        self.timestamp = 0
        self.stamp = 0
        self.extended = False
        self.length = 0
        self.type = 0
        self.stream_id = 0
        self.is_unwanted = False
        self.received = 0
        self.parts: list[bytes] = []
