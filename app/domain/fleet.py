"""The fleet as control sees it: encoders with their state, and why one was chosen for a stream."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from app.domain.connection import ConnectionHealth
from app.domain.encoder import EncoderInfo, EncoderReading, EncoderState
from app.domain.ids import EncoderId, HostId, StreamId, WorkerId
from app.domain.stream import EncodeSettings


class OperatorWish(StrEnum):
    """What an operator decided for an encoder; it outlives every restart."""

    ACTIVE = "active"
    DRAINING = "draining"
    STOPPED = "stopped"


class EncoderAction(StrEnum):
    START = "start"
    STOP = "stop"
    RESTART = "restart"
    DRAIN = "drain"
    UNDRAIN = "undrain"
    REBOOT = "reboot"


class Role(StrEnum):
    PRIMARY = "primary"
    BACKUP = "backup"


@dataclass(frozen=True, slots=True)
class EncoderView:
    """One encoder now. `score` 0 to 100, None while nothing is known of it, or it is offline."""

    info: EncoderInfo
    state: EncoderState
    reason: str | None
    arrived_at: datetime
    """Start of its present link."""
    last_seen_at: datetime
    reading: EncoderReading | None
    score: float | None
    score_reasons: tuple[str, ...]
    streams_primary: int
    streams_backup: int
    used_pixels_per_s: float
    """Promised to streams, backups included."""
    url: str | None = None
    """Of a device: its web interface."""


@dataclass(frozen=True, slots=True)
class EncoderMetrics:
    encoder_id: EncoderId
    state: EncoderState
    at: datetime
    """When the reading came."""
    reading: EncoderReading | None
    score: float | None
    score_reasons: tuple[str, ...]
    connection: ConnectionHealth | None = None
    """None: nobody watches it."""


@dataclass(frozen=True, slots=True)
class ConfiguredStream:
    """One stream an encoder is configured for. `running` is None while nothing is known."""

    stream_id: StreamId
    tenant: str
    role: Role
    worker_id: WorkerId | None
    """None: a device, which publishes the stream."""
    generation: int
    encode: EncodeSettings | None
    running: bool | None


@dataclass(frozen=True, slots=True)
class EncoderConfig:
    encoder_id: EncoderId
    streams: tuple[ConfiguredStream, ...]


@dataclass(frozen=True, slots=True)
class FleetSummary:
    total: int
    by_state: tuple[tuple[EncoderState, int], ...]
    capacity_pixels_per_s: float
    """Of the encoders that take new streams."""
    used_pixels_per_s: float
    gateways_connected: int


@dataclass(frozen=True, slots=True)
class ScorePart:
    """One part of a candidate's cost: `points` are added to it; lower is better. `value` None: not known."""

    name: str
    value: float | None
    points: float


@dataclass(frozen=True, slots=True)
class Candidate:
    """One encoder as the balancer judged it. With vetoes it could not be chosen and has no cost."""

    encoder_id: EncoderId
    name: str
    cost: float | None
    parts: tuple[ScorePart, ...]
    vetoes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PlacementDecision:
    """Why these encoders: all candidates, best first, and the words for people."""

    stream_id: StreamId | None
    at: datetime
    pixels_per_s: float
    primary_id: EncoderId | None
    backup_id: EncoderId | None
    reasons: tuple[str, ...]
    candidates: tuple[Candidate, ...]
    cautions: tuple[str, ...] = ()
    """What is not as it should be with it, for machines: `unprotected`, `same_host`, `same_rack`, `hot`."""
    replays: bool | None = None
    """Whether the kept inputs give the same choice when they are judged again; None: nothing was judged."""


@dataclass(frozen=True, slots=True)
class ReserveView:
    """Whether every stream still has a place after the loss of any one host, and which loss is the worst."""

    holds: bool
    worst_host: HostId | None
    shortfall_pixels_per_s: float
    without_place: tuple[StreamId, ...]
    """Streams with no second place on another host; the first of them."""
    without_place_count: int


@dataclass(frozen=True, slots=True)
class CostView:
    """What sessions of one shape cost on one CPU model, as measured. `renditions`: width, height, frames/s."""

    codec: str
    preset: str
    renditions: tuple[tuple[int, int, float], ...]
    cpu_model: str | None
    cores: float
    readings: int


@dataclass(frozen=True, slots=True)
class BalancerView:
    """`candidates` are judged for one more 1080p30 stream with its default ladder: the best of a large fleet."""

    at: datetime
    candidates: tuple[Candidate, ...]
    reserved: tuple[tuple[EncoderId, StreamId, Role, float], ...]
    """Encoder, stream, role, pixels per second."""
    decisions: tuple[PlacementDecision, ...]
    """The last ones, newest first."""
    reserve: ReserveView
    costs: tuple[CostView, ...]
