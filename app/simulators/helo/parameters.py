"""The parameters of a HELO: names, types, ranges, defaults, names of values. The table is `parameters.tsv`.

Its columns: name, access (RO or RW), flags (P survives a restart, S is part of presets), type, lowest, highest,
default, names of values; of an alarm the last two are severity and label. Firmware 4.3.0.8-12r: 971 parameters.
Leaves to others: what they hold now (`memory`).
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Final

PROFILES: Final = 10
"""Stored profiles of streaming, and as many of recording: value n of a selector is suffix n + 1."""
PREFIX: Final = "eParamID_"
SELECTORS: Final = MappingProxyType(
    {"stream profile": "StreamingProfileSel", "record profile": "RecordingProfileSel"}
)
_KNOWN_NUMBERS: Final = {
    "ReplicatorRecordState": 2097225226,
    "RegisterRecallResult": 1560412160,
    "VideoInSelect": 33619978,
    "StoragePath": 2063663370,
}


class Kind(StrEnum):
    ENUM = "enum"
    INTEGER = "integer"
    STRING = "string"
    DATA = "data"


@dataclass(frozen=True, slots=True)
class Parameter:
    """`texts`: what the device calls each value of an enum. `label` and `severity`: of an alarm, else empty."""

    name: str
    section: str
    kind: Kind
    is_writable: bool = False
    survives_restart: bool = False
    is_in_presets: bool = False
    low: int | None = None
    high: int | None = None
    default: str = ""
    texts: Mapping[int, str] = field(default_factory=lambda: MappingProxyType({}))
    label: str = ""
    severity: str = ""
    profile: int | None = None
    """Of a stored copy of a profile field: its suffix, 1 to 10."""

    @property
    def number(self) -> int:
        """The numeric id; those that nobody published are made up, and stay the same."""
        return _KNOWN_NUMBERS.get(self.name, zlib.crc32(self.name.encode()) & 0x7FFFFFFF)

    @property
    def is_profile_field(self) -> bool:
        """Whether the plain name stands for the selected profile's copy."""
        return self.section in SELECTORS and self.name not in SELECTORS.values() and self.profile is None

    def takes(self, value: str) -> bool:
        """Whether a value fits: of an enum one of its named ones, of an integer one in its range.

        Some ranges of the real list contradict themselves; those refuse nothing.
        """
        if self.kind in (Kind.STRING, Kind.DATA):
            return True
        try:
            number = int(value)
        except ValueError:
            return False
        if self.texts:
            return number in self.texts
        if self.low is None or self.high is None or self.low >= self.high:
            return True
        return self.low <= number <= self.high

    def clamped(self, value: str) -> str:
        """The nearest value in range; the default for what is no number."""
        try:
            number = int(value)
        except ValueError:
            return self.default
        low, high = (min(self.texts), max(self.texts)) if self.texts else (self.low or 0, self.high or 0)
        return str(min(max(number, low), high))


Catalogue = Mapping[str, Parameter]
"""By name without prefix, in the device's order."""


@cache
def catalogue() -> Catalogue:
    """Every parameter of a HELO."""
    text = resources.files(__package__).joinpath("parameters.tsv").read_text(encoding="utf-8")
    return MappingProxyType({parameter.name: parameter for parameter in _with_copies(_rows(text))})


@cache
def plus_catalogue() -> Catalogue:
    """A HELO Plus as far as it is known: layouts as a source, and two durations more."""
    found = dict(catalogue())
    source = found["VideoInSelect"]
    found["VideoInSelect"] = replace(source, texts=MappingProxyType({**source.texts, 3: "Layout"}))
    numbers = MappingProxyType({number: str(number) for number in range(1, 11)})
    commands = MappingProxyType({0: "None", 1: "Recall", 2: "Store", 3: "Template"})
    extra = [
        Parameter("LayoutSelector", "layouts", Kind.ENUM, is_writable=True, default="1", texts=numbers),
        Parameter("LayoutCommand", "layouts", Kind.ENUM, is_writable=True, default="0", texts=commands),
        *(_layout_name(number) for number in numbers),
        Parameter("Stream1_Duration", "telemetry", Kind.STRING, default="00:00:00:00"),
        Parameter("Stream2_Duration", "telemetry", Kind.STRING, default="00:00:00:00"),
    ]
    return MappingProxyType(found | {parameter.name: parameter for parameter in extra})


def _layout_name(number: int) -> Parameter:
    return Parameter(
        f"LayoutName_{number}",
        "layouts",
        Kind.STRING,
        is_writable=True,
        survives_restart=True,
        default=f"Layout {number}",
    )


def _rows(text: str) -> Iterator[Parameter]:
    section = ""
    for line in text.splitlines():
        if line.startswith("["):
            section = line.strip("[]")
            continue
        name, access, flags, kind, low, high, default, values = line.split("\t")
        is_alarm = section == "alarms"
        yield Parameter(
            name,
            section,
            Kind(kind),
            is_writable=access == "RW",
            survives_restart="P" in flags,
            is_in_presets="S" in flags,
            low=int(low) if low else None,
            high=int(high) if high else None,
            default="" if is_alarm else default,
            texts=MappingProxyType({} if is_alarm else _texts(values)),
            label=values if is_alarm else "",
            severity=default if is_alarm else "",
        )


def _texts(values: str) -> dict[int, str]:
    pairs = (entry.strip().partition(" ") for entry in values.split("; ") if entry)
    return {int(number): text for number, _, text in pairs}


def _with_copies(rows: Iterator[Parameter]) -> Iterator[Parameter]:
    for row in rows:
        if not row.is_profile_field:
            yield row
            continue
        yield replace(row, is_in_presets=True)
        for number in range(1, PROFILES + 1):
            name = f"{row.name}_{number}"
            yield replace(row, name=name, survives_restart=True, is_in_presets=False, profile=number)
