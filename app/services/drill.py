"""Failover drills by an operator's wish: break the active worker for real, or order a planned switch, and report.

What a drill breaks is no fault of the encoder's: nobody is blamed for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Final

import structlog

from app.domain.access import Principal
from app.domain.drill import DrillKind, DrillOutcome
from app.domain.errors import Conflict, InvalidRequest, ManagerError, Unavailable
from app.domain.events import Event, StreamDrilled, StreamFailedOver
from app.domain.failover import DecidedBy, SwitchReport
from app.domain.ids import StreamId
from app.domain.stream import WorkerGrant
from app.runtime.bus import Bus
from app.runtime.clock import monotonic, utc_now
from app.services.fleet import Fleet
from app.services.gateways import Gateways
from app.services.live_streams import LiveStream, LiveStreams

MAX_COUNT: Final = 50
REPORT_S: Final = 30.0
"""From the order to the measured report: a segment border, the switch, and the measuring of at most 10 s."""
PROTECTED_S: Final = 60.0
"""From one drill to the next: the new standby must be proved."""
LOOK_EVERY_S: Final = 0.1

log = structlog.get_logger()


class DrillService:
    """Raises NotFound for an unknown stream; Conflict when it would hurt: no publisher, or no ready standby."""

    def __init__(self, *, streams: LiveStreams, fleet: Fleet, gateways: Gateways, bus: Bus[Event]) -> None:
        self._streams = streams
        self._fleet = fleet
        self._gateways = gateways
        self._bus = bus
        self._running: set[StreamId] = set()

    async def drill(
        self, stream_id: StreamId, kind: DrillKind, count: int, who: Principal
    ) -> tuple[SwitchReport, ...]:
        """One drill after the other, each after the stream is protected again; their reports in order.

        Raises InvalidRequest for a count out of 1 to MAX_COUNT, Conflict while another drill of the stream runs,
        Unavailable when a report or the protection does not come in time.
        """
        if not 1 <= count <= MAX_COUNT:
            raise InvalidRequest(f"count must be 1 to {MAX_COUNT}")
        stream = self._streams.owned(stream_id, who)
        log.info("drill", stream_id=stream_id, kind=kind.value, count=count, by=who.key_id)
        return await self.run(stream, kind, count)

    async def run(self, stream: LiveStream, kind: DrillKind, count: int = 1) -> tuple[SwitchReport, ...]:
        with self._alone(stream.id):
            reports: list[SwitchReport] = []
            for done in range(count):
                if done:
                    await _until_protected(stream)
                reports.append(await self._once(stream, kind))
            return tuple(reports)

    @contextmanager
    def _alone(self, stream_id: StreamId) -> Iterator[None]:
        if stream_id in self._running:
            raise Conflict("a drill of this stream is running", hint="Try again when it is over.")
        self._running.add(stream_id)
        try:
            yield
        finally:
            self._running.discard(stream_id)

    async def _once(self, stream: LiveStream, kind: DrillKind) -> SwitchReport:
        active, standby = _ready(stream)
        try:
            report = await self._measured(stream, kind, active, standby)
        except ManagerError as error:
            self._note(stream, kind, error.detail)
            raise
        self._note(stream, kind, _fault(report))
        return report

    async def _measured(
        self, stream: LiveStream, kind: DrillKind, active: WorkerGrant, standby: WorkerGrant
    ) -> SwitchReport:
        came: asyncio.Future[SwitchReport] = asyncio.get_running_loop().create_future()

        def hear(event: Event) -> None:
            if not isinstance(event, StreamFailedOver) or event.stream_id != stream.id or came.done():
                return
            if event.report.generation > active.generation:
                came.set_result(event.report)

        unlisten = self._bus.listen(hear)
        stream.excused_generation = active.generation
        try:
            async with asyncio.timeout(REPORT_S):
                if kind is DrillKind.PLANNED:
                    await self._gateways.switch(
                        stream.record, standby.generation, cause="drill", decided_by=DecidedBy.DRILL
                    )
                else:
                    await self._fleet.driver(active.encoder_id).break_worker(active.worker_id, kind.value)
                return await came
        except TimeoutError:
            raise Unavailable(f"no report of the switch came within {REPORT_S:g} s") from None
        finally:
            unlisten()
            stream.excuse_no_more(active.generation)

    def _note(self, stream: LiveStream, kind: DrillKind, fault: str | None) -> None:
        outcome = DrillOutcome(utc_now(), kind, fault)
        stream.record = replace(stream.record, last_drill=outcome)
        self._bus.tell(StreamDrilled(stream.id, stream.record.tenant, outcome))
        if not stream.ended:
            self._streams.save_later(stream)


def _ready(stream: LiveStream) -> tuple[WorkerGrant, WorkerGrant]:
    """Active and proved standby. Raises Conflict."""
    if stream.ended:
        raise Conflict("the stream has ended")
    if stream.seen.source_since is None:
        raise Conflict("nobody publishes to this stream now", hint="A drill needs a picture that could be lost.")
    if not stream.runs_standby:
        raise Conflict(
            "no worker of its backup runs that could take over",
            hint="Drills are for streams opened with `standby` warm, hot or active-active.",
        )
    active, standby = stream.active, stream.proved_standby
    if active is None or standby is None:
        raise Conflict("no standby stands ready for this stream", hint="See `standby` in its health.")
    return active, standby


async def _until_protected(stream: LiveStream) -> None:
    deadline = monotonic() + PROTECTED_S
    while stream.proved_standby is None and not stream.ended:
        if monotonic() > deadline:
            raise Unavailable(f"no standby stood ready again within {PROTECTED_S:g} s")
        await asyncio.sleep(LOOK_EVERY_S)


def _fault(report: SwitchReport) -> str | None:
    missing, doubled = report.frames_missing, report.frames_doubled
    if not report.complete:
        return "the switch could not be measured to its end"
    if missing is None:
        return "missing frames could not be counted"
    if missing or doubled:
        return f"{missing} frames missing, {doubled} doubled"
    return None
