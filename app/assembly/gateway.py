"""The gateway process: RTMP and HTTP doors around one `Gateway`, tied to control by an uplink.

Reads top to bottom: settings, parts, doors, link. `RunningGateway` is the process without its end: tests start it
with an uplink of their own.
"""

from __future__ import annotations

import asyncio
import gc
import random
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import structlog
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from aiortmp import Limits, aio
from app.adapters.host.machine_id import host_id
from app.adapters.link.uplink import WebSocketUplink
from app.assembly.descriptors import Places, places, raise_limit
from app.assembly.own_certificate import OwnCertificate
from app.assembly.settings import Settings, in_url
from app.domain.ids import GatewayId, HostId
from app.domain.link import GatewayHello
from app.domain.stream import ChannelPlan, Destination
from app.media.content.child import SamplingChild
from app.media.content.metrics import ContentCollector
from app.media.content.rounds import ContentRounds
from app.media.doors.doorman import Doorman
from app.media.doors.http import HttpDoor
from app.media.doors.listener import GuardedServer
from app.media.doors.rtmp import RtmpDoor
from app.media.fanout import FanOut
from app.media.gateway import Gateway
from app.media.metrics import GatewayCollector
from app.media.outputs import ChannelOutputs
from app.media.push.backoff import Backoff
from app.media.push.destination import DestinationPush
from app.media.push.dial import Dialler
from app.media.record.cleaner import RecordingCleaner
from app.media.record.recorder import Recorder
from app.ports.link import Uplink
from app.runtime.clock import monotonic, utc_now
from app.runtime.tasks import TaskGroupKeeper, run_again
from app.version import __version__

log = structlog.get_logger()

WRITERS: Final = 2
"""Threads that write recordings: one slow disk must not stop the other's."""
CLOSING_S: Final = 5.0
GATHER_S: Final = 0.0005
"""What live packets of a gateway with thousands of them in a second may wait, so that they come together."""
SAMPLER_COMMAND: Final = (sys.executable, "-m", "app.assembly.sampler")
AGAIN_S: Final = 5.0
ALL_PLACES: Final = Places()
DOORS: Final = 2
LIMITS: Final = Limits(max_send_buffer_bytes=256 * 1024 * 1024)
"""A new worker's replay is sent in one go. What waits for viewers is bounded by the fan-out."""
"""`up` kills after twice that: what is left must have time to be cancelled."""


