"""Who may publish, play or encode: form of names, look-up by digest, and the limit on guessing. Pure.

A key is compared by its SHA-256 alone, in a dict: neither the time it takes nor any log tells how near a guess was.
"""

from __future__ import annotations

import hashlib
import re
from collections import OrderedDict
from datetime import datetime
from typing import Final
from urllib.parse import parse_qs

from app.domain.stream import ChannelPlan

KEY_FORM: Final = re.compile(r"[A-Za-z0-9_-]{16,128}")
PLAY_FORM: Final = re.compile(r"[A-Za-z0-9_-]{8,128}")
GUESSES_PER_MINUTE: Final = 5
FIRST_BLOCK_S: Final = 60.0
MAX_BLOCK_S: Final = 15 * 60.0
_MAX_ADDRESSES: Final = 10_000

NO_SUCH_KEY: Final = "stream key is not valid; check the key, or open a new stream"
EXPIRED: Final = "stream key has expired; open a new stream"
MALFORMED: Final = "stream key has a wrong form; copy it again from where it was shown"
STARTING: Final = "this gateway has just started and knows no streams yet; try again in a moment"
TOO_MANY: Final = "too many wrong keys from this address; wait and check the key"


def published_key(name: str) -> str | None:
    """The key in what an encoder gives as stream name: the name itself, or `key` in its query. None: malformed."""
    if len(name) > 1024:
        return None
    path, _, query = name.partition("?")
    given = parse_qs(query, max_num_fields=16).get("key") if query.count("&") < 16 else None
    key = given[0] if given else path
    return key if KEY_FORM.fullmatch(key) else None


def digest(secret: str) -> str:
    """SHA-256 of a key or token as the plan holds it."""
    return hashlib.sha256(secret.encode()).hexdigest()


def play_name(name: str) -> str | None:
    """A viewer's stream name without its query; None: malformed."""
    path = name.partition("?")[0]
    return path if PLAY_FORM.fullmatch(path) else None


def is_expired(plan: ChannelPlan, now: datetime) -> bool:
    return plan.key_expires_at is not None and now >= plan.key_expires_at


class GuessLimit:
    """Blocks an address after too many wrong keys in a minute; each further block is twice as long."""

    def __init__(self) -> None:
        self._addresses: OrderedDict[str, tuple[float, int, float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._addresses)

    def is_blocked(self, address: str, now_s: float) -> bool:
        known = self._addresses.get(address)
        return known is not None and now_s < known[2]

    def wrong(self, address: str, now_s: float) -> None:
        """One more wrong key."""
        since_s, count, until_s, block_s = self._addresses.pop(address, (now_s, 0, 0.0, FIRST_BLOCK_S))
        if now_s - since_s > 60:
            since_s, count = now_s, 0
        if until_s and now_s - until_s > MAX_BLOCK_S:
            block_s = FIRST_BLOCK_S
        count += 1
        if count >= GUESSES_PER_MINUTE:
            until_s, count, block_s = now_s + block_s, 0, min(MAX_BLOCK_S, block_s * 2)
        self._addresses[address] = (since_s, count, until_s, block_s)
        if len(self._addresses) > _MAX_ADDRESSES:
            self._addresses.popitem(last=False)

    def right(self, address: str) -> None:
        """A right key forgives what was mistyped before."""
        self._addresses.pop(address, None)
