"""How the system performs, as clients see it."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from app.api.registry import Answer, Query
from app.domain.performance import Bucket, Figure, Performance


class BucketView(Answer):
    at: datetime
    mean: float
    min: float
    max: float

    @classmethod
    def of(cls, bucket: Bucket) -> BucketView:
        return cls(at=bucket.at, mean=bucket.mean, min=bucket.low, max=bucket.high)


class TrendView(Answer):
    """By the last ten minutes; the bounds hold nine of ten."""

    per_min: float
    per_min_low: float
    per_min_high: float
    sure: bool = Field(description="whether it rises or falls at all")


class ForecastView(Answer):
    """The bounds hold nine of ten."""

    in_s: float
    value: float
    low: float
    high: float
    confidence: float
    limit: float | None = Field(description="what should not be crossed; null: there is none")
    crosses_in_s: float | None = Field(description="null: not within the time that can be foretold")


class FigureView(Answer):
    value: float | None = Field(description="now; null: not known")
    last_minute: BucketView | None
    trend: TrendView | None = Field(description="null while less than a minute was measured")
    forecast: ForecastView | None

    @classmethod
    def of(cls, one: Performance) -> FigureView:
        outlook = one.outlook
        return cls(
            value=one.now,
            last_minute=None if one.minute is None else BucketView.of(one.minute),
            trend=None
            if outlook is None
            else TrendView(
                per_min=outlook.per_min,
                per_min_low=outlook.per_min_low,
                per_min_high=outlook.per_min_high,
                sure=outlook.is_sure,
            ),
            forecast=None
            if outlook is None
            else ForecastView(
                in_s=outlook.in_s,
                value=outlook.expected,
                low=outlook.expected_low,
                high=outlook.expected_high,
                confidence=0.9,
                limit=outlook.limit,
                crosses_in_s=outlook.crosses_in_s,
            ),
        )


class PerformanceAnswer(Answer):
    at: datetime
    figures: dict[str, FigureView] = Field(description="by name; the unit is the name's end")


class PerformanceQuery(Query):
    figure: Literal[
        "latency_ms",
        "latency_worst_ms",
        "encode_latency_ms",
        "bus_messages_per_s",
        "link_facts_per_s",
        "link_orders_per_s",
        "socket_messages_per_s",
        "requests_per_s",
        "errors_per_min",
        "control_cpu_percent",
        "control_memory_bytes",
        "loop_lag_ms",
        "fleet_cpu_percent",
        "fleet_memory_percent",
        "clock_offset_ms",
    ] = Field("latency_ms", description="one of the names that GET /monitoring/performance shows")
    resolution: Literal["1s", "1m"] = Field("1m", description="1s: the last ten minutes; 1m: the last day")

    @property
    def wanted(self) -> Figure:
        return Figure(self.figure)


class PerformanceHistory(Answer):
    figure: str
    resolution: str
    points: list[BucketView] = Field(description="oldest first; what was not known is left out")
