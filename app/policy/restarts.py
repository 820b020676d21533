"""When a part that died is started again: at once the first time, then ever later, as long as it keeps dying.

Judges only; who starts and stops processes is `app/assembly/supervisor.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

FIRST_DELAY_S: Final = 0.2
"""Short enough that publishers of a restarted gateway reconnect within their window."""
LONGEST_DELAY_S: Final = 30.0
"""A part that cannot start costs two attempts a minute, and no more log than that."""
HEALTHY_AFTER_S: Final = 60.0
"""A part that lived this long starts again from the first delay."""


@dataclass(frozen=True, slots=True)
class Restarts:
    """History of one part: `count` restarts in all, `row` of them without a healthy life between."""

    count: int = 0
    row: int = 0

    def after_death(self, lived_s: float) -> Restarts:
        row = 1 if lived_s >= HEALTHY_AFTER_S else self.row + 1
        return replace(self, count=self.count + 1, row=row)

    @property
    def delay_s(self) -> float:
        """How long to wait before the next start; doubles with each death in a row."""
        if self.row == 0:
            return 0.0
        # The exponent is capped: 2.0 ** 1100 would overflow.
        return min(LONGEST_DELAY_S, FIRST_DELAY_S * 2.0 ** min(self.row - 1, 16))
