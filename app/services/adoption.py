"""Takes up what gateways and nodes say runs there when they connect: after a restart of either, or a lost link.

What should run and does is left alone, what should and does not is put right, what nobody knows is stopped. Nothing
is awaited where a hello is heard: the link reads on while tasks do the work.
"""

from __future__ import annotations

import contextlib

import structlog

from app.domain.errors import Conflict, ManagerError
from app.domain.fleet import Role
from app.domain.ids import EncoderId, WorkerId
from app.domain.link import GatewayHello, NodeHello, RunningChannel
from app.domain.stream import WorkerGrant
from app.runtime.clock import monotonic
from app.runtime.tasks import TaskGroupKeeper
from app.services.fleet import Fleet
from app.services.gateways import Gateways
from app.services.live_streams import LiveStream, LiveStreams
from app.services.load_balancer import LoadBalancer
from app.services.plans import raised_above, renewed
from app.services.recovery import Recovery

log = structlog.get_logger()


class Adoption:
    def __init__(
        self,
        *,
        streams: LiveStreams,
        fleet: Fleet,
        gateways: Gateways,
        balancer: LoadBalancer,
        recovery: Recovery,
        keeper: TaskGroupKeeper,
    ) -> None:
        self._streams = streams
        self._fleet = fleet
        self._gateways = gateways
        self._balancer = balancer
        self._recovery = recovery
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
            self._keeper.start(self._adopt_channel(stream, channel), name=f"adopt {stream.id}")
        for stranger in channels.values():
            self._keeper.start(self._close(hello, stranger), name=f"close {stranger.stream_id}")
        self._recovery.fleet_grew()

    def _see_source(self, stream: LiveStream, channel: RunningChannel | None) -> None:
        """Who publishes was told to the control that ran then, perhaps another than this one."""
        if channel is not None and channel.source is not None:
            stream.seen.source_up(channel.source, monotonic())
        else:
            stream.seen.source_down(monotonic())

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
        """The gateway holds a plan that this store never kept: whoever works under it is unknown here.

        A plan above it with a new worker makes the two agree again, at the cost of one takeover.
        """
        log.warning("gateway is ahead of the store", stream_id=stream.id, revision=channel.revision)
        stream.record = raised_above(stream.record, channel.revision, channel.generation)
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
                self._keeper.start(self._reserve_again(stream), name=f"reserve {stream.id}")
        for worker in hello.workers:
            if worker.worker_id not in wanted:
                self._keeper.start(self._stop(encoder_id, worker.worker_id), name=f"stop {worker.worker_id}")
        self._recovery.fleet_grew()

    async def _miss(self, stream: LiveStream, active: WorkerGrant, came_at: float) -> None:
        """The node does not run the worker. Whoever holds the stream's lock may start it there right now."""
        async with stream.lock:
            if stream.active == active and stream.moved_at < came_at:
                cause = f"{active.encoder_id} came back without the worker"
                self._recovery.active_lost(stream, active.generation, cause)

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
                self._recovery.backup_lost(stream, error.detail)

    async def _stop(self, encoder_id: EncoderId, worker_id: WorkerId) -> None:
        log.warning("worker of no known stream stopped", worker_id=worker_id, encoder_id=encoder_id)
        with contextlib.suppress(ManagerError):
            await self._fleet.driver(encoder_id).stop(worker_id, "no stream knows this worker")
