"""How many frames a worker dropped lately, from its running total. Pure, bounded.

A total only grows: a worker that dropped some in a bad minute days ago is well today.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

LATELY_S: Final = 300.0
MARK_EACH_S: Final = 15.0


@dataclass(frozen=True, slots=True)
class RecentDrops:
    """`marks`: monotonic seconds and the total then, oldest first, of the worker of `generation`; 0: none yet."""

    generation: int = 0
    marks: tuple[tuple[float, int], ...] = ()

    def note(self, total: int | None, generation: int, now: float) -> RecentDrops:
        """Call it about each second. `total` None: not known, which says nothing."""
        if total is None:
            return self
        if not self.generation:
            # Control has just begun: when the worker dropped them is not known.
            return RecentDrops(generation, ((now, total),))
        if generation != self.generation or (self.marks and total < self.marks[-1][1]):
            # Another worker, or one that began anew: all that it dropped is of lately.
            return RecentDrops(generation, ((now, 0),))
        if self.marks and now - self.marks[-1][0] < MARK_EACH_S:
            return self
        kept = tuple(mark for mark in self.marks if now - mark[0] < LATELY_S)
        return RecentDrops(generation, (*kept, (now, total)))

    def lately(self, total: int | None) -> int | None:
        """Of the present `total`; None: not known."""
        return None if total is None or not self.marks else max(0, total - self.marks[0][1])
