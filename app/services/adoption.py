"""Takes up what gateways and nodes say runs there when they connect: after a restart of either, or a lost link.

What should run and does is left alone, what should and does not is put right, what nobody knows is stopped. Nothing
is awaited where a hello is heard: the link reads on while tasks do the work.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final

import structlog

from app.domain.errors import Conflict, ManagerError
from app.domain.failover import DecidedBy, SwitchKind
from app.domain.fleet import Role
from app.domain.ids import EncoderId, WorkerId
from app.domain.link import GatewayHello, NodeHello, RunningChannel, Switched
from app.domain.stream import WorkerGrant
from app.runtime.clock import monotonic, utc_now
from app.runtime.tasks import TaskGroupKeeper
from app.services.fleet import Fleet
from app.services.gateways import Gateways
from app.services.live_streams import LiveStream, LiveStreams
from app.services.load_balancer import LoadBalancer
from app.services.plans import raised_above, renewed
from app.services.recovery import Recovery
from app.services.reports import Reports, with_devices
from app.services.standbys import Standbys

UNSEEN: Final = 16
"""Generations that a plan which nobody kept may have handed out beyond those that the gateway tells of."""

GATEWAY_S: Final = 10.0
"""A gateway that restarts together with its nodes is waited for before a missing worker counts as lost."""
LOOK_S: Final = 0.1

log = structlog.get_logger()


class Adoption:
    def __init__(
        self,
        *,
        streams: LiveStreams,
        fleet: Fleet,
        gateways: Gateways,
        balancer: LoadBalancer,
        standbys: Standbys,
        recovery: Recovery,
        reports: Reports,
        keeper: TaskGroupKeeper,
    ) -> None:
        self._streams = streams
        self._fleet = fleet
        self._gateways = gateways
        self._balancer = balancer
        self._standbys = standbys
        self._recovery = recovery
        self._reports = reports
        self._keeper = keeper

    def promises_of_the_store(self) -> None:
        """Write down the places that running streams hold, before the first new one may be given."""
        for stream in self._streams:
            for role, grant in ((Role.PRIMARY, stream.active), (Role.BACKUP, stream.standby)):
                if grant is not None:
                    self._balancer.adopt(stream.id, grant.encoder_id, role, stream.need)

    # --- gateways

    def gateway_came(self, hello: GatewayHello) -> None:
        self._gateways.arrived(hello)
        channels = {channel.stream_id: channel for channel in hello.channels}
        for stream in self._streams.of_gateway(hello.gateway_id):
            channel = channels.pop(stream.id, None)
            self._see_source(stream, channel)
            if channel is None:
                self._recovery.standby_doubted(stream)
            else:
                self._follow(stream, channel)
            self._keeper.start(self._adopt_channel(stream, channel), name=f"adopt {stream.id}")
        for stranger in channels.values():
            if self._streams.is_unread(stranger.stream_id):
                continue
            self._keeper.start(self._close(hello, stranger), name=f"close {stranger.stream_id}")
        self._recovery.fleet_grew()

    def _see_source(self, stream: LiveStream, channel: RunningChannel | None) -> None:
        """Who publishes was told to the control that ran then, perhaps another than this one."""
        if channel is not None and channel.source is not None:
            stream.seen.source_up(channel.source, monotonic())
        else:
            stream.seen.source_down(monotonic())

    def _follow(self, stream: LiveStream, channel: RunningChannel) -> None:
        """Take over what the gateway decided while control was away: switches, and who stands ready."""
        self._keeper.start(self._take_reports(stream, channel), name=f"reports {stream.id}")
        active, standby = stream.active, stream.standby
        if active is not None and standby is not None and channel.generation == standby.generation:
            log.info("switch of the gateway adopted", stream_id=stream.id, generation=channel.generation)
            self._recovery.switched(stream, _switch_told_by(channel, active, standby))
        elif channel.standby_generation is not None:
            self._recovery.standby_ready(stream, channel.standby_generation)
        else:
            self._recovery.standby_doubted(stream)

    async def _take_reports(self, stream: LiveStream, channel: RunningChannel) -> None:
        """One after the other: all of a gateway's at once would fill the store's queue."""
        for report in channel.reports:
            await self._reports.take(with_devices(report, stream.record), stream.record.tenant)

    async def _adopt_channel(self, stream: LiveStream, channel: RunningChannel | None) -> None:
        async with stream.lock:
            if stream.ended or stream.record.plan is None:
                return
            held = None if channel is None else channel.revision
            if channel is not None and held == stream.record.revision:
                return
            if channel is not None and channel.revision > stream.record.revision:
                await self._overtake(stream, channel)
                return
            log.info("channel restored", stream_id=stream.id, held=held, revision=stream.record.revision)
            # A gateway that is lost again says hello again.
            with contextlib.suppress(ManagerError):
                await self._gateways.apply(stream.record)

    async def _overtake(self, stream: LiveStream, channel: RunningChannel) -> None:
        """The gateway holds a plan that this store never kept: somebody in it may be unknown here.

        Where the one who speaks is known, only the standby is sought anew. Otherwise a plan above the gateway's
        with a new worker makes the two agree again, at the cost of one takeover.
        """
        log.warning("gateway is ahead of the store", stream_id=stream.id, revision=channel.revision)
        seen = max(channel.generation, channel.standby_generation or 0)
        stream.record = raised_above(stream.record, channel.revision, seen + UNSEEN)
        speaks = stream.active
        if speaks is not None and speaks.generation == channel.generation:
            await self._standbys.drop(stream)
            self._recovery.standby_given_up(stream)
            stream.record = renewed(stream.record)
            # A gateway that is lost again says hello again.
            with contextlib.suppress(ManagerError):
                await self._gateways.apply(stream.record)
            await self._streams.save_or_later(stream, stream.record)
            return
        # What was reserved before has a generation that the gateway would refuse.
        stream.backup_order = None
        active = stream.active
        if active is not None:
            self._recovery.active_lost(
                stream, active.generation, "control's record was older than the gateway's", blame=False
            )
            return
        stream.record = renewed(stream.record)
        with contextlib.suppress(ManagerError):
            await self._gateways.apply(stream.record)
        await self._streams.save_or_later(stream, stream.record)

    async def _close(self, hello: GatewayHello, stranger: RunningChannel) -> None:
        log.warning("channel of no known stream closed", stream_id=stranger.stream_id, gateway_id=hello.gateway_id)
        with contextlib.suppress(ManagerError):
            await self._gateways.close_channel(hello.gateway_id, stranger.stream_id, "the stream has ended")

    # --- encoder nodes

    def node_came(self, hello: NodeHello) -> None:
        encoder_id = hello.encoder.encoder_id
        self._fleet.arrived(hello.encoder)
        running = {worker.worker_id for worker in hello.workers}
        wanted: set[WorkerId] = set()
        for stream in self._streams:
            active, standby = stream.active, stream.standby
            if active is not None and active.encoder_id == encoder_id:
                wanted.add(active.worker_id)
                if active.worker_id not in running:
                    work = self._miss(stream, active, monotonic())
                    self._keeper.start(work, name=f"miss {active.worker_id}")
            if standby is not None and standby.encoder_id == encoder_id:
                wanted.add(standby.worker_id)
                if not stream.runs_standby:
                    self._keeper.start(self._reserve_again(stream), name=f"reserve {stream.id}")
                elif standby.worker_id not in running:
                    work = self._miss_standby(stream, standby, monotonic())
                    self._keeper.start(work, name=f"miss {standby.worker_id}")
        for worker in hello.workers:
            if worker.worker_id not in wanted and not self._streams.is_unread(worker.stream_id):
                self._keeper.start(self._stop(encoder_id, worker.worker_id), name=f"stop {worker.worker_id}")
        self._recovery.fleet_grew()

    async def _miss(self, stream: LiveStream, active: WorkerGrant, came_at: float) -> None:
        """The node does not run the worker. Whoever holds the stream's lock may start it there right now."""
        await self._gateway_back(stream, came_at)
        async with stream.lock:
            if stream.active == active and stream.moved_at < came_at:
                cause = f"{active.encoder_id} came back without the worker"
                self._recovery.active_lost(stream, active.generation, cause)

    async def _gateway_back(self, stream: LiveStream, came_at: float) -> None:
        """Without its gateway no stream can be moved: to try would only tell that no encoder takes it."""
        while not self._gateways.is_connected(stream.record.gateway_id):
            if monotonic() - came_at >= GATEWAY_S:
                return
            await asyncio.sleep(LOOK_S)

    async def _miss_standby(self, stream: LiveStream, standby: WorkerGrant, came_at: float) -> None:
        await self._gateway_back(stream, came_at)
        async with stream.lock:
            if stream.standby == standby and stream.standby_since < came_at:
                cause = f"{standby.encoder_id} came back without the standby"
                self._recovery.standby_lost(stream, standby.generation, cause)

    async def _reserve_again(self, stream: LiveStream) -> None:
        """A node keeps reservations in memory only, and control the token of one."""
        async with stream.lock:
            standby, order = stream.standby, stream.backup_order
            if stream.ended or standby is None:
                return
            try:
                if order is None:
                    raise Conflict("control was restarted: the backup needs a new token")
                await self._fleet.driver(standby.encoder_id).reserve(stream.id, order)
            except ManagerError as error:
                self._recovery.standby_lost(stream, standby.generation, error.detail)

    async def _stop(self, encoder_id: EncoderId, worker_id: WorkerId) -> None:
        log.warning("worker of no known stream stopped", worker_id=worker_id, encoder_id=encoder_id)
        with contextlib.suppress(ManagerError):
            await self._fleet.driver(encoder_id).stop(worker_id, "no stream knows this worker")


def _switch_told_by(channel: RunningChannel, active: WorkerGrant, standby: WorkerGrant) -> Switched:
    """The fact that control missed; its report, where it is there already, says why."""
    switches = (r for r in channel.reports if r.kind is not SwitchKind.INPUT)
    report = next((r for r in switches if r.generation == channel.generation), None)
    return Switched(
        stream_id=channel.stream_id,
        at=utc_now() if report is None else report.at,
        from_worker_id=active.worker_id,
        from_generation=active.generation,
        worker_id=standby.worker_id,
        generation=standby.generation,
        kind=SwitchKind.REFLEX if report is None else report.kind,
        cause="switched by the gateway while control was away" if report is None else report.cause,
        evidence="" if report is None else report.evidence,
        decided_by=DecidedBy.GATEWAY if report is None else report.decided_by,
    )
