"""Alerts, silences, channels and dead letters as clients see them, and what they and Alertmanager send."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, StringConstraints

from app.api.registry import Answer, Body, Query
from app.api.schemas.texts import Word
from app.domain.alert import Alert
from app.domain.notification import Matcher, OutMessage, Silence, Window
from app.monitoring.alert_desk import ChannelState

LabelText = Annotated[str, StringConstraints(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]
Clock = Annotated[str, StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]
Told = Annotated[str, StringConstraints(max_length=4_000)]


class SubjectView(Answer):
    kind: str = Field(description="encoder, stream, gateway, destination, certificate, channel or system")
    id: str


class AlertView(Answer):
    fingerprint: str = Field(description="the same for the same name, subject and labels, at every start")
    name: str
    active: bool
    severity: str = Field(description="info, warning or critical")
    category: str
    subject: SubjectView
    summary: str
    labels: dict[str, str]
    value: float | None = Field(description="the measured figure, in the unit that the summary names")
    started_at: datetime
    updated_at: datetime
    ended_at: datetime | None
    flapping: bool = Field(description="it comes and goes")
    cause_fingerprint: str | None = Field(description="of the alert that lies behind it")
    silenced_by: str | None
    acknowledged_by: str | None = Field(description="id of the key")
    external: bool = Field(description="handed in by an Alertmanager")

    @classmethod
    def of(cls, alert: Alert) -> AlertView:
        return cls(
            fingerprint=alert.fingerprint,
            name=alert.name,
            active=alert.ended_at is None,
            severity=alert.severity,
            category=alert.category,
            subject=SubjectView(kind=alert.subject.kind, id=alert.subject.id),
            summary=alert.summary,
            labels=dict(alert.labels),
            value=alert.value,
            started_at=alert.started_at,
            updated_at=alert.updated_at,
            ended_at=alert.ended_at,
            flapping=alert.is_flapping,
            cause_fingerprint=alert.cause_fingerprint,
            silenced_by=alert.silenced_by,
            acknowledged_by=alert.acknowledged_by,
            external=alert.is_external,
        )


class AlertList(Answer):
    alerts: list[AlertView]


class AlertsQuery(Query):
    severity: Literal["info", "warning", "critical"] | None = None
    category: Annotated[LabelText | None, Field(description="such as thermal")] = None
    kind: Annotated[LabelText | None, Field(description="of what the alert is about, such as encoder")] = None
    subject: Annotated[LabelText | None, Field(description="id of what the alert is about")] = None
    name: Annotated[LabelText | None, Field(description="such as encoder_offline")] = None
    silenced: Annotated[bool | None, Field(description="only those that are silenced, or only the others")] = None

    def fits(self, alert: Alert) -> bool:
        return (
            self.severity in (None, alert.severity)
            and self.category in (None, alert.category)
            and self.kind in (None, alert.subject.kind)
            and self.subject in (None, alert.subject.id)
            and self.name in (None, alert.name)
            and self.silenced in (None, alert.silenced_by is not None)
        )


class HistoryQuery(Query):
    limit: Annotated[int, Field(ge=1, le=1000, description="the newest so many of all, of which you see yours")] = (
        100
    )
    before: Annotated[datetime | None, Field(description="that began before; with its offset")] = None


class MatcherBody(Body):
    label: Annotated[Word, Field(description="a label, or name, severity, category, kind, subject, tenant")]
    pattern: Annotated[LabelText, Field(description="`*` stands for any text")]
    negated: bool = False


class WindowBody(Body):
    days: Annotated[
        list[int], Field(max_length=7, default_factory=list, description="0 is Monday; empty: every day")
    ]
    starts: Clock
    ends: Annotated[Clock, Field(description="not after the start: on the next day")]
    zone: Annotated[LabelText, Field(description="IANA name; the window follows its clocks", examples=["UTC"])]


class SilenceBody(Body):
    matchers: Annotated[list[MatcherBody], Field(min_length=1, max_length=20, description="all of them must fit")]
    comment: Annotated[LabelText, Field(min_length=1)]
    starts_at: Annotated[datetime | None, Field(description="with its offset; null: now")] = None
    ends_at: Annotated[datetime, Field(description="with its offset")]
    window: Annotated[WindowBody | None, Field(description="silent only within it")] = None

    def rules(self) -> tuple[Matcher, ...]:
        return tuple(Matcher(one.label, one.pattern, one.negated) for one in self.matchers)

    def times(self) -> Window | None:
        given = self.window
        return None if given is None else Window(given.starts, given.ends, given.zone, tuple(given.days))


class MatcherView(Answer):
    label: str
    pattern: str
    negated: bool


class WindowView(Answer):
    days: list[int]
    starts: str
    ends: str
    zone: str


class SilenceView(Answer):
    silence_id: str
    matchers: list[MatcherView]
    comment: str
    created_by: str
    created_at: datetime
    starts_at: datetime
    ends_at: datetime
    window: WindowView | None

    @classmethod
    def of(cls, silence: Silence) -> SilenceView:
        window = silence.window
        return cls(
            silence_id=silence.id,
            matchers=[
                MatcherView(label=one.label, pattern=one.pattern, negated=one.is_negated)
                for one in silence.matchers
            ],
            comment=silence.comment,
            created_by=silence.created_by,
            created_at=silence.created_at,
            starts_at=silence.starts_at,
            ends_at=silence.ends_at,
            window=None
            if window is None
            else WindowView(days=list(window.days), starts=window.starts, ends=window.ends, zone=window.zone),
        )


class SilenceList(Answer):
    silences: list[SilenceView]


class DroppedSilence(Answer):
    silence_id: str
    dropped: bool = True


class ChannelView(Answer):
    name: str
    waiting: int = Field(description="messages that are not sent yet")
    fault: str | None = Field(description="why it fails; null: it does not")

    @classmethod
    def of(cls, state: ChannelState) -> ChannelView:
        return cls(name=state.name, waiting=state.waiting, fault=state.fault)


class ChannelList(Answer):
    channels: list[ChannelView]


class LettersQuery(Query):
    limit: Annotated[int, Field(ge=1, le=1000)] = 100


class LetterView(Answer):
    message_id: str
    channel: str
    title: str
    created_at: datetime
    attempts: int
    fault: str | None

    @classmethod
    def of(cls, message: OutMessage) -> LetterView:
        return cls(
            message_id=message.id,
            channel=message.channel,
            title=message.group.title,
            created_at=message.created_at,
            attempts=message.attempts,
            fault=message.fault,
        )


class LetterList(Answer):
    messages: list[LetterView]


class ExternalAlert(Body):
    """One alert of Alertmanager's webhook; what else it says of it is not used."""

    model_config = ConfigDict(extra="ignore")

    status: str = Field(description="firing or resolved")
    labels: Annotated[dict[str, Told], Field(max_length=64)]
    annotations: Annotated[dict[str, Told], Field(max_length=64, default_factory=dict)]


class ExternalAlerts(Body):
    """The body of Alertmanager's `webhook_config` (version 4)."""

    model_config = ConfigDict(extra="ignore")

    alerts: Annotated[list[ExternalAlert], Field(max_length=1_000)]


class TakenAlerts(Answer):
    taken: int = Field(description="those that came from here are not taken again")
