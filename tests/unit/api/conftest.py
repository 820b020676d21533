from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import pytest
from aiohttp import ClientSession, web

from app.api.application import Doors, build
from app.api.connections import GuardedSite
from app.api.limits import DoorLimits
from app.api.peers import Network
from app.api.services import DoorServices
from app.domain.access import Scope
from app.domain.encoder import EncoderReading
from app.domain.events import EncoderRead, Event
from app.domain.remediation import Automation
from app.monitoring.alert_board import AlertBoard
from app.monitoring.error_analysis import ErrorAnalysis
from app.monitoring.pattern_file import patterns_of
from app.monitoring.thermal import ThermalMonitor
from app.policy.rates import Rate
from app.policy.thermal_limits import ThermalLimits
from app.runtime.bus import Bus
from app.runtime.clock import utc_now
from app.runtime.tasks import TaskGroupKeeper
from app.services.websocket_security import SocketLimits
from tests.support.faults import Plan
from tests.support.remedy_rig import Rig
from tests.unit.api import fleet
from tests.unit.api.cert_watch import cert_watch
from tests.unit.api.desk import desk
from tests.unit.api.performing import performing

AMPLE = Rate(100_000, 60.0)
ROOMY = DoorLimits(reads=AMPLE, writes=AMPLE, inits=AMPLE, wrong_keys=AMPLE, handshakes=AMPLE, public=AMPLE)


@dataclass
class House:
    """A served application with keys for every scope, over services in memory."""

    base: str
    port: int
    doors: Doors
    services: DoorServices
    keys: fleet.Keys
    streams: fleet.Streams
    encoders: fleet.Encoders
    drills: fleet.Drills
    bus: Bus[Event]
    missing: list[str]
    site: GuardedSite
    counted: list[tuple[str, int]]
    board: AlertBoard
    patients: Rig
    """Devices that can be mended."""

    def auth(self, text: str = "admin") -> dict[str, str]:
        return {"Authorization": f"Bearer {text}"}


Serve = Callable[..., Awaitable[House]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    keepers: list[TaskGroupKeeper] = []
    running: list[tuple[Doors, GuardedSite, web.AppRunner]] = []

    async def start(
        limits: DoorLimits = ROOMY,
        trusted: tuple[Network, ...] = (),
        socket_limits: SocketLimits | None = None,
    ) -> House:
        keys, streams = fleet.Keys(), fleet.Streams()
        encoders, drills = fleet.Encoders(streams), fleet.Drills(streams)
        errors: list[BaseException] = []
        bus: Bus[Event] = Bus(errors.append)
        thermal = ThermalMonitor(limits=ThermalLimits(), info=lambda _: None, promised=lambda _: None, bus=bus)
        bus.listen(thermal.hear)
        bus.tell(EncoderRead(fleet.ENCODER, EncoderReading(), utc_now()))
        performance = performing(bus)
        missing: list[str] = []
        counted: list[tuple[str, int]] = []

        async def ready() -> tuple[str, ...]:
            return tuple(missing)

        alerts = desk(bus, streams)
        await alerts.board.load()
        analysis = ErrorAnalysis(file=patterns_of(), around=Plan().around(), alerts=alerts.board, bus=bus)
        bus.listen(analysis.hear)
        mending = TaskGroupKeeper(lambda name, error: None)
        patients = Rig("helo-1")
        remedies, _ = patients.put_together(mending, Automation.OFF)
        keepers.append(mending)
        services = DoorServices(
            remedies=remedies,
            alerts=alerts.desk,
            analysis=analysis,
            streams=streams,
            encoders=encoders,
            balancer=fleet.Balancer(streams),
            keys=keys,
            drills=drills,
            thermal=thermal,
            performance=performance,
            certificates=cert_watch(bus),
            bus=bus,
            ready=ready,
            media_origins=lambda: ("http://127.0.0.1:8081",),
            count_request=lambda name, status, seconds: counted.append((name, status)),
            prometheus=lambda: b"# HELP encman_up 1 while it runs\nencman_up 1\n",
        )
        for scope in Scope:
            keys.give(scope.value, scope)
        keys.give("other", Scope.READ, Scope.STREAMS, tenant="rival")
        keys.give("expired", Scope.ADMIN, expired=True)
        doors = build(services, limits=limits, socket_limits=socket_limits, trusted=trusted)
        runner = web.AppRunner(doors.app)
        await runner.setup()
        await doors.start()
        site = GuardedSite(runner, host="127.0.0.1", port=0, limits=limits)
        port = await site.start()
        running.append((doors, site, runner))
        return House(
            base=f"http://127.0.0.1:{port}",
            port=port,
            doors=doors,
            services=services,
            keys=keys,
            streams=streams,
            encoders=encoders,
            drills=drills,
            bus=bus,
            missing=missing,
            site=site,
            counted=counted,
            board=alerts.board,
            patients=patients,
        )

    yield start
    for keeper in keepers:
        await keeper.close()
    for doors, site, runner in running:
        site.stop_listening()
        await doors.close()
        await runner.cleanup()


@pytest.fixture
async def house(serve: Serve) -> House:
    return await serve()


@pytest.fixture
async def http() -> AsyncIterator[ClientSession]:
    async with ClientSession() as session:
        yield session
