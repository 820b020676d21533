"""Encoders: status, metrics, configuration, control; and what the balancer thinks of them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from app.api.registry import Answer, Body
from app.api.schemas.common import LadderView, ReadingView
from app.api.schemas.texts import DeviceUrl, EncoderName, Name, Word
from app.domain.device import NewDevice
from app.domain.encoder import EncoderKind
from app.domain.fleet import (
    BalancerView,
    Candidate,
    CostView,
    EncoderAction,
    EncoderConfig,
    EncoderMetrics,
    EncoderView,
    FleetSummary,
    PlacementDecision,
)
from app.domain.ids import EncoderId, HostId, StreamId
from app.domain.secret import Secret

Visible = frozenset[StreamId] | None
"""Streams the caller may see; None: all of them."""


class ControlBody(Body):
    action: EncoderAction


class EnterBody(Body):
    """A hardware encoder that is to join the fleet."""

    kind: Literal["aja_helo"]
    url: DeviceUrl
    password: Annotated[str, Field(min_length=1, max_length=128, description="never shown again")] | None = None
    name: Name | None = None
    encoder_id: EncoderName | None = Field(None, description="absent: made from its address")
    host_id: Word | None = Field(
        None, description="what it shares its fate with, such as a power supply; absent: nothing"
    )
    region: Word | None = None
    rack: Word | None = None
    spare_input: Literal["sdi", "hdmi"] | None = Field(
        None, description="where the same picture comes in too; absent: its input is never changed by itself"
    )

    def device(self) -> NewDevice:
        return NewDevice(
            kind=EncoderKind(self.kind),
            url=self.url,
            password=None if self.password is None else Secret(self.password),
            name=self.name,
            encoder_id=None if self.encoder_id is None else EncoderId(self.encoder_id),
            host_id=None if self.host_id is None else HostId(self.host_id),
            region=self.region,
            rack=self.rack,
            spare_input=self.spare_input,
        )


class RemovedEncoder(Answer):
    encoder_id: str
    removed: bool


class CodecView(Answer):
    codec: str
    works: bool
    reason: str | None


class EncoderAnswer(Answer):
    encoder_id: str
    name: str
    kind: str
    host_id: str
    node_id: str
    region: str | None
    rack: str | None
    url: str | None = Field(description="of a device: its own web interface; null: it has none")
    state: str
    reason: str | None
    score: float | None = Field(description="0 to 100; null while nothing is known, or it is offline")
    score_reasons: list[str]
    last_seen_at: datetime
    connected_since: datetime
    cpu_model: str | None
    cpu_cores: int | None
    memory_bytes: int | None
    gpus: list[str]
    codecs: list[CodecView]
    build: str
    max_streams: int
    streams_primary: int
    streams_backup: int
    capacity_pixels_per_s: float
    used_pixels_per_s: float
    device_status: ReadingView | None

    @classmethod
    def of(cls, view: EncoderView, visible: Visible) -> EncoderAnswer:
        info, able = view.info, view.info.capabilities
        return cls(
            encoder_id=info.encoder_id,
            name=info.name,
            kind=info.kind,
            host_id=info.host_id,
            node_id=info.node_id,
            region=info.region,
            rack=info.rack,
            url=view.url,
            state=view.state,
            reason=view.reason,
            score=view.score,
            score_reasons=list(view.score_reasons),
            last_seen_at=view.last_seen_at,
            connected_since=view.arrived_at,
            cpu_model=able.cpu_model,
            cpu_cores=able.cpu_cores,
            memory_bytes=able.memory_bytes,
            gpus=list(able.gpus),
            codecs=[CodecView(codec=p.codec, works=p.works, reason=p.reason) for p in able.probes],
            build=able.build,
            max_streams=able.max_streams,
            streams_primary=view.streams_primary,
            streams_backup=view.streams_backup,
            capacity_pixels_per_s=able.capacity_pixels_per_s,
            used_pixels_per_s=view.used_pixels_per_s,
            device_status=ReadingView.of(view.reading, visible) if view.reading else None,
        )


class EncoderList(Answer):
    encoders: list[EncoderAnswer]


class EncoderMetricsAnswer(Answer):
    encoder_id: str
    state: str
    at: datetime
    score: float | None
    score_reasons: list[str]
    metrics: ReadingView | None

    @classmethod
    def of(cls, metrics: EncoderMetrics, visible: Visible) -> EncoderMetricsAnswer:
        return cls(
            encoder_id=metrics.encoder_id,
            state=metrics.state,
            at=metrics.at,
            score=metrics.score,
            score_reasons=list(metrics.score_reasons),
            metrics=ReadingView.of(metrics.reading, visible) if metrics.reading else None,
        )


class ConfiguredStreamView(Answer):
    stream_id: str
    role: str
    worker_id: str | None = Field(description="null: a device, which publishes the stream itself")
    generation: int
    running: bool | None
    ladder: LadderView | None
    preset: str | None
    codec: str | None
    keyframe_interval_ms: int | None


class EncoderConfigAnswer(Answer):
    encoder_id: str
    streams: list[ConfiguredStreamView]

    @classmethod
    def of(cls, config: EncoderConfig, visible: Visible) -> EncoderConfigAnswer:
        return cls(
            encoder_id=config.encoder_id,
            streams=[
                ConfiguredStreamView(
                    stream_id=stream.stream_id,
                    role=stream.role,
                    worker_id=stream.worker_id,
                    generation=stream.generation,
                    running=stream.running,
                    ladder=LadderView.of(stream.encode.ladder) if stream.encode else None,
                    preset=stream.encode.preset if stream.encode else None,
                    codec=stream.encode.codec if stream.encode else None,
                    keyframe_interval_ms=stream.encode.keyframe_interval_ms if stream.encode else None,
                )
                for stream in config.streams
                if visible is None or stream.stream_id in visible
            ],
        )


class FleetView(Answer):
    encoders_total: int
    encoders_by_state: dict[str, int]
    capacity_pixels_per_s: float
    used_pixels_per_s: float
    gateways_connected: int

    @classmethod
    def of(cls, summary: FleetSummary) -> FleetView:
        return cls(
            encoders_total=summary.total,
            encoders_by_state={str(state): count for state, count in summary.by_state},
            capacity_pixels_per_s=summary.capacity_pixels_per_s,
            used_pixels_per_s=summary.used_pixels_per_s,
            gateways_connected=summary.gateways_connected,
        )


class PartView(Answer):
    name: str
    value: float | None
    points: float


class CandidateView(Answer):
    encoder_id: str
    name: str
    cost: float | None = Field(description="lower is better; null: it could not be chosen")
    parts: list[PartView]
    vetoes: list[str]

    @classmethod
    def of(cls, candidate: Candidate) -> CandidateView:
        return cls(
            encoder_id=candidate.encoder_id,
            name=candidate.name,
            cost=candidate.cost,
            parts=[PartView(name=p.name, value=p.value, points=p.points) for p in candidate.parts],
            vetoes=list(candidate.vetoes),
        )


class DecisionView(Answer):
    stream_id: str | None
    at: datetime
    pixels_per_s: float
    primary_encoder_id: str | None
    backup_encoder_id: str | None
    reasons: list[str]
    cautions: list[str] = Field(description="unprotected, same_host, same_rack, hot, or one that is not known yet")
    replays: bool | None = Field(
        description="whether its kept inputs give the same choice again; null: nothing was judged"
    )
    candidates: list[CandidateView]

    @classmethod
    def of(cls, decision: PlacementDecision) -> DecisionView:
        return cls(
            stream_id=decision.stream_id,
            at=decision.at,
            pixels_per_s=decision.pixels_per_s,
            primary_encoder_id=decision.primary_id,
            backup_encoder_id=decision.backup_id,
            reasons=list(decision.reasons),
            cautions=list(decision.cautions),
            replays=decision.replays,
            candidates=[CandidateView.of(candidate) for candidate in decision.candidates],
        )


class PlacementAnswer(Answer):
    decisions: list[DecisionView] = Field(description="newest first")


class ReservationView(Answer):
    encoder_id: str
    stream_id: str
    role: str
    pixels_per_s: float


class ReserveAnswer(Answer):
    """Whether every stream keeps a place after the loss of any one host."""

    holds: bool
    worst_host: str | None
    shortfall_pixels_per_s: float = Field(description="what finds no room after the worst loss")
    without_place: list[str] = Field(description="streams without a second place on another host, the first ones")
    without_place_count: int


class CostAnswer(Answer):
    """What sessions of one shape cost on one CPU model, as measured on those that run."""

    codec: str
    preset: str
    renditions: list[str]
    cpu_model: str | None
    cores: float = Field(description="busy cores, with the margin that is planned for")
    readings: int

    @classmethod
    def of(cls, cost: CostView) -> CostAnswer:
        return cls(
            codec=cost.codec,
            preset=cost.preset,
            renditions=[f"{width}x{height}@{fps:g}" for width, height, fps in cost.renditions],
            cpu_model=cost.cpu_model,
            cores=round(cost.cores, 3),
            readings=cost.readings,
        )


class BalancerAnswer(Answer):
    """`candidates`: how each encoder would be judged for one more 1080p30 stream now."""

    at: datetime
    candidates: list[CandidateView]
    reserved: list[ReservationView]
    decisions: list[DecisionView]
    reserve: ReserveAnswer
    costs: list[CostAnswer]

    @classmethod
    def of(cls, view: BalancerView, visible: Visible) -> BalancerAnswer:
        return cls(
            at=view.at,
            candidates=[CandidateView.of(candidate) for candidate in view.candidates],
            reserved=[
                ReservationView(encoder_id=encoder_id, stream_id=stream_id, role=role, pixels_per_s=pixels)
                for encoder_id, stream_id, role, pixels in view.reserved
                if visible is None or stream_id in visible
            ],
            decisions=[
                DecisionView.of(decision)
                for decision in view.decisions
                if visible is None or decision.stream_id in visible
            ],
            reserve=ReserveAnswer(
                holds=view.reserve.holds,
                worst_host=view.reserve.worst_host,
                shortfall_pixels_per_s=view.reserve.shortfall_pixels_per_s,
                without_place=[one for one in view.reserve.without_place if visible is None or one in visible],
                without_place_count=view.reserve.without_place_count,
            ),
            costs=[CostAnswer.of(cost) for cost in view.costs],
        )
