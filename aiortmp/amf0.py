"""AMF0, the value format of RTMP commands and metadata (Adobe AMF 0 specification, 2007).

Python values: float, bool, str, None, dict (object), EcmaArray (dict with a count in front),
list (strict array), Date, UNDEFINED. Integers are encoded as numbers. A class name on a typed
object is dropped on reading. AMF3 values behind marker 0x11 are read by `aiortmp.amf3`.
Leaves to others: which values a command must have (`aiortmp.message`).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeAlias

from aiortmp.errors import LimitExceeded, ProtocolError
from aiortmp.limits import Limits

_CUT: Final = "AMF0 body ends in the middle of a value"
_OBJECT_END: Final = b"\x09"
_DOUBLE = struct.Struct(">d")
_U16 = struct.Struct(">H")
_U32 = struct.Struct(">I")
_DATE = struct.Struct(">dh")

_DEFAULT_LIMITS: Final = Limits()


class Undefined(Enum):
    """The type of `UNDEFINED`, ActionScript's "no value", which is not null."""

    UNDEFINED = "undefined"


UNDEFINED: Final = Undefined.UNDEFINED


@dataclass(frozen=True, slots=True)
class Date:
    """Milliseconds since 1970 in UTC; the zone (minutes) is reserved and should be 0."""

    time_ms: float
    zone_min: int = 0


class EcmaArray(dict[str, "Value"]):
    """An associative array: an object on the wire with its length in front."""


Value: TypeAlias = (
    "float | int | bool | str | bytes | Undefined | Date | Mapping[str, Value] | Sequence[Value] | None"
)


def encode(values: Iterable[Value]) -> bytes:
    """The values one after the other. TypeError for a value AMF0 has no form for."""
    out: list[bytes] = []
    for value in values:
        _encode_value(value, out)
    return b"".join(out)


def decode(data: bytes, limits: Limits = _DEFAULT_LIMITS) -> list[Value]:
    """All values in ``data``. Raises ProtocolError, or LimitExceeded past an AMF bound."""
    return Decoder(data, limits).all()


def _encode_value(value: Value, out: list[bytes]) -> None:
    if isinstance(value, str):
        _encode_string(value, out)
    elif isinstance(value, bool):
        out.append(b"\x01\x01" if value else b"\x01\x00")
    elif isinstance(value, int | float):
        out.append(b"\x00" + _DOUBLE.pack(value))
    elif value is None:
        out.append(b"\x05")
    elif isinstance(value, Undefined):
        out.append(b"\x06")
    elif isinstance(value, Date):
        out.append(b"\x0b" + _DATE.pack(value.time_ms, value.zone_min))
    elif isinstance(value, Mapping):
        out.append(b"\x08" + _U32.pack(len(value)) if isinstance(value, EcmaArray) else b"\x03")
        _encode_pairs(value, out)
    elif isinstance(value, bytes):
        raise TypeError("AMF0 has no form for bytes")
    elif isinstance(value, Sequence):
        out.append(b"\x0a" + _U32.pack(len(value)))
        for item in value:
            _encode_value(item, out)
    else:
        raise TypeError(f"AMF0 has no form for {type(value).__name__}")


def _encode_string(text: str, out: list[bytes]) -> None:
    raw = text.encode("utf-8", "surrogatepass")
    if len(raw) > 0xFFFF:
        out.append(b"\x0c" + _U32.pack(len(raw)) + raw)
    else:
        out.append(b"\x02" + _U16.pack(len(raw)) + raw)


def _encode_pairs(pairs: Mapping[str, Value], out: list[bytes]) -> None:
    for key, value in pairs.items():
        raw = key.encode("utf-8", "surrogatepass")
        if not raw:
            raise ValueError("AMF0 cannot hold an empty key: it ends the object")
        out.append(_U16.pack(len(raw)) + raw)
        _encode_value(value, out)
    out.append(b"\x00\x00" + _OBJECT_END)


