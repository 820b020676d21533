"""The fleet's picture and what operators do with encoders."""

from __future__ import annotations

from app.domain.access import Principal
from app.domain.fleet import EncoderAction, EncoderConfig, EncoderMetrics, EncoderView, FleetSummary
from app.domain.ids import EncoderId


class EncoderService:
    """Raises NotFound for an unknown encoder."""

    def list(self) -> tuple[EncoderView, ...]:
        raise NotImplementedError

    def status(self, encoder_id: EncoderId) -> EncoderView:
        raise NotImplementedError

    def metrics(self, encoder_id: EncoderId) -> EncoderMetrics:
        raise NotImplementedError

    def config(self, encoder_id: EncoderId) -> EncoderConfig:
        raise NotImplementedError

    async def control(self, encoder_id: EncoderId, action: EncoderAction, who: Principal) -> EncoderView:
        """Raises Conflict for what this kind of encoder cannot do (a software encoder's reboot)."""
        raise NotImplementedError

    def system(self) -> FleetSummary:
        raise NotImplementedError
