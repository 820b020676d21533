"""What crosses the link: one JSON object in each text frame. Text in, frames out; no sockets here.

Up: `{"hello": hello}`, `{"done": n}`, `{"failed": n, "code": c, "detail": d}`, `{"fact": fact}`,
`{"clock": n, "at": seconds}` in answer to being asked for the time.
Down: `{"welcome": {"epoch": e}}` in answer to the hello, `{"order": n, "body": order, "epoch": e}`,
`{"ask_clock": n}`, which a peer of an older version does not answer. The epoch says
under which reign control speaks; who has heard of a newer one refuses it. A control without a lease has none.
Records travel as `app/runtime/records.py` writes them.
The link is private to one installation (token, and TLS where it leaves the machine): worker tokens travel as text.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, cast

import orjson

from app.domain.errors import ManagerError
from app.domain.link import Fact, Hello, Order
from app.domain.secret import Secret
from app.runtime.records import TIMES, Leaf, Leaves, RecordError, from_plain, to_plain

MAX_FRAME_BYTES: Final = 4 * 1024 * 1024
"""Room for the hello of a gateway with some ten thousand channels."""
MAX_DETAIL_CHARS: Final = 1_000
REFUSED: Final = 1008
"""Code of a close by which control sends a peer away; its reason is for the peer's log (RFC 6455, 7.4.1)."""
MAX_REASON_BYTES: Final = 123
"""RFC 6455, 5.5: what a close frame has room for after its code."""

_LEAVES: Final[Leaves] = {**TIMES, Secret: Leaf(Secret.reveal, Secret)}


class FrameError(ValueError):
    """The text is no frame of this link."""


@dataclass(frozen=True, slots=True)
class HelloFrame:
    hello: Hello


@dataclass(frozen=True, slots=True)
class WelcomeFrame:
    epoch: int


@dataclass(frozen=True, slots=True)
class OrderFrame:
    number: int
    order: Order
    epoch: int | None = None


@dataclass(frozen=True, slots=True)
class DoneFrame:
    number: int


@dataclass(frozen=True, slots=True)
class FailedFrame:
    number: int
    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class FactFrame:
    fact: Fact


@dataclass(frozen=True, slots=True)
class AskClockFrame:
    number: int


@dataclass(frozen=True, slots=True)
class ClockFrame:
    """`at`: seconds since 1970 (UTC) by the peer's clock."""

    number: int
    at: float


@dataclass(frozen=True, slots=True)
class UnknownFrame:
    """A frame, order or fact of a newer peer. `number` is set when an answer is owed."""

    what: str
    number: int | None = None


Frame = (
    HelloFrame
    | WelcomeFrame
    | OrderFrame
    | DoneFrame
    | FailedFrame
    | FactFrame
    | AskClockFrame
    | ClockFrame
    | UnknownFrame
)


def write(frame: Frame) -> str:
    match frame:
        case HelloFrame(hello):
            plain: dict[str, Any] = {"hello": to_plain(hello, _LEAVES)}
        case WelcomeFrame(epoch):
            plain = {"welcome": {"epoch": epoch}}
        case OrderFrame(number, order, epoch):
            plain = {"order": number, "body": to_plain(order, _LEAVES)}
            if epoch is not None:
                plain["epoch"] = epoch
        case DoneFrame(number):
            plain = {"done": number}
        case FailedFrame(number, code, detail):
            plain = {"failed": number, "code": code, "detail": detail[:MAX_DETAIL_CHARS]}
        case FactFrame(fact):
            plain = {"fact": to_plain(fact, _LEAVES)}
        case AskClockFrame(number):
            plain = {"ask_clock": number}
        case ClockFrame(number, at):
            plain = {"clock": number, "at": at}
        case UnknownFrame():
            raise FrameError("an unknown frame is never sent")
    return orjson.dumps(plain).decode()


def read(text: str) -> Frame:
    """Raises FrameError for text that no peer of any version sends."""
    try:
        plain = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise FrameError(f"not JSON: {error}") from None
    if not isinstance(plain, dict):
        raise FrameError("an object is needed")
    if "fact" in plain:
        return _fact(plain["fact"])
    if "done" in plain:
        return DoneFrame(_number(plain["done"]))
    if "failed" in plain:
        return FailedFrame(_number(plain["failed"]), _text(plain, "code"), _text(plain, "detail"))
    if "order" in plain:
        return _order(_number(plain["order"]), plain.get("body"), plain.get("epoch"))
    if "welcome" in plain:
        return _welcome(plain["welcome"])
    if "ask_clock" in plain:
        return AskClockFrame(_number(plain["ask_clock"]))
    if "clock" in plain:
        return ClockFrame(_number(plain["clock"]), _time(plain.get("at")))
    if "hello" in plain:
        return _hello(plain["hello"])
    return UnknownFrame("frame")


def _fact(plain: Any) -> Frame:
    try:
        return FactFrame(from_plain(cast(type[Fact], Fact), plain, _LEAVES))
    except RecordError as error:
        return UnknownFrame(f"fact: {error}")


def _welcome(plain: Any) -> Frame:
    if not isinstance(plain, dict):
        raise FrameError("welcome: an object is needed")
    return WelcomeFrame(_number(plain.get("epoch")))


def _order(number: int, plain: Any, epoch: Any) -> Frame:
    spoken_under = None if epoch is None else _number(epoch)
    try:
        return OrderFrame(number, from_plain(cast(type[Order], Order), plain, _LEAVES), spoken_under)
    except RecordError as error:
        return UnknownFrame(f"order: {error}", number)


def _hello(plain: Any) -> Frame:
    try:
        return HelloFrame(from_plain(cast(type[Hello], Hello), plain, _LEAVES))
    except RecordError as error:
        raise FrameError(f"hello: {error}") from None


def _number(plain: Any) -> int:
    if type(plain) is not int:
        raise FrameError("a number is needed")
    return plain


def _time(plain: Any) -> float:
    if type(plain) not in (int, float):
        raise FrameError("a time is needed")
    return float(plain)


def _text(plain: dict[str, Any], name: str) -> str:
    value = plain.get(name)
    if not isinstance(value, str):
        raise FrameError(f"{name}: text is needed")
    return value


def _codes(kind: type[ManagerError]) -> dict[str, type[ManagerError]]:
    found = {kind.code: kind}
    for child in kind.__subclasses__():
        found |= _codes(child)
    return found


_ERRORS: Final = _codes(ManagerError)


def error_of(frame: FailedFrame) -> ManagerError:
    """The error the peer answered with; a code of a newer peer becomes the root of the tree."""
    return _ERRORS.get(frame.code, ManagerError)(frame.detail)
