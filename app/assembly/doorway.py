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

from app.api import challenge
from app.api.application import build
from app.api.connections import GuardedSite
from app.api.limits import DoorLimits
from app.api.services import DoorServices
from app.api.standby import standby_gate
from app.assembly.certificate_rooms import CertificateRooms, certificate_rooms
from app.assembly.control_services import ControlServices
from app.assembly.own_certificate import OwnCertificate
from app.assembly.seat import Seat
from app.assembly.settings import Settings
from app.domain.access import Principal, Scope
from app.domain.ids import KeyId
from app.monitoring.cert_monitor import CertMonitor
from app.monitoring.exporter import Exporter
from app.monitoring.performance_metrics import PerformanceMetrics
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
        self._own = OwnCertificate.of_control(settings)
        self._sites: tuple[GuardedSite, ...] = ()
        self._inside = AsyncExitStack()
        self._leaving = TaskGroupKeeper(_not_left_well)
        self.port = 0
        self.https_port: int | None = None

    async def admit(self) -> ControlServices:
        """New services, standing by behind the door instead of those before.

        Raises Unavailable for a port in use.
        """
        inside = AsyncExitStack()
        try:
            services = ControlServices.on(self._seat, self._settings)
            inside.push_async_callback(services.close)
            certificates = certificate_rooms(self._settings, services, self._own, lambda: self.https_port)
            inside.callback(certificates.close)
            doors = _doors(self._settings, services, certificates, self._limits)
            runner = await inside.enter_async_context(doors)
            await self._open_to(runner)
            watchers = TaskGroupKeeper(_not_left_well)
            inside.push_async_callback(watchers.close)
            certificates.start(watchers, self._own, _not_left_well)
        except BaseException:
            await inside.aclose()
            raise
        before, self._inside = self._inside, inside
        self._leaving.start(before.aclose(), name="leave")
        return services

    async def close(self) -> None:
        for site in self._sites:
            site.stop_listening()
        await self._inside.aclose()
        await self._leaving.close()

    async def _open_to(self, runner: web.AppRunner) -> None:
        for site in self._sites:
            site.lead_to(runner)
        if self._sites:
            return
        host, port = self._settings.control_host, self._settings.control_port
        site = GuardedSite(runner, host=host, port=port, limits=self._limits)
        self.port = await site.start()
        self._sites = (site,)
        https_port = self._settings.https_port
        if https_port is not None and self._own is not None:
            tls = self._own.pair.context
            secure = GuardedSite(runner, host=host, port=https_port, limits=self._limits, tls=tls)
            self.https_port = await secure.start()
            self._sites = (site, secure)
        log.info("control listens", host=host, port=self.port, https_port=self.https_port)


@asynccontextmanager
async def _doors(
    settings: Settings, services: ControlServices, certificates: CertificateRooms, limits: DoorLimits
) -> AsyncIterator[web.AppRunner]:
    exporter = Exporter(
        fleet=services.encoders.list,
        streams=lambda: services.streams.all_health(SEES_ALL),
        leads=lambda: services.standby() is None,
        drills_daily=bool(settings.drill_window),
    )
    exporter.add(certificates.metrics)
    exporter.add(services.alerting.metrics)
    exporter.add(services.performing.clocks)
    exporter.add(PerformanceMetrics(services.performing.performance.newest))
    unlisten = services.bus.listen(exporter.hear)
    served = door_services(services, exporter, certificates.monitor)
    doors = build(served, limits=limits, trusted=settings.trusted_proxies)
    challenge.mount(doors.app, certificates.challenges.answer)
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


def door_services(services: ControlServices, exporter: Exporter, certificates: CertMonitor) -> DoorServices:
    performance = services.performing.performance

    def count_request(operation: str, status: int, seconds: float) -> None:
        exporter.count_request(operation, status, seconds)
        performance.count_request()

    return DoorServices(
        streams=services.streams,
        encoders=services.encoders,
        balancer=services.balancer,
        keys=services.keys,
        drills=services.drills,
        thermal=services.thermal,
        performance=performance,
        certificates=certificates,
        alerts=services.alerting.desk,
        remedies=services.remedies,
        analysis=services.analysis,
        bus=services.bus,
        ready=services.ready,
        media_origins=lambda: tuple(hello.http_url.rstrip("/") for hello in services.gateways.connected()),
        prometheus=exporter.text,
        count_request=count_request,
    )


def _not_left_well(name: str, error: BaseException) -> None:
    log.error("task failed", task=name, exc_info=error)
