"""The right to act alone, for a while: who holds it, and under which number."""

from __future__ import annotations

from dataclasses import dataclass

CONTROL = "control"
"""The lease that says which control acts."""


@dataclass(frozen=True, slots=True)
class Lease:
    """`epoch` grows with every holder, one that came back included; `left_s` is by the store's clock, at most 0
    when the lease has run out."""

    holder: str
    epoch: int
    left_s: float
