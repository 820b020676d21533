"""What a HELO says of its own parameters, and what follows for what it can do. Pure but for the cache.

Printed ranges are sometimes wrong, so they are hints: none refuses a value that the device itself told. A Plus is
known by the ids it has, not by its name.
"""

from __future__ import annotations

import asyncio
import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from app.adapters.encoders.helo.wire import PREFIX, Garbled
from app.domain.encoder import Capabilities, CodecProbe

_WIDEST, _HIGHEST, _FASTEST_FPS = 1920, 1080, 60
"""Of the makers' data sheet: what stands in for a range that makes no sense."""
_MOST: Final = 10_000
_MANY_DEVICES: Final = 2_000
_NAME: Final = re.compile(r"[A-Za-z0-9_]{1,100}")
"""They go into addresses and logs as they are."""


@dataclass(frozen=True, slots=True)
class Descriptors:
    """`ids` and `alarms` without prefix. Sizes in pixels, `video_kbps` lowest and highest."""

    ids: frozenset[str]
    alarms: tuple[str, ...]
    width: int
    height: int
    video_kbps: tuple[int, int]
    encodes_h264: bool
    is_plus: bool


def read_descriptors(body: bytes) -> Descriptors:
    """Raises Garbled where it is no list of parameters of this device; single strange entries are passed over."""
    try:
        entries = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Garbled("the descriptors are no JSON") from error
    if not isinstance(entries, list) or len(entries) > _MOST:
        raise Garbled("the descriptors are no list")
    known = {_id(entry): entry for entry in entries if isinstance(entry, dict) and _id(entry)}
    if "ReplicatorCommand" not in known:
        raise Garbled("the descriptors are not those of an encoder")
    return Descriptors(
        ids=frozenset(known),
        alarms=tuple(sorted(i for i, entry in known.items() if _is_alarm(i, entry))),
        width=_highest(known.get("StreamingWidth"), _WIDEST),
        height=_highest(known.get("StreamingHeight"), _HIGHEST),
        video_kbps=(_number(known.get("StreamingVideoBitrate"), "min_value", 100),
                    _highest(known.get("StreamingVideoBitrate"), 20_000)),
        encodes_h264="EncodeType" not in known or "H.264" in _texts(known["EncodeType"]),
        is_plus="LayoutSelector" in known,
    )  # fmt: skip


def capabilities(found: Descriptors, *, firmware: str) -> Capabilities:
    """What the manager can plan with. It has neither cores nor memory of its own to tell of.

    A Plus has a second stream, but no document names what starts it: one is what can be promised.
    """
    reason = None if found.encodes_h264 else "its descriptors name another codec"
    return Capabilities(
        cpu_model=None,
        cpu_cores=None,
        memory_bytes=None,
        gpus=(),
        probes=(CodecProbe("h264", found.encodes_h264, reason),),
        max_streams=1,
        capacity_pixels_per_s=float(found.width * found.height * _FASTEST_FPS),
        build=f"{'helo_plus' if found.is_plus else 'helo'} {firmware}",
    )


class DescriptorCache:
    """Descriptors by serial number and firmware: fetching them takes a device seconds. Shared by all drivers."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, str], Descriptors] = OrderedDict()
        self._turn = asyncio.Lock()

    async def read(self, body: bytes) -> Descriptors:
        """Beside the event loop, one list at a time: it takes tens of milliseconds, and a fleet starts at once.

        Raises Garbled.
        """
        async with self._turn:
            return await asyncio.to_thread(read_descriptors, body)

    def get(self, serial: str, firmware: str) -> Descriptors | None:
        return self._known.get((serial, firmware))

    def put(self, serial: str, firmware: str, found: Descriptors) -> None:
        """Devices whose lists are the same share one: a list is a hundred kilobytes."""
        same = next((known for known in self._known.values() if known == found), found)
        self._known[serial, firmware] = same
        if len(self._known) > _MANY_DEVICES:
            self._known.popitem(last=False)


def _id(entry: Mapping[str, Any]) -> str:
    name = entry.get("param_id")
    return name.removeprefix(PREFIX) if isinstance(name, str) and _NAME.fullmatch(name) else ""


def _is_alarm(param_id: str, entry: Mapping[str, Any]) -> bool:
    classes = entry.get("class_names")
    is_marked = isinstance(classes, list) and "alarm" in classes
    return entry.get("param_type") == "data" and (is_marked or param_id.endswith("Alarm"))


def _number(entry: Mapping[str, Any] | None, key: str, otherwise: int) -> int:
    value = (entry or {}).get(key)
    return value if isinstance(value, int) and value > 0 else otherwise


def _highest(entry: Mapping[str, Any] | None, otherwise: int) -> int:
    highest = _number(entry, "max_value", otherwise)
    return highest if highest > _number(entry, "min_value", 1) else otherwise


def _texts(entry: Mapping[str, Any]) -> Sequence[str]:
    values = entry.get("enum_values")
    return [str(v.get("text")) for v in values if isinstance(v, dict)] if isinstance(values, list) else []
