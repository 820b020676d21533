"""Gives a stream to another encoder, or notes that the gateway did. Who decided it, and why, is others' business.

Order of a takeover by control: the new grant at the gateway first, then the worker; so no worker ever comes before
the gateway knows it, and the old one is refused from then on. The store is waited for only briefly.
"""

from __future__ import annotations

import contextlib

import structlog

from app.domain.errors import ManagerError, NoCapacity
from app.domain.events import Event, StreamErrorSeen, WorkerReplaced
from app.domain.fleet import Role
from app.domain.ids import EncoderId
from app.domain.severity import Severity
from app.domain.stream import WorkerGrant, WorkerOrder
from app.runtime.bus import Bus
from app.runtime.clock import monotonic, utc_now
from app.runtime.tasks import TaskGroupKeeper
from app.services.fleet import Fleet
from app.services.gateways import Gateways
from app.services.live_streams import LiveStream, LiveStreams
from app.services.load_balancer import LoadBalancer
from app.services.plans import grant_for, promoted, with_grants
from app.services.standbys import Standbys

log = structlog.get_logger()


class Takeover:
    def __init__(
        self,
        *,
        streams: LiveStreams,
        fleet: Fleet,
        gateways: Gateways,
        balancer: LoadBalancer,
        standbys: Standbys,
        bus: Bus[Event],
        keeper: TaskGroupKeeper,
    ) -> None:
        self._streams = streams
        self._fleet = fleet
        self._gateways = gateways
        self._balancer = balancer
        self._standbys = standbys
        self._bus = bus
        self._keeper = keeper

    # --- by control

    async def move(
        self, stream: LiveStream, cause: str, *, onto: EncoderId | None = None, by_choice: bool = False
    ) -> int:
        """Give the stream to its standby or the best encoder, or `onto` a named one with room. The new generation.

        `by_choice`: only to another encoder. The caller holds the stream's lock. Raises NoCapacity, or what the
        gateway or the encoder answered; the plan may then grant a worker that does not run, and the next try makes
        a newer one.
        """
        self._gateways.demand(stream.record.gateway_id)
        old, standby = stream.active, stream.standby
        grant, order = self._next_worker(stream, onto, by_choice=by_choice)
        if standby is not None and standby != grant:
            self._standbys.leave_later(stream, standby, keep_room=standby.encoder_id == grant.encoder_id)
        stream.backup_order = None
        stream.record = with_grants(stream.record, grant, None)
        try:
            await self._gateways.apply(stream.record)
            # From here on the gateway refuses the old worker.
            if old is not None:
                self._standbys.stop_later(old, f"replaced: {cause}")
            await self._start(stream, grant.encoder_id, order)
        except ManagerError:
            self._balancer.release(stream.id, Role.PRIMARY)
            self._standbys.leave_later(stream, grant)
            raise
        await self._streams.save_or_later(stream, stream.record)
        self._moved(stream, old, grant, cause)
        return grant.generation

    def blame(self, stream: LiveStream, encoder_id: EncoderId) -> None:
        """It was the encoder's fault: it counts against it with every stream."""
        self._fleet.failed(encoder_id, stream.id)

    async def _start(self, stream: LiveStream, encoder_id: EncoderId, order: WorkerOrder) -> None:
        """A standby that runs there is left as it is by its own order."""
        try:
            await self._fleet.driver(encoder_id).start(order)
        except ManagerError:
            stream.avoid(encoder_id)
            self.blame(stream, encoder_id)
            raise

    def _next_worker(
        self, stream: LiveStream, onto: EncoderId | None, *, by_choice: bool
    ) -> tuple[WorkerGrant, WorkerOrder]:
        """Who takes over, its place reserved as primary, and the order to start it where it does not run yet."""
        if onto is not None:
            self._balancer.adopt(stream.id, onto, Role.PRIMARY, stream.need)
            return self._granted(stream, onto)
        # Without its token, as after a restart of control, a standby cannot be started where it does not run.
        standby, order = stream.standby, stream.backup_order
        if standby is not None and order is not None and not stream.changes_picture:
            faults = self._balancer.faults(standby.encoder_id, stream.id, stream.need)
            if not faults:
                self._balancer.promote_backup(stream.id, standby.encoder_id, stream.need)
                return standby, order
            reason = "; ".join(faults)
            log.warning("backup passed over", stream_id=stream.id, encoder_id=standby.encoder_id, reason=reason)
        self._balancer.release(stream.id, Role.BACKUP)
        best = self._balancer.place_primary(stream.id, stream.need, avoid=stream.avoided())
        if by_choice and stream.active is not None and best == stream.active.encoder_id:
            raise NoCapacity("no other encoder can take the stream")
        return self._granted(stream, best)

    def _granted(self, stream: LiveStream, encoder_id: EncoderId) -> tuple[WorkerGrant, WorkerOrder]:
        order = self._standbys.new_order(stream)
        return grant_for(order, encoder_id), order

    # --- by the gateway

    def follow(self, stream: LiveStream, generation: int, cause: str, *, wished: bool) -> bool:
        """The gateway gave the stream to its standby: the record follows, without waiting for anybody.

        `wished`: by somebody, so nothing went wrong. False: it is not the standby's generation, and nothing
        has changed.
        """
        old, standby = stream.active, stream.standby
        if standby is None or standby.generation != generation:
            return False
        stream.record = promoted(stream.record)
        self._keeper.start(self._tell_gateway(stream), name=f"plan {stream.id}")
        self._balancer.promote_backup(stream.id, standby.encoder_id, stream.need)
        stream.backup_order = None
        self._streams.save_later(stream)
        if old is not None:
            self._standbys.stop_later(old, f"replaced: {cause}")
        self._moved(stream, old, standby, cause, wished=wished)
        return True

    async def _tell_gateway(self, stream: LiveStream) -> None:
        async with stream.lock:
            # A gateway that is away gets the plan at its next hello.
            with contextlib.suppress(ManagerError):
                if not stream.ended:
                    await self._gateways.apply(stream.record)

    # --- both

    def _moved(
        self, stream: LiveStream, old: WorkerGrant | None, new: WorkerGrant, cause: str, *, wished: bool = False
    ) -> None:
        stream.without_encoder = None
        stream.moved_at, stream.moved_to = monotonic(), new.generation
        if stream.seen.source_since is not None:  # with nobody publishing, no picture was interrupted
            stream.restarts += 1
        from_id, to_id, generation = None if old is None else old.encoder_id, new.encoder_id, new.generation
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
        if wished:
            return
        acted = f"{to_id} took over"
        self._bus.tell(StreamErrorSeen(stream.id, tenant, Severity.WARNING, "worker replaced", cause, now, acted))
