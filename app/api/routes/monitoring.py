"""Monitoring: the system, the balancer, one encoder, all streams; and Prometheus."""

from __future__ import annotations

from app.api.registry import ROOT_ONLY, Call, Endpoint, NoBody, Raw
from app.api.routes.summary import judge, totals
from app.api.schemas.encoders import (
    BalancerAnswer,
    DecisionView,
    EncoderAnswer,
    EncoderConfigAnswer,
    EncoderMetricsAnswer,
    FleetView,
)
from app.api.schemas.health import HealthList, HealthView
from app.api.schemas.stream_requests import InitBody
from app.api.schemas.system import HealthDetailed, SystemMetrics, SystemStatus
from app.api.services import DoorServices
from app.domain.access import Scope
from app.domain.errors import InvalidRequest, NotFound
from app.domain.ids import EncoderId
from app.runtime.clock import utc_now
from app.version import __version__

TAG = "monitoring"
PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"


class MonitoringRoutes:
    def __init__(self, services: DoorServices) -> None:
        self._services = services

    def endpoints(self) -> tuple[Endpoint, ...]:
        return (*self._whole(), *self._parts())

    def _whole(self) -> tuple[Endpoint, ...]:
        return (
            Endpoint(
                name="get_system_status",
                method="GET",
                path="/monitoring/status",
                handler=self.status,
                summary="Is the system well, and why not",
                scope=Scope.READ,
                tag=TAG,
                answer=SystemStatus,
            ),
            Endpoint(
                name="get_system_metrics",
                method="GET",
                path="/monitoring/metrics",
                handler=self.metrics,
                summary="Figures of fleet, encoders and streams",
                scope=Scope.READ,
                tag=TAG,
                answer=SystemMetrics,
            ),
            Endpoint(
                name="get_health_detailed",
                method="GET",
                path="/health/detailed",
                handler=self.detailed,
                summary="The whole system in detail",
                scope=Scope.READ,
                tag="health",
                answer=HealthDetailed,
                prefixes=(*ROOT_ONLY, "/api/v1", "/api"),
            ),
            Endpoint(
                name="get_prometheus_metrics",
                method="GET",
                path="/metrics",
                handler=self.prometheus,
                summary="All metrics in Prometheus' text format; needs a key with the scope metrics",
                scope=Scope.METRICS,
                tag=TAG,
                content_type=PROMETHEUS,
                prefixes=ROOT_ONLY,
            ),
        )

    def _parts(self) -> tuple[Endpoint, ...]:
        return (
            Endpoint(
                name="get_load_balancer",
                method="GET",
                path="/monitoring/load-balancer",
                handler=self.balancer,
                summary="What the balancer sees and why it chooses",
                scope=Scope.READ,
                tag=TAG,
                answer=BalancerAnswer,
            ),
            Endpoint(
                name="ask_load_balancer",
                method="POST",
                path="/monitoring/load-balancer/what-if",
                handler=self.what_if,
                summary="Where such a stream would be placed now, and why; nothing is opened or reserved",
                scope=Scope.READ,
                tag=TAG,
                body=InitBody,
                answer=DecisionView,
                errors=(InvalidRequest,),
            ),
            Endpoint(
                name="get_monitored_encoder_metrics",
                method="GET",
                path="/monitoring/encoders/{encoder_id}/metrics",
                handler=self.encoder_metrics,
                summary="Live metrics of one encoder",
                scope=Scope.READ,
                tag=TAG,
                answer=EncoderMetricsAnswer,
                errors=(NotFound,),
            ),
            Endpoint(
                name="get_streams_health",
                method="GET",
                path="/monitoring/streams/health",
                handler=self.streams_health,
                summary="How all your streams are",
                scope=Scope.READ,
                tag=TAG,
                answer=HealthList,
            ),
            Endpoint(
                name="get_encoder_config",
                method="GET",
                path="/monitoring/streams/config/{encoder_id}",
                handler=self.encoder_config,
                summary="What an encoder is configured to do",
                scope=Scope.READ,
                tag=TAG,
                answer=EncoderConfigAnswer,
                errors=(NotFound,),
            ),
        )

    async def status(self, call: Call[NoBody]) -> SystemStatus:
        summary = self._services.encoders.system()
        streams = self._services.streams.all_health(call.who)
        status, reasons = judge(await self._services.ready(), summary, streams)
        return SystemStatus(
            status=status,
            reasons=reasons,
            at=utc_now(),
            version=__version__,
            fleet=FleetView.of(summary),
            streams=totals(streams),
        )

    async def metrics(self, call: Call[NoBody]) -> SystemMetrics:
        visible = self._services.visible(call.who)
        encoders = self._services.encoders
        return SystemMetrics(
            at=utc_now(),
            fleet=FleetView.of(encoders.system()),
            streams=totals(self._services.streams.all_health(call.who)),
            encoders=[
                EncoderMetricsAnswer.of(encoders.metrics(view.info.encoder_id), visible) for view in encoders.list()
            ],
        )

    async def detailed(self, call: Call[NoBody]) -> HealthDetailed:
        summary = self._services.encoders.system()
        streams = self._services.streams.all_health(call.who)
        visible = self._services.visible(call.who)
        status, reasons = judge(await self._services.ready(), summary, streams)
        return HealthDetailed(
            status=status,
            reasons=reasons,
            at=utc_now(),
            version=__version__,
            fleet=FleetView.of(summary),
            encoders=[EncoderAnswer.of(view, visible) for view in self._services.encoders.list()],
            streams=[HealthView.of(health) for health in streams],
        )

    async def balancer(self, call: Call[NoBody]) -> BalancerAnswer:
        return BalancerAnswer.of(self._services.balancer.view(), self._services.visible(call.who))

    async def what_if(self, call: Call[InitBody]) -> DecisionView:
        return DecisionView.of(self._services.streams.consider(call.body.request()))

    async def encoder_metrics(self, call: Call[NoBody]) -> EncoderMetricsAnswer:
        metrics = self._services.encoders.metrics(EncoderId(call.params["encoder_id"]))
        return EncoderMetricsAnswer.of(metrics, self._services.visible(call.who))

    async def streams_health(self, call: Call[NoBody]) -> HealthList:
        return HealthList(streams=[HealthView.of(one) for one in self._services.streams.all_health(call.who)])

    async def encoder_config(self, call: Call[NoBody]) -> EncoderConfigAnswer:
        config = self._services.encoders.config(EncoderId(call.params["encoder_id"]))
        return EncoderConfigAnswer.of(config, self._services.visible(call.who))

    async def prometheus(self, call: Call[NoBody]) -> Raw:
        return Raw(self._services.prometheus(), PROMETHEUS)
