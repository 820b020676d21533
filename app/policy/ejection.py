"""Damping of encoders that come and go: each fault costs more rest than the last, and quiet time pays it back.

An ejected encoder is chosen only when there is no other: a doubtful one is better than none. What an operator or
control itself caused is no fault and must not be told here. Where many seem bad at once, something else
is: only a share of the fleet is ejected at a time.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from app.domain.ids import EncoderId, StreamId

REST_S: Final = 30.0
"""Times the number of faults."""
REST_MAX_S: Final = 300.0
SPREAD: Final = 0.1
"""Rests are up to this share longer, each encoder's by another part of it: who fell together returns apart."""
EJECTED_SHARE_MOST: Final = 0.34
"""Of the pool, but at least one encoder."""
RISE_CHECKS: Final = 2
RISE_S: Final = 3.0
"""One that was gone is trusted after so many heartbeats and so long a time."""
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
    spread: float = 0.0
    """This encoder's part of SPREAD, 0 to 1."""

    @property
    def rests_until(self) -> float:
        return self.last_fault_at + min(REST_MAX_S, REST_S * self.faults) * (1.0 + SPREAD * self.spread)


def new_conduct(encoder_id: EncoderId) -> Conduct:
    """Its part of the spread follows from its id, so that the same story always goes the same way."""
    return Conduct(spread=zlib.crc32(encoder_id.encode()) % 1000 / 1000)


def departed(conduct: Conduct, now: float) -> Conduct:
    """The encoder was there and is gone."""
    return replace(conduct, faults=_forgiven(conduct, now) + 1, last_fault_at=now)


def lost_worker(conduct: Conduct, stream_id: StreamId, now: float) -> Conduct:
    """The stream's worker died there, or the encoder refused what it should have taken."""
    others = tuple((s, at) for s, at in conduct.losses if s != stream_id and now - at < LOSSES_WINDOW_S)
    losses = (*others, (stream_id, now))
    if len(losses) < LOSSES_FOR_FAULT:
        return replace(conduct, losses=losses)
    return replace(conduct, faults=_forgiven(conduct, now) + 1, last_fault_at=now, losses=())


def judge(conduct: Conduct, now: float) -> str | None:
    """Why the encoder rests now, or None."""
    if conduct.faults == 0 or now >= conduct.rests_until:
        return None
    return f"rests {conduct.rests_until - now:.0f} s more after {conduct.faults} faults"


def rising(heartbeats: int, here_for_s: float) -> str | None:
    """Why an encoder that was gone and is back is not trusted yet, or None."""
    if heartbeats >= RISE_CHECKS and here_for_s >= RISE_S:
        return None
    return f"is back for {here_for_s:.0f} s only, with {heartbeats} good checks"


def within_share(rests: Mapping[EncoderId, float], pool: int) -> frozenset[EncoderId]:
    """Who of those that rest is ejected: the ones with the longest rest before them. `rests`: until when."""
    most = max(1, int(EJECTED_SHARE_MOST * pool))
    return frozenset(sorted(rests, key=lambda encoder_id: (-rests[encoder_id], encoder_id))[:most])


def losses_lately(conduct: Conduct, now: float) -> int:
    return sum(now - at < LOSSES_WINDOW_S for _, at in conduct.losses) if conduct.losses else 0


def _forgiven(conduct: Conduct, now: float) -> int:
    quiet = int((now - conduct.last_fault_at) // FORGIVE_S) if conduct.faults else 0
    return max(0, conduct.faults - quiet)
