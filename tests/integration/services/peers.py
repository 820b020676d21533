"""A gateway and encoder nodes that speak the real link and touch no media: they keep what they are told."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable
from datetime import UTC, datetime

from aiohttp import web

from app.adapters.link.uplink import WebSocketUplink
from app.assembly.control_services import ControlServices
from app.domain.access import Principal, Scope
from app.domain.encoder import Capabilities, CodecProbe, EncoderInfo, EncoderKind, EncoderReading, WorkerReading
from app.domain.errors import Conflict, ManagerError, NoCapacity
from app.domain.events import Event
from app.domain.failover import DecidedBy, SwitchKind, SwitchReport, TrackSplice
from app.domain.ids import EncoderId, GatewayId, HostId, KeyId, NodeId, StreamId, WorkerId
from app.domain.link import (
    BreakWorker,
    CloseChannel,
    Fact,
    GatewayHello,
    Heartbeat,
    NodeHello,
    OpenChannel,
    Order,
    ReconfigureWorker,
    ReleaseStream,
    ReserveStream,
    RunningChannel,
    RunningWorker,
    SourceUp,
    StandbyReady,
    StartWorker,
    StopWorker,
    Switched,
    SwitchMeasured,
    SwitchStream,
)
from app.domain.secret import Secret
from app.domain.session import StreamRequest
from app.domain.stream import ChannelPlan, WorkerOrder
from app.policy.drill_plan import DrillPlan

TOKEN = Secret("link-token-of-these-tests")
BOOTSTRAP = Secret("emk_live_bootstrap-key-of-these-tests-0001")
OWNER = Principal(KeyId("key_a"), "acme", frozenset({Scope.READ, Scope.STREAMS}))
OTHER = Principal(KeyId("key_b"), "umbrella", frozenset({Scope.READ, Scope.STREAMS}))
ADMIN = Principal(KeyId("key_c"), "default", frozenset({Scope.ADMIN}))
REQUEST = StreamRequest(width=1280, height=720, bitrate_bps=4_500_000, fps=30.0)


async def until(true: Callable[[], bool], within_s: float = 15.0) -> None:
    async with asyncio.timeout(within_s):
        while not true():  # noqa: ASYNC110 - the condition belongs to the code under test, which owes no event
            await asyncio.sleep(0.005)


def encoder(name: str, *, host: str | None = None, max_streams: int = 8) -> EncoderInfo:
    return EncoderInfo(
        EncoderId(f"enc_{name}"),
        NodeId(f"node_{name}"),
        HostId(host or f"host_{name}"),
        EncoderKind.SOFTWARE,
        name,
        Capabilities("cpu", 8, 8 << 30, (), (CodecProbe("libx264", True),), max_streams, 1e9, "build-1"),
    )


class Peer:
    """Dials like a gateway or node. `refuse` answers an order with an error, when it returns one."""

    def __init__(self) -> None:
        self.orders: list[Order] = []
        self.refuse: Callable[[Order], ManagerError | None] = lambda _: None
        self.uplink: WebSocketUplink | None = None
        self._tasks: list[asyncio.Task[None]] = []

    def hello(self) -> GatewayHello | NodeHello:
        raise NotImplementedError

    def carry_out(self, order: Order) -> None:
        raise NotImplementedError

    async def _perform(self, order: Order) -> None:
        error = self.refuse(order)
        if error is not None:
            raise error
        self.orders.append(order)
        self.carry_out(order)

    async def come(self, *ports: int) -> None:
        addresses = ",".join(f"http://127.0.0.1:{port}" for port in ports)
        self.uplink = WebSocketUplink(control_url=addresses, token=TOKEN)
        self._tasks = [asyncio.create_task(self.uplink.run(self.hello, self._perform)), *self.background()]
        await until(lambda: self.uplink is not None and self.uplink.connected)

    def background(self) -> list[asyncio.Task[None]]:
        return []

    async def go(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def tell(self, fact: Fact) -> None:
        assert self.uplink is not None
        self.uplink.tell(fact)


class FakeGateway(Peer):
    def __init__(self, name: str = "gw-1", host: str | None = None) -> None:
        super().__init__()
        self.name = GatewayId(name)
        self.host_id = None if host is None else HostId(host)
        self.plans: dict[StreamId, ChannelPlan] = {}
        self.sources: dict[StreamId, SourceUp] = {}
        self.ready: dict[StreamId, int] = {}
        """Generation of the standby that stands ready."""
        self.speaks: dict[StreamId, int] = {}
        """Generation that was given the stream, where that was this gateway's deed."""
        self.reports: dict[StreamId, list[SwitchReport]] = {}

    def hello(self) -> GatewayHello:
        channels = tuple(
            RunningChannel(
                p.stream_id,
                p.revision,
                max(p.active.generation if p.active else 0, self.speaks.get(p.stream_id, 0)),
                self.sources.get(p.stream_id),
                self.ready.get(p.stream_id),
                tuple(self.reports.get(p.stream_id, ())),
            )
            for p in self.plans.values()
        )
        return GatewayHello(
            self.name, "1", "127.0.0.1", 19350, None, "http://127.0.0.1:8081", channels, self.host_id
        )

    def standby_came(self, order: WorkerOrder) -> None:
        """A standby of one of the channels connects here and proves itself."""
        ready = StandbyReady(order.stream_id, order.worker_id, order.generation, at(), None)
        if self.uplink is not None and order.stream_id in self.plans:
            self.ready[order.stream_id] = order.generation
            self.tell(ready)

    def carry_out(self, order: Order) -> None:
        if isinstance(order, OpenChannel):
            held = self.plans.get(order.plan.stream_id)
            if held is not None and held.revision > order.plan.revision:
                raise Conflict("an older plan than the one that is held")
            self.plans[order.plan.stream_id] = order.plan
            if order.plan.standby is None or order.plan.standby.generation != self.ready.get(order.plan.stream_id):
                self.ready.pop(order.plan.stream_id, None)
        elif isinstance(order, CloseChannel):
            self.plans.pop(order.stream_id, None)
        elif isinstance(order, SwitchStream):
            if self.ready.get(order.stream_id) != order.generation:
                raise Conflict("that standby does not stand ready")
            self.switch(order.stream_id, SwitchKind.PLANNED, order.cause, order.decided_by)

    def switch(
        self,
        stream_id: StreamId,
        kind: SwitchKind = SwitchKind.REFLEX,
        cause: str = "connection reset",
        by: DecidedBy = DecidedBy.GATEWAY,
    ) -> SwitchReport:
        """Give the stream to its ready standby, as the gateway does when it loses the active worker."""
        plan = self.plans[stream_id]
        old, new = plan.active, plan.standby
        assert old is not None
        assert new is not None
        assert self.ready.pop(stream_id) == new.generation
        self.speaks[stream_id] = new.generation
        self.tell(
            Switched(
                stream_id, at(), old.worker_id, old.generation, new.worker_id, new.generation, kind, cause, "", by
            )
        )
        report = SwitchReport(
            stream_id, new.generation, old.generation, old.worker_id, new.worker_id, old.encoder_id,
            new.encoder_id, kind, plan.grade, cause, "", by, at(), True, 1.0, 2.0, 80.0, 80.0, 300.0,
            (TrackSplice("720p", 1000, 1033, 0, 0),),
        )  # fmt: skip
        self.reports.setdefault(stream_id, []).append(report)
        self.tell(SwitchMeasured(stream_id, report))
        return report


