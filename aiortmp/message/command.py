"""Command messages: a name, a transaction id, and values (RTMP specification, section 7.2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from aiortmp import amf0
from aiortmp.amf0 import Value
from aiortmp.errors import ProtocolError
from aiortmp.limits import Limits
from aiortmp.media import MessageType, Row, encode_row

_COMMAND_LANE: Final = 3
# Looked up once: each read of an enum's member costs what comparing ten numbers does.
_COMMAND: Final = int(MessageType.COMMAND)
_COMMAND_AMF3: Final = int(MessageType.COMMAND_AMF3)


@dataclass(frozen=True, slots=True)
class Command:
    """``arguments`` begins with the command object, mostly null."""

    name: str
    transaction: float
    arguments: tuple[Value, ...] = (None,)
    stream_id: int = 0

    def text(self, index: int) -> str | None:
        """The argument at ``index`` if it is a string."""
        value = self.arguments[index] if index < len(self.arguments) else None
        return value if isinstance(value, str) else None

    def number(self, index: int) -> float | None:
        """The argument at ``index`` if it is a number."""
        value = self.arguments[index] if index < len(self.arguments) else None
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None

    def mapping(self, index: int) -> Mapping[str, Value]:
        """The argument at ``index`` if it is an object, else an empty one."""
        value = self.arguments[index] if index < len(self.arguments) else None
        return value if isinstance(value, Mapping) else {}


def encode_command(command: Command, chunk_size: int) -> bytes:
    """The command as chunks that refer to nothing before them."""
    body = amf0.encode([command.name, command.transaction, *command.arguments])
    return encode_body(body, chunk_size, command.stream_id)


def encode_body(body: bytes, chunk_size: int, stream_id: int) -> bytes:
    """A command that is AMF0 already, as chunks that refer to nothing before them."""
    length = len(body)
    if length <= chunk_size:
        header = (_COMMAND_LANE << 56 | length << 8 | _COMMAND).to_bytes(8, "big")
        return header + stream_id.to_bytes(4, "little") + body
    row: Row = (_COMMAND, 0, body, 0, length, _COMMAND_LANE, 0)
    parts: list[bytes | memoryview] = []
    encode_row(row, chunk_size, stream_id, parts)
    return b"".join(parts)


def parse_command(kind: int, stream_id: int, body: bytes, limits: Limits) -> Command:
    """A command of type 20, or of type 17, which is the same behind a format byte."""
    if kind == _COMMAND_AMF3 and body[:1] == b"\x00":
        body = body[1:]
    values = amf0.decode(body, limits)
    if not values or not isinstance(values[0], str):
        raise ProtocolError("command has no name")
    transaction = values[1] if len(values) > 1 else 0.0
    if not isinstance(transaction, int | float):
        raise ProtocolError("command has no transaction id")
    return Command(values[0], float(transaction), tuple(values[2:]), stream_id)
