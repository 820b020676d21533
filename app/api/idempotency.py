"""`Idempotency-Key`: the same request twice has one effect and one answer.

Answers are kept in memory only, for they may hold a secret that is shown once. So a restart forgets them: the
promise holds for as long as this process lives, at most an hour.
"""

from __future__ import annotations

import hashlib
import re
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from app.api.problems import MalformedRequest
from app.domain.errors import Conflict, InvalidRequest, TooManyRequests

KEEP_S: Final = 3600.0
MAX_ANSWERS: Final = 1024
_FORM: Final = re.compile(r'"?[\x21\x23-\x7e]{1,128}"?')


@dataclass(slots=True)
class _Entry:
    asked: bytes
    since: float
    answer: bytes | None = None


class IdempotencyBook:
    """Bounded; the oldest finished answer goes first."""

    def __init__(self, *, keep_s: float = KEEP_S, max_answers: int = MAX_ANSWERS) -> None:
        self._keep_s = keep_s
        self._max = max_answers
        self._entries: OrderedDict[tuple[str, str], _Entry] = OrderedDict()

    def begin(self, key_id: str, name: str, asked: bytes, now: float) -> bytes | None:
        """The answer given before, or None: carry it out, then call `finish` or `give_up`.

        Raises Conflict while the first one runs, InvalidRequest when it asked for something else.
        """
        if not _FORM.fullmatch(name):
            raise MalformedRequest("the Idempotency-Key is not 1 to 128 visible ASCII characters")
        self._forget_old(now)
        digest = hashlib.sha256(asked).digest()
        entry = self._entries.get((key_id, name))
        if entry is None:
            self._make_room()
            self._entries[(key_id, name)] = _Entry(digest, now)
            return None
        if entry.asked != digest:
            raise InvalidRequest(
                "this Idempotency-Key was used for another request", hint="use a new key for a new request"
            )
        if entry.answer is None:
            raise Conflict("the first request with this Idempotency-Key still runs", retry_after_s=1.0)
        return entry.answer

    def finish(self, key_id: str, name: str, answer: bytes) -> None:
        entry = self._entries.get((key_id, name))
        if entry is not None:
            entry.answer = answer

    def give_up(self, key_id: str, name: str) -> None:
        """It failed: the same key may try again."""
        self._entries.pop((key_id, name), None)

    def _forget_old(self, now: float) -> None:
        while self._entries:
            name, entry = next(iter(self._entries.items()))
            if entry.answer is None or now - entry.since < self._keep_s:
                return
            del self._entries[name]

    def _make_room(self) -> None:
        if len(self._entries) < self._max:
            return
        done = next((name for name, entry in self._entries.items() if entry.answer is not None), None)
        if done is None:
            raise TooManyRequests("too many requests with an Idempotency-Key run at once", retry_after_s=1.0)
        del self._entries[done]
