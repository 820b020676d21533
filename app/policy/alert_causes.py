"""Which alert lies behind which: people are told of the cause, and of what follows from it only beside it. Pure.

A critical alert about a part of the system is behind an alert whose labels name that part. `host`, `rack` and
`region` are parts too: an alert about the system with the id `rack:r7` is about the whole rack. Deeper reasons,
such as several signs that together mean something, are error analysis' business; it may say so to the board.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from app.domain.alert import Alert
from app.domain.condition import Category, Subject, SubjectKind
from app.domain.severity import Severity

PARTS: Final[tuple[tuple[str, SubjectKind], ...]] = (
    ("region", SubjectKind.SYSTEM),
    ("rack", SubjectKind.SYSTEM),
    ("host", SubjectKind.SYSTEM),
    ("certificate", SubjectKind.CERTIFICATE),
    ("destination", SubjectKind.DESTINATION),
    ("gateway", SubjectKind.GATEWAY),
    ("encoder", SubjectKind.ENCODER),
)
"""Labels that name a part, the part that takes most with it first."""
NARROW: Final = frozenset({Category.STORAGE, Category.NTP, Category.SILENT_AUDIO, Category.NOTIFIER})
"""A part that has such trouble does its other work: it is behind nothing but its like. A stream that fails on a
machine with a full disk is news."""
MAX_DEPTH: Final = 8
_SHARED: Final = ("certificate", "destination", "rack", "host", "gateway", "encoder")
"""Not the region: it takes so much together that people would hear of the second trouble a minute late."""


def causes_of(alerts: Iterable[Alert]) -> dict[str, str]:
    """Fingerprint of the alert behind it, for each of the firing `alerts` that has one."""
    firing = tuple(alerts)
    behind: dict[tuple[Subject, Category | None], Alert] = {}
    for alert in firing:
        if alert.severity is Severity.CRITICAL and alert.subject.kind is not SubjectKind.STREAM:
            behind.setdefault((alert.subject, alert.category if alert.category in NARROW else None), alert)
    found: dict[str, str] = {}
    for alert in firing:
        cause = _behind(alert, behind)
        if cause is not None:
            found[alert.fingerprint] = cause.fingerprint
    return found


def _behind(alert: Alert, behind: Mapping[tuple[Subject, Category | None], Alert]) -> Alert | None:
    labels = dict(alert.labels)
    for label, kind in PARTS:
        value = labels.get(label)
        if value is None:
            continue
        subject = Subject(kind, f"{label}:{value}" if kind is SubjectKind.SYSTEM else value)
        if subject == alert.subject:
            # What follows in the table is a part of it: no part is behind the whole.
            return None
        cause = behind.get((subject, None)) or behind.get((subject, alert.category))
        if cause is not None:
            return cause
    return None


def root_of(fingerprint: str, cause_of: Mapping[str, str | None]) -> str:
    """The last one behind; where causes lead in a circle, the one where the circle was entered."""
    seen = {fingerprint}
    for _ in range(MAX_DEPTH):
        cause = cause_of.get(fingerprint)
        if cause is None or cause in seen:
            break
        seen.add(cause)
        fingerprint = cause
    return fingerprint


def group_key(alert: Alert) -> str:
    """What alerts of one cause share, as far as one of them alone can say."""
    labels = dict(alert.labels)
    for label in _SHARED:
        if label in labels:
            return f"{label}:{labels[label]}"
    if alert.subject.kind is SubjectKind.SYSTEM:
        return alert.subject.id if ":" in alert.subject.id else f"system:{alert.subject.id}"
    return f"{alert.subject.kind.value}:{alert.subject.id}"
