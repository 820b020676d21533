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
from typing import Any, TypeVar, Union, cast, get_args, get_origin

Plain = Any
"""dict[str, Plain] | list[Plain] | str | int | float | bool | None"""

R = TypeVar("R")


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
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, str):
        return value
    if dataclasses.is_dataclass(value):
        plain: dict[str, Plain] = {"type": type(value).__name__}
        kind: type = type(value)
        for name in _names(kind):
            plain[name] = to_plain(getattr(value, name), leaves)
        return plain
    if isinstance(value, tuple | list):
        return [to_plain(item, leaves) for item in value]
    leaf = leaves.get(type(value))
    if leaf is None:
        raise RecordError(f"{type(value).__name__} has no plain form")
    return leaf.to_text(value)


def from_plain(kind: type[R], plain: Plain, leaves: Leaves = TIMES) -> R:
    """The record of type `kind` (a dataclass, or a union of them) that `plain` describes.

    Raises RecordError for anything that does not fit: wrong type, missing entry, unknown class, NaN.
    """
    return cast(R, _read(kind, plain, leaves, kind_name(kind)))


def kind_name(kind: Any) -> str:
    return getattr(kind, "__name__", str(kind))


@lru_cache(maxsize=512)
def _names(kind: type) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(kind))


@lru_cache(maxsize=512)
def _hints(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _read(kind: Any, plain: Plain, leaves: Leaves, where: str) -> Any:
    origin = get_origin(kind)
    if origin is Union or origin is types.UnionType:
        return _read_union(get_args(kind), plain, leaves, where)
    if origin is tuple:
        if not isinstance(plain, list):
            raise RecordError(f"{where}: a list is needed")
        item = get_args(kind)[0]
        return tuple(_read(item, entry, leaves, f"{where}[{i}]") for i, entry in enumerate(plain))
    kind = getattr(kind, "__supertype__", kind)
    if dataclasses.is_dataclass(kind):
        return _read_record(cast(type, kind), plain, leaves, where)
    return _read_leaf(kind, plain, leaves, where)


def _read_union(members: tuple[Any, ...], plain: Plain, leaves: Leaves, where: str) -> Any:
    if plain is None:
        if type(None) in members:
            return None
        raise RecordError(f"{where}: null is not allowed")
    kinds = [member for member in members if member is not type(None)]
    if len(kinds) == 1:
        return _read(kinds[0], plain, leaves, where)
    named = {kind_name(kind): kind for kind in kinds if dataclasses.is_dataclass(kind)}
    name = plain.get("type") if isinstance(plain, dict) else None
    if name not in named:
        raise RecordError(f"{where}: unknown type {name!r}")
    return _read(named[name], plain, leaves, where)


def _read_record(kind: type, plain: Plain, leaves: Leaves, where: str) -> Any:
    if not isinstance(plain, dict):
        raise RecordError(f"{where}: an object is needed")
    hints = _hints(kind)
    given: dict[str, Any] = {}
    for field in dataclasses.fields(kind):
        if field.name in plain:
            place = f"{where}.{field.name}"
            given[field.name] = _read(hints[field.name], plain[field.name], leaves, place)
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise RecordError(f"{where}.{field.name} is missing")
    return kind(**given)


def _read_leaf(kind: Any, plain: Plain, leaves: Leaves, where: str) -> Any:
    if isinstance(kind, type) and issubclass(kind, Enum):
        try:
            return kind(plain)
        except ValueError:
            raise RecordError(f"{where}: {plain!r} is no {kind.__name__}") from None
    if kind is float and isinstance(plain, int) and not isinstance(plain, bool):
        return float(plain)
    if kind in (str, int, float, bool) and type(plain) is kind:
        if kind is float and not math.isfinite(plain):
            raise RecordError(f"{where}: not a finite number")
        return plain
    leaf = leaves.get(kind)
    if leaf is not None and isinstance(plain, str):
        try:
            return leaf.from_text(plain)
        except ValueError as error:
            raise RecordError(f"{where}: {error}") from None
    raise RecordError(f"{where}: {kind_name(kind)} is needed")
