"""How good the connection to an encoder is, as it is told. The verdict is `app/policy/connection_health.py`'s."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pattern:
    """Something that repeats in its history. `name`: periodic_drops, burst_of_drops or late_words."""

    name: str
    text: str
    period_s: float | None = None


@dataclass(frozen=True, slots=True)
class Prediction:
    """How likely it drops within the next hour, 0 to 1; `in_s`: when, where drops come like a clock."""

    likelihood: float
    in_s: float | None = None


@dataclass(frozen=True, slots=True)
class ConnectionHealth:
    """`score` 0 to 100, None while nothing was heard. `up_share` of the time looked back on, at most an hour."""

    score: float | None
    is_up: bool | None
    up_share: float | None
    drops_lately: int
    """Within the last hour."""
    usual_gap_s: float | None
    """Between two words of it."""
    patterns: tuple[Pattern, ...]
    prediction: Prediction | None
    """None while it was not watched long enough to say."""
    reasons: tuple[str, ...]
