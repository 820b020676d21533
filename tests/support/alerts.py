"""An alert store in memory that keeps the contract of the real ones, and alerts and conditions to fill it with."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from app.domain.alert import Alert, AlertGroup, AlertState
from app.domain.condition import Category, Condition, Subject, SubjectKind
from app.domain.errors import Unavailable
from app.domain.notification import KeptAlert, OutMessage, Silence
from app.domain.severity import Severity

T0 = datetime(2026, 11, 20, 12, tzinfo=UTC)


class MemoryAlerts:
    def __init__(self) -> None:
        self.alerts: dict[tuple[str, datetime], KeptAlert] = {}
        self.messages: dict[str, OutMessage] = {}
        self.kept_silences: dict[str, Silence] = {}
        self.is_away = False

    def _there(self) -> None:
        if self.is_away:
            raise Unavailable("the database: away")

    async def keep_alerts(self, alerts: Sequence[KeptAlert], messages: Sequence[OutMessage] = ()) -> None:
        self._there()
        for kept in alerts:
            self.alerts[kept.alert.fingerprint, kept.alert.started_at] = kept
        for message in messages:
            self.messages.setdefault(message.id, message)

    async def open_alerts(self) -> tuple[KeptAlert, ...]:
        self._there()
        return tuple(kept for kept in self.alerts.values() if not kept.is_settled)

    async def alert_history(self, *, limit: int = 100, before: datetime | None = None) -> tuple[Alert, ...]:
        self._there()
        found = sorted((kept.alert for kept in self.alerts.values()), key=lambda one: one.started_at, reverse=True)
        return tuple(alert for alert in found if before is None or alert.started_at < before)[:limit]

    async def waiting_messages(self) -> tuple[OutMessage, ...]:
        self._there()
        return tuple(message for message in self.messages.values() if not message.is_dead)

    async def dead_letters(self, *, limit: int = 100) -> tuple[OutMessage, ...]:
        self._there()
        return tuple(message for message in reversed(self.messages.values()) if message.is_dead)[:limit]

    async def put_message(self, message: OutMessage) -> None:
        self._there()
        if message.id in self.messages:
            self.messages[message.id] = message

    async def message_sent(self, message_id: str) -> None:
        self._there()
        self.messages.pop(message_id, None)

    async def put_silence(self, silence: Silence) -> None:
        self._there()
        self.kept_silences[silence.id] = silence

    async def silences(self) -> tuple[Silence, ...]:
        self._there()
        return tuple(self.kept_silences.values())

    async def drop_silence(self, silence_id: str) -> bool:
        self._there()
        return self.kept_silences.pop(silence_id, None) is not None


def condition(
    name: str = "encoder_offline",
    subject: str = "enc_a",
    *,
    is_active: bool = True,
    kind: SubjectKind = SubjectKind.ENCODER,
    severity: Severity = Severity.CRITICAL,
    **labels: str,
) -> Condition:
    return Condition(
        name=name,
        subject=Subject(kind, subject),
        is_active=is_active,
        severity=severity,
        category=Category.ENCODER_OFFLINE,
        at=T0,
        summary=f"{kind.value} {subject} is in trouble",
        labels=tuple(sorted(labels.items())),
    )


def alert(fingerprint: str = "f1", *, subject: str = "enc_a", summary: str = "is in trouble") -> Alert:
    return Alert(
        fingerprint=fingerprint,
        name="encoder_offline",
        state=AlertState.FIRING,
        severity=Severity.CRITICAL,
        category=Category.ENCODER_OFFLINE,
        subject=Subject(SubjectKind.ENCODER, subject),
        summary=summary,
        labels=(),
        started_at=T0,
        updated_at=T0,
    )


def group(*alerts: Alert, title: str = "[CRITICAL] encoder_offline: enc_a", name: str = "msg_1") -> AlertGroup:
    return AlertGroup(name, title, Severity.CRITICAL, alerts or (alert(),), len(alerts) or 1, T0)
