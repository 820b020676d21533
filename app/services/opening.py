"""Opens a stream: rules, reservation, store, gateway, workers, in this order; a failure undoes what went before."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

import structlog

from app.domain.access import Principal
from app.domain.errors import ManagerError, NoCapacity
from app.domain.events import Event, StreamChanged
from app.domain.fleet import PlacementDecision
from app.domain.ids import DestinationId, EncoderId, GatewayId, PlaybackId, StreamId
from app.domain.ladder import Ladder
from app.domain.link import GatewayHello
from app.domain.note import Note
from app.domain.secret import Secret
from app.domain.session import Advice, EncoderChoice, OpenedStream, StreamRecord, StreamRequest
from app.domain.stream import (
    Destination,
    EncodeSettings,
    StandbyGrade,
    StreamMode,
    StreamState,
    Timing,
    WorkerGrant,
    WorkerOrder,
)
from app.policy.failover_states import Cover
from app.runtime.bus import Bus
from app.runtime.clock import monotonic, utc_now
from app.services.device_places import new_feed
from app.services.device_streams import DeviceStreams
from app.services.ending import Ending
from app.services.fleet import Fleet
from app.services.gateways import Gateways, playback, rtmp_url, rtmps_url
from app.services.live_streams import LiveStream, LiveStreams, live_stream, new_machine
from app.services.load_balancer import LoadBalancer
from app.services.names import new_id, new_secret, sha256_hex
from app.services.plans import grant_for, new_order, with_grants
from app.services.recovery import Recovery
from app.services.stream_validator import StreamValidator
from app.services.takeover import Takeover

PLACES_TRIED: Final = 3
"""Encoders that are asked before the caller is told that none takes the stream."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Keys:
    """Of the stream's inputs; only their digests are kept."""

    main: Secret
    backup: Secret | None


class Opening:
    def __init__(
        self,
        *,
        validator: StreamValidator,
        streams: LiveStreams,
        fleet: Fleet,
        gateways: Gateways,
        balancer: LoadBalancer,
        takeover: Takeover,
        recovery: Recovery,
        ending: Ending,
        feeds: DeviceStreams,
        bus: Bus[Event],
    ) -> None:
        self._feeds = feeds
        self._validator = validator
        self._streams = streams
        self._fleet = fleet
        self._gateways = gateways
        self._balancer = balancer
        self._takeover = takeover
        self._recovery = recovery
        self._ending = ending
        self._bus = bus

    async def open(self, request: StreamRequest, owner: Principal) -> OpenedStream:
        """Raises InvalidRequest, NoCapacity, Unavailable, or what the gateway or an encoder answered."""
        ladder, advice = self._validator.demand(request)
        gateway = self._gateways.pick()
        has_two = request.backup_input or request.devices is not None
        keys = _Keys(new_secret(), new_secret() if has_two else None)
        record = _record(request, owner.tenant, ladder=ladder, gateway_id=gateway.gateway_id, keys=keys)
        stream, decision = self._placed(request, record)
        advice = _with_left_out(advice, ladder, stream.record.ladder)
        try:
            fed = None if stream.record.feed is None else self._feeds.placed(stream)
            async with stream.lock:
                await self._bring_up(stream, decision, gateway)
        finally:
            # Refused, cut off or ended on the way: its places are free again.
            if self._streams.find(stream.id) is None:
                self._balancer.release(stream.id)
                self._feeds.release(stream.id)
        self._bus.tell(StreamChanged(stream.id, owner.tenant, StreamState.WAITING, utc_now(), "opened"))
        return self._opened(stream, keys=keys, gateway=gateway, advice=advice, decision=decision or fed)

    def _placed(self, request: StreamRequest, record: StreamRecord) -> tuple[LiveStream, PlacementDecision | None]:
        """The stream with its places. Of a ladder that nobody asked for, the lowest rungs are left out before
        the stream is refused: a good picture for some beats none for all. Raises NoCapacity."""
        stream = live_stream(record)
        if request.mode is not StreamMode.TRANSCODE:
            return stream, None
        try:
            return stream, self._balancer.place(stream.id, stream.need)
        except NoCapacity:
            if request.renditions is not None or len(record.ladder.renditions) < 2:
                raise
            with contextlib.suppress(NoCapacity):
                return self._placed(request, _without_lowest(record))
            raise

    async def _bring_up(
        self, stream: LiveStream, decision: PlacementDecision | None, gateway: GatewayHello
    ) -> None:
        primary = self._plan(stream, decision, gateway)
        await self._streams.save(stream, lambda planned: planned, Note(utc_now(), stream.id, "stream opened", ""))
        self._streams.add(stream)
        try:
            await self._gateways.apply(stream.record)
            if primary is not None:
                await self._start_workers(stream, *primary)
            if stream.record.feed is not None:
                await self._feeds.begin(stream)
        except ManagerError as error:
            await self._ending.end_held(stream, f"could not be opened: {error.detail}")
            raise

    def _plan(
        self, stream: LiveStream, decision: PlacementDecision | None, gateway: GatewayHello
    ) -> tuple[EncoderId, WorkerOrder] | None:
        """Write the first plan into the record; the primary's order, or None for a stream without encoder."""
        if decision is None or decision.primary_id is None:
            stream.record = with_grants(stream.record, None, None)
            return None
        record = stream.record
        order = new_order(stream_id=stream.id, encode=record.encode, generation=1, gateway=gateway)
        standby: WorkerGrant | None = None
        if decision.backup_id is not None:
            stream.backup_order = new_order(
                stream_id=stream.id,
                encode=record.encode,
                generation=2,
                gateway=gateway,
                standby=stream.runs_standby,
            )
            standby = grant_for(stream.backup_order, decision.backup_id)
        stream.record = with_grants(record, grant_for(order, decision.primary_id), standby)
        stream.machine = new_machine(stream.record)
        return decision.primary_id, order

    async def _start_workers(self, stream: LiveStream, primary_id: EncoderId, order: WorkerOrder) -> None:
        """Start the primary and its backup side by side; when the primary refuses, others are asked."""
        started, reserved = await asyncio.gather(
            self._fleet.driver(primary_id).start(order), self._reserve(stream), return_exceptions=True
        )
        if isinstance(reserved, ManagerError):
            log.warning(
                "backup refused", stream_id=stream.id, encoder_id=stream.record.backup_id, reason=reserved.detail
            )
            self._recovery.standby_lost(stream, 2, reserved.detail)
        elif isinstance(reserved, BaseException):
            raise reserved
        if isinstance(started, ManagerError):
            await self._ask_others(stream, primary_id, started)
        elif isinstance(started, BaseException):
            raise started
        else:
            stream.moved_at = monotonic()

    async def _reserve(self, stream: LiveStream) -> None:
        standby, order = stream.standby, stream.backup_order
        if standby is not None and order is not None:
            driver = self._fleet.driver(standby.encoder_id)
            await (driver.start(order) if order.standby else driver.reserve(stream.id, order))

    async def _ask_others(self, stream: LiveStream, refused_by: EncoderId, error: ManagerError) -> None:
        """Raises the last refusal."""
        stream.avoid(refused_by)
        for attempt in range(1, PLACES_TRIED):
            log.warning("encoder refused", stream_id=stream.id, attempt=attempt, reason=error.detail)
            try:
                generation = await self._takeover.move(stream, f"refused at the start: {error.detail}")
            except ManagerError as again:
                error = again
                continue
            self._recovery.took_over(stream, generation)
            stream.restarts = 0
            return
        raise error

    def _opened(
        self,
        stream: LiveStream,
        *,
        keys: _Keys,
        gateway: GatewayHello,
        advice: Advice,
        decision: PlacementDecision | None,
    ) -> OpenedStream:
        record = stream.record
        reasons = () if decision is None else decision.reasons
        covered = stream.machine.cover in (Cover.PROTECTED, Cover.PREPARING)
        backup_id = record.backup_id if covered or record.mode is StreamMode.PASSTHROUGH else None
        if backup_id is None and (record.mode is StreamMode.TRANSCODE or record.feed is not None):
            advice = replace(
                advice, warnings=(*advice.warnings, "no backup stands ready: the stream is unprotected")
            )
        return OpenedStream(
            record=record,
            stream_key=keys.main,
            backup_stream_key=keys.backup,
            rtmp_url=rtmp_url(gateway),
            rtmps_url=rtmps_url(gateway),
            primary=self._choice(record.primary_id, reasons[:1]),
            backup=self._choice(backup_id, reasons[1:]),
            playback=playback(gateway, record),
            advice=advice,
        )

    def _choice(self, encoder_id: EncoderId | None, reasons: tuple[str, ...]) -> EncoderChoice | None:
        info = None if encoder_id is None else self._fleet.info(encoder_id)
        return None if info is None else EncoderChoice(info.encoder_id, info.name, info.kind, reasons)