class Decoder:
    """Reads values from one body, front to back, within the AMF bounds of ``limits``."""

    __slots__ = ("_data", "_depth", "_elements", "_limits", "_longest", "_references", "_size", "position")

    def __init__(self, data: bytes, limits: Limits = _DEFAULT_LIMITS) -> None:
        self._data = data
        self._size = len(data)
        self._limits = limits
        self._longest = limits.max_amf_string_bytes
        self._depth = 0
        self._elements = 0
        self._references: list[Value] = []
        self.position = 0

    def all(self) -> list[Value]:
        """Every value from here to the end."""
        values: list[Value] = []
        while self.position < self._size:
            values.append(self.value())
        return values

    def value(self) -> Value:
        """The next value; moves past it."""
        self._elements += 1
        if self._elements > self._limits.max_amf_elements:
            raise LimitExceeded("max_amf_elements", "AMF0 body has too many values")
        at = self.position
        if at >= self._size:
            raise ProtocolError(_CUT)
        data = self._data
        marker = data[at]
        # What commands are made of is read in place, here and in `_pairs`: a server reads some thirty
        # values before a client may publish, and each call would cost what one of them does.
        if marker == 0x02 and at + 3 <= self._size:
            start = at + 3
            end = start + (data[at + 1] << 8 | data[at + 2])
            if end <= self._size and end - start <= self._longest:
                self.position = end
                return data[start:end].decode("utf-8", "replace")
        if marker == 0x00 and at + 9 <= self._size:
            self.position = at + 9
            number: float = _DOUBLE.unpack_from(data, at + 1)[0]
            return number
        self.position = at + 1
        if marker == 0x05:
            return None
        if marker == 0x01:
            return self._take(1)[0] != 0
        return self._rare(marker)

    def _rare(self, marker: int) -> Value:
        if marker == 0x00:
            raise ProtocolError(_CUT)
        if marker == 0x02:
            return self._string(self._u16())
        if marker in (0x03, 0x08, 0x0A, 0x10):
            return self._compound(marker)
        if marker in (0x06, 0x0D):
            return UNDEFINED
        if marker in (0x0C, 0x0F):
            return self._string(self._u32())
        if marker == 0x0B:
            return Date(*_DATE.unpack(self._take(10)))
        if marker == 0x07:
            return self._reference()
        if marker == 0x11:
            return self._amf3()
        raise ProtocolError(f"AMF0 marker {marker:#04x} is unknown")

    def _compound(self, marker: int) -> Value:
        self._depth += 1
        if self._depth > self._limits.max_amf_depth:
            raise LimitExceeded("max_amf_depth", "AMF0 body is nested too deep")
        try:
            if marker == 0x0A:
                return self._strict_array()
            if marker == 0x10:
                self._string(self._u16())
            if marker == 0x08:
                self._u32()  # a hint only: writers get it wrong, the end marker rules
                return self._pairs(EcmaArray())
            return self._pairs({})
        finally:
            self._depth -= 1

    def _strict_array(self) -> list[Value]:
        count = self._u32()
        if count > self._size - self.position:
            raise ProtocolError("AMF0 array claims more values than there are bytes")
        items: list[Value] = []
        self._references.append(items)
        items.extend(self.value() for _ in range(count))
        return items

    def _pairs(self, into: dict[str, Value]) -> dict[str, Value]:
        self._references.append(into)
        data = self._data
        while True:
            start = self.position + 2
            if start > self._size:
                raise ProtocolError(_CUT)
            length = data[start - 2] << 8 | data[start - 1]
            if not length and data.startswith(_OBJECT_END, start):
                self.position = start + 1
                return into
            if length > self._longest:
                raise LimitExceeded("max_amf_string_bytes", "AMF0 string is too long")
            self.position = start + length
            if self.position > self._size:
                raise ProtocolError(_CUT)
            key = data[start : self.position].decode("utf-8", "replace")
            into[key] = self.value()

    def _reference(self) -> Value:
        index = self._u16()
        if index >= len(self._references):
            raise ProtocolError("AMF0 reference points at nothing")
        if self._depth:
            # Inside a compound it could close a circle, which no value tree can hold.
            raise ProtocolError("AMF0 reference inside an object is not supported")
        return self._references[index]

    def _amf3(self) -> Value:
        from aiortmp import amf3  # amf3 needs this module's value types

        inner = amf3.Decoder(
            self._data, self._limits, position=self.position, depth=self._depth, elements=self._elements
        )
        value = inner.value()
        self.position, self._elements = inner.position, inner.elements
        return value

    def _string(self, length: int) -> str:
        if length > self._longest:
            raise LimitExceeded("max_amf_string_bytes", "AMF0 string is too long")
        return self._take(length).decode("utf-8", "replace")

    def _u16(self) -> int:
        return int(_U16.unpack(self._take(2))[0])

    def _u32(self) -> int:
        return int(_U32.unpack(self._take(4))[0])

    def _take(self, count: int) -> bytes:
        start = self.position
        end = start + count
        if end > self._size:
            raise ProtocolError(_CUT)
        self.position = end
        return self._data[start:end]
