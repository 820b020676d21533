"""Alerts that an Alertmanager handed in, as conditions of ours. Pure; what becomes of them is up to the board."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from app.domain.condition import Category, Condition, Subject, SubjectKind
from app.domain.severity import Severity
from app.policy.alert_text import clean

OURS: Final = "encoder-manager"
"""In the label `source` of what we gave to Alertmanager: when it comes back, it is no news."""
MAX_LABELS: Final = 32
MAX_CHARS: Final = 200
_SUBJECTS: Final = (
    ("stream_id", SubjectKind.STREAM),
    ("stream", SubjectKind.STREAM),
    ("encoder_id", SubjectKind.ENCODER),
    ("encoder", SubjectKind.ENCODER),
    ("gateway", SubjectKind.GATEWAY),
)
_SEVERITIES: Final[Mapping[str, Severity]] = {
    "critical": Severity.CRITICAL,
    "page": Severity.CRITICAL,
    "error": Severity.CRITICAL,
    "info": Severity.INFO,
    "none": Severity.INFO,
}
"""Words that are in use; anything else is a warning."""


def condition_of(
    labels: Mapping[str, str], annotations: Mapping[str, str], *, is_firing: bool, at: datetime
) -> Condition | None:
    """None: it is one of ours."""
    if labels.get("source") == OURS:
        return None
    name = clean(labels.get("alertname", ""), MAX_CHARS) or "unnamed"
    text = annotations.get("summary") or annotations.get("description") or annotations.get("message") or name
    kept = tuple((clean(key, 64), clean(value, MAX_CHARS)) for key, value in sorted(labels.items())[:MAX_LABELS])
    return Condition(
        name=name,
        subject=_subject(labels, name),
        is_active=is_firing,
        severity=_SEVERITIES.get(labels.get("severity", "").lower(), Severity.WARNING),
        category=_category(labels.get("category", "")),
        at=at,
        summary=clean(text, 500),
        labels=kept,
    )


def _subject(labels: Mapping[str, str], name: str) -> Subject:
    for label, kind in _SUBJECTS:
        if labels.get(label):
            return Subject(kind, clean(labels[label], MAX_CHARS))
    return Subject(SubjectKind.SYSTEM, clean(labels.get("instance") or labels.get("job") or name, MAX_CHARS))


def _category(text: str) -> Category:
    try:
        return Category(text)
    except ValueError:
        return Category.SYSTEM
