"""How devices are mended, as clients ask for it and see it."""

from __future__ import annotations

from datetime import datetime
from typing import Self

from pydantic import Field

from app.api.registry import Answer, Body, Query
from app.domain.remediation import Automation, Outcome, Phase, Remedy, RemedyBreaker, RemedyRun
from app.policy.remedies import CATALOGUE, Spec
from app.services.aja_remediation_service import RemedyStanding


class RemedyBody(Body):
    remedy: Remedy
    dry_run: bool = Field(False, description="only decided and written down")
    force: bool = Field(
        False, description="overrules budgets, an open breaker, and that a live stream would lose its last device"
    )


class JournalQuery(Query):
    limit: int = Field(100, ge=1, le=1_000)


class RunView(Answer):
    """One try."""

    run_id: str
    encoder_id: str
    remedy: Remedy
    cause: str = Field(description="the condition that it is for, or a person's wish")
    evidence: list[str]
    command: str
    asked_by: str = Field(description="automation, or the id of an API key")
    phase: Phase
    outcome: Outcome | None = Field(description="null: it is under way")
    result: str | None
    effect: str | None = Field(description="what was so a minute after the command; null: not known yet")
    disruptive: bool
    dry_run: bool
    forced: bool
    began_at: datetime
    sent_at: datetime | None
    ended_at: datetime | None

    @classmethod
    def of(cls, run: RemedyRun) -> Self:
        return cls(
            run_id=run.id,
            encoder_id=run.encoder_id,
            remedy=run.remedy,
            cause=run.cause,
            evidence=list(run.evidence),
            command=run.command,
            asked_by=run.asked_by,
            phase=run.phase,
            outcome=run.outcome,
            result=run.result,
            effect=run.effect,
            disruptive=run.is_disruptive,
            dry_run=run.is_dry,
            forced=run.is_forced,
            began_at=run.began_at,
            sent_at=run.sent_at,
            ended_at=run.ended_at,
        )


class BreakerView(Answer):
    """Nothing more is tried with this device until a person clears it."""

    encoder_id: str
    opened_at: datetime
    reason: str
    drained: bool = Field(description="its streams were asked to leave, and may come back when it is cleared")

    @classmethod
    def of(cls, breaker: RemedyBreaker) -> Self:
        return cls(
            encoder_id=breaker.encoder_id,
            opened_at=breaker.opened_at,
            reason=breaker.reason,
            drained=breaker.is_drained,
        )


class HandsOffView(Answer):
    """A device that a person changed by hand, and that is left alone until then."""

    encoder_id: str
    until: datetime


class MediaView(Answer):
    """What a person should do about a device's media."""

    encoder_id: str
    slot: str
    advice: str
    urgent: bool = Field(description="recording has ended, or will not start")


class RemedyView(Answer):
    """One remedy of the catalogue."""

    remedy: Remedy
    what: str
    disruptive: bool
    needs_rest: bool = Field(description="only while the device neither streams nor records")
    undo: bool
    cures: list[str] = Field(description="conditions for which it is tried without a person")
    verified_within_s: float
    cool_down_s: float

    @classmethod
    def of(cls, remedy: Remedy, spec: Spec) -> Self:
        return cls(
            remedy=remedy,
            what=spec.words,
            disruptive=spec.is_disruptive,
            needs_rest=spec.needs_rest,
            undo=spec.has_undo,
            cures=sorted(spec.cures),
            verified_within_s=spec.settle_s + spec.verify_s,
            cool_down_s=spec.cool_down_s,
        )


class RemediationView(Answer):
    automation: Automation
    held: str | None = Field(description="why nothing is done by itself now; null: it is")
    breakers: list[BreakerView]
    hands_off: list[HandsOffView]
    media: list[MediaView]
    runs: list[RunView] = Field(description="newest first; the last 10,000 are kept")
    catalogue: list[RemedyView]

    @classmethod
    def of(cls, standing: RemedyStanding) -> Self:
        return cls(
            automation=standing.automation,
            held=standing.held,
            breakers=[BreakerView.of(breaker) for breaker in standing.breakers],
            hands_off=[HandsOffView(encoder_id=one, until=until) for one, until in standing.hands_off],
            media=[
                MediaView(encoder_id=one, slot=advice.slot, advice=advice.words, urgent=advice.is_urgent)
                for one, advice in standing.media
            ],
            runs=[RunView.of(run) for run in standing.runs],
            catalogue=[RemedyView.of(remedy, spec) for remedy, spec in CATALOGUE.items()],
        )