class RunningGateway:
    """Between `start` and `stop` the doors are open."""

    def __init__(self, settings: Settings, uplink: Uplink, places: Places = ALL_PLACES) -> None:
        self._settings = settings
        self._backlog = places.backlog
        self._uplink = uplink
        self._host_id = HostId(settings.host_id) if settings.host_id else host_id(settings.data_dir)
        self._tasks = TaskGroupKeeper(_crashed)
        self._writers = ThreadPoolExecutor(WRITERS, thread_name_prefix="recording")
        self._dialler = Dialler(allowed=settings.allowed_private_targets)
        self.gateway = Gateway(
            tell=uplink.tell,
            monotonic=monotonic,
            utc_now=utc_now,
            make_outputs=lambda: ChannelOutputs(start_push=self._start_push, start_recording=self._start_recording),
        )
        self.sampler = SamplingChild(SAMPLER_COMMAND, monotonic=monotonic)
        self.content = ContentRounds(
            channels=lambda: [room.channel for room in self.gateway.rooms()],
            sampler=self.sampler,
            tell=uplink.tell,
            monotonic=monotonic,
            utc_now=utc_now,
        )
        self.cleaner = RecordingCleaner(
            settings.data_dir / "recordings",
            active=lambda: [room.channel.plan.stream_id for room in self.gateway.rooms()],
            min_free_percent=settings.recordings_min_free_percent,
            executor=self._writers,
        )
        self._registry = CollectorRegistry()
        self._registry.register(ContentCollector(self.content))
        self._registry.register(GatewayCollector(self.gateway))
        self._rtmp: list[aio.Server] = []
        self._http: asyncio.Server | None = None
        self.http_factory: GuardedServer | None = None
        self.doorman = Doorman(total=places.connections)
        self.rtmp_door = RtmpDoor(self.gateway)
        self.rtmp_door.doorman = Doorman(total=places.connections)
        self.rtmps_port: int | None = None

    @property
    def rtmp_port(self) -> int:
        return self._rtmp[0].port

    @property
    def http_port(self) -> int:
        assert self._http is not None, "asked for after start"
        return int(self._http.sockets[0].getsockname()[1])

    async def start(self) -> None:
        """Open the doors and dial control. Raises OSError for a port in use, InvalidSettings for a bad key."""
        settings = self._settings
        own = OwnCertificate.of(settings)
        door = self.rtmp_door
        loop = asyncio.get_running_loop()
        gathering = aio.Gathering(loop, GATHER_S)
        host, many = settings.rtmp_host, self._backlog
        port = settings.rtmp_port
        plain = await aio.serve(door.factory, host, port, limits=LIMITS, gathering=gathering, backlog=many)
        self._rtmp.append(plain)
        if settings.rtmps_port is not None and own is not None:
            port, tls = settings.rtmps_port, own.pair.context
            self._tasks.start(own.watch(own.pair.reload), name="certificate")
            secure = await aio.serve(
                door.factory, host, port, ssl=tls, limits=LIMITS, gathering=gathering, backlog=many
            )
            self._rtmp.append(secure)
            self.rtmps_port = secure.port
        http = HttpDoor(self.gateway, is_ready=lambda: self._uplink.connected, metrics=self._metrics)
        self.http_factory = GuardedServer(http.handle, doorman=self.doorman)
        address = settings.http_host, settings.http_port
        self._http = await loop.create_server(self.http_factory, *address, backlog=many)
        self._tasks.start(self.gateway.run(), name="gateway")
        if settings.content_checks:
            looking = run_again(self.content.run, pause_s=AGAIN_S, on_crash=_crashed)
            self._tasks.start(looking, name="content checks")
        if settings.recordings_min_free_percent > 0:
            cleaning = run_again(self.cleaner.run, pause_s=AGAIN_S, on_crash=_crashed)
            self._tasks.start(cleaning, name="recording cleaner")
        self._tasks.start(self._uplink.run(self.hello, self.gateway.perform), name="uplink")
        log.info("gateway serves", rtmp_port=self.rtmp_port, rtmps_port=self.rtmps_port, http_port=self.http_port)

    async def stop(self) -> None:
        """Let publishers, workers and viewers go; finish recordings; close the doors."""
        if self._http is not None:
            self._http.close()
        try:
            async with asyncio.timeout(CLOSING_S):
                await self._close_doors()
        except TimeoutError:
            log.warning("some connections did not close in time")
        await self._tasks.close()
        await self.sampler.stop()
        self._writers.shutdown()

    async def _close_doors(self) -> None:
        await self.gateway.drain("the gateway is going down; connect again")
        for server in self._rtmp:
            server.close()
            await server.wait_closed()
        if self.http_factory is not None:
            await self.http_factory.shutdown(1.0)

    def hello(self) -> GatewayHello:
        """What control is told at each connection."""
        settings = self._settings
        return GatewayHello(
            GatewayId(settings.gateway_id),
            __version__,
            settings.public_host,
            self.rtmp_port,
            self.rtmps_port,
            f"http://{in_url(settings.public_host)}:{self.http_port}",
            tuple(room.channel.running() for room in self.gateway.rooms()),
            self._host_id,
        )

    def _start_push(self, destination: Destination, mux: FanOut) -> DestinationPush:
        push = DestinationPush(
            destination,
            mux,
            dialler=self._dialler,
            backoff=Backoff(random.random),
            monotonic=monotonic,
        )
        push.start(self._tasks.start(push.run(), name=f"push {destination.id}"))
        return push

    def _start_recording(self, plan: ChannelPlan) -> Recorder:
        directory = self._settings.data_dir / "recordings" / plan.stream_id
        recorder = Recorder(directory, executor=self._writers)
        recorder.start(self._tasks.start(recorder.run(), name=f"recorder {plan.stream_id}"))
        return recorder

    def _metrics(self) -> tuple[bytes, str]:
        return generate_latest(self._registry), CONTENT_TYPE_LATEST


async def run(settings: Settings) -> None:
    """The gateway process until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    uplink = WebSocketUplink(control_url=settings.control_url, token=settings.link_token)
    gateway = RunningGateway(settings, uplink, places(raise_limit(), doors=DOORS))
    await gateway.start()
    collect_rarely()
    await stop.wait()
    log.info("gateway drains")
    await gateway.stop()


def collect_rarely() -> None:
    """For a process that is a gateway: what exists now stays for its life, and packets make no cycles.

    The packets kept for newcomers are some 700 objects a stream. Looking through those of 100 streams stops
    everything for 30 to 60 ms: the threshold is what several hundred streams keep.
    """
    gc.freeze()
    gc.set_threshold(500_000, 10, 10)


def _crashed(name: str, error: BaseException) -> None:
    log.error("task failed", task=name, exc_info=error)
