"""The fleet: control, one gateway with its real channels, encoder nodes, publishers and viewers."""

from __future__ import annotations

import asyncio
import contextvars
import random
from collections.abc import Awaitable
from typing import Any, TypeVar

from app.assembly.control_services import ControlServices
from app.domain.access import Principal, Scope
from app.domain.encoder import EncoderInfo, EncoderReading, WorkerReading
from app.domain.errors import Conflict, InvalidRequest, NoCapacity
from app.domain.ids import GatewayId, KeyId, StreamId, WorkerId
from app.domain.ladder import FrameRate, Rendition
from app.domain.link import (
    BreakWorker,
    GatewayHello,
    Heartbeat,
    NodeHello,
    Order,
    ReconfigureWorker,
    ReleaseStream,
    ReserveStream,
    StartWorker,
    StopWorker,
    WorkerExited,
)
from app.domain.secret import Secret
from app.domain.session import OpenedStream, StreamRequest
from app.domain.stream import StandbyGrade
from app.media.doors.rtmp import RtmpDoor
from app.media.encoding.roster import Roster
from app.media.gateway import Gateway
from app.media.outputs import ChannelOutputs
from app.policy.health_verdict import HealthLimits
from app.policy.placement import Panic
from app.runtime import clock
from app.runtime.clock import utc_now
from app.services.stream_validator import StreamValidator
from tests.integration.services.peers import encoder

from .link import SimLink, SimUplink
from .memory_store import MemoryStore
from .people import Publisher, Viewer
from .virtual_time import PROCESS, Clock
from .worker import SimWorker

OWNER = Principal(KeyId("key_a"), "acme", frozenset({Scope.READ, Scope.STREAMS, Scope.ADMIN}))
LADDER = (Rendition("240p", 426, 240, FrameRate(30), 400_000), Rendition("120p", 214, 120, FrameRate(30), 200_000))
HEARTBEAT_S = 0.5
FURTHEST_S = 2.5
CATCH_UP_S = 0.4
"""Of what a machine with room again makes good with each heartbeat."""
CONTROL = "control"
T = TypeVar("T")


class Node:
    """An encoder node with simulated workers; the real roster says what it may take."""

    def __init__(self, info: EncoderInfo, world: World) -> None:
        self.info = info
        self._world = world
        self.uplink = SimUplink(info.node_id, lambda: world.link, world.dice)
        self.roster = Roster(info.capabilities.max_streams)
        self.workers: dict[WorkerId, SimWorker] = {}
        self.cut = False
        self.temperature_c: float | None = 50.0
        self.cpu_percent: float | None = 20.0
        self.memory_percent: float | None = 20.0
        self.speed: float | None = 1.0
        self.frames_dropped = 0
        """By each of its workers."""
        """Below 1 its workers fall behind, up to FURTHEST_S."""
        self.behind_s = 0.0
        self._tasks: list[asyncio.Task[Any]] = []

    @property
    def up(self) -> bool:
        return bool(self._tasks)

    def start(self) -> None:
        # A process that starts knows nothing, and what it had to tell died with it.
        self.uplink = SimUplink(self.info.node_id, lambda: self._world.link, self._world.dice)
        self.uplink.cut = self.cut
        self.roster = Roster(self.info.capabilities.max_streams)
        self._tasks = [
            asyncio.create_task(self.uplink.run(self.hello, self.perform)),
            asyncio.create_task(self._beat()),
        ]

    def kill(self) -> None:
        """The node and its children are gone."""
        for task in self._tasks:
            task.cancel()
        self._tasks = []
        self.uplink.break_now()
        workers, self.workers = self.workers, {}
        for worker in workers.values():
            worker.kill()

    def cut_off(self, *, cut: bool) -> None:
        """From control and gateway alike."""
        self.cut = cut
        self.uplink.cut_off(cut=cut)
        for worker in self.workers.values():
            worker.cut_off(cut=cut)

    def hello(self) -> NodeHello:
        self.roster.forget_reservations()
        return NodeHello("1", self.info, self.roster.running)

    async def perform(self, order: Order) -> None:
        match order:
            case StartWorker():
                self._start(order)
            case StopWorker():
                worker = self.workers.get(order.worker_id)
                if worker is not None:
                    # SIGKILL at the end helps against a stopped one, too.
                    worker.kill(0)
            case ReserveStream():
                self.roster.reserve(order.stream_id)
            case ReleaseStream():
                self.roster.release(order.stream_id)
            case BreakWorker():
                worker = self.workers.get(order.worker_id)
                if worker is None:
                    raise Conflict("no such worker")
                worker.kill() if order.how == "kill" else worker.stop()
            case ReconfigureWorker():
                if order.worker_id not in self.workers or self._world.dice.random() < 0.5:
                    raise Conflict("it cannot change its rates in place")
            case _:
                raise InvalidRequest(type(order).__name__)

    def _start(self, start: StartWorker) -> None:
        order = start.order
        if self._world.dice.random() < self._world.refusals:
            raise NoCapacity("this node refuses today")
        admission = self.roster.admit(order)
        if admission.already:
            return
        for old in admission.replaces:
            self.workers[old].kill(0)
        self.workers[order.worker_id] = worker = SimWorker(
            order, self._world.door, self.info.host_id, on_exit=self._exited, behind_s=lambda: self.behind_s
        )
        worker.cut_off(cut=self.cut)
        self.roster.started(order)

    def _exited(self, worker: SimWorker, code: int, reason: str) -> None:
        order = worker.order
        self.workers.pop(order.worker_id, None)
        self.roster.ended(order.worker_id)
        if self.up:
            self.uplink.tell(
                WorkerExited(order.worker_id, order.stream_id, order.generation, utc_now(), code, reason)
            )

    async def _beat(self) -> None:
        while True:
            if self.speed is not None and self.speed < 1.0:
                self.behind_s = min(self.behind_s + (1.0 - self.speed) * HEARTBEAT_S, FURTHEST_S)
            else:
                self.behind_s = max(0.0, self.behind_s - CATCH_UP_S)
            workers = tuple(
                WorkerReading(
                    w.order.worker_id,
                    w.order.stream_id,
                    w.order.generation,
                    cpu_percent=20.0,
                    rss_bytes=1 << 27,
                    frames_encoded=1,
                    frames_dropped=self.frames_dropped,
                    speed=self.speed,
                    latency_ms=50.0,
                )
                for w in self.workers.values()
            )
            reading = EncoderReading(
                cpu_percent=self.cpu_percent,
                memory_percent=self.memory_percent,
                temperature_c=self.temperature_c,
                workers=workers,
            )
            self.uplink.tell(Heartbeat(reading))
            await asyncio.sleep(HEARTBEAT_S)


