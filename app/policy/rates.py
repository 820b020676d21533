"""How often someone may ask, and when an address that guesses keys is shut out.

Decides from `now` alone and holds bounded state. Who is asked about (key, address, client) and what the answer
looks like is left to the doors.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

MAX_SUBJECTS: Final = 10_000
"""Subjects remembered at once; the one unseen for longest is forgotten first."""


@dataclass(frozen=True, slots=True)
class Rate:
    """`count` in any `per_s` seconds, all of them at once if need be."""

    count: int
    per_s: float


@dataclass(frozen=True, slots=True)
class RateVerdict:
    """`remaining` more would be allowed now; `retry_after_s` is 0 when this one is."""

    allowed: bool
    remaining: int
    retry_after_s: float


class RateBook:
    """One rate for many subjects: the generic cell rate algorithm (ITU-T I.371), one number for each subject."""

    def __init__(self, rate: Rate, *, max_subjects: int = MAX_SUBJECTS) -> None:
        self.rate = rate
        self._interval_s = rate.per_s / rate.count
        self._max_subjects = max_subjects
        self._full_at: OrderedDict[str, float] = OrderedDict()
        """When the subject's allowance is whole again."""

    def ask(self, subject: str, now: float) -> RateVerdict:
        """May `subject` do it once more now? Asking counts if the answer is yes."""
        full_at = max(self._full_at.get(subject, now), now)
        after = full_at + self._interval_s
        # Half an interval is never gained by rounding; a whole one must not be lost to it.
        room_s = self.rate.per_s - (after - now) + self._interval_s * 1e-6
        if room_s < 0:
            return RateVerdict(False, 0, -room_s)
        self._full_at[subject] = after
        self._full_at.move_to_end(subject)
        if len(self._full_at) > self._max_subjects:
            self._full_at.popitem(last=False)
        return RateVerdict(True, math.floor(room_s / self._interval_s), 0.0)

    def forget(self, subject: str) -> None:
        self._full_at.pop(subject, None)


@dataclass(slots=True)
class _Guesser:
    since: float
    wrong: int = 0
    blocked_until: float = 0.0
    blocks: int = 0


class GuessBlock:
    """Shuts out an address that shows too many wrong keys, each time for twice as long.

    Defaults: 5 wrong keys in 60 s, then 15 minutes, at most a day. A clean day clears the record.
    """

    def __init__(
        self,
        rate: Rate = Rate(5, 60.0),
        *,
        block_s: float = 900.0,
        max_block_s: float = 86_400.0,
        max_subjects: int = MAX_SUBJECTS,
    ) -> None:
        self._rate = rate
        self._block_s = block_s
        self._max_block_s = max_block_s
        self._max_subjects = max_subjects
        self._guessers: OrderedDict[str, _Guesser] = OrderedDict()

    def blocked_for_s(self, address: str, now: float) -> float:
        """Seconds until `address` may try a key again; 0 when it may now."""
        guesser = self._guessers.get(address)
        return max(0.0, guesser.blocked_until - now) if guesser else 0.0

    def wrong_key(self, address: str, now: float) -> float:
        """`address` showed a wrong key. Returns what `blocked_for_s` is from now on."""
        guesser = self._guessers.get(address)
        if guesser is None or now - max(guesser.since, guesser.blocked_until) > self._max_block_s:
            guesser = self._guessers[address] = _Guesser(since=now)
        elif now - guesser.since > self._rate.per_s:
            guesser.since, guesser.wrong = now, 0
        self._guessers.move_to_end(address)
        if len(self._guessers) > self._max_subjects:
            self._guessers.popitem(last=False)
        guesser.wrong += 1
        if guesser.wrong >= self._rate.count:
            guesser.blocked_until = now + min(self._block_s * 2**guesser.blocks, self._max_block_s)
            # Counted up to where doubling has long met the limit.
            guesser.blocks = min(guesser.blocks + 1, 32)
            guesser.since, guesser.wrong = now, 0
        return self.blocked_for_s(address, now)
