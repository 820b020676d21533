"""What is told in the name of an incident, and which alert is laid to which.

A cause that no monitor watches, such as a rack, is told as a condition from here, so that people hear of it instead
of what follows from it. Finding causes is `error_analysis.py`'s business, telling people the board's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final, Protocol

from app.domain.alert import Alert
from app.domain.condition import RETOLD_S, Category, Condition, Subject, SubjectKind
from app.domain.incident import Cause, Incident
from app.policy.alert_rules import timing_of
from app.policy.facts import RANKS
from app.policy.incident_book import Opened
from app.runtime.clock import utc_now

SETTLE_S: Final = 5.0
"""A cause that is only concluded must be the conclusion for so long, and half of its signs have held as long as
their alerts are held; except where encoders are gone: then waiting would have people told of each of them."""
HELD_LEAST: Final = 0.5
SHARED: Final = "shared_cause"
INCIDENT_LABEL: Final = "incident"
"""On conditions that are told from here; they are no evidence."""
_KINDS: Final = {kind.value: kind for kind in SubjectKind}


class Alerts(Protocol):
    """The board of alerts, as far as it is asked from here."""

    def active(self) -> tuple[Alert, ...]: ...

    def blame(self, fingerprint: str, cause: str | None) -> None: ...


class RootCauses:
    """`look` after each look at the incidents. `tell` hears the conditions."""

    def __init__(self, *, alerts: Alerts, tell: Callable[[Condition], None]) -> None:
        self._alerts = alerts
        self._tell = tell
        self._told: dict[str, tuple[Cause, Condition, float]] = {}
        """By incident: the cause that is told in its name, and when it was told last."""
        self._since: dict[str, tuple[Cause, float]] = {}
        """By incident: since when its cause is what it is."""
        self._blamed: set[str] = set()

    @property
    def is_settling(self) -> bool:
        """Whether a cause waits for being told."""
        return any(name not in self._told for name in self._since)

    def look(self, incidents: Sequence[Opened], now: float) -> None:
        self._tell_causes(incidents, now)
        self._blame(incidents)

    def _tell_causes(self, incidents: Sequence[Opened], now: float) -> None:
        """A cause that nobody watches is told from here, so that people hear of it instead of what follows."""
        opened = {one.incident.id: one for one in incidents}
        for name, (cause, condition, told_at) in tuple(self._told.items()):
            one = opened.get(name)
            if one is None or one.incident.cause != cause or not _lasts(one):
                del self._told[name]
                self._tell(replace(condition, is_active=False, at=utc_now()))
            elif now - told_at >= RETOLD_S:
                self._told[name] = cause, condition, now
                self._tell(replace(condition, at=utc_now()))
        self._since = {
            name: self._since_of(name, one.incident.cause, now)
            for name, one in opened.items()
            if _is_concluded(one)
        }
        for name, (cause, since) in self._since.items():
            one = opened[name]
            if name in self._told or not _lasts(one) or not _is_settled(one, now - since):
                continue
            condition = _condition(one.incident, one.root.category)
            self._told[name] = cause, condition, now
            self._tell(condition)

    def _since_of(self, name: str, cause: Cause, now: float) -> tuple[Cause, float]:
        before = self._since.get(name)
        return before if before is not None and before[0] == cause else (cause, now)

    def _blame(self, incidents: Sequence[Opened]) -> None:
        """What is worse than its cause speaks for itself: people must not miss it."""
        alerts = {
            (one.name, one.subject.kind.value, one.subject.id): one
            for one in self._alerts.active()
            if not one.is_external
        }
        wanted: dict[str, str] = {}
        for opened in incidents:
            told = self._told.get(opened.incident.id)
            key = opened.root.key if told is None else _key(told[1])
            root = alerts.get(key)
            if root is None:
                continue
            for one in opened.keys:
                alert = alerts.get(one)
                if alert is None or alert is root:
                    continue
                if RANKS.index(alert.severity) <= RANKS.index(root.severity):
                    wanted[alert.fingerprint] = root.fingerprint
        behind = {alert.fingerprint: alert.cause_fingerprint for alert in alerts.values()}
        for fingerprint, cause in wanted.items():
            if behind[fingerprint] != cause:
                self._alerts.blame(fingerprint, cause)
        for fingerprint in self._blamed - wanted.keys():
            self._alerts.blame(fingerprint, None)
        self._blamed = set(wanted)


def _lasts(one: Opened) -> bool:
    return any(sufferer.is_active for sufferer in one.incident.signs)


def _is_concluded(one: Opened) -> bool:
    """Whether its cause has no sign of its own: it follows only from what its parts have in common."""
    cause = one.incident.cause
    return one.root.own != Cause(cause.label, cause.value)


def _is_settled(one: Opened, for_s: float) -> bool:
    if one.root.category is Category.ENCODER_OFFLINE:
        return True
    # What all of its signs say since long before it became an incident has settled by then.
    is_old = one.held == 1.0 and timing_of(one.root.name).hold_s >= SETTLE_S
    return is_old or (for_s >= SETTLE_S and one.held >= HELD_LEAST)


def _key(condition: Condition) -> tuple[str, str, str]:
    return condition.name, condition.subject.kind.value, condition.subject.id


def _condition(incident: Incident, category: Category) -> Condition:
    cause = incident.cause
    at_cause = (
        one for one in incident.diagnoses if (one.scope.label, one.scope.value) == (cause.label, cause.value)
    )
    diagnosis = next(at_cause, None)
    kind = _KINDS.get(cause.label, SubjectKind.SYSTEM)
    subject = Subject(kind, cause.value if kind.value == cause.label else f"{cause.label}:{cause.value}")
    alike = f"several of its parts are in trouble alike: {incident.title}"
    what = alike if diagnosis is None else diagnosis.cause
    many = "stream" if incident.streams == 1 else "streams"
    # What is told of an encoder may be acted on by its name, and a file of patterns must not choose that.
    name = SHARED if diagnosis is None or kind is SubjectKind.ENCODER else diagnosis.pattern_id
    return Condition(
        name=name,
        subject=subject,
        is_active=True,
        severity=incident.severity,
        category=category,
        at=utc_now(),
        summary=f"{cause.label} {cause.value}: {what} ({incident.total_signs} signs, {incident.streams} {many})",
        labels=((cause.label, cause.value), (INCIDENT_LABEL, incident.id)),
        value=float(incident.total_signs),
    )
