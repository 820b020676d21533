"""The whole system: probes, version, summary, JSON metrics."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from app.api.registry import Answer
from app.api.schemas.connection import ConnectionView
from app.api.schemas.encoders import EncoderAnswer, EncoderMetricsAnswer, FleetView
from app.api.schemas.health import HealthView


class Live(Answer):
    status: str


class Ready(Answer):
    status: str
    missing: list[str] = Field(description="what must come before a stream can be opened")


class Version(Answer):
    version: str
    api: str


class ApiIndex(Answer):
    version: str
    api: str
    description: str = Field(description="OpenAPI 3.1")
    live: str = Field(description="Socket.IO")


class StreamTotals(Answer):
    """Of the streams you may see."""

    total: int
    by_state: dict[str, int]
    protected: int = Field(description="with a backup that stands ready")
    dropped_frames: int | None = Field(description="null when none is known")
    bitrate: float | None = Field(description="bit/s of all programmes together; null when none is known")


class SystemStatus(Answer):
    status: str = Field(description="ok, degraded or down")
    reasons: list[str]
    at: datetime
    version: str
    fleet: FleetView
    streams: StreamTotals


class SystemMetrics(Answer):
    at: datetime
    fleet: FleetView
    streams: StreamTotals
    encoders: list[EncoderMetricsAnswer]


class HealthDetailed(Answer):
    status: str
    reasons: list[str]
    at: datetime
    version: str
    fleet: FleetView
    encoders: list[EncoderAnswer]
    streams: list[HealthView]


class EncoderHealthInner(Answer):
    encoder_id: str
    state: str
    score: float | None = Field(description="0 to 100; null while nothing is known")
    score_reasons: list[str]
    device_status: dict[str, float | int | str | None]
    connection_health: ConnectionView


class EncoderHealth(Answer):
    encoder: EncoderHealthInner


class ProblemKind(Answer):
    code: str
    title: str
    status: int
    advice: str
