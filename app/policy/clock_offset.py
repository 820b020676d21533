"""How far a peer's clock is from ours, by asking it for the time: the quickest of the last answers says it best.

Pure. An answer tells the offset but for half of the time it took, as in NTP (RFC 5905, 8): what the way there and
the way back differ by is not known. A clock counts as off only where that does not explain it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

ANSWERS_KEPT: Final = 8
OFF_S: Final = 0.05
RIGHT_S: Final = 0.04
"""Below it a clock that was off is right again."""


@dataclass(frozen=True, slots=True)
class Answer:
    """`offset_s`: peer's clock minus ours, were both ways equally long."""

    offset_s: float
    took_s: float


@dataclass(frozen=True, slots=True)
class Offset:
    """`error_s`: how much it may be off, either way."""

    offset_s: float
    error_s: float


def note(answers: tuple[Answer, ...], answer: Answer) -> tuple[Answer, ...]:
    """With the new one; an answer that makes no sense is left out."""
    if not math.isfinite(answer.offset_s) or not 0.0 <= answer.took_s < math.inf:
        return answers
    return (*answers, answer)[-ANSWERS_KEPT:]


def offset(answers: tuple[Answer, ...]) -> Offset | None:
    best = min(answers, key=lambda answer: answer.took_s, default=None)
    return None if best is None else Offset(best.offset_s, best.took_s / 2.0)


def is_off(found: Offset, *, was_off: bool) -> bool:
    if was_off:
        return abs(found.offset_s) >= RIGHT_S
    return abs(found.offset_s) - found.error_s > OFF_S
