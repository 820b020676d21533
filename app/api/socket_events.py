"""Facts of the system as Socket.IO messages, and which rooms hear them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from app.api.encoder_endpoints import connection_health, device_status
from app.api.schemas.failovers import FailoverView
from app.api.schemas.health import HealthView
from app.domain.alert import AlertState
from app.domain.condition import Condition, SubjectKind
from app.domain.events import (
    AlertChanged,
    DeviceRead,
    EncoderChanged,
    EncoderRead,
    Event,
    IncidentChanged,
    StreamChanged,
    StreamDrilled,
    StreamErrorSeen,
    StreamFailedOver,
    StreamHealthRead,
    WorkerReplaced,
)
from app.domain.failover import SwitchReport
from app.domain.fleet import EncoderMetrics
from app.domain.ids import StreamId
from app.domain.session import StreamHealth
from app.services.websocket_security import Message, Room


@dataclass(frozen=True, slots=True)
class Saying:
    """`topic` not None: a reading, of which only the newest of its topic matters; else a change."""

    event: str
    data: dict[str, Any]
    topic: str | None = None


@dataclass(frozen=True, slots=True)
class Telling:
    """`tenant` None: everybody in the room may hear it. `stream_id` None: it is about an encoder."""

    tenant: str | None
    stream_id: StreamId | None
    sayings: tuple[Saying, ...]


def room_of_event(event: Event) -> Room:
    match event:
        case StreamHealthRead():
            return Room("stream", event.health.stream_id)
        case EncoderChanged() | EncoderRead() | DeviceRead():
            return Room("encoder", event.encoder_id)
        case Condition() | AlertChanged():
            subject = event.subject if isinstance(event, Condition) else event.alert.subject
            return Room("stream" if subject.kind is SubjectKind.STREAM else "encoder", subject.id)
        case IncidentChanged():
            return Room("encoder", event.incident.cause.value)
        case _:
            return Room("stream", event.stream_id)


def is_reading(event: Event) -> bool:
    """Whether only the newest of its kind matters, so that nobody who was away has to be told."""
    return isinstance(event, StreamHealthRead | EncoderRead | DeviceRead | Condition)


def tell(event: Event, metrics: EncoderMetrics | None) -> Telling:
    """`event` in words; `metrics` are those of the encoder whose reading is told."""
    match event:
        case StreamHealthRead():
            return Telling(event.tenant, event.health.stream_id, (stream_health(event.health),))
        case EncoderChanged():
            return Telling(None, None, (Saying("encoder_changed", _encoder_changed(event)),))
        case EncoderRead():
            return Telling(None, None, (_health_update(event, metrics),))
        case (
            DeviceRead() | Condition() | IncidentChanged()
        ):  # raw material: what follows from it is told as health, error or alert
            return Telling(None, None, ())
        case AlertChanged():
            # About a stream: its tenant only, who hears nothing of others' by following all streams.
            return Telling(event.alert.tenant, None, (Saying("alert", _alert(event)),))
        case StreamDrilled():  # what it did to the stream is told by its switch, how it went by the health
            return Telling(event.tenant, event.stream_id, ())
        case _:
            return Telling(event.tenant, event.stream_id, _changes(event))


def _changes(event: StreamChanged | StreamErrorSeen | WorkerReplaced | StreamFailedOver) -> tuple[Saying, ...]:
    match event:
        case StreamChanged():
            return (Saying("stream_changed", _stream_changed(event)),)
        case StreamErrorSeen():
            return (Saying("stream_error", _stream_error(event)),)
        case WorkerReplaced():
            data = _replaced(event)
            return (Saying("stream_failover", data), Saying("worker_replaced", data))
        case StreamFailedOver():
            return (Saying("stream_failover", _measured(event.report)),)


def stream_health(health: StreamHealth) -> Saying:
    return Saying("stream_health", HealthView.of(health).model_dump(mode="json"), f"stream:{health.stream_id}")


def snapshot(health: StreamHealth, reports: Sequence[SwitchReport]) -> Saying:
    """What a client needs instead of changes that are no longer kept. `reports`: newest first."""
    data = {
        "stream_id": health.stream_id,
        "state": health.state,
        "health": HealthView.of(health).model_dump(mode="json"),
        "failovers": [FailoverView.of(report).model_dump(mode="json") for report in reports],
    }
    return Saying("snapshot", data)


def message(saying: Saying) -> Message:
    return Message(saying.event, saying.data, len(orjson.dumps(saying.data)), saying.topic)


def _health_update(event: EncoderRead, metrics: EncoderMetrics | None) -> Saying:
    data = {
        "encoder_id": event.encoder_id,
        "at": event.at.isoformat(),
        "score": None if metrics is None else metrics.score,
        "device_status": device_status(event.reading),
        "connection_health": connection_health(metrics),
    }
    return Saying("health_update", data, f"encoder:{event.encoder_id}")


def _stream_changed(event: StreamChanged) -> dict[str, Any]:
    return {
        "stream_id": event.stream_id,
        "state": event.state,
        "reason": event.reason,
        "at": event.at.isoformat(),
    }


def _stream_error(event: StreamErrorSeen) -> dict[str, Any]:
    return {
        "stream_id": event.stream_id,
        "severity": event.severity,
        "cause": event.cause,
        "detail": event.detail,
        "acted": event.acted is not None,
        "action": event.acted,
        "at": event.at.isoformat(),
    }


def _replaced(event: WorkerReplaced) -> dict[str, Any]:
    """The publisher's and viewers' connections stay with the gateway, so nobody has to connect anew."""
    return {
        "stream_id": event.stream_id,
        "from_encoder_id": event.from_id,
        "to_encoder_id": event.to_id,
        "generation": event.generation,
        "cause": event.cause,
        "at": event.at.isoformat(),
        "reconnect_needed": False,
        "connection": None,
        "report": None,
    }


def _measured(report: SwitchReport) -> dict[str, Any]:
    """Of the same form as the first word about the switch, so that one listener reads both."""
    return {
        "stream_id": report.stream_id,
        "from_encoder_id": report.from_encoder_id,
        "to_encoder_id": report.to_encoder_id,
        "generation": report.generation,
        "cause": report.cause,
        "at": report.at.isoformat(),
        "reconnect_needed": False,
        "connection": None,
        "report": FailoverView.of(report).model_dump(mode="json"),
    }


def _alert(event: AlertChanged) -> dict[str, Any]:
    alert = event.alert
    return {
        "fingerprint": alert.fingerprint,
        "name": alert.name,
        "active": alert.state is AlertState.FIRING,
        "severity": alert.severity,
        "category": alert.category,
        "subject": {"kind": alert.subject.kind, "id": alert.subject.id},
        "summary": alert.summary,
        "started_at": alert.started_at.isoformat(),
        "ended_at": None if alert.ended_at is None else alert.ended_at.isoformat(),
    }


def _encoder_changed(event: EncoderChanged) -> dict[str, Any]:
    return {
        "encoder_id": event.encoder_id,
        "state": event.state,
        "reason": event.reason,
        "at": event.at.isoformat(),
    }
