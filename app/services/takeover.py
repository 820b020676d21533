"""Gives a stream to another encoder, or a backup to a stream. The caller holds its lock and decided why.

Order of a takeover: the new grant at the gateway first, then the worker; so no worker ever comes before the gateway
knows it, and the old one is refused from then on. The store is waited for only briefly.
"""

from __future__ import annotations

import contextlib
from typing import Final

import structlog

from app.domain.errors import ManagerError, Unavailable
from app.domain.events import Event, Severity, StreamErrorSeen, WorkerReplaced
from app.domain.fleet import Role
from app.domain.ids import EncoderId, StreamId, WorkerId
from app.domain.stream import WorkerGrant, WorkerOrder
from app.runtime.bus import Bus
from app.runtime.clock import monotonic, utc_now
from app.runtime.tasks import TaskGroupKeeper
from app.services.fleet import Fleet
from app.services.gateways import Gateways
from app.services.live_streams import LiveStream, LiveStreams
from app.services.load_balancer import LoadBalancer
from app.services.plans import grant_for, new_order, with_grants

AVOID_S: Final = 60.0
"""An encoder that lost this stream's worker is not asked again so soon, while there is another."""

log = structlog.get_logger()


class Takeover:
    def __init__(
        self,
        *,
        streams: LiveStreams,
        fleet: Fleet,
        gateways: Gateways,
        balancer: LoadBalancer,
        bus: Bus[Event],
        keeper: TaskGroupKeeper,
    ) -> None:
        self._streams = streams
        self._fleet = fleet
        self._gateways = gateways
        self._balancer = balancer
        self._bus = bus
        self._keeper = keeper

    # --- the worker

    async def move(self, stream: LiveStream, cause: str, *, onto: EncoderId | None = None) -> int:
        """Give the stream to its backup or the best encoder, or `onto` a named one with room. The new generation.

        Raises NoCapacity, or what the gateway or the encoder answered; the plan may then grant a worker that does
        not run, and the next try makes a newer one.
        """
        if not self._gateways.is_connected(stream.record.gateway_id):
            raise Unavailable(f"gateway {stream.record.gateway_id} is not connected")
        old = stream.active
        encoder_id, order = self._next_worker(stream, onto)
        order = order or self._new_order(stream)
        if stream.standby is not None and stream.standby.encoder_id != encoder_id:
            self._release_later(stream.standby.encoder_id, stream.id)
        stream.backup_order = None
        stream.record = with_grants(stream.record, grant_for(order, encoder_id), None)
        try:
            await self._gateways.apply(stream.record)
            # From here on the gateway refuses the old worker.
            self._stop_later(old, f"replaced: {cause}")
            await self._start(stream, encoder_id, order)
        except ManagerError:
            self._balancer.release(stream.id, Role.PRIMARY)
            self._release_later(encoder_id, stream.id)
            raise
        await self._streams.save_or_later(stream, stream.record)
        self._moved(stream, old, encoder_id, order.generation, cause)
        return order.generation

    @staticmethod
    def avoid(stream: LiveStream, encoder_id: EncoderId) -> None:
        """The encoder lost or refused what this stream needs: others come first for a while."""
        stream.failed_on[encoder_id] = monotonic()

    def blame(self, stream: LiveStream, encoder_id: EncoderId) -> None:
        """It was the encoder's fault: it counts against it with every stream."""
        self._fleet.failed(encoder_id, stream.id)

    async def _start(self, stream: LiveStream, encoder_id: EncoderId, order: WorkerOrder) -> None:
        try:
            await self._fleet.driver(encoder_id).start(order)
        except ManagerError:
            self.avoid(stream, encoder_id)
            self.blame(stream, encoder_id)
            raise

    def _next_worker(self, stream: LiveStream, onto: EncoderId | None) -> tuple[EncoderId, WorkerOrder | None]:
        """The encoder, reserved as primary, and its order when it is the backup that stood ready."""
        if onto is not None:
            self._balancer.adopt(stream.id, onto, Role.PRIMARY, stream.need)
            return onto, None
        standby, order = stream.standby, stream.backup_order
        if standby is not None and order is not None:
            faults = self._balancer.faults(standby.encoder_id, stream.id, stream.need)
            if not faults:
                self._balancer.promote_backup(stream.id, standby.encoder_id, stream.need)
                return standby.encoder_id, order
            reason = "; ".join(faults)
            log.warning("backup passed over", stream_id=stream.id, encoder_id=standby.encoder_id, reason=reason)
        self._balancer.release(stream.id, Role.BACKUP)
        return self._balancer.place_primary(stream.id, stream.need, avoid=_avoided(stream)), None

    def _moved(
        self, stream: LiveStream, old: WorkerGrant | None, to_id: EncoderId, generation: int, cause: str
    ) -> None:
        stream.without_encoder = None
        stream.moved_at = monotonic()
        if stream.seen.source_since is not None:  # with nobody publishing, no picture was interrupted
            stream.restarts += 1
        from_id = None if old is None else old.encoder_id
        log.info(
            "worker replaced",
            stream_id=stream.id,
            from_id=from_id,
            to_id=to_id,
            generation=generation,
            cause=cause,
        )
        tenant, now = stream.record.tenant, utc_now()
        self._bus.tell(WorkerReplaced(stream.id, tenant, from_id, to_id, generation, cause, now))
        acted = f"{to_id} took over"
        self._bus.tell(StreamErrorSeen(stream.id, tenant, Severity.WARNING, "worker replaced", cause, now, acted))

    # --- the backup

    async def reserve_backup(self, stream: LiveStream) -> None:
        """Raises ManagerError when nobody can, it refuses, or the gateway cannot be told; then there is none."""
        active = stream.active
        if active is None:
            raise Unavailable("no encoder works for the stream")
        try:
            await self._reserve(stream, active)
        except ManagerError:
            await self._go_bare(stream, active)
            raise

    async def _reserve(self, stream: LiveStream, active: WorkerGrant) -> None:
        old, stream.backup_order = stream.standby, None
        primary = self._fleet.info(active.encoder_id)
        if primary is None:
            raise Unavailable(f"encoder {active.encoder_id} has not connected yet")
        backup = self._balancer.place_backup(stream.id, stream.need, primary=primary, avoid=_avoided(stream))
        if old is not None and old.encoder_id != backup:
            self._release_later(old.encoder_id, stream.id)
        order = self._new_order(stream)
        try:
            await self._fleet.driver(backup).reserve(stream.id, order)
        except ManagerError:
            self.avoid(stream, backup)
            raise
        stream.record = with_grants(stream.record, active, grant_for(order, backup))
        stream.backup_order = order
        await self._gateways.apply(stream.record)
        await self._streams.save_or_later(stream, stream.record)

    async def _go_bare(self, stream: LiveStream, active: WorkerGrant) -> None:
        """No backup: the plan must not name one that is gone."""
        self._balancer.release(stream.id, Role.BACKUP)
        stream.backup_order = None
        if stream.standby is None:
            return
        self._release_later(stream.standby.encoder_id, stream.id)
        stream.record = with_grants(stream.record, active, None)
        # A gateway that is away gets the plan at its next hello.
        with contextlib.suppress(ManagerError):
            await self._gateways.apply(stream.record)
        await self._streams.save_or_later(stream, stream.record)

    def _new_order(self, stream: LiveStream) -> WorkerOrder:
        return new_order(
            stream_id=stream.id,
            encode=stream.record.encode,
            generation=stream.record.generation + 1,
            gateway=self._gateways.of(stream.record.gateway_id),
        )

    # --- what nobody waits for: an encoder that is away is told at its next hello

    def _stop_later(self, grant: WorkerGrant | None, reason: str) -> None:
        if grant is not None:
            work = self._stop(grant.encoder_id, grant.worker_id, reason)
            self._keeper.start(work, name=f"stop {grant.worker_id}")

    def _release_later(self, encoder_id: EncoderId, stream_id: StreamId) -> None:
        self._keeper.start(self._release(encoder_id, stream_id), name=f"release {stream_id}")

    async def _stop(self, encoder_id: EncoderId, worker_id: WorkerId, reason: str) -> None:
        with contextlib.suppress(ManagerError):
            await self._fleet.driver(encoder_id).stop(worker_id, reason)

    async def _release(self, encoder_id: EncoderId, stream_id: StreamId) -> None:
        with contextlib.suppress(ManagerError):
            await self._fleet.driver(encoder_id).release(stream_id)


def _avoided(stream: LiveStream) -> tuple[EncoderId, ...]:
    now = monotonic()
    stream.failed_on = {e: at for e, at in stream.failed_on.items() if now - at < AVOID_S}
    return tuple(stream.failed_on)
