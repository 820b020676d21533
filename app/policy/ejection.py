"""Damping of encoders that come and go: each fault costs more rest than the last, and quiet time pays it back.

An ejected encoder is chosen only when there is no other: a doubtful one is better than none. What an operator or
control itself caused is no fault and must not be told here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from app.domain.ids import StreamId

REST_S: Final = 30.0
"""Times the number of faults."""
REST_MAX_S: Final = 300.0
LOSSES_FOR_FAULT: Final = 5
LOSSES_WINDOW_S: Final = 300.0
"""So many streams that lost a worker here in this time count like one departure.

A stream counts once: one that kills every worker it meets must not bring the whole fleet into discredit.
"""
FORGIVE_S: Final = 900.0
"""Each quiet time of this length takes one fault back."""


@dataclass(frozen=True, slots=True)
class Conduct:
    """Times in monotonic seconds."""

    faults: int = 0
    last_fault_at: float = 0.0
    losses: tuple[tuple[StreamId, float], ...] = ()
    """The last loss of each stream."""

    @property
    def rests_until(self) -> float:
        return self.last_fault_at + min(REST_MAX_S, REST_S * self.faults)


def departed(conduct: Conduct, now: float) -> Conduct:
    """The encoder was there and is gone."""
    return Conduct(_forgiven(conduct, now) + 1, now, conduct.losses)


def lost_worker(conduct: Conduct, stream_id: StreamId, now: float) -> Conduct:
    """The stream's worker died there, or the encoder refused what it should have taken."""
    others = tuple((s, at) for s, at in conduct.losses if s != stream_id and now - at < LOSSES_WINDOW_S)
    losses = (*others, (stream_id, now))
    if len(losses) < LOSSES_FOR_FAULT:
        return Conduct(conduct.faults, conduct.last_fault_at, losses)
    return Conduct(_forgiven(conduct, now) + 1, now, ())


def judge(conduct: Conduct, now: float) -> str | None:
    """Why the encoder rests now, or None."""
    if conduct.faults == 0 or now >= conduct.rests_until:
        return None
    return f"rests {conduct.rests_until - now:.0f} s more after {conduct.faults} faults"


def losses_lately(conduct: Conduct, now: float) -> int:
    return sum(now - at < LOSSES_WINDOW_S for _, at in conduct.losses) if conduct.losses else 0


def _forgiven(conduct: Conduct, now: float) -> int:
    quiet = int((now - conduct.last_fault_at) // FORGIVE_S) if conduct.faults else 0
    return max(0, conduct.faults - quiet)
