"""Gives streams their standbys: chosen by the balancer, made known to the gateway, started or kept room.

The caller holds the stream's lock. A standby that runs is of use only when the gateway has said that it is proved.
"""

from __future__ import annotations

import contextlib

from app.domain.errors import ManagerError, Unavailable
from app.domain.fleet import Role
from app.domain.ids import EncoderId
from app.domain.stream import EncodeSettings, WorkerGrant, WorkerOrder
from app.policy.failover_words import StandbyReady, StandbyStarted
from app.runtime.clock import monotonic
from app.runtime.tasks import TaskGroupKeeper
from app.services.fleet import Fleet
from app.services.gateways import Gateways
from app.services.live_streams import LiveStream, LiveStreams
from app.services.load_balancer import LoadBalancer
from app.services.plans import grant_for, new_order, with_grants


class Standbys:
    def __init__(
        self,
        *,
        streams: LiveStreams,
        fleet: Fleet,
        gateways: Gateways,
        balancer: LoadBalancer,
        keeper: TaskGroupKeeper,
    ) -> None:
        self._streams = streams
        self._fleet = fleet
        self._gateways = gateways
        self._balancer = balancer
        self._keeper = keeper

    async def prepare(self, stream: LiveStream) -> StandbyStarted | StandbyReady:
        """Start the best encoder as standby, or keep its room for a cold stream.

        Raises ManagerError when nobody can, it refuses, or the gateway cannot be told; then there is no standby.
        """
        active = stream.active
        if active is None:
            raise Unavailable("no encoder works for the stream")
        primary = self._fleet.info(active.encoder_id)
        try:
            if primary is None:
                raise Unavailable(f"encoder {active.encoder_id} has not connected yet")
            backup = self._balancer.place_backup(stream.id, stream.need, primary=primary, avoid=stream.avoided())
            return await self.start(stream, backup, self.new_order(stream, standby=stream.runs_standby))
        except ManagerError:
            await self.drop(stream)
            raise

    async def start(
        self, stream: LiveStream, backup: EncoderId, order: WorkerOrder
    ) -> StandbyStarted | StandbyReady:
        """Have `order` stand by at `backup`, which has a place reserved, in place of the standby there is."""
        old, stream.backup_order = stream.standby, None
        if old is not None:
            self.leave_later(stream, old, keep_room=old.encoder_id == backup)
        driver = self._fleet.driver(backup)
        try:
            if not order.standby:
                await driver.reserve(stream.id, order)
            other = None if order.encode.ladder == stream.record.ladder else order.encode.ladder
            stream.record = with_grants(stream.record, stream.active, grant_for(order, backup), other)
            stream.backup_order, stream.standby_since = order, monotonic()
            # No worker comes before the gateway knows it.
            await self._gateways.apply(stream.record)
            if order.standby:
                await driver.start(order)
        except ManagerError:
            stream.avoid(backup)
            raise
        await self._streams.save_or_later(stream, stream.record)
        return StandbyStarted(order.generation) if order.standby else StandbyReady(order.generation)

    async def drop(self, stream: LiveStream) -> None:
        """No standby: the plan must not name one that is gone."""
        self._balancer.release(stream.id, Role.BACKUP)
        stream.backup_order, standby = None, stream.standby
        if standby is None:
            return
        self.leave_later(stream, standby)
        stream.record = with_grants(stream.record, stream.active, None)
        # A gateway that is away gets the plan at its next hello.
        with contextlib.suppress(ManagerError):
            await self._gateways.apply(stream.record)
        await self._streams.save_or_later(stream, stream.record)

    def new_order(
        self, stream: LiveStream, *, standby: bool = False, encode: EncodeSettings | None = None
    ) -> WorkerOrder:
        """`encode`: other settings than the record's. Raises Conflict for a stream that is passed through."""
        return new_order(
            stream_id=stream.id,
            encode=encode or stream.record.encode,
            generation=stream.record.generation + 1,
            gateway=self._gateways.of(stream.record.gateway_id),
            standby=standby,
        )

    # --- what nobody waits for: an encoder that is away is told at its next hello

    def leave_later(self, stream: LiveStream, grant: WorkerGrant, *, keep_room: bool = False) -> None:
        """Stop a standby, and give its room back unless the stream's next one is to use it."""
        self.stop_later(grant, "no longer the standby")
        if not keep_room:
            self._keeper.start(self._release(stream, grant.encoder_id), name=f"release {stream.id}")

    def stop_later(self, grant: WorkerGrant, reason: str) -> None:
        self._keeper.start(self._stop(grant, reason), name=f"stop {grant.worker_id}")

    async def _stop(self, grant: WorkerGrant, reason: str) -> None:
        with contextlib.suppress(ManagerError):
            await self._fleet.driver(grant.encoder_id).stop(grant.worker_id, reason)

    async def _release(self, stream: LiveStream, encoder_id: EncoderId) -> None:
        with contextlib.suppress(ManagerError):
            await self._fleet.driver(encoder_id).release(stream.id)
