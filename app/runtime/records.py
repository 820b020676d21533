"""Frozen dataclasses to plain data (dict, list, str, int, float, bool, None) and back, strictly.

Plain data is what JSON can hold. A union of dataclasses is told apart by a `type` entry with the class's name;
`Secret`-like types and other leaves are handled by the converters the caller hands in.
Unknown entries are ignored, so a newer peer may say more; a missing entry without a default is refused.
"""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from collections.abc import Callable, Mapping
from datetime import datetime
from enum import Enum
from functools import lru_cache
from typing import Any, Final, TypeVar, Union, cast, get_args, get_origin

Plain = Any
"""dict[str, Plain] | list[Plain] | str | int | float | bool | None"""

R = TypeVar("R")
_PLAIN: Final = (str, int, float, bool, types.NoneType)


class RecordError(ValueError):
    """The plain data does not fit the record; the text names the place."""


@dataclasses.dataclass(frozen=True, slots=True)
class Leaf:
    """How one foreign type travels: both ways as str."""

    to_text: Callable[[Any], str]
    from_text: Callable[[str], Any]


Leaves = Mapping[type, Leaf]

TIMES: Leaves = {datetime: Leaf(datetime.isoformat, datetime.fromisoformat)}


def to_plain(value: object, leaves: Leaves = TIMES) -> Plain:
    """`value` as plain data; each dataclass becomes a dict with a `type` entry."""
    kind: Any = type(value)
    write = _writer(kind)
    return value if write is None else write(value, leaves)


@lru_cache(maxsize=512)
def _writer(kind: Any) -> Callable[[Any, Leaves], Plain] | None:
    """How a value of `kind` becomes plain data, worked out once; None: it is plain already."""
    if issubclass(kind, Enum):
        return lambda value, leaves: value.value
    if issubclass(kind, _PLAIN):
        return None
    if dataclasses.is_dataclass(kind):
        return _record_writer(kind)
    if issubclass(kind, tuple | list):
        return lambda value, leaves: [to_plain(item, leaves) for item in value]
    return _leaf_writer(kind)


def _record_writer(kind: Any) -> Callable[[Any, Leaves], Plain]:
    names = tuple(field.name for field in dataclasses.fields(kind))

    def write(value: Any, leaves: Leaves) -> Plain:
        plain: dict[str, Plain] = {"type": kind.__name__}
        for name in names:
            entry = getattr(value, name)
            # Most entries are plain already: they cost no call.
            plain[name] = entry if type(entry) in _PLAIN else to_plain(entry, leaves)
        return plain

    return write


def _leaf_writer(kind: type) -> Callable[[Any, Leaves], Plain]:
    def write(value: Any, leaves: Leaves) -> Plain:
        leaf = leaves.get(kind)
        if leaf is None:
            raise RecordError(f"{kind.__name__} has no plain form")
        return leaf.to_text(value)

    return write


def from_plain(kind: type[R], plain: Plain, leaves: Leaves = TIMES) -> R:
    """The record of type `kind` (a dataclass, or a union of them) that `plain` describes.

    Raises RecordError for anything that does not fit: wrong type, missing entry, unknown class, NaN.
    """
    try:
        return cast(R, _reader(cast(Any, kind))(plain, leaves))
    except _Misfit as misfit:
        place = _kind_name(kind) + "".join(reversed(misfit.path))
        raise RecordError(place + misfit.text) from None


class _Misfit(Exception):
    """What does not fit; the place where is added on the way out, so that what fits pays nothing for it."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text
        self.path: list[str] = []


_Reader = Callable[[Plain, Leaves], Any]


def _kind_name(kind: Any) -> str:
    return getattr(kind, "__name__", str(kind))


@lru_cache(maxsize=1024)
def _reader(kind: Any) -> _Reader:
    """How plain data becomes a `kind`, worked out once: a link carries thousands of records a second."""
    origin = get_origin(kind)
    if origin is Union or origin is types.UnionType:
        return _union_reader(get_args(kind))
    if origin is tuple:
        return _tuple_reader(_reader(get_args(kind)[0]))
    kind = getattr(kind, "__supertype__", kind)
    if dataclasses.is_dataclass(kind):
        return _record_reader(cast(type, kind))
    if isinstance(kind, type) and issubclass(kind, Enum):
        return _enum_reader(kind)
    return _scalar_reader(kind)


def _union_reader(members: tuple[Any, ...]) -> _Reader:
    optional = type(None) in members
    kinds = [member for member in members if member is not type(None)]
    only = _reader(kinds[0]) if len(kinds) == 1 else None
    named = {_kind_name(kind): _reader(cast(Any, kind)) for kind in kinds if dataclasses.is_dataclass(kind)}

    def read(plain: Plain, leaves: Leaves) -> Any:
        if plain is None:
            if optional:
                return None
            raise _Misfit(": null is not allowed")
        if only is not None:
            return only(plain, leaves)
        name = plain.get("type") if isinstance(plain, dict) else None
        reader = named.get(name) if isinstance(name, str) else None
        if reader is None:
            raise _Misfit(f": unknown type {name!r}")
        return reader(plain, leaves)

    return read


def _tuple_reader(item: _Reader) -> _Reader:
    def read(plain: Plain, leaves: Leaves) -> tuple[Any, ...]:
        if not isinstance(plain, list):
            raise _Misfit(": a list is needed")
        found: list[Any] = []
        try:
            found.extend(item(entry, leaves) for entry in plain)
        except _Misfit as misfit:
            misfit.path.append(f"[{len(found)}]")
            raise
        return tuple(found)

    return read


def _record_reader(kind: type) -> _Reader:
    hints = typing.get_type_hints(kind)
    fields = [
        (
            field.name,
            _reader(hints[field.name]),
            field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING,
        )
        for field in dataclasses.fields(kind)
    ]

    def read(plain: Plain, leaves: Leaves) -> Any:
        if not isinstance(plain, dict):
            raise _Misfit(": an object is needed")
        given: dict[str, Any] = {}
        name = ""
        try:
            for name, reader, needed in fields:
                if name in plain:
                    given[name] = reader(plain[name], leaves)
                elif needed:
                    raise _Misfit(" is missing")
        except _Misfit as misfit:
            misfit.path.append(f".{name}")
            raise
        return kind(**given)

    return read


def _enum_reader(kind: type[Enum]) -> _Reader:
    def read(plain: Plain, leaves: Leaves) -> Enum:
        try:
            return kind(plain)
        except ValueError:
            raise _Misfit(f": {plain!r} is no {kind.__name__}") from None

    return read


def _scalar_reader(kind: Any) -> _Reader:
    is_plain, is_float = kind in (str, int, float, bool), kind is float

    def read(plain: Plain, leaves: Leaves) -> Any:
        if is_plain and type(plain) is kind:
            if is_float and not math.isfinite(plain):
                raise _Misfit(": not a finite number")
            return plain
        if is_float and type(plain) is int:
            return float(plain)
        leaf = leaves.get(kind)
        if leaf is None or not isinstance(plain, str):
            raise _Misfit(f": {_kind_name(kind)} is needed")
        try:
            return leaf.from_text(plain)
        except ValueError as error:
            raise _Misfit(f": {error}") from None

    return read
