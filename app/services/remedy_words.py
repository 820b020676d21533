"""What people are told of remedies, in conditions and in the journal."""

from __future__ import annotations

from app.domain.condition import Category, Condition, Subject, SubjectKind
from app.domain.device import DeviceReading
from app.domain.remediation import RemedyBreaker
from app.domain.severity import Severity
from app.runtime.clock import utc_now


def facts(reading: DeviceReading) -> tuple[str, ...]:
    """What a device tells that a decision goes by."""
    states = (("streaming", reading.streaming), ("recording", reading.recording))
    known = [f"{name} {state.value}" for name, state in states if state is not None]
    return (*known, *(f"alarm {alarm.id}" for alarm in reading.alarms[:10]))


def opened(breaker: RemedyBreaker, *, is_active: bool) -> Condition:
    """Told while a breaker is open."""
    return Condition(
        name="remedy_breaker_open",
        subject=Subject(SubjectKind.ENCODER, breaker.encoder_id),
        is_active=is_active,
        severity=Severity.CRITICAL,
        category=Category.REMEDIATION,
        at=utc_now(),
        summary=f"{breaker.encoder_id}: nothing more is tried until a person clears it: {breaker.reason}",
        labels=(("encoder", breaker.encoder_id),),
    )


def holds(reason: str | None) -> Condition:
    """Told while nothing is done by itself, for one reason: one alert, whatever the number of devices."""
    return Condition(
        name="remediation_held",
        subject=Subject(SubjectKind.SYSTEM, "remediation"),
        is_active=reason is not None,
        severity=Severity.CRITICAL,
        category=Category.REMEDIATION,
        at=utc_now(),
        summary=reason or "devices are mended again",
    )
