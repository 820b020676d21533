"""How long something has been so, from looks taken now and then. Pure; what `so` means is the caller's business.

All times are milliseconds of the stream's timeline, on which source and programme lie over each other.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final

KEPT: Final = 64
SHARE: Final = 0.8
"""Of the looks within the time in question: one flash in five looks ends no black."""
STALE_MS: Final = 4_000
"""After a look what it saw is believed for so long: key frames come each 2 s, looks a moment later."""
GONE_MS: Final = 15_000
"""Without a look for so long nothing is held against anybody any more."""
CLEAR_MS: Final = 2_000
CLEAR_LOOKS: Final = 2
"""What is over is over when two looks so far apart say it."""


class Run:
    """Looks at one property of one side: True it is bad, False it is surely well, None neither can be said."""

    def __init__(self) -> None:
        self._looks: deque[tuple[int, bool | None]] = deque(maxlen=KEPT)

    def add(self, at_ms: int, is_bad: bool | None) -> None:
        """Looks come in the order of their time; one from before the last is of a line that began anew."""
        if self._looks and at_ms <= self._looks[-1][0]:
            self._looks.clear()
        self._looks.append((at_ms, is_bad))

    def clear(self) -> None:
        self._looks.clear()

    @property
    def last_ms(self) -> int | None:
        return self._looks[-1][0] if self._looks else None

    @property
    def is_bad_now(self) -> bool:
        return bool(self._looks) and self._looks[-1][1] is True

    def bad_for_ms(self, now_ms: int, hold_ms: int) -> int | None:
        """How long it has been bad at `now_ms`, when that is `hold_ms` or more, else None."""
        looks = tuple(self._looks)
        if not looks or now_ms - looks[-1][0] > STALE_MS:
            return None
        at = next((place for place in range(len(looks) - 1, -1, -1) if looks[place][0] <= now_ms - hold_ms), None)
        if at is None or looks[at][1] is not True or looks[-1][1] is not True or _share(looks[at:], True) < SHARE:
            return None
        while at > 0 and looks[at - 1][1] is True:
            at -= 1
        return now_ms - looks[at][0]

    def agrees(self, from_ms: int, now_ms: int) -> bool | None:
        """Whether it was bad, or surely well, from then on; None: it was neither, or nobody looked."""
        looks = [look for look in self._looks if from_ms <= look[0] <= now_ms]
        for answer in (True, False):
            if looks and _share(looks, answer) >= SHARE:
                return answer
        return None

    def is_over(self, now_ms: int) -> bool:
        """What was bad is so no more, or nobody could look for long."""
        if not self._looks or now_ms - self._looks[-1][0] > GONE_MS:
            return True
        lately = list(self._looks)[-CLEAR_LOOKS:]
        if len(lately) < CLEAR_LOOKS or any(is_bad for _, is_bad in lately):
            return False
        since = lately[0][0]
        for at_ms, is_bad in reversed(self._looks):
            if is_bad:
                break
            since = at_ms
        return lately[-1][0] - since >= CLEAR_MS


def _share(looks: Sequence[tuple[int, bool | None]], answer: bool) -> float:
    return sum(is_bad is answer for _, is_bad in looks) / len(looks)
