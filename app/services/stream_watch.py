"""Looks at every stream again and again: its state, whether its encoders are there, its health, its end of life."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from typing import Final, Protocol

import structlog

from app.domain.encoder import EncoderState, WorkerReading
from app.domain.errors import Unavailable
from app.domain.events import Event, StreamHealthRead
from app.domain.ids import EncoderId
from app.domain.session import StandbyHealth, StandbyState, StreamHealth
from app.domain.stream import StreamMode, WorkerGrant
from app.policy import slow_evidence, stream_life
from app.policy.drill_plan import DrillPlan, Readiness, readiness
from app.policy.failover_states import Cover, Phase
from app.policy.failover_words import Leave
from app.policy.health_score import measures_of, score
from app.policy.heat_turn import HeatTurn
from app.policy.slow_evidence import Symptoms
from app.policy.stream_state import STUCK_S, is_stuck, judge, programme_moves
from app.runtime.bus import Bus
from app.runtime.clock import monotonic, utc_now
from app.services.ending import Ending
from app.services.feed_health import feed_standby, inputs_of
from app.services.fleet import Fleet
from app.services.gateways import Gateways
from app.services.live_streams import LiveStream, LiveStreams, Standing
from app.services.quality_health import doubts_of, quality_of
from app.services.recovery import Recovery
from app.services.reports import Reports
from app.services.wellbeing import Wellbeing

BEAT_S: Final = 0.25
HEALTH_EVERY_S: Final = 1.0
WAITING_HEALTH_EVERY_S: Final = 5.0
"""While nobody publishes there is little news: what changes is told with the next beat of health."""
LIFE_EVERY_S: Final = 5.0
RETURN_S: Final = 10.0
"""After control's start: time for encoders to dial in before they count as gone."""
BETTER_STANDBY_EVERY_S: Final = 5.0
"""Each time the whole fleet is ranked; in a heat wave all streams would ask for that at every beat."""
PAUSE_S: Final = 1.0
"""A beat that is later than this tells of a process that stood still, such as a suspended machine."""

STANDBY_STATES: Final = {
    Cover.PROTECTED: StandbyState.READY,
    Cover.PREPARING: StandbyState.PREPARING,
    Cover.SEEKING: StandbyState.SOUGHT,
    Cover.BARE: StandbyState.NONE,
}

log = structlog.get_logger()


class Warmth(Protocol):
    """What thermal control says of an encoder; None: nothing is against it, or it is not known."""

    def leave(self, encoder_id: EncoderId) -> Leave | None: ...

    def shun(self, encoder_id: EncoderId) -> Leave | None: ...

    def temperature_c(self, encoder_id: EncoderId) -> float | None: ...


