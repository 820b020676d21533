"""The control plane's services inside another application: its fleet is watched, and asked about by call.

Gateways and encoders dial `/link` of that application. The REST API and the page are left to
`encoder-manager control`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from aiohttp import web

from app.api.schemas.encoders import EncoderAnswer
from app.assembly.control_services import ControlServices
from app.assembly.settings import Role, Settings
from app.assembly.sources import load_settings
from app.domain.errors import Unavailable
from app.domain.ids import EncoderId


class MonitoringSystem:
    """Starts and ends with `app`. `settings` None: from the environment and files, like the process does."""

    def __init__(self, app: web.Application, settings: Settings | None = None) -> None:
        self._settings = settings
        self._services: ControlServices | None = None
        app.router.add_get("/link", self._link)
        app.cleanup_ctx.append(self._run)
        app.on_shutdown.append(self._end_links)

    @property
    def services(self) -> ControlServices:
        """Raises Unavailable before the application has started, and after it has ended."""
        if self._services is None:
            raise Unavailable("the monitoring system does not run", hint="start the application first")
        return self._services

    async def monitor_encoder(self, encoder_id: str) -> dict[str, Any]:
        """What the encoder is and how it is now, as `GET /api/encoders/{id}/status` tells it.

        Raises NotFound, Unavailable.
        """
        view = self.services.encoders.status(EncoderId(encoder_id))
        return EncoderAnswer.of(view, None).model_dump(mode="json")

    async def _link(self, request: web.Request) -> web.WebSocketResponse:
        return await self.services.link.handle(request)

    async def _end_links(self, app: web.Application) -> None:
        """The server waits for its handlers before it cleans up, and a link would not end by itself."""
        await self.services.link.close()

    async def _run(self, app: web.Application) -> AsyncIterator[None]:
        self._services = await ControlServices.of(self._settings or load_settings(Role.CONTROL))
        yield
        services, self._services = self._services, None
        await services.close()
