"""Facts of the system as Socket.IO messages, and which rooms hear them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from app.api.encoder_endpoints import device_status
from app.api.schemas.health import HealthView
from app.domain.events import (
    EncoderChanged,
    EncoderRead,
    Event,
    StreamChanged,
    StreamErrorSeen,
    StreamFailedOver,
    StreamHealthRead,
    WorkerReplaced,
)
from app.domain.session import StreamHealth
from app.runtime.records import to_plain
from app.services.websocket_security import Message, Room


@dataclass(frozen=True, slots=True)
class Telling:
    """`tenant` None: everybody in the room may hear it."""

    tenant: str | None
    messages: tuple[Message, ...]


def room_of_event(event: Event) -> Room:
    match event:
        case StreamHealthRead():
            return Room("stream", event.health.stream_id)
        case EncoderChanged() | EncoderRead():
            return Room("encoder", event.encoder_id)
        case _:
            return Room("stream", event.stream_id)


def tell(event: Event, encoder_score: float | None) -> Telling:
    """`event` as messages; `encoder_score` is that of the encoder an encoder's event is about."""
    match event:
        case StreamHealthRead():
            return Telling(event.tenant, (stream_health(event.health),))
        case StreamChanged():
            return Telling(event.tenant, (message("stream_changed", _stream_changed(event)),))
        case StreamErrorSeen():
            return Telling(event.tenant, (message("stream_error", _stream_error(event)),))
        case WorkerReplaced():
            data = _replaced(event)
            return Telling(event.tenant, (message("stream_failover", data), message("worker_replaced", data)))
        case StreamFailedOver():
            data = {"stream_id": event.stream_id, "report": to_plain(event.report)}
            return Telling(event.tenant, (message("stream_failover", data),))
        case EncoderChanged():
            return Telling(None, (message("encoder_changed", _encoder_changed(event)),))
        case EncoderRead():
            return Telling(None, (_health_update(event, encoder_score),))


def stream_health(health: StreamHealth) -> Message:
    return message(
        "stream_health", HealthView.of(health).model_dump(mode="json"), topic=f"stream:{health.stream_id}"
    )


def message(event: str, data: dict[str, Any], topic: str | None = None) -> Message:
    return Message(event, data, len(orjson.dumps(data)), topic)


def _health_update(event: EncoderRead, score: float | None) -> Message:
    data = {
        "encoder_id": event.encoder_id,
        "at": event.at.isoformat(),
        "device_status": device_status(event.reading),
        "connection_health": {"health_score": score},
    }
    return message("health_update", data, topic=f"encoder:{event.encoder_id}")


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
    }


def _encoder_changed(event: EncoderChanged) -> dict[str, Any]:
    return {
        "encoder_id": event.encoder_id,
        "state": event.state,
        "reason": event.reason,
        "at": event.at.isoformat(),
    }
