"""The rules of live connections: limits, origin, subscriptions, what may wait for a client, message integrity.

Pure: no clock, no sockets. `app/api/sockets.py` carries the verdicts out.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn

from app.domain.errors import InvalidRequest, NotAuthenticated, TooManyRequests
from app.domain.secret import Secret

EVERYTHING: Final = "*"
"""Subscribed to instead of an id: all that the key may see."""
LABEL: Final = b"encoder-manager socket messages v1"
"""Keeps the key of the seal apart from every other use of the API key."""
_ID: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:-]{0,127}")


@dataclass(frozen=True, slots=True)
class SocketLimits:
    message_bytes: int = 100_000
    messages_per_s: int = 20
    authenticate_s: float = 8.0
    """A transport that has not shown a key by then is closed: within 10 seconds, with one sweep and a second of
    politeness on top."""
    sweep_s: float = 0.5
    recheck_s: float = 2.0
    """How often the keys of open connections are checked again."""
    rooms: int = 100
    outbox_messages: int = 256
    outbox_bytes: int = 1_000_000
    over_rate_forgiven: int = 200
    """Messages above the rate are dropped; after so many the client is disconnected."""


def origin_allowed(origin: str | None, *, host: str, scheme: str) -> bool:
    """Same origin only. A missing Origin is no browser; `null`, look-alikes and other ports are foreign."""
    return origin is None or origin.lower() == f"{scheme}://{host}".lower()


@dataclass(frozen=True, slots=True)
class Room:
    """What a client follows: `kind` is stream or encoder; `name` an id, or `*` for all it may see."""

    kind: str
    name: str


def room_of(asked: object) -> Room:
    """The room that `{"stream_id": ...}` or `{"encoder_id": ...}` names. Raises InvalidRequest."""
    if not isinstance(asked, dict) or len(asked) != 1:
        raise InvalidRequest('one entry is needed: {"stream_id": "..."} or {"encoder_id": "..."}')
    field_name, value = next(iter(asked.items()))
    kind = {"stream_id": "stream", "encoder_id": "encoder"}.get(field_name) if isinstance(field_name, str) else None
    if kind is None:
        raise InvalidRequest("only stream_id or encoder_id can be subscribed to")
    if not isinstance(value, str) or (value != EVERYTHING and not _ID.fullmatch(value)):
        raise InvalidRequest(f"{field_name} is no id")
    return Room(kind, value)


@dataclass(frozen=True, slots=True)
class Since:
    """The last change of a stream that a client was told. `log_id` None: it did not keep that."""

    seq: int
    log_id: str | None = None


def subscription_of(asked: object) -> tuple[Room, Since | None]:
    """The room, and for `{"stream_id": ..., "last_seq": ..., "log_id": ...}` what to go on after.

    Raises InvalidRequest.
    """
    if not isinstance(asked, dict) or "last_seq" not in asked:
        return room_of(asked), None
    room = room_of({name: value for name, value in asked.items() if name not in ("last_seq", "log_id")})
    seq, log_id = asked["last_seq"], asked.get("log_id")
    if room.kind != "stream" or room.name == EVERYTHING:
        raise InvalidRequest("last_seq goes with the id of one stream")
    if type(seq) is not int or seq < 0:
        raise InvalidRequest("last_seq is the number of a message: 0 or more")
    if log_id is not None and not (isinstance(log_id, str) and _ID.fullmatch(log_id)):
        raise InvalidRequest("log_id is no id")
    return room, Since(seq, log_id)


def join(rooms: set[Room], room: Room, limit: int) -> None:
    """Add `room`. Raises TooManyRequests when the client follows `limit` already."""
    if room not in rooms and len(rooms) >= limit:
        raise TooManyRequests(f"no more than {limit} subscriptions for one connection")
    rooms.add(room)


@dataclass(frozen=True, slots=True)
class Message:
    """One message to a client. `topic` not None: a reading, of which only the newest of its topic matters."""

    event: str
    data: Any
    size_bytes: int
    topic: str | None = None


@dataclass(slots=True)
class Outbox:
    """What waits for one client, bounded: newer readings replace older, then readings go, then the client."""

    max_messages: int
    max_bytes: int
    dropped: int = 0
    _waiting: OrderedDict[str | int, Message] = field(default_factory=OrderedDict)
    _bytes: int = 0
    _number: int = 0

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def size_bytes(self) -> int:
        return self._bytes

    def holds(self, messages: Sequence[Message]) -> bool:
        """Whether all of `messages` fit beside what waits and must be told."""
        needed = [old.size_bytes for old in self._waiting.values() if old.topic is None]
        needed += [message.size_bytes for message in messages]
        return len(needed) <= self.max_messages and sum(needed) <= self.max_bytes

    def offer(self, message: Message) -> bool:
        """Queue `message`. False: the client is too far behind to be told what it must know; disconnect it."""
        if message.topic is not None:
            self._remove(message.topic)
        while not self._fits(message):
            reading = next((name for name, old in self._waiting.items() if old.topic is not None), None)
            if reading is None:
                self.dropped += 1
                # A reading can be missed; a change that nobody is told of cannot.
                return message.topic is not None
            self._remove(reading)
            self.dropped += 1
        self._number += 1
        self._waiting[message.topic if message.topic is not None else self._number] = message
        self._bytes += message.size_bytes
        return True

    def take(self, count: int) -> list[Message]:
        """The oldest `count` messages, taken out."""
        taken: list[Message] = []
        while self._waiting and len(taken) < count:
            _, message = self._waiting.popitem(last=False)
            self._bytes -= message.size_bytes
            taken.append(message)
        return taken

    def _fits(self, message: Message) -> bool:
        return len(self._waiting) < self.max_messages and self._bytes + message.size_bytes <= self.max_bytes

    def _remove(self, name: str | int) -> None:
        old = self._waiting.pop(name, None)
        if old is not None:
            self._bytes -= old.size_bytes


class MessageSeal:
    """Makes the messages of one connection verifiable, for clients that ask for it.

    A sealed message is `{"body": <JSON text>, "n": <number>, "mac": <hex>}`. The numbers of each direction count
    1, 2, 3 ..., so a message that is replayed, left out or out of order does not verify. `mac` is HMAC-SHA-256 over
    connection (the Socket.IO id), direction (`client`, `server`, or `answer` for acknowledgements), event, number
    and body, joined by line feeds; its key is the HMAC-SHA-256 of `LABEL` under the API key. The body is signed as
    text, so no two JSON writers need to agree.
    """

    def __init__(self, key: Secret, connection: str) -> None:
        self._key = hmac.digest(key.reveal().encode("utf-8", "replace"), LABEL, "sha256")
        self._connection = connection
        self._sent = 0
        self._received = 0
        self.refused = 0

    def wrap(self, event: str, data: object) -> dict[str, object]:
        """`data` as the next message of the server."""
        self._sent += 1
        return self._sealed("server", event, self._sent, data)

    def answer(self, event: str, data: object) -> dict[str, object]:
        """`data` as the acknowledgement of the client's last message; it bears that one's number."""
        return self._sealed("answer", event, self._received, data)

    def _sealed(self, direction: str, event: str, number: int, data: object) -> dict[str, object]:
        body = json.dumps(data, separators=(",", ":"), allow_nan=False)
        return {"body": body, "n": number, "mac": self._mac(direction, event, number, body)}

    def unwrap(self, event: str, message: object) -> object:
        """What the client's next message says. Raises NotAuthenticated for one that is not it."""
        body, number, mac = self._parts(message)
        expected = self._mac("client", event, self._received + 1, body)
        # Bytes, because text that is not ASCII would make the comparison raise.
        if number != self._received + 1 or not hmac.compare_digest(
            mac.encode("utf-8", "replace"), expected.encode()
        ):
            self._refuse()
        self._received += 1
        try:
            return json.loads(body)
        except (ValueError, RecursionError):
            raise InvalidRequest("the sealed body is not JSON") from None

    def _parts(self, message: object) -> tuple[str, int, str]:
        if isinstance(message, dict) and message.keys() == {"body", "n", "mac"}:
            body, number, mac = message["body"], message["n"], message["mac"]
            if isinstance(body, str) and type(number) is int and isinstance(mac, str):
                return body, number, mac
        return self._refuse()

    def _refuse(self) -> NoReturn:
        self.refused += 1
        raise NotAuthenticated("this message does not verify: changed, replayed, out of order or not sealed")

    def _mac(self, direction: str, event: str, number: int, body: str) -> str:
        text = "\n".join((self._connection, direction, event, str(number), body))
        return hmac.new(self._key, text.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()
