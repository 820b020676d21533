"""The control plane's process: services, link and doors on one port, until it is told to end.

One that does not lead stands by: its services are built and do nothing, its doors say so. When its reign ends it
begins anew as standby, with nothing kept but the store and the lease.
"""

from __future__ import annotations

import asyncio
import gc
import signal
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import structlog
from aiohttp import web

from app.api.application import build
from app.api.connections import GuardedSite
from app.api.limits import LOOPBACK, DoorLimits
from app.api.services import DoorServices
from app.api.standby import standby_gate
from app.assembly.control_services import ControlServices
from app.assembly.seat import Seat
from app.assembly.settings import Settings
from app.domain.access import Principal, Scope
from app.domain.ids import KeyId
from app.monitoring.exporter import Exporter
from app.policy.rates import Rate

SHUTDOWN_S: Final = 5.0
"""Requests that still run get so long to end."""
T = TypeVar("T")
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
    seat = await Seat.of(settings)
    try:
        while not told_to_end.is_set():
            await _stand_by_and_reign(settings, seat, told_to_end)
        log.info("control ends")
    finally:
        await seat.leave()


async def _stand_by_and_reign(settings: Settings, seat: Seat, told_to_end: asyncio.Event) -> None:
    """Until the reign is over, or this process is told to end."""
    async with _standing(settings, seat, door_limits(settings)) as served:
        log.info("control listens", host=settings.control_host, port=served.port)
        epoch = await _unless(told_to_end, seat.leadership.won())
        if epoch is None:
            return
        await served.services.take_up(epoch)
        settle()
        reason = await _unless(told_to_end, seat.leadership.lost(epoch))
        if reason is not None:
            log.error("control stops acting", reason=reason)
            await served.services.stop_acting()


async def _unless(told_to_end: asyncio.Event, wanted: Coroutine[Any, Any, T]) -> T | None:
    """What is waited for, or None when the process is told to end before."""
    waiting = asyncio.ensure_future(wanted)
    ending = asyncio.ensure_future(told_to_end.wait())
    try:
        await asyncio.wait((waiting, ending), return_when=asyncio.FIRST_COMPLETED)
        return waiting.result() if waiting.done() and not told_to_end.is_set() else None
    finally:
        for task in (waiting, ending):
            task.cancel()
        await asyncio.gather(waiting, ending, return_exceptions=True)


def settle() -> None:
    """Take what was built at the start out of the garbage collector's sight; call when the process is up.

    Its full passes stop the whole process, and would look through every imported module again and again.
    """
    gc.collect()
    gc.freeze()


@asynccontextmanager
async def serving(settings: Settings, limits: DoorLimits | None = None) -> AsyncIterator[Served]:
    """Everything of a control that leads, served until the block is left. Entered once it does."""
    seat = await Seat.of(settings)
    try:
        async with _standing(settings, seat, limits or door_limits(settings)) as served:
            await served.services.take_up(await seat.leadership.won())
            yield served
    finally:
        await seat.leave()


@asynccontextmanager
async def _standing(settings: Settings, seat: Seat, limits: DoorLimits) -> AsyncIterator[Served]:
    """The services and their doors; they act from `take_up` on."""
    services = ControlServices.on(seat, settings)
    try:
        async with _doors(settings, services, limits) as port:
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
    exporter = Exporter(
        fleet=services.encoders.list,
        streams=lambda: services.streams.all_health(SEES_ALL),
        leads=lambda: services.standby() is None,
    )
    unlisten = services.bus.listen(exporter.hear)
    doors = build(door_services(services, exporter), limits=limits, trusted=settings.trusted_proxies)
    doors.app.router.add_get("/link", services.link.handle)
    doors.app.middlewares.append(standby_gate(services.standby))
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
