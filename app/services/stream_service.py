"""Streams as their owners see them: open, look, change, end. Whose stream it is, is decided here alone."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from app.domain.access import Principal, Scope
from app.domain.errors import NotFound
from app.domain.failover import SwitchReport
from app.domain.fleet import PlacementDecision
from app.domain.ids import StreamId
from app.domain.note import Note
from app.domain.session import (
    ChangeOutcome,
    OpenedStream,
    Playback,
    StreamChange,
    StreamHealth,
    StreamRecord,
    StreamRequest,
)
from app.ports.store import Store
from app.runtime.clock import utc_now
from app.services.changing import Changing
from app.services.device_places import feed_id
from app.services.ending import Ending
from app.services.gateways import Gateways, playback, rtmp_url
from app.services.live_streams import LiveStreams, may_see
from app.services.load_balancer import LoadBalancer
from app.services.opening import Opening
from app.services.reports import Reports
from app.services.stream_validator import StreamValidator
from app.services.stream_watch import StreamWatch
from app.services.what_if import consider

ENDED_LISTED: Final = 20
"""Each is read and opened anew; who looks at lists often looks for what runs."""

EVENTS_LISTED: Final = 200


class StreamService:
    """Every call raises ManagerError; a stream of another tenant is NotFound, admins see all."""

    def __init__(
        self,
        *,
        streams: LiveStreams,
        store: Store,
        balancer: LoadBalancer,
        gateways: Gateways,
        opening: Opening,
        validator: StreamValidator,
        changing: Changing,
        ending: Ending,
        watch: StreamWatch,
        reports: Reports,
    ) -> None:
        self._streams = streams
        self._store = store
        self._balancer = balancer
        self._gateways = gateways
        self._opening = opening
        self._validator = validator
        self._changing = changing
        self._ending = ending
        self._watch = watch
        self._reports = reports

    async def open(self, request: StreamRequest, owner: Principal) -> OpenedStream:
        return await self._opening.open(request, owner)

    def consider(self, request: StreamRequest) -> PlacementDecision:
        """Where it would be placed now; nothing is reserved. Raises InvalidRequest."""
        return consider(request, validator=self._validator, balancer=self._balancer)

    async def health(self, stream_id: StreamId, who: Principal) -> StreamHealth:
        stream = self._streams.find(stream_id)
        if stream is None:
            return _ended_health(await self.get(stream_id, who), utc_now())
        return self._watch.health(self._streams.owned(stream_id, who))

    def all_health(self, who: Principal) -> tuple[StreamHealth, ...]:
        """Of the running streams."""
        return tuple(self._watch.health(stream) for stream in self._streams if may_see(stream.record, who))

    async def get(self, stream_id: StreamId, who: Principal) -> StreamRecord:
        """Ended ones too, while the store keeps them."""
        stream = self._streams.find(stream_id)
        record = stream.record if stream is not None else await self._store.stream(stream_id)
        if record is None or not may_see(record, who):
            raise NotFound("no such stream", hint="GET /api/streams lists the streams of this key.")
        return record

    async def list(self, who: Principal) -> tuple[StreamRecord, ...]:
        """The running ones, oldest first, then the last that ended."""
        running = tuple(stream.record for stream in self._streams if may_see(stream.record, who))
        tenant = None if who.may(Scope.ADMIN) else who.tenant
        return running + await self._store.ended_streams(tenant, limit=ENDED_LISTED)

    def places(self, record: StreamRecord) -> tuple[str, Playback]:
        """Where to publish (server part) and where to watch. Raises Unavailable before its gateway has come."""
        gateway = self._gateways.of(record.gateway_id)
        return rtmp_url(gateway), playback(gateway, record)

    async def change(self, stream_id: StreamId, change: StreamChange, who: Principal) -> ChangeOutcome:
        return await self._changing.change(self._streams.owned(stream_id, who), change)

    async def end(self, stream_id: StreamId, who: Principal, reason: str = "ended by request") -> None:
        """Ending an ended stream again is no error."""
        if self._streams.find(stream_id) is None:
            await self.get(stream_id, who)
            return
        await self._ending.end(self._streams.owned(stream_id, who), reason)

    async def events(self, stream_id: StreamId, who: Principal) -> tuple[Note, ...]:
        """What happened to it, newest first; of an ended one too, while the store keeps it."""
        await self.get(stream_id, who)
        return await self._store.notes(stream_id, limit=EVENTS_LISTED)

    async def failovers(self, stream_id: StreamId, who: Principal, limit: int = 100) -> tuple[SwitchReport, ...]:
        """Its measured switches, newest first; of an ended one too, while the store keeps it."""
        await self.get(stream_id, who)
        return await self._reports.of(stream_id, limit=limit)

    def placement(self, stream_id: StreamId, who: Principal) -> tuple[PlacementDecision, ...]:
        """Why these encoders, and which devices feed it, newest decision first."""
        own = self._streams.owned(stream_id, who).id
        found = (*self._balancer.decisions(own), *self._balancer.decisions(feed_id(own)))
        return tuple(sorted(found, key=lambda decision: decision.at, reverse=True))


def _ended_health(record: StreamRecord, at: datetime) -> StreamHealth:
    return StreamHealth(
        stream_id=record.stream_id,
        state=record.state,
        at=at,
        score=None,
        reasons=(record.end_reason or "ended",),
        protected=False,
        primary_id=record.primary_id,
        backup_id=None,
        generation=record.generation,
        cpu_usage=None,
        dropped_frames=None,
        bitrate=None,
        source=None,
        channel=None,
    )
