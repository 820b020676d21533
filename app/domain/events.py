"""What happened, told on the bus to whoever follows: sockets, metrics, history."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from app.domain.alert import Alert
from app.domain.condition import Condition
from app.domain.device import DeviceReading
from app.domain.drill import DrillOutcome
from app.domain.encoder import EncoderReading, EncoderState
from app.domain.failover import SwitchReport
from app.domain.ids import EncoderId, StreamId
from app.domain.incident import Incident
from app.domain.session import StreamHealth
from app.domain.severity import Severity
from app.domain.stream import StreamState


@dataclass(frozen=True, slots=True)
class StreamChanged:
    """A stream entered `state`."""

    stream_id: StreamId
    tenant: str
    state: StreamState
    at: datetime
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class StreamHealthRead:
    """Each second for a stream with a publisher, else each few seconds and when it changes."""

    tenant: str
    health: StreamHealth


@dataclass(frozen=True, slots=True)
class StreamErrorSeen:
    """Something went wrong with a stream; `acted` says what the system did about it, or None."""

    stream_id: StreamId
    tenant: str
    severity: Severity
    cause: str
    detail: str
    at: datetime
    acted: str | None = None


@dataclass(frozen=True, slots=True)
class WorkerReplaced:
    """Another encoder took a stream over."""

    stream_id: StreamId
    tenant: str
    from_id: EncoderId | None
    to_id: EncoderId
    generation: int
    cause: str
    at: datetime


@dataclass(frozen=True, slots=True)
class StreamFailedOver:
    """A switch was measured: its report."""

    stream_id: StreamId
    tenant: str
    report: SwitchReport


@dataclass(frozen=True, slots=True)
class StreamDrilled:
    """A drill of a stream is over. The switch it made is told beside it, as every switch is."""

    stream_id: StreamId
    tenant: str
    outcome: DrillOutcome


@dataclass(frozen=True, slots=True)
class EncoderChanged:
    encoder_id: EncoderId
    state: EncoderState
    at: datetime
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class EncoderRead:
    encoder_id: EncoderId
    reading: EncoderReading
    at: datetime


@dataclass(frozen=True, slots=True)
class DeviceRead:
    """A hardware encoder told of itself."""

    encoder_id: EncoderId
    reading: DeviceReading


@dataclass(frozen=True, slots=True)
class AlertChanged:
    """An alert began, changed in what people see of it, or ended."""

    alert: Alert


@dataclass(frozen=True, slots=True)
class IncidentChanged:
    """An incident began, turned out to have another cause or severity, or ended."""

    incident: Incident
    at: datetime


Event = (
    StreamChanged
    | StreamHealthRead
    | StreamErrorSeen
    | WorkerReplaced
    | StreamFailedOver
    | StreamDrilled
    | EncoderChanged
    | EncoderRead
    | DeviceRead
    | Condition
    | AlertChanged
    | IncidentChanged
)
