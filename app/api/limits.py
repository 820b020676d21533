"""How much one client may ask of the doors: every figure with its unit, and the books that count them."""

from __future__ import annotations

import ipaddress
from collections import Counter
from dataclasses import dataclass, field

from app.api.peers import Network
from app.api.registry import RateKind
from app.domain.errors import TooManyRequests
from app.policy.rates import GuessBlock, Rate, RateBook, RateVerdict

LOOPBACK: tuple[Network, ...] = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))


@dataclass(frozen=True, slots=True)
class DoorLimits:
    """Defaults of the product. Addresses in `exempt` are spared the cap for one address: the whole machine, or
    a proxy, stands behind them."""

    reads: Rate = Rate(600, 60.0)  # noqa: RUF009 - frozen
    writes: Rate = Rate(60, 60.0)  # noqa: RUF009 - frozen
    inits: Rate = Rate(10, 60.0)  # noqa: RUF009 - frozen
    public: Rate = Rate(1200, 60.0)  # noqa: RUF009 - frozen
    """What needs no key, for one address."""
    wrong_keys: Rate = Rate(5, 60.0)  # noqa: RUF009 - frozen
    handshakes: Rate = Rate(120, 60.0)  # noqa: RUF009 - frozen
    """New Socket.IO transports for one address."""
    connections: int = 2000
    connections_per_address: int = 50
    at_once_per_key: int = 20
    """Requests and Socket.IO clients of one key at the same time."""
    header_deadline_s: float = 10.0
    body_deadline_s: float = 30.0
    exempt: tuple[Network, ...] = LOOPBACK


@dataclass(slots=True)
class KeyLoad:
    """What each key does at this moment."""

    limit: int
    _busy: Counter[str] = field(default_factory=Counter)

    def enter(self, key_id: str) -> None:
        """Raises TooManyRequests when the key is busy enough; else call `leave` once done."""
        if self._busy[key_id] >= self.limit:
            raise TooManyRequests(
                f"this key already has {self.limit} requests and connections open",
                hint="close some, or use a key of its own for each program",
                retry_after_s=1.0,
            )
        self._busy[key_id] += 1

    def leave(self, key_id: str) -> None:
        self._busy[key_id] -= 1
        if self._busy[key_id] <= 0:
            del self._busy[key_id]


class RateBooks:
    """The books of one process, one for each kind of request."""

    def __init__(self, limits: DoorLimits) -> None:
        self._books = {
            RateKind.READ: RateBook(limits.reads),
            RateKind.WRITE: RateBook(limits.writes),
            RateKind.INIT: RateBook(limits.inits),
            RateKind.PUBLIC: RateBook(limits.public),
        }
        self.handshakes = RateBook(limits.handshakes)
        self.guesses = GuessBlock(limits.wrong_keys)

    def spend(self, kind: RateKind, subject: str, now: float) -> dict[str, str]:
        """Count one request of `subject`. Returns the headers that tell what is left; raises TooManyRequests."""
        book = self._books[kind]
        verdict = book.ask(subject, now)
        if not verdict.allowed:
            raise TooManyRequests(
                f"more than {book.rate.count} {kind} requests in {book.rate.per_s:g} s",
                retry_after_s=verdict.retry_after_s,
            )
        return rate_headers(kind, book.rate, verdict)


def rate_headers(kind: RateKind, rate: Rate, verdict: RateVerdict) -> dict[str, str]:
    """draft-ietf-httpapi-ratelimit-headers."""
    return {
        "RateLimit-Policy": f'"{kind}";q={rate.count};w={rate.per_s:g}',
        "RateLimit": f'"{kind}";r={verdict.remaining}',
    }
