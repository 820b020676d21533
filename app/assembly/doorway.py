"""One door to the network for a control's whole life, and behind it the services that are there now.

When a reign ends, new services stand by behind the door at once; those before leave in the background. So probes
are answered at every moment.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

import structlog
from aiohttp import web

from app.api.application import build
from app.api.connections import GuardedSite
from app.api.limits import DoorLimits
from app.api.services import DoorServices
from app.api.standby import standby_gate
from app.assembly.control_services import ControlServices
from app.assembly.seat import Seat
from app.assembly.settings import Settings
from app.domain.access import Principal, Scope
from app.domain.ids import KeyId
from app.monitoring.exporter import Exporter
from app.runtime.tasks import TaskGroupKeeper

SHUTDOWN_S: Final = 5.0
"""Requests that still run get so long to end."""
SEES_ALL: Final = Principal(KeyId("exporter"), "", frozenset({Scope.ADMIN}))

log = structlog.get_logger("control")


class Doorway:
    def __init__(self, settings: Settings, seat: Seat, limits: DoorLimits) -> None:
        self._settings = settings
        self._seat = seat
        self._limits = limits
        self._site: GuardedSite | None = None
        self._inside = AsyncExitStack()
        self._leaving = TaskGroupKeeper(_not_left_well)
        self.port = 0

    async def admit(self) -> ControlServices:
        """New services, standing by behind the door instead of those before.

        Raises Unavailable for a port in use.
        """
        inside = AsyncExitStack()
        try:
            services = ControlServices.on(self._seat, self._settings)
            inside.push_async_callback(services.close)
            runner = await inside.enter_async_context(_doors(self._settings, services, self._limits))
            await self._open_to(runner)
        except BaseException:
            await inside.aclose()
            raise
        before, self._inside = self._inside, inside
        self._leaving.start(before.aclose(), name="leave")
        return services

    async def close(self) -> None:
        if self._site is not None:
            self._site.stop_listening()
        await self._inside.aclose()
        await self._leaving.close()

    async def _open_to(self, runner: web.AppRunner) -> None:
        if self._site is not None:
            self._site.lead_to(runner)
            return
        host, port = self._settings.control_host, self._settings.control_port
        site = GuardedSite(runner, host=host, port=port, limits=self._limits)
        self.port = await site.start()
        self._site = site
        log.info("control listens", host=host, port=self.port)


@asynccontextmanager
async def _doors(settings: Settings, services: ControlServices, limits: DoorLimits) -> AsyncIterator[web.AppRunner]:
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
    try:
        await doors.start()
        yield runner
    finally:
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
        thermal=services.thermal,
        bus=services.bus,
        ready=services.ready,
        media_origins=lambda: tuple(hello.http_url.rstrip("/") for hello in services.gateways.connected()),
        prometheus=exporter.text,
        count_request=exporter.count_request,
    )


def _not_left_well(name: str, error: BaseException) -> None:
    log.error("task failed", task=name, exc_info=error)
