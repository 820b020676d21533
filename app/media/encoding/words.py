"""What the gateway says to the worker itself, as data messages on the source it plays.

The contract is in docs/architecture.md. A word counts only with the nonce that this worker chose: everything else
on the same road is the publisher's and could say anything. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, TypeVar

from aiortmp import MediaMessage, MessageType, ProtocolError, amf0
from app.domain.stream import SlateMode, StandbyGrade

Choice = TypeVar("Choice", SlateMode, StandbyGrade)
StartAfter = Mapping[str, int | None]
"""For each track the last time that was sent already; None: nothing was."""


@dataclass(frozen=True, slots=True)
class FeedStart:
    """Speak, from the packets that follow; what is inside is thrown away."""

    generation: int
    start_after: StartAfter


@dataclass(frozen=True, slots=True)
class Standby:
    """Stand ready, as `grade` says. `start_after` is for active-active."""

    generation: int
    grade: StandbyGrade
    start_after: StartAfter = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Speak:
    """Speak, from what was decoded already."""

    generation: int
    start_after: StartAfter


@dataclass(frozen=True, slots=True)
class Slate:
    """The publisher is gone: pictures and silence from `from_ms` of the timeline on, until packets come."""

    mode: SlateMode
    from_ms: int | None


Word = FeedStart | Standby | Speak | Slate

_FEED_START: Final = "onFeedStart"
_STANDBY: Final = "onStandby"
_SPEAK: Final = "onSpeak"
_SLATE: Final = "onSlate"
_BEGINNINGS: Final = tuple(amf0.encode([name]) for name in (_FEED_START, _STANDBY, _SPEAK, _SLATE))
"""Nothing else is parsed: a publisher's data is large, or made to hurt parsers."""


def read_word(message: MediaMessage, nonce: str) -> Word | None:
    """The word in a data message; None when it is none, or not for this worker.

    Raises ProtocolError for a word that can't be understood.
    """
    if message.type is not MessageType.DATA or not message.payload.startswith(_BEGINNINGS):
        return None
    try:
        values = amf0.decode(message.payload)
    except ProtocolError:
        return None  # the publisher's
    if len(values) < 2 or not isinstance(values[1], Mapping):
        return None
    name, said = values[0], values[1]
    if said.get("nonce") != nonce:
        return None
    return _word(str(name), said)


def _word(name: str, said: Mapping[str, amf0.Value]) -> Word:
    if name == _SLATE:
        return Slate(_one_of(SlateMode, said, "mode"), _optional_ms(said.get("from_ms")))
    generation = said.get("generation")
    if not isinstance(generation, int | float):
        raise ProtocolError(f"{name} lacks its generation")
    if name == _STANDBY:
        after = _start_after(name, said) if "start_after" in said else {}
        return Standby(int(generation), _one_of(StandbyGrade, said, "grade"), after)
    kind = FeedStart if name == _FEED_START else Speak
    return kind(int(generation), _start_after(name, said))


def _start_after(name: str, said: Mapping[str, amf0.Value]) -> StartAfter:
    after = said.get("start_after")
    if not isinstance(after, Mapping):
        raise ProtocolError(f"{name} lacks start_after")
    return {track: _optional_ms(ms) for track, ms in after.items()}


def _optional_ms(value: amf0.Value) -> int | None:
    return int(value) if isinstance(value, int | float) else None


def _one_of(kind: type[Choice], said: Mapping[str, amf0.Value], name: str) -> Choice:
    try:
        return kind(str(said.get(name)))
    except ValueError as error:
        raise ProtocolError(f"unknown {name}: {said.get(name)}") from error
