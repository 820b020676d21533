"""AMF3, as far as encoders send it (Adobe AMF 3 specification, 2013): all of it but externalizable
objects, whose form only their class knows.

Integers come as float like every number of AMF0, so that callers need not care which they got.
Cyclic references are refused: a value here is a tree.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from aiortmp.amf0 import UNDEFINED, Date, EcmaArray, Undefined, Value
from aiortmp.errors import LimitExceeded, ProtocolError
from aiortmp.limits import Limits

_DOUBLE: Final = struct.Struct(">d")
_DEFAULT_LIMITS: Final = Limits()
_VECTOR_FORMS: Final = {0x0D: struct.Struct(">i"), 0x0E: struct.Struct(">I"), 0x0F: _DOUBLE}
_INTEGER_MIN: Final = -(2**28)
_INTEGER_MAX: Final = 2**28 - 1


def encode(values: Iterable[Value]) -> bytes:
    """The values one after the other, without references. TypeError for a value without a form."""
    out: list[bytes] = []
    for value in values:
        _encode_value(value, out)
    return b"".join(out)


def decode(data: bytes, limits: Limits = _DEFAULT_LIMITS) -> list[Value]:
    """All values in ``data``. Raises ProtocolError, or LimitExceeded past an AMF bound."""
    decoder = Decoder(data, limits)
    values: list[Value] = []
    while decoder.position < len(data):
        values.append(decoder.value())
    return values


def _encode_value(value: Value, out: list[bytes]) -> None:
    if isinstance(value, Undefined):
        out.append(b"\x00")
    elif value is None:
        out.append(b"\x01")
    elif isinstance(value, bool):
        out.append(b"\x03" if value else b"\x02")
    elif isinstance(value, int) and _INTEGER_MIN <= value <= _INTEGER_MAX:
        out.append(b"\x04" + _to_u29(value & 0x1FFFFFFF))
    elif isinstance(value, int | float):
        out.append(b"\x05" + _DOUBLE.pack(value))
    elif isinstance(value, str):
        out.append(b"\x06" + _to_text(value))
    elif isinstance(value, Date):
        out.append(b"\x08\x01" + _DOUBLE.pack(value.time_ms))
    elif isinstance(value, bytes):
        out.append(b"\x0c" + _to_u29(len(value) << 1 | 1) + value)
    elif isinstance(value, Mapping):
        # A dynamic object without a class, or an array with only named entries.
        out.append(b"\x09\x01" if isinstance(value, EcmaArray) else b"\x0a\x0b\x01")
        for key, item in value.items():
            if not key:
                raise ValueError("AMF3 cannot hold an empty key: it ends the object")
            out.append(_to_text(key))
            _encode_value(item, out)
        out.append(b"\x01")
    elif isinstance(value, Sequence):
        out.append(b"\x09" + _to_u29(len(value) << 1 | 1) + b"\x01")
        for item in value:
            _encode_value(item, out)
    else:
        raise TypeError(f"AMF3 has no form for {type(value).__name__}")


def _to_text(text: str) -> bytes:
    raw = text.encode("utf-8", "surrogatepass")
    return _to_u29(len(raw) << 1 | 1) + raw


def _to_u29(value: int) -> bytes:
    if value >= 1 << 29:
        raise ValueError("AMF3 cannot hold a length over 2**28")
    if value < 1 << 7:
        return bytes((value,))
    if value < 1 << 14:
        return bytes((value >> 7 | 0x80, value & 0x7F))
    if value < 1 << 21:
        return bytes((value >> 14 | 0x80, value >> 7 & 0x7F | 0x80, value & 0x7F))
    return bytes((value >> 22 | 0x80, value >> 15 & 0x7F | 0x80, value >> 8 & 0x7F | 0x80, value & 0xFF))


@dataclass(frozen=True, slots=True)
class _Traits:
    names: tuple[str, ...]
    is_dynamic: bool


class Decoder:
    """Reads values from one body within the AMF bounds of ``limits``."""

    def __init__(
        self,
        data: bytes,
        limits: Limits = _DEFAULT_LIMITS,
        *,
        position: int = 0,
        depth: int = 0,
        elements: int = 0,
    ) -> None:
        """``depth`` and ``elements``: what an AMF0 body around it has used of its bounds so far."""
        self._data = data
        self._limits = limits
        self._depth = depth
        self._strings: list[str] = []
        self._objects: list[tuple[Value, int]] = []  # each with the number of values inside it
        self._traits: list[_Traits] = []
        self.elements = elements
        self.position = position

    def value(self) -> Value:
        """The next value; moves past it."""
        self._count()
        marker = self._take(1)[0]
        if marker == 0x00:
            return UNDEFINED
        if marker == 0x01:
            return None
        if marker in (0x02, 0x03):
            return marker == 0x03
        if marker == 0x04:
            number = self._u29()
            return float(number - (1 << 29) if number >= 1 << 28 else number)
        if marker == 0x05:
            return float(_DOUBLE.unpack(self._take(8))[0])
        if marker == 0x06:
            return self._text()
        return self._referable(marker)

    def _referable(self, marker: int) -> Value:
        head = self._u29()
        if not head & 1:
            return self._known(head >> 1)
        if marker in (0x07, 0x0B):
            return self._keep(self._utf8(head >> 1))
        if marker == 0x08:
            return self._keep(Date(float(_DOUBLE.unpack(self._take(8))[0])))
        if marker == 0x0C:
            return self._keep(self._take(head >> 1))
        if marker in _VECTOR_FORMS:
            return self._keep(self._numbers(_VECTOR_FORMS[marker], head >> 1))
        self._depth += 1
        if self._depth > self._limits.max_amf_depth:
            raise LimitExceeded("max_amf_depth", "AMF3 body is nested too deep")
        try:
            return self._compound(marker, head >> 1)
        finally:
            self._depth -= 1

    def _compound(self, marker: int, head: int) -> Value:
        # The slot is taken before the content is read, as references count that way; it stays
        # empty until then, so that a reference to what encloses it is refused.
        slot = len(self._objects)
        self._objects.append((_UNFINISHED, 0))
        before = self.elements
        value: Value
        if marker == 0x09:
            value = self._array(head)
        elif marker == 0x0A:
            value = self._object(head)
        elif marker == 0x10:
            value = self._object_vector(head)
        elif marker == 0x11:
            value = self._dictionary(head)
        else:
            raise ProtocolError(f"AMF3 marker {marker:#04x} is unknown")
        self._objects[slot] = (value, self.elements - before)
        return value

    def _array(self, count: int) -> Value:
        named = self._pairs(EcmaArray())
        self._check_room(count)
        items = [self.value() for _ in range(count)]
        if not named:
            # Not told from an array with named entries only, when both are empty: dense wins.
            return items
        for index, item in enumerate(items):
            named[str(index)] = item
        return named

    def _object(self, head: int) -> Value:
        traits = self._read_traits(head)
        value: dict[str, Value] = {name: self.value() for name in traits.names}
        return self._pairs(value) if traits.is_dynamic else value

    def _read_traits(self, head: int) -> _Traits:
        if not head & 1:
            if head >> 1 >= len(self._traits):
                raise ProtocolError("AMF3 reference points at no traits")
            return self._traits[head >> 1]
        if head & 2:
            raise ProtocolError("AMF3 externalizable objects are not supported")
        count = head >> 3
        self._check_room(count)
        self._text()  # the class name
        names: list[str] = []
        for _ in range(count):
            self._count()
            names.append(self._text())
        traits = _Traits(tuple(names), bool(head & 4))
        self._traits.append(traits)
        return traits

    def _pairs(self, into: dict[str, Value]) -> dict[str, Value]:
        while key := self._text():
            into[key] = self.value()
        return into

    def _object_vector(self, count: int) -> Value:
        self._take(1)  # whether its length is fixed
        self._text()
        self._check_room(count)
        return [self.value() for _ in range(count)]

    def _dictionary(self, count: int) -> Value:
        self._take(1)  # whether its keys are weak
        self._check_room(count)
        return {self._key(): self.value() for _ in range(count)}

    def _key(self) -> str:
        key = self.value()
        if not isinstance(key, str | float | bool):
            raise ProtocolError("AMF3 dictionary has a key that is no string or number")
        return str(key)

    def _numbers(self, form: struct.Struct, count: int) -> Value:
        self._take(1)  # whether its length is fixed
        if count > self._limits.max_amf_elements:
            raise LimitExceeded("max_amf_elements", "AMF3 vector is too long")
        return [float(number) for (number,) in form.iter_unpack(self._take(count * form.size))]

    def _text(self) -> str:
        head = self._u29()
        if head & 1:
            text = self._utf8(head >> 1)
            if text:
                self._strings.append(text)
            return text
        if head >> 1 >= len(self._strings):
            raise ProtocolError("AMF3 reference points at no string")
        return self._strings[head >> 1]

    def _utf8(self, length: int) -> str:
        if length > self._limits.max_amf_string_bytes:
            raise LimitExceeded("max_amf_string_bytes", "AMF3 string is too long")
        return self._take(length).decode("utf-8", "replace")

    def _known(self, index: int) -> Value:
        if index >= len(self._objects):
            raise ProtocolError("AMF3 reference points at no object")
        value, inside = self._objects[index]
        if value is _UNFINISHED:
            raise ProtocolError("AMF3 value contains itself")
        # References to references grow without end for whoever walks the tree: each costs what it shows.
        self._count(inside)
        return value

    def _keep(self, value: Value) -> Value:
        self._objects.append((value, 0))
        return value

    def _count(self, values: int = 1) -> None:
        self.elements += values
        if self.elements > self._limits.max_amf_elements:
            raise LimitExceeded("max_amf_elements", "AMF3 body has too many values")

    def _check_room(self, count: int) -> None:
        if count > len(self._data) - self.position:
            raise ProtocolError("AMF3 claims more values than there are bytes")

    def _u29(self) -> int:
        value = 0
        for _ in range(3):
            byte = self._take(1)[0]
            value = value << 7 | byte & 0x7F
            if byte < 0x80:
                return value
        return value << 8 | self._take(1)[0]

    def _take(self, count: int) -> bytes:
        start = self.position
        end = start + count
        if end > len(self._data):
            raise ProtocolError("AMF3 body ends in the middle of a value")
        self.position = end
        return self._data[start:end]


_UNFINISHED: Final[Value] = EcmaArray()
"""Marks, by identity, a compound that is still being read."""
