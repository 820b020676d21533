"""What gateways found in pictures and sound, handed on: as conditions to whoever follows, as evidence to the watch.

Leaves to others: finding it (the gateway), and leaving an encoder for it (`stream_watch`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from app.domain.condition import Category, Condition, Subject, SubjectKind
from app.domain.content import Fault, Finding, Side
from app.domain.events import Event, StreamChanged
from app.domain.ids import StreamId
from app.domain.link import ContentSeen
from app.domain.severity import Severity
from app.domain.stream import StreamState
from app.policy.content_evidence import GROUNDS
from app.runtime.bus import Bus
from app.services.live_streams import LiveStream

_CATEGORIES: Final[Mapping[Fault, Category]] = {
    Fault.BLACK_PICTURE: Category.PICTURE,
    Fault.FROZEN_PICTURE: Category.PICTURE,
    Fault.SILENT_AUDIO: Category.SILENT_AUDIO,
    Fault.LOW_FRAME_RATE: Category.VIDEO_SIGNAL,
    Fault.BITRATE_VARIANCE: Category.BITRATE,
    Fault.AV_DRIFT: Category.PICTURE,
    Fault.TIMESTAMP_JUMP: Category.PICTURE,
}
_RANK: Final = (Side.SOURCE, Side.ENCODER, Side.UNKNOWN)
"""Of two sides with the same fault the source is told: what comes from there explains the rest."""


class ContentNews:
    def __init__(self, bus: Bus[Event]) -> None:
        self._bus = bus
        self._told: dict[StreamId, dict[Fault, Condition]] = {}
        bus.listen(self._on_event)

    def heard(self, stream: LiveStream, fact: ContentSeen, now: float) -> None:
        stream.content.note(fact.generation, fact.findings, now)
        active = stream.active
        labels = [("gateway", str(stream.record.gateway_id))]
        told: dict[Fault, Condition] = {}
        for finding in sorted(fact.findings, key=lambda each: _RANK.index(each.side)):
            if finding.fault in told:
                continue
            own = [*labels, ("side", finding.side.value)]
            if finding.side is Side.ENCODER and active is not None:
                own.append(("encoder", str(active.encoder_id)))
            told[finding.fault] = _condition(stream.id, finding, fact.at, own)
        self._tell(stream.id, told, fact.at)

    def _on_event(self, event: Event) -> None:
        if isinstance(event, StreamChanged) and event.state is StreamState.ENDED:
            self._tell(event.stream_id, {}, event.at)

    def _tell(self, stream_id: StreamId, told: dict[Fault, Condition], at: datetime) -> None:
        before = self._told.pop(stream_id, {})
        for fault in before.keys() - told.keys():
            self._bus.tell(_over(before[fault], at))
        for condition in told.values():
            self._bus.tell(condition)
        if told:
            self._told[stream_id] = told


def _condition(stream_id: StreamId, finding: Finding, at: datetime, labels: Sequence[tuple[str, str]]) -> Condition:
    is_grave = finding.fault in GROUNDS and finding.side is not Side.SOURCE
    return Condition(
        finding.fault.value,
        Subject(SubjectKind.STREAM, stream_id),
        is_active=True,
        severity=Severity.CRITICAL if is_grave else Severity.WARNING,
        category=_CATEGORIES[finding.fault],
        at=at,
        summary=finding.detail,
        labels=tuple(labels),
        value=finding.value,
    )


def _over(was: Condition, at: datetime) -> Condition:
    return Condition(
        was.name,
        was.subject,
        is_active=False,
        severity=was.severity,
        category=was.category,
        at=at,
        summary=f"over: {was.summary}",
        labels=was.labels,
    )
