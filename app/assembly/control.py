"""The control plane's process: services, link and doors on one port, until it is told to end."""

from __future__ import annotations

import asyncio
import gc
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import structlog
from aiohttp import web

from app.api.application import build
from app.api.connections import GuardedSite
from app.api.limits import LOOPBACK, DoorLimits
from app.api.services import DoorServices
from app.assembly.control_services import ControlServices
from app.assembly.settings import Settings
from app.domain.access import Principal, Scope
from app.domain.ids import KeyId
from app.monitoring.exporter import Exporter
from app.policy.rates import Rate

SHUTDOWN_S: Final = 5.0
"""Requests that still run get so long to end."""
SEES_ALL: Final = Principal(KeyId("exporter"), "", frozenset({Scope.ADMIN}))

log = structlog.get_logger("control")


@dataclass(frozen=True, slots=True)
class Served:
    port: int
    services: ControlServices


async def run(settings: Settings) -> None:
    """Until SIGTERM or SIGINT. Streams go on without this process and are adopted by the next one."""
    told_to_end = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told_to_end.set)
    async with serving(settings) as served:
        settle()
        log.info("control listens", host=settings.control_host, port=served.port)
        await told_to_end.wait()
        log.info("control ends")


def settle() -> None:
    """Take what was built at the start out of the garbage collector's sight; call once, when the process is up.

    Its full passes stop the whole process, and would look through every imported module again and again.
    """
    gc.collect()
    gc.freeze()


@asynccontextmanager
async def serving(settings: Settings, limits: DoorLimits | None = None) -> AsyncIterator[Served]:
    """Everything of control, served until the block is left."""
    services = await ControlServices.of(settings)
    try:
        async with _doors(settings, services, limits or door_limits(settings)) as port:
            yield Served(port, services)
    finally:
        await services.close()


def door_limits(settings: Settings) -> DoorLimits:
    return DoorLimits(
        reads=Rate(settings.reads_per_minute, 60.0),
        writes=Rate(settings.writes_per_minute, 60.0),
        inits=Rate(settings.inits_per_minute, 60.0),
        # Behind a proxy stand many clients, so its address has no cap of its own.
        exempt=LOOPBACK + settings.trusted_proxies,
    )


@asynccontextmanager
async def _doors(settings: Settings, services: ControlServices, limits: DoorLimits) -> AsyncIterator[int]:
    exporter = Exporter(fleet=services.encoders.list, streams=lambda: services.streams.all_health(SEES_ALL))
    unlisten = services.bus.listen(exporter.hear)
    doors = build(door_services(services, exporter), limits=limits, trusted=settings.trusted_proxies)
    doors.app.router.add_get("/link", services.link.handle)
    runner = web.AppRunner(doors.app, shutdown_timeout=SHUTDOWN_S)
    await runner.setup()
    site = GuardedSite(runner, host=settings.control_host, port=settings.control_port, limits=limits)
    try:
        port = await site.start()
        await doors.start()
        yield port
    finally:
        site.stop_listening()
        await doors.close()
        # Before the runner, which would wait for the links to end by themselves.
        await services.link.close()
        await runner.cleanup()
        unlisten()


def door_services(services: ControlServices, exporter: Exporter) -> DoorServices:
    return DoorServices(
        streams=services.streams,
        encoders=services.encoders,
        balancer=services.balancer,
        keys=services.keys,
        drills=services.drills,
        bus=services.bus,
        ready=services.ready,
        media_origins=lambda: tuple(hello.http_url.rstrip("/") for hello in services.gateways.connected()),
        prometheus=exporter.text,
        count_request=exporter.count_request,
    )
