"""Incidents and known faults as clients see them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated

from pydantic import Field

from app.api.registry import Answer, Query
from app.api.schemas.alerts import SubjectView
from app.domain.incident import Diagnosis, Incident, Sufferer
from app.policy.fault_patterns import Pattern


class CauseView(Answer):
    label: str = Field(description="stream, encoder, host, rack, region, gateway, destination, certificate ...")
    value: str
    topic: str = Field(description="what it is about where that concerns this part alone, such as storage")


class SuffererView(Answer):
    subject: SubjectView
    conditions: list[str]
    severity: str
    since: datetime
    active: bool

    @classmethod
    def of(cls, one: Sufferer) -> SuffererView:
        return cls(
            subject=SubjectView(kind=one.subject.kind, id=one.subject.id),
            conditions=list(one.conditions),
            severity=one.severity,
            since=one.since,
            active=one.is_active,
        )


class DiagnosisView(Answer):
    pattern_id: str
    at: str = Field(description="the part it was seen at, such as rack:r7")
    severity: str
    category: str
    cause: str
    impact: str
    remedy: str | None = Field(description="what could be done without a person; null: one has to look")
    evidence: list[str]

    @classmethod
    def of(cls, one: Diagnosis) -> DiagnosisView:
        return cls(
            pattern_id=one.pattern_id,
            at=f"{one.scope.label}:{one.scope.value}",
            severity=one.severity,
            category=one.category,
            cause=one.cause,
            impact=one.impact,
            remedy=one.remedy,
            evidence=list(one.evidence),
        )


class IncidentSummary(Answer):
    incident_id: str
    active: bool
    severity: str
    title: str
    cause: CauseView
    signs: int = Field(description="parts that show the cause itself")
    children: int = Field(description="that follow from it")
    streams: int
    viewers: int | None = Field(description="of those streams, when last known")
    remedy: str | None
    started_at: datetime
    ended_at: datetime | None
    merged_into: str | None
    split_from: str | None

    @classmethod
    def of(cls, one: Incident) -> IncidentSummary:
        return cls(
            incident_id=one.id,
            active=one.ended_at is None,
            severity=one.severity,
            title=one.title,
            cause=CauseView(label=one.cause.label, value=one.cause.value, topic=one.cause.topic),
            signs=one.total_signs,
            children=one.total_children,
            streams=one.streams,
            viewers=one.viewers,
            remedy=one.remedy,
            started_at=one.started_at,
            ended_at=one.ended_at,
            merged_into=one.merged_into,
            split_from=one.split_from,
        )


class RootView(Answer):
    condition: str
    subject: SubjectView


class IncidentView(Answer):
    incident: IncidentSummary
    root: RootView = Field(description="the condition that shows the cause best")
    reasons: list[str] = Field(description="why this is taken for the cause")
    diagnoses: list[DiagnosisView] = Field(description="known faults that fit, the most telling first")
    signs: list[SuffererView] = Field(description="the first 200 that you may see")
    children: list[SuffererView] = Field(description="the first 200 that you may see")

    @classmethod
    def of(cls, one: Incident, signs: Iterable[Sufferer], children: Iterable[Sufferer]) -> IncidentView:
        name, subject = one.root
        return cls(
            incident=IncidentSummary.of(one),
            root=RootView(condition=name, subject=SubjectView(kind=subject.kind, id=subject.id)),
            reasons=list(one.reasons),
            diagnoses=[DiagnosisView.of(found) for found in one.diagnoses],
            signs=[SuffererView.of(found) for found in signs],
            children=[SuffererView.of(found) for found in children],
        )


class IncidentList(Answer):
    incidents: list[IncidentSummary]


class IncidentsQuery(Query):
    active: Annotated[bool | None, Field(description="only those that last, or only those that are over")] = None
    limit: Annotated[int, Field(ge=1, le=1000)] = 100


class TermView(Answer):
    fact: str = Field(description="a condition's name, or alarm:, state:, error: or message: and its own")
    labels: dict[str, str]


class PatternView(Answer):
    pattern_id: str
    severity: str
    category: str
    per: str = Field(description="the part it looks at; fleet: all of it")
    cause: str
    impact: str
    remedy: str | None
    evidence: list[TermView]
    need: int = Field(description="so many of the evidence; 0: it cannot be seen from here, people look for it")
    subjects: int
    within_s: float
    lasts_s: float
    clear_s: float
    known_as: list[str]

    @classmethod
    def of(cls, one: Pattern) -> PatternView:
        return cls(
            pattern_id=one.id,
            severity=one.severity,
            category=one.category,
            per=one.per,
            cause=one.cause,
            impact=one.impact,
            remedy=one.remedy,
            evidence=[TermView(fact=term.name, labels=dict(term.labels)) for term in one.terms],
            need=one.need,
            subjects=one.subjects,
            within_s=one.within_s,
            lasts_s=one.lasts_s,
            clear_s=one.clear_s,
            known_as=list(one.known_as),
        )


class PatternList(Answer):
    patterns: list[PatternView]