class FakeNode(Peer):
    def __init__(self, info: EncoderInfo) -> None:
        super().__init__()
        self.info = info
        self.workers: dict[WorkerId, WorkerOrder] = {}
        self.reserved: dict[StreamId, WorkerOrder] = {}
        self.silent = False
        self.temperature_c = 50.0
        self.speed = 1.0
        """Of every worker here."""
        self.on_break: Callable[[WorkerOrder, str], None] = lambda _, __: None
        self.on_standby: Callable[[WorkerOrder], None] = lambda _: None

    def hello(self) -> NodeHello:
        running = tuple(RunningWorker(o.worker_id, o.stream_id, o.generation) for o in self.workers.values())
        return NodeHello("1", self.info, running)

    def background(self) -> list[asyncio.Task[None]]:
        return [asyncio.create_task(self._beat())]

    async def _beat(self) -> None:
        while True:
            if not self.silent:
                self.tell(
                    Heartbeat(
                        EncoderReading(
                            cpu_percent=10.0,
                            memory_percent=20.0,
                            temperature_c=self.temperature_c,
                            workers=tuple(
                                WorkerReading(o.worker_id, o.stream_id, o.generation, speed=self.speed)
                                for o in self.workers.values()
                            ),
                        )
                    )
                )
            await asyncio.sleep(0.3)

    def carry_out(self, order: Order) -> None:
        if isinstance(order, StartWorker):
            streams = {o.stream_id for o in self.workers.values()}
            if order.order.stream_id not in streams and len(streams) >= self.info.capabilities.max_streams:
                raise NoCapacity("full")
            started = order.order
            if not started.standby and started.worker_id not in self.workers:
                self.workers = {k: o for k, o in self.workers.items() if o.stream_id != started.stream_id}
            self.reserved.pop(started.stream_id, None)
            self.workers[started.worker_id] = started
            if started.standby:
                self.on_standby(started)
        elif isinstance(order, ReconfigureWorker):
            running = self.workers[order.worker_id]
            self.workers[order.worker_id] = dataclasses.replace(running, encode=order.encode)
        elif isinstance(order, BreakWorker):
            self.on_break(self.workers.pop(order.worker_id), order.how)
        elif isinstance(order, StopWorker):
            self.workers.pop(order.worker_id, None)
        elif isinstance(order, ReserveStream):
            self.reserved[order.stream_id] = order.order
        elif isinstance(order, ReleaseStream):
            self.reserved.pop(order.stream_id, None)


class Control:
    """A control plane without doors, on a port that stays the same over restarts."""

    def __init__(self, database_url: str, *, drill_plan: DrillPlan | None = None) -> None:
        self._database_url = database_url
        self._drill_plan = drill_plan
        self._runner: web.AppRunner | None = None
        self._services: ControlServices | None = None
        self.port = 0
        self.events: list[Event] = []

    @property
    def services(self) -> ControlServices:
        assert self._services is not None
        return self._services

    async def start(self) -> None:
        self._services = await ControlServices.start(
            database_url=self._database_url,
            link_token=TOKEN,
            key_pepper=Secret("pepper-of-these-tests"),
            seal_key=Secret("seal-key-of-these-tests"),
            bootstrap_api_key=BOOTSTRAP,
            drill_plan=self._drill_plan,
        )
        self._services.bus.listen(self.events.append)
        app = web.Application()
        app.router.add_get("/link", self._services.link.handle)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True).start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        if self._services is not None:
            await self._services.close()
            self._services = None
        if self._runner is not None:
            await self._runner.cleanup()

    def told(self, kind: type) -> list[Event]:
        return [event for event in self.events if isinstance(event, kind)]


def at() -> datetime:
    return datetime.now(UTC)
