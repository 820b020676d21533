"""Control's ear at the link: hands every hello, fact and loss to the part whose business it is. Decides nothing.

Nothing here waits for an order: the answer would come over the link that is being read.
"""

from __future__ import annotations

import structlog

from app.domain.events import Event, StreamErrorSeen
from app.domain.ids import WorkerId
from app.domain.link import (
    ChannelReading,
    ContentSeen,
    Fact,
    GatewayHello,
    Heartbeat,
    Hello,
    NodeHello,
    ProgrammeUp,
    PublishRefused,
    SourceDown,
    SourceUp,
    StandbyReady,
    Switched,
    SwitchMeasured,
    WorkerDown,
    WorkerExited,
    WorkerUp,
)
from app.domain.severity import Severity
from app.ports.link import PeerId
from app.runtime.bus import Bus
from app.runtime.clock import monotonic
from app.runtime.tasks import TaskGroupKeeper
from app.services.adoption import Adoption
from app.services.content_news import ContentNews
from app.services.fleet import Fleet
from app.services.gateways import Gateways
from app.services.live_streams import LiveStream, LiveStreams
from app.services.recovery import Recovery
from app.services.reports import Reports, with_devices

log = structlog.get_logger()


class Switchboard:
    """Implements `LinkEvents`."""

    def __init__(
        self,
        *,
        streams: LiveStreams,
        fleet: Fleet,
        gateways: Gateways,
        adoption: Adoption,
        recovery: Recovery,
        reports: Reports,
        bus: Bus[Event],
        keeper: TaskGroupKeeper,
    ) -> None:
        self._streams = streams
        self._fleet = fleet
        self._gateways = gateways
        self._adoption = adoption
        self._recovery = recovery
        self._reports = reports
        self._bus = bus
        self._content = ContentNews(bus)
        self._keeper = keeper

    def refusal(self, hello: Hello) -> str | None:
        if isinstance(hello, NodeHello):
            return self._fleet.refusal(hello.encoder)
        return self._gateways.refusal(hello)

    async def on_hello(self, hello: Hello) -> None:
        if isinstance(hello, GatewayHello):
            self._adoption.gateway_came(hello)
        else:
            self._adoption.node_came(hello)

    async def on_lost(self, peer: PeerId, reason: str) -> None:
        encoder_id = self._fleet.at_node(peer)
        if encoder_id is not None:
            self._fleet.link_lost(encoder_id)

    async def on_fact(self, peer: PeerId, fact: Fact) -> None:
        if isinstance(fact, Heartbeat):
            encoder_id = self._fleet.at_node(peer)
            if encoder_id is not None:
                self._fleet.heard(encoder_id, fact.reading)
            return
        stream = None if fact.stream_id is None else self._streams.find(fact.stream_id)
        if stream is None:
            if isinstance(fact, SwitchMeasured):
                self._keeper.start(self._reports.take(fact.report, None), name=f"report {fact.stream_id}")
            if isinstance(fact, PublishRefused):
                log.info("publisher refused", peer=fact.peer, reason=fact.reason)
            return
        self._heard(stream, peer, fact)

    def _heard(self, stream: LiveStream, peer: PeerId, fact: Fact) -> None:
        now = monotonic()
        match fact:
            case ChannelReading():
                stream.seen.read(fact, stream.record.ladder, now)
            case ContentSeen():
                self._content.heard(stream, fact, now)
            case SourceUp():
                log.info("publisher came", stream_id=stream.id, software=fact.software, codec=fact.video_codec)
                stream.seen.source_up(fact, now)
            case SourceDown():
                log.info("publisher left", stream_id=stream.id, reason=fact.reason)
                stream.seen.source_down(now)
            case ProgrammeUp():
                stall_ms = None if fact.stall_ms is None else round(fact.stall_ms, 1)
                log.info("programme up", stream_id=stream.id, generation=fact.generation, stall_ms=stall_ms)
                stream.seen.programme_up(now)
            case WorkerUp():
                log.info("worker connected", stream_id=stream.id, generation=fact.generation)
            case StandbyReady():
                self._recovery.standby_ready(stream, fact.generation)
            case Switched():
                self._recovery.switched(stream, fact)
            case WorkerDown():
                self._worker_gone(stream, fact.worker_id, fact.reason, by_gateway=True)
            case WorkerExited():
                code = "" if fact.exit_code is None else f" (exit code {fact.exit_code})"
                self._worker_gone(stream, fact.worker_id, f"{fact.reason}{code}")
            case SwitchMeasured():
                report = with_devices(fact.report, stream.record)
                work = self._reports.take(report, stream.record.tenant)
                self._keeper.start(work, name=f"report {stream.id}")
            case PublishRefused():
                self._tell(stream, "publisher refused", fact)
            case Heartbeat():
                pass

    def _worker_gone(
        self, stream: LiveStream, worker_id: WorkerId, reason: str, *, by_gateway: bool = False
    ) -> None:
        active, standby = stream.active, stream.standby
        if active is not None and active.worker_id == worker_id:
            self._recovery.active_lost(stream, active.generation, reason, by_gateway=by_gateway)
        elif standby is not None and standby.worker_id == worker_id:
            self._recovery.standby_lost(stream, standby.generation, reason)

    def _tell(self, stream: LiveStream, cause: str, fact: PublishRefused) -> None:
        detail = f"{fact.peer}: {fact.reason}"
        self._bus.tell(StreamErrorSeen(stream.id, stream.record.tenant, Severity.WARNING, cause, detail, fact.at))
