"""Puts the control plane's store, link and services together; the doors are added by `control.py`."""

from __future__ import annotations

from app.adapters.link.server import LinkServer
from app.domain.events import Event
from app.domain.secret import Secret
from app.runtime.bus import Bus
from app.services.encoder_service import EncoderService
from app.services.gateways import Gateways
from app.services.key_service import KeyService
from app.services.load_balancer import LoadBalancer
from app.services.stream_service import StreamService
from app.services.stream_validator import StreamValidator


class ControlServices:
    """What the doors use. Mount `link.handle` at `GET /link`; call `close()` at the end."""

    streams: StreamService
    encoders: EncoderService
    balancer: LoadBalancer
    validator: StreamValidator
    keys: KeyService
    gateways: Gateways
    bus: Bus[Event]
    link: LinkServer

    @classmethod
    async def start(
        cls,
        *,
        database_url: str,
        link_token: Secret,
        key_pepper: Secret,
        seal_key: Secret,
        bootstrap_api_key: Secret | None,
    ) -> ControlServices:
        """Migrates the store, loads the running streams, starts the watching tasks."""
        raise NotImplementedError

    async def ready(self) -> tuple[str, ...]:
        """What is missing to open a stream now, in words; empty: ready."""
        raise NotImplementedError

    async def close(self) -> None:
        raise NotImplementedError
