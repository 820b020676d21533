"""The system in a word: totals of streams, and whether it is ok, degraded or down."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from app.api.schemas.system import StreamTotals
from app.domain.encoder import EncoderState
from app.domain.fleet import FleetSummary
from app.domain.session import StreamHealth
from app.domain.stream import StreamState


def totals(streams: Sequence[StreamHealth]) -> StreamTotals:
    rates = [health.bitrate for health in streams if health.bitrate is not None]
    dropped = [health.dropped_frames for health in streams if health.dropped_frames is not None]
    return StreamTotals(
        total=len(streams),
        by_state=dict(Counter(str(health.state) for health in streams)),
        protected=sum(health.protected for health in streams),
        dropped_frames=sum(dropped) if dropped else None,
        bitrate=sum(rates) if rates else None,
    )


def judge(missing: Sequence[str], fleet: FleetSummary, streams: Sequence[StreamHealth]) -> tuple[str, list[str]]:
    """`down`: no stream can be opened. `degraded`: something an operator should look at."""
    if missing:
        return "down", list(missing)
    states = dict(fleet.by_state)
    reasons = [
        f"{states[state]} encoder(s) {state}"
        for state in (EncoderState.OFFLINE, EncoderState.SUSPECT)
        if states.get(state)
    ]
    stuck = sum(health.state is StreamState.DEGRADED for health in streams)
    if stuck:
        reasons.append(f"{stuck} stream(s) degraded")
    return ("degraded" if reasons else "ok"), reasons
