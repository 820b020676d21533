"""Takes quality back where an encoder cannot keep up, and gives it again, as `app/policy/quality_ladder.py` says.

Hears every stream's health. A stream's record remembers what was asked for, so a control that comes after this one
gives it back too. How a picture is changed without a lost frame is `changing.py`'s business.
"""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from app.domain.errors import ManagerError
from app.domain.events import Event, StreamErrorSeen, StreamHealthRead
from app.domain.ladder import Ladder
from app.domain.session import StreamHealth
from app.domain.severity import Severity
from app.domain.stream import WorkerGrant
from app.policy import health_verdict, quality_ladder
from app.policy.failover_states import Phase
from app.policy.health_score import measures_of, score
from app.policy.health_verdict import Step
from app.policy.quality_ladder import Move, Quality, Sample
from app.runtime.bus import Bus
from app.runtime.clock import monotonic, utc_now
from app.runtime.tasks import TaskGroupKeeper
from app.services.changing import Changing
from app.services.fleet import Fleet
from app.services.live_streams import LiveStream, LiveStreams

WELL: Final = 100.0

log = structlog.get_logger()


class QualityControl:
    """`hear` is a listener of the bus. Streams that are passed through have no picture of ours."""

    def __init__(
        self, *, streams: LiveStreams, fleet: Fleet, changing: Changing, bus: Bus[Event], keeper: TaskGroupKeeper
    ) -> None:
        self._streams = streams
        self._fleet = fleet
        self._changing = changing
        self._bus = bus
        self._keeper = keeper
        self._one_at_a_time = asyncio.Lock()
        """Each change costs encoders work that have too much of it."""

    def hear(self, event: Event) -> None:
        if not isinstance(event, StreamHealthRead):
            return
        stream = self._streams.find(event.health.stream_id)
        if stream is None or stream.record.encode is None or stream.active is None or stream.ended:
            return
        if stream.editing.locked() or stream.machine.phase not in (Phase.STEADY, Phase.SUSPECT):
            return
        self._look_at(stream, stream.active, event.health, monotonic())

    def _look_at(self, stream: LiveStream, active: WorkerGrant, health: StreamHealth, now: float) -> None:
        asked = stream.record.asked or stream.record.ladder
        ladders = quality_ladder.steps(asked)
        quality = stream.quality
        if quality is None:
            quality = Quality(step=quality_ladder.step_of(asked, stream.record.ladder))
        if not stream.record.auto_quality:
            # Somebody wants no more of this: what was taken back is given again.
            stream.quality = quality
            if quality.step > 0 and (
                quality.changed_at is None or now - quality.changed_at >= quality_ladder.DWELL_S
            ):
                self._start(stream, ladders, Move(0, "quality is not adjusted any more"))
            return
        sample = self._sample(stream, active, health)
        # Without a backup that runs, a smaller picture would cost a pause.
        last = (
            len(ladders) - 1 if stream.runs_standby else min(len(ladders) - 1, len(quality_ladder.BITRATE_SHARES))
        )
        stream.quality, move = quality_ladder.feed(quality, sample, now, most=last)
        if move is not None:
            self._start(stream, ladders, move)

    def _sample(self, stream: LiveStream, active: WorkerGrant, health: StreamHealth) -> Sample:
        reading = self._fleet.reading(active.encoder_id)
        workers = () if reading is None else reading.workers
        worker = next((one for one in workers if one.worker_id == active.worker_id), None)
        # What costs the stream points may be its source's; less work helps only a machine that has too much.
        system = score(measures_of(reading)).system
        is_ailing = health_verdict.judge(stream.watched) in (Step.DEGRADE, Step.RESET)
        is_ailing = is_ailing and system is not None and system < WELL
        machine = None if reading is None else reading.cpu_percent
        return Sample(
            generation=active.generation,
            source_flows=stream.seen.source_since is not None,
            speed=None if worker is None else worker.speed,
            lag_ms=None if health.channel is None else health.channel.programme_lag_ms,
            cpu_percent=machine,
            ailing=f"the stream's health is {health.score:.0f}" if is_ailing and health.score is not None else None,
        )

    def _start(self, stream: LiveStream, ladders: tuple[Ladder, ...], move: Move) -> None:
        if not self._one_at_a_time.locked():
            self._keeper.start(self._make(stream, ladders, move), name=f"quality {stream.id}")

    async def _make(self, stream: LiveStream, ladders: tuple[Ladder, ...], move: Move) -> None:
        async with self._one_at_a_time:
            quality = stream.quality
            if quality is None or quality.step == move.to_step or stream.editing.locked():
                return
            is_less = move.to_step > quality.step
            try:
                await self._changing.adjust(stream, ladders[move.to_step], asked=ladders[0])
            except ManagerError as error:
                stream.quality = quality_ladder.failed(quality, monotonic())
                log.warning("quality not changed", stream_id=stream.id, reason=error.detail)
                return
            stream.quality = quality_ladder.moved(quality, move.to_step, monotonic())
            self._tell(stream, move, spoken(ladders[move.to_step]), is_less=is_less)

    def _tell(self, stream: LiveStream, move: Move, now_has: str, *, is_less: bool) -> None:
        log.info("quality changed", stream_id=stream.id, step=move.to_step, reason=move.reason, now_has=now_has)
        cause = "quality taken back" if is_less else "quality given again"
        severity = Severity.WARNING if is_less else Severity.INFO
        tenant = stream.record.tenant
        self._bus.tell(
            StreamErrorSeen(stream.id, tenant, severity, cause, move.reason, utc_now(), f"it has {now_has} now")
        )


def spoken(ladder: Ladder) -> str:
    """The highest rendition in words."""
    top = ladder.renditions[0]
    return f"{top.width}x{top.height} at {top.frame_rate.fps:.5g} fps, {top.video_bps / 1e6:.2f} Mbit/s"
