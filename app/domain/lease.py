"""The right to act alone, for a while: who holds it, and under which number."""

from __future__ import annotations

from dataclasses import dataclass

CONTROL = "control"
"""The lease that says which control acts."""


@dataclass(frozen=True, slots=True)
class Lease:
    """As the store has it. `epoch` grows with every holder, with one that came back too.

    `expires_us` is by the store's clock and another one after each renewal, 0 when the lease was given back;
    `left_s` is the rest of it when it was read, `length_s` what the holder asks for.
    """

    holder: str
    epoch: int
    expires_us: int
    left_s: float
    length_s: float