class StreamWatch:
    def __init__(
        self,
        *,
        streams: LiveStreams,
        fleet: Fleet,
        gateways: Gateways,
        recovery: Recovery,
        ending: Ending,
        reports: Reports,
        warmth: Warmth,
        wellbeing: Wellbeing,
        drill_plan: DrillPlan | None = None,
        turn: HeatTurn | None = None,
        bus: Bus[Event],
    ) -> None:
        self._streams = streams
        self._fleet = fleet
        self._gateways = gateways
        self._recovery = recovery
        self._ending = ending
        self._reports = reports
        self._warmth = warmth
        self._wellbeing = wellbeing
        self._drill_plan = drill_plan
        self._bus = bus
        self._looked: float | None = None
        self._leave_from: dict[EncoderId, float] = {}
        """When the next stream may be moved away from the encoder."""
        self._too_warm: list[tuple[float, LiveStream, Leave]] = []
        """Streams that heat asks to leave, with their encoder's temperature, found in this look."""
        self._turn = turn or HeatTurn()
        self._relieved: LiveStream | None = None
        """Who was asked to leave last."""

    async def run(self) -> None:
        """Runs until cancelled. Nothing here waits for the store: a lost encoder must be seen without it."""
        next_health = monotonic()
        while True:
            now = monotonic()
            self.look(now)
            if now >= next_health:
                next_health = now + HEALTH_EVERY_S
                self.tell_health(now)
            await asyncio.sleep(BEAT_S)

    async def age(self) -> None:
        """Runs until cancelled: ends what nobody needs any more."""
        while True:
            self._fleet.forget_the_gone(monotonic())
            await self.end_the_expired()
            # A store that is away is asked again.
            with contextlib.suppress(Unavailable):
                await self._reports.save_unsaved()
            await asyncio.sleep(LIFE_EVERY_S)

    def look(self, now: float) -> None:
        late_s = 0.0 if self._looked is None else now - self._looked - BEAT_S
        self._looked = now
        if late_s > PAUSE_S:
            log.warning("control stood still", paused_s=round(late_s, 1))
            self._fleet.excuse(late_s)
        if self._fleet.tell_changes(now):
            self._recovery.fleet_grew()
        for stream in self._streams:
            if not stream.lock.locked():
                self._look_at(stream, now)
        self._relieve_the_hottest(now)
        self._recovery.tick(now)

    def _look_at(self, stream: LiveStream, now: float) -> None:
        signs = stream.seen.signs(stream.without_encoder)
        if stream.seen.heard_at is not None or now - stream.since >= RETURN_S:
            verdict = judge(signs, now)
            self._streams.enter(stream, verdict.state, verdict.reason)
        if stream.seen.published and stream.record.first_published_at is None:
            stream.record = replace(stream.record, first_published_at=utc_now())
            self._streams.save_later(stream)
        active, standby = stream.active, stream.standby
        if stream.machine.phase is Phase.HELD and active is not None:
            self._look_whether_well_again(stream, active, now)
        if stream.machine.phase not in (Phase.STEADY, Phase.SUSPECT, Phase.SWITCHING):
            return
        if active is not None:
            gone = self._gone(active, stream, now)
            # Frames that come prove the worker alive, whatever became of its node's link to control.
            if gone is not None and not programme_moves(signs, now):
                self._recovery.active_lost(stream, active.generation, gone)
                return
            self._look_whether_to_leave(stream, active, gone, now)
            if is_stuck(signs, now) and now - stream.moved_at > STUCK_S:
                # No blame: a source that nobody can decode looks the same.
                self._recovery.active_lost(stream, active.generation, "the programme stands still", blame=False)
                return
        if stream.machine.cover in (Cover.PROTECTED, Cover.PREPARING) and standby is not None:
            gone = self._gone(standby, stream, now) or self._stopped(standby, now)
            if gone is not None:
                self._recovery.standby_lost(stream, standby.generation, gone)
            elif stream.runs_standby and stream.machine.phase is Phase.STEADY:
                self._look_whether_standby_fits(stream, standby, now)

    def _look_whether_standby_fits(self, stream: LiveStream, standby: WorkerGrant, now: float) -> None:
        wish = self._warmth.shun(standby.encoder_id)
        if wish is None:
            return
        asked_at = stream.better_standby_asked_at
        if wish.must or asked_at is None or now - asked_at >= BETTER_STANDBY_EVERY_S:
            stream.better_standby_asked_at = now
            self._recovery.leave_standby(stream, wish)

    def _look_whether_to_leave(
        self, stream: LiveStream, active: WorkerGrant, silent: str | None, now: float
    ) -> None:
        symptoms = self._symptoms(stream, active, silent, now)
        stream.since_slow = slow_evidence.note(stream.since_slow, symptoms, generation=active.generation, now=now)
        wish = slow_evidence.judge(stream.since_slow, symptoms, now)
        if wish is None:
            if stream.machine.phase is Phase.SUSPECT:
                self._recovery.cleared(stream)
            return
        if stream.machine.phase is not Phase.STEADY:
            self._recovery.leave_sooner(stream, wish)
            return
        if wish is symptoms.heat and not wish.must:
            self._too_warm.append((self._warmth.temperature_c(active.encoder_id) or 0.0, stream, wish))
            return
        self._leave(stream, active, wish, now)

    def _relieve_the_hottest(self, now: float) -> None:
        """For heat one stream leaves at a time, over the whole fleet: each heats the encoder that it goes to."""
        waiting, self._too_warm = self._too_warm, []
        last = self._relieved
        if last is not None and not last.ended and last.machine.phase in (Phase.SUSPECT, Phase.SWITCHING):
            # It waits for a standby that proves itself: the time runs from its move.
            self._turn.take(now)
        if not self._turn.is_free(now):
            return
        for _, stream, wish in sorted(waiting, key=lambda found: -found[0]):
            if stream.active is not None and self._leave(stream, stream.active, wish, now):
                self._turn.take(now)
                self._relieved = stream
                return

    def _leave(self, stream: LiveStream, active: WorkerGrant, wish: Leave, now: float) -> bool:
        if now >= self._leave_from.get(active.encoder_id, now) and self._recovery.leave(stream, wish):
            self._leave_from[active.encoder_id] = now + slow_evidence.spacing_s(wish)
            return True
        return False

    def _look_whether_well_again(self, stream: LiveStream, active: WorkerGrant, now: float) -> None:
        """Of an encoder that was to be left at any cost, when nobody else could take the stream."""
        wish = slow_evidence.judge(stream.since_slow, self._symptoms(stream, active, None, now), now)
        if wish is None or not wish.must:
            self._recovery.cleared(stream)

    def _symptoms(self, stream: LiveStream, active: WorkerGrant, silent: str | None, now: float) -> Symptoms:
        worker = self._worker(active)
        presence = self._fleet.state(active.encoder_id, now)
        is_draining = presence is not None and presence.state is EncoderState.DRAINING
        return Symptoms(
            heat=self._warmth.leave(active.encoder_id),
            speed=None if worker is None else worker.speed,
            source_flows=stream.seen.source_since is not None,
            # Without a standby that runs, leaving costs a stall: what an operator only drains stays.
            draining="draining by an operator's wish" if is_draining and stream.runs_standby else None,
            stopped=self._stopped(active, now),
            silent=silent if stream.proved_standby is not None else None,
            content=stream.content.against(active.generation, now),
            ailing=self._wellbeing.leave(stream, active, now),
        )

    def _stopped(self, grant: WorkerGrant, now: float) -> str | None:
        presence = self._fleet.state(grant.encoder_id, now)
        return "stopped by an operator" if presence is not None and presence.state is EncoderState.STOPPED else None

    def _gone(self, grant: WorkerGrant, stream: LiveStream, now: float) -> str | None:
        """Why the grant's encoder cannot be counted on, or None."""
        presence = self._fleet.state(grant.encoder_id, now)
        if presence is None:
            back = now - stream.since < RETURN_S
            return None if back else f"{grant.encoder_id} did not come back after control's restart"
        if presence.state is EncoderState.OFFLINE:
            return f"{grant.encoder_id} is offline: {presence.reason}"
        return None

    # --- health

    def tell_health(self, now: float) -> None:
        """Of every stream with a publisher; of the others when it changed or each WAITING_HEALTH_EVERY_S."""
        for stream in self._streams:
            standing = _standing(stream)
            at, told = stream.health_told
            quiet = stream.seen.source_since is None and standing == told
            if quiet and at is not None and now - at < WAITING_HEALTH_EVERY_S:
                continue
            stream.health_told = (now, standing)
            self._note_drops(stream, now)
            self._bus.tell(StreamHealthRead(stream.record.tenant, self.health(stream)))

    def _note_drops(self, stream: LiveStream, now: float) -> None:
        worker = self._worker(stream.active)
        if worker is not None and stream.active is not None:
            stream.drops = stream.drops.note(worker.frames_dropped, stream.active.generation, now)

    def health(self, stream: LiveStream) -> StreamHealth:
        record, active, standby = stream.record, stream.active, stream.standby
        worker = self._worker(active)
        works = record.primary_id if record.feed is not None and active is None else _encoder_of(active)
        reading = None if works is None else self._fleet.reading(works)
        dropped = None if worker is None else worker.frames_dropped
        measures = replace(
            measures_of(reading),
            dropped_frames=stream.drops.lately(dropped),
            bitrate_variance=stream.seen.bitrate_variance(),
        )
        judged = score(measures)
        verdict = judge(stream.seen.signs(stream.without_encoder), monotonic())
        fed = feed_standby(stream)
        protected = stream.machine.cover is Cover.PROTECTED and standby is not None
        if fed is not None:
            protected = fed.state is StandbyState.READY
        reasons: tuple[str, ...] = () if verdict.reason is None else (verdict.reason,)
        ready = self._readiness(stream, protected)
        if ready is not None:
            reasons += ready.reasons if protected else (_unprotected(stream),)
        elif fed is not None and not protected:
            reasons += (f"unprotected: a backup device is {fed.state}",)
        return StreamHealth(
            stream_id=stream.id,
            state=record.state,
            at=utc_now(),
            score=judged.overall,
            reasons=reasons + judged.reasons + stream.content.reasons(monotonic()) + doubts_of(stream),
            readiness=None if ready is None else ready.score,
            protected=protected,
            primary_id=_encoder_of(active) if fed is None else record.primary_id,
            backup_id=_encoder_of(standby) if fed is None else record.backup_id,
            generation=0 if active is None else active.generation,
            cpu_usage=None if worker is None else worker.cpu_percent,
            # Where nobody encodes, no encoder can drop a frame.
            dropped_frames=0 if record.mode is StreamMode.PASSTHROUGH else dropped,
            bitrate=stream.seen.bitrate(record.ladder),
            source=stream.seen.source,
            channel=stream.seen.reading,
            restarts=stream.restarts,
            standby=fed or _standby_health(stream),
            last_drill=record.last_drill,
            inputs=inputs_of(stream),
            verdict=self._wellbeing.step(stream),
            quality=quality_of(stream),
        )

    def _readiness(self, stream: LiveStream, protected: bool) -> Readiness | None:
        record = stream.record
        if record.mode is not StreamMode.TRANSCODE:
            return None
        since = record.first_published_at
        # A cold backup, or one that nobody ever published to, cannot be drilled.
        plan = self._drill_plan if stream.runs_standby and since is not None else None
        now = utc_now()
        return readiness(protected=protected, last=record.last_drill, since=since or now, plan=plan, now=now)

    def _worker(self, active: WorkerGrant | None) -> WorkerReading | None:
        reading = None if active is None else self._fleet.reading(active.encoder_id)
        if active is None or reading is None:
            return None
        return next((worker for worker in reading.workers if worker.worker_id == active.worker_id), None)

    # --- the end of life

    async def end_the_expired(self) -> None:
        now = monotonic()
        for stream in self._streams:
            reason = stream_life.judge(stream.life(now))
            if reason is None or stream.lock.locked() or not self._in_sight(stream):
                continue
            try:
                await self._ending.end(stream, reason)
            except Unavailable as error:
                log.warning("stream could not be ended", stream_id=stream.id, reason=error.detail)
                return  # the store is away: the others would only wait for it too

    def _in_sight(self, stream: LiveStream) -> bool:
        """Whether control would know of a publisher: its gateway is here and has had time to speak."""
        settled = monotonic() - stream.since >= RETURN_S
        return settled and self._gateways.is_connected(stream.record.gateway_id)


def _standing(stream: LiveStream) -> Standing:
    """What of a stream's health is news at once; the rest moves with every reading."""
    return stream.record.state, stream.without_encoder, stream.machine.cover, stream.active, stream.standby


def _unprotected(stream: LiveStream) -> str:
    if stream.machine.cover in (Cover.PREPARING, Cover.SEEKING):
        return "unprotected: standby is being prepared"
    return "unprotected: no backup stands ready"


def _standby_health(stream: LiveStream) -> StandbyHealth | None:
    if stream.record.mode is not StreamMode.TRANSCODE:
        return None
    return StandbyHealth(stream.record.standby, STANDBY_STATES[stream.machine.cover])


def _encoder_of(grant: WorkerGrant | None) -> EncoderId | None:
    return None if grant is None else grant.encoder_id
