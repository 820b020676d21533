"""Has streams leave an encoder whose health or history gets worse, before a limit is crossed, for a better one.

Hears every stream's health. What it asks for is `app/policy/health_verdict.py`'s verdict; the move itself is slow
evidence like any other, so the rest between moves and the search for a standby are the failover machine's. Taking
quality back is `quality.py`'s business.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from app.domain.events import Event, StreamHealthRead
from app.domain.ids import EncoderId, StreamId
from app.domain.session import StreamHealth
from app.domain.stream import WorkerGrant
from app.policy import decline, health_verdict
from app.policy.failover_words import Leave
from app.policy.health_score import measures_of, score
from app.policy.health_verdict import HealthLimits, Place, Step, is_better, is_worth_leaving
from app.runtime.clock import monotonic
from app.services.fleet import Fleet
from app.services.live_streams import LiveStream, LiveStreams
from app.services.recovery import Recovery

SPACING_S: Final = 15.0
"""Between two streams of the whole fleet: each one that goes changes what both encoders have to do."""
STANDBY_EVERY_S: Final = 60.0
"""How often a stream looks for a backup that is better than a sick one."""
BEHIND_MS: Final = 300.0
"""Slower workers that the programme cannot be seen to lag behind for have a slow source."""


@dataclass(frozen=True, slots=True)
class _Turn:
    """Whose turn it is to leave, and since when."""

    stream_id: StreamId
    since: float


class Wellbeing:
    def __init__(
        self, *, streams: LiveStreams, fleet: Fleet, recovery: Recovery, limits: HealthLimits | None = None
    ) -> None:
        self._streams = streams
        self._fleet = fleet
        self._recovery = recovery
        self._limits = limits or HealthLimits()
        self._turn: _Turn | None = None

    def hear(self, event: Event) -> None:
        """A listener of the bus."""
        if isinstance(event, StreamHealthRead):
            stream = self._streams.find(event.health.stream_id)
            if stream is not None:
                self._note(stream, event.health, monotonic())

    def step(self, stream: LiveStream) -> Step:
        return health_verdict.judge(stream.watched)

    def leave(self, stream: LiveStream, active: WorkerGrant, now: float) -> Leave | None:
        """Why its encoder should be left now, or None. One stream of the fleet after the other."""
        standby = stream.proved_standby
        if standby is None or self.step(stream) not in (Step.RESET, Step.PREVENTIVE, Step.DEGRADE):
            return None
        here, there = self._place(active.encoder_id), self._place(standby.encoder_id)
        if not is_worth_leaving(stream.watched, here, there) or not self._takes_turn(stream, now):
            return None
        if self.step(stream) is Step.RESET:
            return Leave(f"its encoder's health is {here.score:.0f}, the backup's {there.score:.0f}")
        return Leave(f"its encoder's history gets worse: {here.decline:.2f} of 1, the backup's {there.decline:.2f}")

    def _takes_turn(self, stream: LiveStream, now: float) -> bool:
        if self._turn is None or now - self._turn.since >= SPACING_S:
            self._turn = _Turn(stream.id, now)
        return self._turn.stream_id == stream.id

    def _note(self, stream: LiveStream, health: StreamHealth, now: float) -> None:
        active = stream.active
        if active is None or stream.seen.source_since is None:
            return
        stream.watched = health_verdict.note(
            stream.watched,
            self._limits,
            score=health.score,
            decline=self._decline(stream, active),
            generation=active.generation,
            now=now,
        )
        if self.step(stream) is not Step.WELL:
            self._look_at_standby(stream, now)

    def _decline(self, stream: LiveStream, active: WorkerGrant) -> float:
        """What of its encoder's decline is the encoder's: a slow source makes workers slow too."""
        parts = self._parts(active.encoder_id)
        reading = stream.seen.reading
        lags = reading is not None and (reading.programme_lag_ms or 0.0) >= BEHIND_MS
        return max(parts.busier, parts.slower if lags else 0.0)

    def _look_at_standby(self, stream: LiveStream, now: float) -> None:
        """A backup that is no better off than the limit for prevention is worth another one."""
        standby, asked_at = stream.standby, stream.well_standby_asked_at
        if (
            standby is None
            or not stream.runs_standby
            or (asked_at is not None and now - asked_at < STANDBY_EVERY_S)
        ):
            return
        place = self._place(standby.encoder_id)
        is_sick = place.score is not None and place.score < self._limits.preventive_below
        if is_sick or place.decline >= health_verdict.DECLINE_LEAST:
            stream.well_standby_asked_at = now
            besides = {standby.encoder_id, None if stream.active is None else stream.active.encoder_id}
            others = (member.info.encoder_id for member in self._fleet if member.info.encoder_id not in besides)
            # Where all are alike another backup is no better, and none is ready meanwhile.
            if any(is_better(place, self._place(other)) for other in others):
                self._recovery.leave_standby(stream, Leave("its encoder is not well itself"))

    def _place(self, encoder_id: EncoderId) -> Place:
        parts = self._parts(encoder_id)
        judged = score(measures_of(self._fleet.reading(encoder_id)))
        return Place(judged.overall, max(parts.slower, parts.busier))

    def _parts(self, encoder_id: EncoderId) -> decline.Parts:
        return decline.parts(self._fleet.history(encoder_id))
