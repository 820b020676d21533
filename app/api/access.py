"""Who is asking: reads the key, checks it, shuts guessers out. What a key may do is asked by the door."""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final, Protocol

from app.api.limits import RateBooks
from app.domain.access import Principal
from app.domain.errors import NotAuthenticated, TooManyRequests
from app.domain.secret import Secret

MAX_KEY_CHARS: Final = 512
"""No key of ours is longer; a longer text isn't hashed at all."""
MAX_REMEMBERED: Final = 10_000


class KeyChecker(Protocol):
    async def authenticate(self, text: str) -> Principal: ...


class Gatekeeper:
    """Checks keys for HTTP and Socket.IO alike, so that both count towards the same block.

    A blocked address may go on with keys it was let in with before: a script with a dead key must not shut out the
    other programs of its machine. New keys are not even looked at.

    New keys of one address are checked one after the other: else many that come at once would all be looked at
    before the first is known to be wrong.
    """

    def __init__(self, *, keys: KeyChecker, books: RateBooks, now: Callable[[], float]) -> None:
        self._keys = keys
        self._books = books
        self._now = now
        self._let_in: OrderedDict[tuple[str, bytes], None] = OrderedDict()
        self._turns: dict[str, tuple[asyncio.Lock, int]] = {}
        """For each address the turn, and how many have it or wait for it."""

    @property
    def waiting(self) -> int:
        """Addresses with new keys that are being checked."""
        return len(self._turns)

    async def admit(self, key: Secret, address: str) -> Principal:
        """The principal of `key`. Raises NotAuthenticated, or TooManyRequests while `address` is blocked."""
        text = key.reveal()
        known = (address, hashlib.sha256(text.encode("utf-8", "replace")).digest())
        if known in self._let_in:
            return await self._checked(text, known)
        async with self._turn(address):
            blocked_s = self._books.guesses.blocked_for_s(address, self._now())
            if blocked_s:
                raise too_many_guesses(blocked_s)
            if not text or len(text) > MAX_KEY_CHARS:
                raise self._wrong(address, NotAuthenticated("this is no API key"))
            return await self._checked(text, known)

    @asynccontextmanager
    async def _turn(self, address: str) -> AsyncIterator[None]:
        lock, users = self._turns.get(address, (asyncio.Lock(), 0))
        self._turns[address] = (lock, users + 1)
        try:
            async with lock:
                yield
        finally:
            lock, users = self._turns.pop(address)
            if users > 1:
                self._turns[address] = (lock, users - 1)

    async def _checked(self, text: str, known: tuple[str, bytes]) -> Principal:
        try:
            who = await self._keys.authenticate(text)
        except NotAuthenticated as error:
            self._let_in.pop(known, None)
            raise self._wrong(known[0], error) from None
        self._let_in[known] = None
        self._let_in.move_to_end(known)
        if len(self._let_in) > MAX_REMEMBERED:
            self._let_in.popitem(last=False)
        return who

    async def still_valid(self, key: Secret) -> bool:
        """Is a key that was let in still good? Never counts as a guess."""
        try:
            await self._keys.authenticate(key.reveal())
        except NotAuthenticated:
            return False
        return True

    def _wrong(self, address: str, error: NotAuthenticated) -> NotAuthenticated:
        self._books.guesses.wrong_key(address, self._now())
        return error


def too_many_guesses(blocked_s: float) -> TooManyRequests:
    return TooManyRequests(
        "too many wrong keys came from this address",
        hint="wait, then use a key that is valid",
        retry_after_s=blocked_s,
    )


def bearer(values: Sequence[str]) -> Secret:
    """The key in the Authorization headers `values`. Raises NotAuthenticated unless it is exactly one bearer."""
    if not values:
        raise NotAuthenticated("no API key was sent")
    if len(values) > 1:
        raise NotAuthenticated("more than one Authorization header was sent")
    scheme, _, text = values[0].partition(" ")
    if scheme.lower() != "bearer" or not text.strip():
        raise NotAuthenticated("the Authorization header is not 'Bearer <api key>'")
    return Secret(text.strip())
