"""Puts the doors together: one aiohttp application out of the services, the rows, Socket.IO and the page."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web

from app.api import openapi
from app.api.access import Gatekeeper
from app.api.bodies import MAX_BODY_BYTES
from app.api.door import Door
from app.api.encoder_endpoints import EncoderEndpoints
from app.api.limits import DoorLimits, KeyLoad, RateBooks
from app.api.middleware import add_headers, guard
from app.api.page import Page
from app.api.peers import Network
from app.api.registry import Registry
from app.api.routes.alerts import AlertRoutes
from app.api.routes.certificates import CertificateRoutes
from app.api.routes.failovers import FailoverRoutes
from app.api.routes.incidents import IncidentRoutes
from app.api.routes.keys import KeyRoutes
from app.api.routes.monitoring import MonitoringRoutes
from app.api.routes.performance import PerformanceRoutes
from app.api.routes.remediation import RemediationRoutes
from app.api.routes.streams import StreamRoutes
from app.api.routes.system import SystemRoutes
from app.api.routes.thermal import ThermalRoutes
from app.api.services import DoorServices
from app.api.sockets import SocketDoor
from app.api.stream_log import StreamLogs
from app.runtime.clock import monotonic, utc_now
from app.services.websocket_security import SocketLimits


@dataclass(frozen=True, slots=True)
class Doors:
    """`start` and `close` frame the time in which the application is served."""

    app: web.Application
    registry: Registry
    sockets: SocketDoor

    async def start(self) -> None:
        await self.sockets.start()

    async def close(self) -> None:
        await self.sockets.close()


def all_rows(services: DoorServices) -> Registry:
    registry = Registry()
    described: list[bytes] = []

    def description() -> bytes:
        if not described:
            described.append(openapi.to_bytes(registry))
        return described[0]

    registry.add(
        *StreamRoutes(services).endpoints(),
        *FailoverRoutes(services).endpoints(),
        *EncoderEndpoints(services).endpoints(),
        *MonitoringRoutes(services).endpoints(),
        *ThermalRoutes(services).endpoints(),
        *PerformanceRoutes(services).endpoints(),
        *CertificateRoutes(services).endpoints(),
        *AlertRoutes(services).endpoints(),
        *IncidentRoutes(services).endpoints(),
        *RemediationRoutes(services).endpoints(),
        *KeyRoutes(services).endpoints(),
        *SystemRoutes(services, description).endpoints(),
    )
    return registry


def build(
    services: DoorServices,
    *,
    limits: DoorLimits | None = None,
    socket_limits: SocketLimits | None = None,
    trusted: tuple[Network, ...] = (),
    now: Callable[[], float] = monotonic,
) -> Doors:
    """`trusted`: proxies whose X-Forwarded-For and -Proto are believed. `now`: monotonic seconds."""
    limits = limits or DoorLimits()
    books = RateBooks(limits)
    load = KeyLoad(limits.at_once_per_key)
    gatekeeper = Gatekeeper(keys=services.keys, books=books, now=now)
    registry = all_rows(services)
    app = web.Application(middlewares=[guard], client_max_size=MAX_BODY_BYTES)
    app.on_response_prepare.append(add_headers)
    door = Door(
        gatekeeper=gatekeeper,
        books=books,
        load=load,
        limits=limits,
        trusted=trusted,
        now=now,
        count=services.count_request,
    )
    door.mount(app, registry)
    Page(media_origins=services.media_origins).mount(app)
    sockets = SocketDoor(
        services=services,
        gatekeeper=gatekeeper,
        books=books,
        load=load,
        doors=limits,
        limits=socket_limits,
        trusted=trusted,
        now=now,
        logs=StreamLogs(log_id=f"log_{secrets.token_hex(6)}", floor=int(utc_now().timestamp() * 1000)),
    )
    sockets.mount(app)
    return Doors(app=app, registry=registry, sockets=sockets)
