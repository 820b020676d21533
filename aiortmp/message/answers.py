"""Commands whose values are known beforehand, encoded once and finished with a number when they are sent.

Most of what a server says to a publisher is the same for all of them but for the transaction and the message
stream. Leaves to others: when which answer is due (`aiortmp.session.server`).
"""

from __future__ import annotations

import struct

from aiortmp import amf0
from aiortmp.amf0 import Value
from aiortmp.message.command import encode_body

_NUMBER = struct.Struct(">xd")
"""An AMF0 number: marker 0, then the double."""


class Answer:
    """A command without its transaction and its stream; immutable, for all connections."""

    __slots__ = ("_head", "_tail")

    def __init__(self, name: str, *arguments: Value) -> None:
        self._head = amf0.encode([name])
        self._tail = amf0.encode(arguments)

    @classmethod
    def status(cls, level: str, code: str, description: str) -> Answer:
        """An onStatus."""
        return cls("onStatus", None, {"level": level, "code": code, "description": description})

    def encoded(
        self, transaction: float, chunk_size: int, *, stream_id: int = 0, number: float | None = None
    ) -> bytes:
        """As chunks that refer to nothing before them; ``number`` is the last value, where there is one more."""
        body = self._head + _NUMBER.pack(transaction) + self._tail
        if number is not None:
            body += _NUMBER.pack(number)
        return encode_body(body, chunk_size, stream_id)
