"""Gives a stream whose encoder is gone to another one, and finds backups. Carries out what its machine decides.

Order of a replacement: the new grant at the gateway first, then the worker; so no worker ever comes before the
gateway knows it, and the old one is refused from then on. The store is waited for only briefly.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from typing import Final

import structlog

from app.domain.encoder import EncoderState
from app.domain.errors import ManagerError, Unavailable
from app.domain.events import Event, Severity, StreamErrorSeen, WorkerReplaced
from app.domain.fleet import Role
from app.domain.ids import EncoderId, WorkerId
from app.domain.stream import WorkerGrant, WorkerOrder
from app.policy import recovery as machine
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


class Recovery:
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

    # --- evidence

    def active_lost(self, stream: LiveStream, generation: int, cause: str, *, blame: bool = True) -> None:
        """`blame`: it counts against the encoder. Told twice, or of an older worker: nothing happens."""
        active = stream.active
        if active is None or generation < active.generation:
            return
        if stream.machine.phase is not machine.Phase.STEADY:
            self._feed(stream, machine.ActiveLost(generation, cause))
            return
        log.warning(
            "worker lost", stream_id=stream.id, encoder_id=active.encoder_id, generation=generation, cause=cause
        )
        if blame:
            self._blame(stream, active.encoder_id)
        self._feed(stream, machine.ActiveLost(generation, cause))

    def backup_lost(self, stream: LiveStream, cause: str) -> None:
        if stream.machine.cover is not machine.Cover.PROTECTED:
            return
        self._error(stream, Severity.WARNING, "backup lost", cause, "another backup is sought")
        self._feed(stream, machine.BackupLost(cause))

    def restart_all_on(self, encoder_id: EncoderId) -> None:
        """By an operator's wish: every worker of the encoder is replaced, where it was or by its backup."""
        for stream in self._streams:
            active = stream.active
            if active is not None and active.encoder_id == encoder_id:
                self.active_lost(stream, active.generation, "restarted by an operator", blame=False)

    def fleet_grew(self) -> None:
        for stream in self._streams:
            self._feed(stream, machine.FleetGrew())

    def seek_backup(self, stream: LiveStream) -> None:
        """For a stream that was opened or adopted without one."""
        self._feed(stream, machine.FleetGrew())

    def took_over(self, stream: LiveStream, generation: int) -> None:
        """Somebody who called `move` tells that it went well: a backup is sought."""
        self._feed(stream, machine.Replaced(generation))

    def tick(self, now: float) -> None:
        for stream in self._streams:
            due = stream.machine.due
            if due is not None and now >= due:
                self._carry_out(stream, stream.machine.tick(now))

    def _feed(self, stream: LiveStream, event: machine.Event) -> None:
        self._carry_out(stream, stream.machine.feed(event, monotonic()))

    def _carry_out(self, stream: LiveStream, commands: Iterable[machine.Command]) -> None:
        for command in commands:
            match command:
                case machine.Replace(cause):
                    self._keeper.start(self._replace(stream, cause), name=f"replace {stream.id}")
                case machine.SeekBackup():
                    self._keeper.start(self._seek_backup(stream), name=f"backup {stream.id}")
                case machine.Hold(reason, retry_s):
                    stream.without_encoder = f"no encoder: {reason}"
                    self._error(
                        stream, Severity.CRITICAL, "no encoder", reason, f"tried again in {retry_s:g} s or sooner"
                    )

    # --- deeds

    async def _replace(self, stream: LiveStream, cause: str) -> None:
        async with stream.lock:
            if stream.ended:
                return
            answer: machine.Event = machine.ReplaceFailed("a fault of control itself")
            try:
                answer = machine.Replaced(await self.move(stream, cause))
            except ManagerError as error:
                answer = machine.ReplaceFailed(error.detail)
            finally:
                # Whatever happened, the machine must hear of it: without an answer it would wait for ever.
                self._feed(stream, answer)

    async def move(self, stream: LiveStream, cause: str, *, onto: EncoderId | None = None) -> int:
        """Give the stream to its backup or the best encoder, or `onto` a named one. The new generation.

        The caller holds the lock and has seen to it that `onto` has room.
        Raises NoCapacity, or what the gateway or the encoder answered; the plan then grants a worker that does not
        run, and the next try makes a newer one.
        """
        old = stream.active
        gateway = self._gateways.of(stream.record.gateway_id)
        if not self._gateways.is_connected(gateway.gateway_id):
            raise Unavailable(f"gateway {gateway.gateway_id} is not connected")
        if onto is None:
            encoder_id, order = self._next_worker(stream)
        else:
            encoder_id, order = onto, None
            self._balancer.adopt(stream.id, onto, Role.PRIMARY, stream.need)
        if order is None:
            order = new_order(
                stream_id=stream.id,
                encode=stream.record.encode,
                generation=stream.record.generation + 1,
                gateway=gateway,
            )
        if stream.standby is not None and stream.standby.encoder_id != encoder_id:
            self._release_later(stream.standby.encoder_id, stream)
        stream.backup_order = None
        stream.record = record = with_grants(stream.record, grant_for(order, encoder_id), None)
        try:
            await self._gateways.apply(record)
            # From here on the gateway refuses the old worker.
            self.stop_later(old, f"replaced: {cause}")
            await self._fleet.driver(encoder_id).start(order)
        except ManagerError:
            self._blame(stream, encoder_id)
            self._balancer.release(stream.id, Role.PRIMARY)
            raise
        await self._streams.save_or_later(stream, stream.record)
        self._moved(stream, old, encoder_id, order.generation, cause)
        return order.generation

    def _moved(
        self, stream: LiveStream, old: WorkerGrant | None, encoder_id: EncoderId, generation: int, cause: str
    ) -> None:
        stream.without_encoder = None
        stream.restarts += 1
        from_id = None if old is None else old.encoder_id
        log.info(
            "worker replaced",
            stream_id=stream.id,
            from_id=from_id,
            to_id=encoder_id,
            generation=generation,
            cause=cause,
        )
        tenant = stream.record.tenant
        self._bus.tell(WorkerReplaced(stream.id, tenant, from_id, encoder_id, generation, cause, utc_now()))
        self._error(stream, Severity.WARNING, "worker replaced", cause, f"{encoder_id} took over")

    def _next_worker(self, stream: LiveStream) -> tuple[EncoderId, WorkerOrder | None]:
        """The encoder, reserved as primary, and its order when it is the backup that stood ready."""
        standby, order = stream.standby, stream.backup_order
        if standby is not None and order is not None:
            faults = self._balancer.is_fit(standby.encoder_id, stream.id, stream.need)
            presence = self._fleet.state(standby.encoder_id, monotonic())
            draining = presence is not None and presence.state is EncoderState.DRAINING
            if not faults or draining:
                self._balancer.promote_backup(stream.id, standby.encoder_id, stream.need)
                return standby.encoder_id, order
            log.warning(
                "backup passed over", stream_id=stream.id, encoder_id=standby.encoder_id, reason="; ".join(faults)
            )
        self._balancer.release(stream.id, Role.BACKUP)
        encoder_id = self._balancer.place_primary(stream.id, stream.need, avoid=self._avoided(stream))
        return encoder_id, None

    async def _seek_backup(self, stream: LiveStream) -> None:
        async with stream.lock:
            active = stream.active
            if stream.ended or active is None:
                return
            answer: machine.Event = machine.BackupFailed("a fault of control itself")
            try:
                await self._reserve_backup(stream, active)
                answer = machine.BackupReady()
            except ManagerError as error:
                answer = machine.BackupFailed(error.detail)
                await self._go_bare(stream, active)
            finally:
                self._feed(stream, answer)

    async def _reserve_backup(self, stream: LiveStream, active: WorkerGrant) -> None:
        """Raises ManagerError when there is none, it refuses, or the gateway cannot be told."""
        old = stream.standby
        stream.backup_order = None
        primary = self._fleet.info(active.encoder_id)
        if primary is None:
            raise Unavailable(f"encoder {active.encoder_id} has not connected yet")
        gateway = self._gateways.of(stream.record.gateway_id)
        backup = self._balancer.place_backup(stream.id, stream.need, primary=primary, avoid=self._avoided(stream))
        if old is not None and old.encoder_id != backup:
            self._release_later(old.encoder_id, stream)
        order = new_order(
            stream_id=stream.id,
            encode=stream.record.encode,
            generation=stream.record.generation + 1,
            gateway=gateway,
        )
        try:
            await self._fleet.driver(backup).reserve(stream.id, order)
        except ManagerError:
            stream.failed_on[backup] = monotonic()
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
        self._release_later(stream.standby.encoder_id, stream)
        stream.record = with_grants(stream.record, active, None)
        # A gateway that is away gets the plan at its next hello.
        with contextlib.suppress(ManagerError):
            await self._gateways.apply(stream.record)
        await self._streams.save_or_later(stream, stream.record)

    def _blame(self, stream: LiveStream, encoder_id: EncoderId) -> None:
        stream.failed_on[encoder_id] = monotonic()
        self._fleet.failed(encoder_id)

    def _avoided(self, stream: LiveStream) -> tuple[EncoderId, ...]:
        now = monotonic()
        stream.failed_on = {e: at for e, at in stream.failed_on.items() if now - at < AVOID_S}
        return tuple(stream.failed_on)

    # --- what nobody waits for

    def stop_later(self, grant: WorkerGrant | None, reason: str) -> None:
        if grant is not None:
            self._keeper.start(
                self._stop(grant.encoder_id, grant.worker_id, reason), name=f"stop {grant.worker_id}"
            )

    def _release_later(self, encoder_id: EncoderId, stream: LiveStream) -> None:
        self._keeper.start(self._release(encoder_id, stream), name=f"release {stream.id}")

    async def _stop(self, encoder_id: EncoderId, worker_id: WorkerId, reason: str) -> None:
        # One that is away is told at its next hello, which lists what it runs.
        with contextlib.suppress(ManagerError):
            await self._fleet.driver(encoder_id).stop(worker_id, reason)

    async def _release(self, encoder_id: EncoderId, stream: LiveStream) -> None:
        with contextlib.suppress(ManagerError):
            await self._fleet.driver(encoder_id).release(stream.id)

    def _error(self, stream: LiveStream, severity: Severity, cause: str, detail: str, acted: str | None) -> None:
        tenant = stream.record.tenant
        self._bus.tell(StreamErrorSeen(stream.id, tenant, severity, cause, detail, utc_now(), acted))