class Stream:
    def __init__(self, world: World, opened: OpenedStream) -> None:
        self.id: StreamId = opened.record.stream_id
        channel = world.gateway.by_stream(self.id)
        assert channel is not None
        self.channel = channel
        self.viewers = [Viewer(channel, rendition.name) for rendition in LADDER]
        self._door, self._key = world.door, opened.stream_key.reveal()
        self.publisher = Publisher(self._door, self._key)

    def publish_again(self) -> None:
        self.publisher = Publisher(self._door, self._key)


class World:
    def __init__(self, clock_of_run: Clock, dice: random.Random, *, hosts: int = 3, places: int = 8) -> None:
        self.clock = clock_of_run
        self.dice = dice
        self.refusals = 0.0
        self.panic = Panic.LEAST_BAD
        self.health_limits = HealthLimits()
        self.store = MemoryStore()
        self.link: SimLink | None = None
        self.services: ControlServices | None = None
        self.uplink = SimUplink(GatewayId("gw-1"), lambda: self.link, dice)
        self.gateway = Gateway(
            tell=self.uplink.tell,
            monotonic=clock.monotonic,
            utc_now=utc_now,
            make_outputs=lambda: ChannelOutputs(start_push=_nothing, start_recording=_nothing),
        )
        self.door = RtmpDoor(self.gateway)
        self.nodes = [Node(encoder(f"n{number}", max_streams=places), self) for number in range(hosts)]
        self.streams: list[Stream] = []
        self.grades: dict[StreamId, StandbyGrade] = {}
        self._tasks: list[asyncio.Task[Any]] = []
        self._process = contextvars.copy_context()

    async def start(self) -> None:
        await self.start_control()
        self._tasks.append(asyncio.create_task(self.uplink.run(self._hello, self.gateway.perform)))
        self._tasks.append(asyncio.create_task(self.gateway.run()))
        for node in self.nodes:
            node.start()
        await self.until(
            lambda: self.services is not None and len(self.services.encoders.list()) == len(self.nodes)
        )
        await self.until(lambda: self.uplink.connected)

    async def start_control(self) -> None:
        process = contextvars.copy_context()
        process.run(PROCESS.set, CONTROL)
        link = SimLink(process)
        pepper = Secret("pepper-of-these-histories")
        services = ControlServices._built(
            self.store,
            link,
            StreamValidator(),
            pepper,
            None,
            panic=self.panic,
            health_limits=self.health_limits,
        )
        self._process = process
        await self.in_control(services.begin())
        self.services, self.link = services, link

    async def in_control(self, work: Awaitable[T]) -> T:
        """Have control do it: it stands still when control does."""

        async def done() -> T:
            return await work

        return await asyncio.get_running_loop().create_task(done(), context=self._process)

    async def kill_control(self) -> None:
        """kill -9: no task of it gets another turn, nothing is flushed."""
        services, link = self.services, self.link
        self.services = self.link = None
        if link is not None:
            link.die()
        if services is not None:
            await services.keeper.close()

    async def open_stream(self, grade: StandbyGrade) -> Stream:
        request = StreamRequest(1280, 720, 2_000_000, 30.0, renditions=LADDER, hls=False, standby=grade)
        assert self.services is not None
        opened = await self.in_control(self.services.streams.open(request, OWNER))
        stream = Stream(self, opened)
        self.streams.append(stream)
        self.grades[stream.id] = grade
        return stream

    async def until(self, true: Any, within_s: float = 60.0) -> None:
        async with asyncio.timeout(within_s):
            while not true():  # noqa: ASYNC110 - the condition belongs to the code under test
                await asyncio.sleep(0.05)

    async def end(self) -> None:
        for stream in self.streams:
            stream.publisher.stop()
        await self.kill_control()
        for node in self.nodes:
            node.kill()
        for task in self._tasks:
            task.cancel()

    def _hello(self) -> GatewayHello:
        channels = tuple(room.channel.running() for room in self.gateway.rooms())
        return GatewayHello(GatewayId("gw-1"), "1", "gw", 1935, None, "http://gw", channels)

    def health(self, stream: Stream) -> Any:
        assert self.services is not None
        live = self.services.live.find(stream.id)
        assert live is not None, "the stream is gone"
        return self.services.streams._watch.health(live)

    def live(self, stream: Stream) -> Any:
        assert self.services is not None
        return self.services.live.find(stream.id)


def _nothing(*_: object) -> Any:
    raise AssertionError("no pushes and recordings here")
