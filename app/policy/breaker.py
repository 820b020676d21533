"""When a device that does not answer is left in peace, and when it is tried again: a circuit breaker, pure.

Closed, every call may go. After `OPENS_AFTER` failures in a row it opens: no call goes for a while that doubles
each time it opens again, up to `LONGEST_REST_S`. Then one call goes as a probe: its success closes the breaker,
its failure opens it again. What counts as a failure is the caller's to say: no answer does, a "no" does not.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

OPENS_AFTER: Final = 5
FIRST_REST_S: Final = 5.0
LONGEST_REST_S: Final = 60.0
"""A device that came back is seen a minute later at the latest."""
JITTER: Final = 0.2
"""Share by which a rest is longer at most, so that devices behind one switch do not all come back in one second."""
PROBE_S: Final = 60.0
"""A probe that never told how it ended is forgotten after so long, or nobody would ever try again."""


@dataclass(frozen=True, slots=True)
class Breaker:
    """One device's. Each method gives the breaker that follows; `now` is in monotonic seconds."""

    failures: int = 0
    """In a row."""
    openings: int = 0
    """In a row, without a success between."""
    rests_until: float | None = None
    """None: closed."""
    probe_since: float | None = None

    @property
    def is_open(self) -> bool:
        return self.rests_until is not None

    def wait_s(self, now: float) -> float:
        """How long until a call may go; 0: now."""
        if self.rests_until is None:
            return 0.0
        if now < self.rests_until:
            return self.rests_until - now
        if self.probe_since is not None:
            return max(0.0, self.probe_since + PROBE_S - now)
        return 0.0

    def began(self, now: float) -> Breaker:
        """A call goes out. While open it is the probe, and the only one."""
        return self if self.rests_until is None else replace(self, probe_since=now)

    def abandoned(self) -> Breaker:
        """The call was given up by its caller: nothing was learnt, and the next one may go in its place."""
        return replace(self, probe_since=None)

    def succeeded(self) -> Breaker:
        return Breaker()

    def failed(self, now: float, dice: float) -> Breaker:
        """`dice`: a random number from 0 to 1, which is where the jitter comes from."""
        failures = self.failures + 1
        if self.rests_until is None and failures < OPENS_AFTER:
            return replace(self, failures=failures)
        # The exponent is capped: 2.0 ** 1100 would overflow.
        rest_s = min(LONGEST_REST_S, FIRST_REST_S * 2.0 ** min(self.openings, 16))
        return Breaker(failures, self.openings + 1, now + rest_s * (1.0 + JITTER * dice))
