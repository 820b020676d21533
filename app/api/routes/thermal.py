"""The warmth of the fleet, and a cool-down by hand."""

from __future__ import annotations

from app.api.registry import Call, Endpoint, NoBody, RateKind
from app.api.schemas.thermal import ThermalStatus, ThermalView
from app.api.services import DoorServices
from app.domain.access import Scope
from app.domain.errors import NotFound
from app.domain.ids import EncoderId
from app.runtime.clock import monotonic, utc_now

TAG = "monitoring"


class ThermalRoutes:
    def __init__(self, services: DoorServices) -> None:
        self._thermal = services.thermal

    def endpoints(self) -> tuple[Endpoint, ...]:
        return (
            Endpoint(
                name="get_thermal_status",
                method="GET",
                path="/monitoring/thermal/status",
                handler=self.status,
                summary="How warm the fleet is",
                scope=Scope.READ,
                tag=TAG,
                answer=ThermalStatus,
            ),
            Endpoint(
                name="get_encoder_temperature",
                method="GET",
                path="/monitoring/thermal/{encoder_id}/temperature",
                handler=self.temperature,
                summary="An encoder's temperature, its score from 0 to 100, and where it is going",
                scope=Scope.READ,
                tag=TAG,
                answer=ThermalView,
                errors=(NotFound,),
            ),
            Endpoint(
                name="cool_down_encoder",
                method="POST",
                path="/monitoring/thermal/{encoder_id}/cooldown",
                handler=self.cool_down,
                summary="Take an encoder's work away in five steps until it is cool",
                scope=Scope.ENCODERS,
                tag=TAG,
                answer=ThermalView,
                status=202,
                rate=RateKind.WRITE,
                errors=(NotFound,),
            ),
        )

    async def status(self, call: Call[NoBody]) -> ThermalStatus:
        return ThermalStatus.of(utc_now(), [self._view(encoder_id) for encoder_id in self._thermal])

    async def temperature(self, call: Call[NoBody]) -> ThermalView:
        return self._view(_id(call))

    async def cool_down(self, call: Call[NoBody]) -> ThermalView:
        self._thermal.cool_down(_id(call), by=f"key {call.who.key_id}")
        return self._view(_id(call))

    def _view(self, encoder_id: EncoderId) -> ThermalView:
        return ThermalView.of(encoder_id, self._thermal.verdict(encoder_id), monotonic())


def _id(call: Call[NoBody]) -> EncoderId:
    return EncoderId(call.params["encoder_id"])
