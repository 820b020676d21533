"""Conditions that last, told when they begin and end, and again while they do, as `app/domain/condition.py` asks.

What is a condition is known to those who note it here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from app.domain.condition import RETOLD_S, Condition, Subject

MAX_STANDING: Final = 20_000


class StandingConditions:
    """`tell` hears them; `now` is monotonic seconds."""

    def __init__(self, tell: Callable[[Condition], None]) -> None:
        self._tell = tell
        self._standing: dict[tuple[str, Subject], tuple[Condition, float]] = {}

    def lasts(self, name: str, subject: Subject) -> bool:
        return (name, subject) in self._standing

    def note(self, condition: Condition, now: float) -> None:
        """It is so, or is not. Told when that is news."""
        key = (condition.name, condition.subject)
        known = self._standing.get(key)
        if not condition.is_active:
            if known is not None:
                del self._standing[key]
                self._tell(condition)
            return
        if known is None and len(self._standing) >= MAX_STANDING:
            return
        is_news = known is None or known[0].severity is not condition.severity
        told_at = now if known is None or is_news else known[1]
        self._standing[key] = (condition, told_at)
        if is_news:
            self._tell(condition)

    def end_all(self, subject: Subject, ended: Callable[[Condition], Condition]) -> None:
        """What it was about is no more. `ended` makes the word of the end."""
        for key in [key for key in self._standing if key[1] == subject]:
            condition, _ = self._standing.pop(key)
            self._tell(ended(condition))

    def subjects(self) -> frozenset[Subject]:
        return frozenset(subject for _, subject in self._standing)

    def retell(self, now: float) -> None:
        """Those that were not told for a while; call every few seconds."""
        for key, (condition, told_at) in tuple(self._standing.items()):
            if now - told_at >= RETOLD_S / 2:
                self._standing[key] = (condition, now)
                self._tell(condition)
