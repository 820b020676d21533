"""What a gateway found in a stream's picture and sound, as evidence against the encoder that makes them.

Pure. One encoder is left for what it does to a source that is well. Should the next one do the same, then the
source has something that encoders fall over: moving on would be flapping, so people are told and nobody is left.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from app.domain.content import Fault, Finding, Side

GROUNDS: Final = frozenset((Fault.BLACK_PICTURE, Fault.FROZEN_PICTURE, Fault.SILENT_AUDIO))
"""Viewers have lost the picture or the sound; the rest is told and is no ground to leave."""
FRESH_S: Final = 15.0
"""Findings are told again each 10 s."""
REST_S: Final = 600.0
"""After an encoder was left for its content."""


class ContentEvidence:
    """Of one stream. `now` in monotonic seconds."""

    def __init__(self) -> None:
        self._findings: Sequence[Finding] = ()
        self._generation = 0
        self._heard_at = 0.0
        self._blamed: tuple[int, float] | None = None

    def note(self, generation: int, findings: Sequence[Finding], now: float) -> None:
        self._generation, self._findings, self._heard_at = generation, findings, now

    def against(self, generation: int, now: float) -> str | None:
        """Why the worker of this generation is to be left, or None."""
        grounds = [f for f in self.fresh(now) if f.side is Side.ENCODER and f.fault in GROUNDS]
        if not grounds or generation != self._generation:
            return None
        if self._blamed is None or self._blamed[0] != generation:
            if self._blamed is not None and now - self._blamed[1] < REST_S:
                return None
            self._blamed = generation, now
        return grounds[0].detail

    def reasons(self, now: float) -> tuple[str, ...]:
        """All that is wrong now, for people."""
        return tuple(finding.detail for finding in self.fresh(now))

    def fresh(self, now: float) -> Sequence[Finding]:
        return self._findings if now - self._heard_at <= FRESH_S else ()
