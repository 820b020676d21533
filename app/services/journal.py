"""Writes what happened into the bounded log. Nobody waits; while the store is away lines are lost, and counted."""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from app.domain.errors import ManagerError
from app.domain.events import (
    EncoderChanged,
    Event,
    IncidentChanged,
    StreamChanged,
    StreamDrilled,
    StreamErrorSeen,
    StreamFailedOver,
    WorkerReplaced,
)
from app.domain.failover import SwitchKind
from app.domain.note import Note
from app.domain.stream import StreamState
from app.ports.store import Store

MAX_WAITING: Final = 1_000

log = structlog.get_logger()


class Journal:
    """`hear` is a listener of the bus; `run` writes until it is cancelled."""

    def __init__(self, *, store: Store) -> None:
        self._store = store
        self._waiting: asyncio.Queue[Note] = asyncio.Queue(MAX_WAITING)
        self.lost = 0

    def hear(self, event: Event) -> None:
        note = note_of(event)
        if note is None:
            return
        try:
            self._waiting.put_nowait(note)
        except asyncio.QueueFull:
            self.lost += 1

    async def run(self) -> None:
        while True:
            note = await self._waiting.get()
            try:
                await self._store.add_note(note)
            except ManagerError as error:
                self.lost += 1
                log.warning(
                    "log line lost", subject=note.subject, kind=note.kind, lost=self.lost, reason=error.detail
                )


def note_of(event: Event) -> Note | None:
    """The line for an event; readings and states that repeat themselves have none."""
    match event:
        case StreamChanged() if event.state is not StreamState.ENDED:  # an end is saved with a line of its own
            return Note(event.at, event.stream_id, f"stream {event.state.value}", event.reason or "")
        case StreamDrilled(outcome=outcome):
            passed = outcome.fault is None
            text = outcome.kind.value if outcome.fault is None else f"{outcome.kind.value}: {outcome.fault}"
            return Note(outcome.at, event.stream_id, "drill passed" if passed else "drill failed", text)
        case StreamFailedOver(report=report) if report.kind is SwitchKind.INPUT:
            missing = "not counted" if report.frames_missing is None else f"about {report.frames_missing} missing"
            text = f"{report.from_input} to {report.to_input}: {report.cause}; frames: {missing}"
            return Note(report.at, event.stream_id, "input changed", text)
        case WorkerReplaced():
            text = f"{event.from_id} to {event.to_id}, generation {event.generation}: {event.cause}"
            return Note(event.at, event.stream_id, "worker replaced", text)
        case StreamErrorSeen():
            acted = "" if event.acted is None else f"; {event.acted}"
            return Note(event.at, event.stream_id, f"{event.severity.value}: {event.cause}", event.detail + acted)
        case EncoderChanged():
            return Note(event.at, event.encoder_id, f"encoder {event.state.value}", event.reason or "")
        case IncidentChanged(incident=incident):
            ended = "ended" if incident.merged_into is None else f"merged into {incident.merged_into}"
            state = incident.severity.value if incident.ended_at is None else ended
            where = f"{incident.cause.label} {incident.cause.value}"
            text = f"{where}: {incident.title} ({incident.total_children} follow from it)"
            return Note(event.at, incident.id, f"incident {state}", text)
        case _:
            return None
