"""Encoders: what they are, how they are, and what an operator orders them to do."""

from __future__ import annotations

from typing import Any

from app.api.registry import ROOT_ONLY, Call, Endpoint, NoBody, RateKind
from app.api.schemas.connection import ConnectionView
from app.api.schemas.encoders import (
    ControlBody,
    EncoderAnswer,
    EncoderList,
    EncoderMetricsAnswer,
    EnterBody,
    FleetView,
    RemovedEncoder,
)
from app.api.schemas.system import EncoderHealth, EncoderHealthInner
from app.api.services import DoorServices
from app.domain.access import Principal, Scope
from app.domain.encoder import EncoderReading
from app.domain.errors import Conflict, DeviceError, InvalidRequest, NotAllowed, NotFound, Unavailable
from app.domain.fleet import EncoderMetrics
from app.domain.ids import EncoderId

TAG = "encoders"


class EncoderEndpoints:
    def __init__(self, services: DoorServices) -> None:
        self._services = services
        self._encoders = services.encoders

    def endpoints(self) -> tuple[Endpoint, ...]:
        return (
            Endpoint(
                name="list_encoders",
                method="GET",
                path="/encoders",
                handler=self.list_all,
                summary="The fleet",
                scope=Scope.READ,
                tag=TAG,
                answer=EncoderList,
            ),
            Endpoint(
                name="enter_encoder",
                method="POST",
                path="/encoders",
                handler=self.enter,
                summary="Enter a hardware encoder: it is asked who it is, and joins the fleet",
                scope=Scope.ENCODERS,
                tag=TAG,
                body=EnterBody,
                answer=EncoderAnswer,
                status=201,
                rate=RateKind.WRITE,
                errors=(InvalidRequest, NotAllowed, Conflict, DeviceError, Unavailable),
            ),
            Endpoint(
                name="remove_encoder",
                method="DELETE",
                path="/encoders/{encoder_id}",
                handler=self.remove,
                summary="Take a hardware encoder out of the fleet; the device itself is left as it is",
                scope=Scope.ENCODERS,
                tag=TAG,
                answer=RemovedEncoder,
                rate=RateKind.WRITE,
                errors=(NotFound, Conflict, Unavailable),
            ),
            Endpoint(
                name="get_encoder_system_status",
                method="GET",
                path="/encoders/system/status",
                handler=self.system,
                summary="The fleet in a few figures",
                scope=Scope.READ,
                tag=TAG,
                answer=FleetView,
            ),
            Endpoint(
                name="get_encoder_status",
                method="GET",
                path="/encoders/{encoder_id}/status",
                handler=self.status,
                summary="What one encoder is and how it is",
                scope=Scope.READ,
                tag=TAG,
                answer=EncoderAnswer,
                errors=(NotFound,),
            ),
            Endpoint(
                name="get_encoder_metrics",
                method="GET",
                path="/encoders/{encoder_id}/metrics",
                handler=self.metrics,
                summary="An encoder's last reading",
                scope=Scope.READ,
                tag=TAG,
                answer=EncoderMetricsAnswer,
                errors=(NotFound,),
            ),
            Endpoint(
                name="control_encoder",
                method="POST",
                path="/encoders/{encoder_id}/control",
                handler=self.control,
                summary="Start, stop, restart, drain, undrain or reboot an encoder",
                scope=Scope.ENCODERS,
                tag=TAG,
                body=ControlBody,
                answer=EncoderAnswer,
                rate=RateKind.WRITE,
                errors=(NotFound, Conflict, DeviceError, Unavailable),
            ),
            Endpoint(
                name="get_encoder_health",
                method="GET",
                path="/health/encoder/{encoder_id}",
                handler=self.health,
                summary="An encoder's device status",
                scope=Scope.READ,
                tag="health",
                answer=EncoderHealth,
                errors=(NotFound,),
                prefixes=(*ROOT_ONLY, "/api/v1", "/api"),
            ),
        )

    async def list_all(self, call: Call[NoBody]) -> EncoderList:
        visible = self._services.visible(call.who)
        return EncoderList(encoders=[EncoderAnswer.of(view, visible) for view in self._encoders.list()])

    async def enter(self, call: Call[EnterBody]) -> EncoderAnswer:
        view = await self._encoders.enter(call.body.device(), call.who)
        return EncoderAnswer.of(view, self._services.visible(call.who))

    async def remove(self, call: Call[NoBody]) -> RemovedEncoder:
        encoder_id = _id(call.params)
        await self._encoders.remove(encoder_id, call.who)
        return RemovedEncoder(encoder_id=encoder_id, removed=True)

    async def system(self, call: Call[NoBody]) -> FleetView:
        return FleetView.of(self._encoders.system())

    async def status(self, call: Call[NoBody]) -> EncoderAnswer:
        return self._answer(_id(call.params), call.who)

    async def metrics(self, call: Call[NoBody]) -> EncoderMetricsAnswer:
        return EncoderMetricsAnswer.of(self._encoders.metrics(_id(call.params)), self._services.visible(call.who))

    async def control(self, call: Call[ControlBody]) -> EncoderAnswer:
        view = await self._encoders.control(_id(call.params), call.body.action, call.who)
        return EncoderAnswer.of(view, self._services.visible(call.who))

    async def health(self, call: Call[NoBody]) -> EncoderHealth:
        metrics = self._encoders.metrics(_id(call.params))
        return EncoderHealth(
            encoder=EncoderHealthInner(
                encoder_id=metrics.encoder_id,
                state=metrics.state,
                score=metrics.score,
                score_reasons=list(metrics.score_reasons),
                device_status=device_status(metrics.reading),
                connection_health=ConnectionView.of(metrics),
            )
        )

    def _answer(self, encoder_id: EncoderId, who: Principal) -> EncoderAnswer:
        return EncoderAnswer.of(self._encoders.status(encoder_id), self._services.visible(who))


def device_status(reading: EncoderReading | None) -> dict[str, float | int | str | None]:
    """The `device_status` of REST and Socket.IO; null is not known. Percentages, degrees Celsius, bytes."""
    return {
        "cpu_usage": reading.cpu_percent if reading else None,
        "memory_usage": reading.memory_percent if reading else None,
        "temperature": reading.temperature_c if reading else None,
        "fan_rpm": reading.fan_rpm if reading else None,
        "gpu_usage": reading.gpu_percent if reading else None,
        "disk_usage": reading.disk_percent if reading else None,
        "active_workers": len(reading.workers) if reading else None,
    }


def connection_health(metrics: EncoderMetrics | None) -> dict[str, Any]:
    """The `connection_health` of REST and Socket.IO; None: the encoder is not known any more."""
    return ConnectionView.of(metrics).model_dump(mode="json")


def _id(params: dict[str, str]) -> EncoderId:
    return EncoderId(params["encoder_id"])
