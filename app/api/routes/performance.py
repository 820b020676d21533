"""How the system performs: now, before, and soon."""

from __future__ import annotations

from app.api.registry import Call, Endpoint, NoBody
from app.api.schemas.performance import (
    BucketView,
    FigureView,
    PerformanceAnswer,
    PerformanceHistory,
    PerformanceQuery,
)
from app.api.services import DoorServices
from app.domain.access import Scope
from app.runtime.clock import utc_now

TAG = "monitoring"


class PerformanceRoutes:
    def __init__(self, services: DoorServices) -> None:
        self._performance = services.performance

    def endpoints(self) -> tuple[Endpoint, ...]:
        return (
            Endpoint(
                name="get_performance",
                method="GET",
                path="/monitoring/performance",
                handler=self.now,
                summary="Latency, message rates, use of resources and errors, with trend and forecast",
                scope=Scope.READ,
                tag=TAG,
                answer=PerformanceAnswer,
            ),
            Endpoint(
                name="get_performance_history",
                method="GET",
                path="/monitoring/performance/history",
                handler=self.history,
                summary="What one of these figures was",
                scope=Scope.READ,
                tag=TAG,
                body=PerformanceQuery,
                answer=PerformanceHistory,
            ),
        )

    async def now(self, call: Call[NoBody]) -> PerformanceAnswer:
        figures = {str(one.figure): FigureView.of(one) for one in self._performance.all()}
        return PerformanceAnswer(at=utc_now(), figures=figures)

    async def history(self, call: Call[PerformanceQuery]) -> PerformanceHistory:
        asked = call.body
        found = self._performance.seconds if asked.resolution == "1s" else self._performance.minutes
        points = [BucketView.of(bucket) for bucket in found(asked.wanted)]
        return PerformanceHistory(figure=asked.figure, resolution=asked.resolution, points=points)
