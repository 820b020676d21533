"""What a node and its worker child say to each other: one order in, then new rates; lines of figures out.

JSON, one record a line.

The order holds the worker's token and therefore travels through a pipe, never in arguments or the environment.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Final

from app.domain.errors import InvalidRequest
from app.domain.secret import Secret
from app.domain.stream import EncodeSettings, WorkerOrder
from app.runtime.records import TIMES, Leaf, RecordError, from_plain, to_plain

MAX_LINE_BYTES: Final = 64 * 1024
_MAX_TEXT_CHARS: Final = 300
"""JSON makes at most 12 bytes of each."""
_LEAVES: Final = {**TIMES, Secret: Leaf(Secret.reveal, Secret)}


class ExitCode(IntEnum):
    """How a worker child ends. Anything else is a crash or a signal."""

    DONE = 0
    """Stopped, or the source is over and all of it is sent."""
    BAD_ORDER = 2
    REFUSED = 3
    """The gateway does not take this worker: wrong token, or an old generation."""
    LOST = 4
    """No connection to the gateway, or it ended."""
    FAILED = 5
    """Encoding failed."""
    BEHIND = 6
    """The source came faster than this machine encodes, beyond what can be held."""


@dataclass(frozen=True, slots=True)
class Figures:
    """`waiting` packets are not decoded yet. None: no frame since the figures before."""

    frames_encoded: int
    frames_dropped: int
    speed: float | None
    latency_ms: float | None
    waiting: int
    codec: str


@dataclass(frozen=True, slots=True)
class Farewell:
    """Last line of a worker that ends by itself."""

    exit_code: int
    reason: str


@dataclass(frozen=True, slots=True)
class Problem:
    """Something about the source that a person should know; the work goes on."""

    text: str


@dataclass(frozen=True, slots=True)
class NewRates:
    """Answer to an order of new rates. `refusal` says why they can't be had; None: they are."""

    refusal: str | None


Line = Figures | Farewell | Problem | NewRates


def order_line(order: WorkerOrder) -> bytes:
    return json.dumps(to_plain(order, _LEAVES)).encode() + b"\n"


def read_order(line: bytes) -> WorkerOrder:
    """Raises InvalidRequest; its text never holds the token."""
    try:
        return from_plain(WorkerOrder, json.loads(line), _LEAVES)
    except (RecordError, ValueError) as error:
        kind = error if isinstance(error, RecordError) else type(error).__name__
        raise InvalidRequest(f"the worker order can't be read: {kind}") from None


def rates_line(encode: EncodeSettings) -> bytes:
    """To a running child: go on with these."""
    return json.dumps(to_plain(encode)).encode() + b"\n"


def read_rates(line: bytes) -> EncodeSettings:
    """Raises InvalidRequest."""
    try:
        return from_plain(EncodeSettings, json.loads(line))
    except ValueError as error:
        raise InvalidRequest(f"the new rates can't be read: {type(error).__name__}") from None


def report_line(line: Line) -> bytes:
    """Shorter than PIPE_BUF (4096 bytes), so that a pipe takes it whole or not at all."""
    match line:
        case Farewell():
            line = replace(line, reason=line.reason[:_MAX_TEXT_CHARS])
        case Problem():
            line = Problem(line.text[:_MAX_TEXT_CHARS])
        case NewRates(refusal=str(refusal)):
            line = NewRates(refusal[:_MAX_TEXT_CHARS])
    return json.dumps(to_plain(line)).encode() + b"\n"


def read_report(line: bytes) -> Line | None:
    """None for anything that is no report: a child's stray output must not hurt its node."""
    try:
        return from_plain(Line, json.loads(line))  # type: ignore[arg-type]  # a union is no type[R] to mypy
    except ValueError:
        return None
