"""An alert: a condition that has lasted long enough for people to be told, until it has been over long enough."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from app.domain.condition import Category, Subject
from app.domain.severity import Severity


class AlertState(StrEnum):
    FIRING = "firing"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class Alert:
    """`fingerprint` is the same for the same name, subject and labels: it outlives restarts.

    `cause_fingerprint`: of the alert that lies behind this one; None: none is known, or it is the cause itself.
    `silenced_by`: the silence or window that keeps it from people, who can still see it.
    `tenant`: whose stream it is about, "" while nobody knows; None: it is about no stream, so everybody may see it.
    `is_external`: an Alertmanager handed it in, and tells people itself.
    """

    fingerprint: str
    name: str
    state: AlertState
    severity: Severity
    category: Category
    subject: Subject
    summary: str
    labels: tuple[tuple[str, str], ...]
    started_at: datetime
    updated_at: datetime
    ended_at: datetime | None = None
    value: float | None = None
    is_flapping: bool = False
    cause_fingerprint: str | None = None
    silenced_by: str | None = None
    acknowledged_by: str | None = None
    tenant: str | None = None
    is_external: bool = False


@dataclass(frozen=True, slots=True)
class AlertGroup:
    """What goes out as one message: alerts of one cause, the cause first. Sent again, it has the same `id`."""

    id: str
    title: str
    severity: Severity
    alerts: tuple[Alert, ...]
    """Some of them; `total` counts all."""
    total: int
    at: datetime