def _record(
    request: StreamRequest, tenant: str, *, ladder: Ladder, gateway_id: GatewayId, keys: _Keys
) -> StreamRecord:
    now = utc_now()
    encode = EncodeSettings(
        ladder,
        request.keyframe_interval_ms,
        request.preset,
        request.codec,
        independent_gops=request.standby is StandbyGrade.ACTIVE_ACTIVE,
    )
    return StreamRecord(
        stream_id=StreamId(new_id("str")),
        playback_id=PlaybackId(new_id("play")),
        tenant=tenant,
        name=request.name,
        mode=request.mode,
        state=StreamState.WAITING,
        gateway_id=gateway_id,
        key_sha256=sha256_hex(keys.main),
        key_last4=keys.main.reveal()[-4:],
        key_expires_at=now + timedelta(seconds=request.key_lifetime_s),
        ladder=ladder,
        encode=encode if request.mode is StreamMode.TRANSCODE else None,
        timing=Timing(
            keyframe_interval_ms=request.keyframe_interval_ms,
            segment_ms=request.segment_ms,
            reconnect_window_s=request.reconnect_window_s,
        ),
        destinations=new_destinations(request.destinations),
        record=request.record,
        hls=request.hls,
        region=request.region,
        primary_id=None,
        backup_id=None,
        generation=0,
        revision=0,
        created_at=now,
        standby=request.standby,
        backup_key_sha256=None if keys.backup is None else sha256_hex(keys.backup),
        slate=request.slate,
        content_checks=request.content_checks,
        auto_quality=request.auto_quality,
        feed=None
        if request.devices is None or keys.backup is None
        else new_feed(request, request.devices, main=keys.main, backup=keys.backup),
    )


def _without_lowest(record: StreamRecord) -> StreamRecord:
    ladder = replace(record.ladder, renditions=record.ladder.renditions[:-1])
    return replace(record, ladder=ladder, encode=record.encode and replace(record.encode, ladder=ladder))


def _with_left_out(advice: Advice, planned: Ladder, placed: Ladder) -> Advice:
    names = [rendition.name for rendition in planned.renditions[len(placed.renditions) :]]
    if not names:
        return advice
    warning = f"no encoder has room for the whole ladder: left out {', '.join(names)}"
    return replace(advice, warnings=(*advice.warnings, warning))


def new_destinations(urls: tuple[str, ...]) -> tuple[Destination, ...]:
    return tuple(Destination(DestinationId(new_id("dst")), Secret(url)) for url in urls)
