"""What state a running stream is in, from what gateway and control know of it. ENDED is a decision, no verdict."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from app.domain.stream import StreamState

STALL_S: Final = 2.0
"""Readings come once a second: two without a new programme frame while the source runs."""
START_S: Final = 10.0
"""Publisher's first frame to the programme's first: decoder, encoder and the first key frame."""
LAG_MS: Final = 10_000.0
SILENCE_S: Final = 5.0
"""Readings of a stream come each second."""
STUCK_S: Final = 10.0
"""The gateway finds a stalled worker within a second; whoever is still stuck now was found by nobody."""
READING_FRESH_S: Final = 3.5


@dataclass(frozen=True, slots=True)
class Signs:
    """Monotonic seconds; None: has not happened."""

    source_since: float | None
    programme_seen: bool
    """A programme frame came since this source came."""
    progress_at: float | None
    """Last time the programme was seen to grow."""
    source_progress_at: float | None
    lag_ms: float | None
    heard_at: float | None
    """Last word of the gateway about this stream."""
    without_encoder: str | None
    """Why nobody should be encoding the stream now; None: somebody does."""


@dataclass(frozen=True, slots=True)
class StateVerdict:
    state: StreamState
    reason: str | None


def judge(signs: Signs, now: float) -> StateVerdict:
    if signs.source_since is None:
        return StateVerdict(StreamState.WAITING, signs.without_encoder)
    if signs.heard_at is not None and now - signs.heard_at > SILENCE_S:
        return StateVerdict(StreamState.DEGRADED, f"nothing heard of its gateway for more than {SILENCE_S:g} s")
    # An encoder that nobody could relieve may still be at work: frames prove it.
    if signs.without_encoder is not None and not programme_moves(signs, now):
        return StateVerdict(StreamState.DEGRADED, signs.without_encoder)
    if not signs.programme_seen:
        if now - signs.source_since > START_S and _flows(signs, now):
            return StateVerdict(StreamState.DEGRADED, f"no programme {START_S:g} s after the publisher came")
        return StateVerdict(StreamState.STARTING, None)
    if signs.progress_at is not None and now - signs.progress_at > STALL_S and _flows(signs, now):
        return StateVerdict(StreamState.DEGRADED, "the programme stands still while the source runs")
    if signs.lag_ms is not None and signs.lag_ms > LAG_MS:
        return StateVerdict(StreamState.DEGRADED, f"the programme is {signs.lag_ms / 1000:.1f} s behind the source")
    return StateVerdict(StreamState.LIVE, None)


def _flows(signs: Signs, now: float) -> bool:
    return signs.source_progress_at is not None and now - signs.source_progress_at <= STALL_S


def programme_moves(signs: Signs, now: float) -> bool:
    """Whether the gateway has shown lately that programme frames come: whoever encodes is alive then."""
    return (
        signs.source_since is not None
        and signs.progress_at is not None
        and now - signs.progress_at <= READING_FRESH_S
    )


def is_stuck(signs: Signs, now: float) -> bool:
    """The source runs, and the programme stands still or never began for longer than a worker can be well."""
    if signs.source_since is None or not _flows(signs, now):
        return False
    last = signs.source_since if signs.progress_at is None else max(signs.source_since, signs.progress_at)
    return now - last > STUCK_S
