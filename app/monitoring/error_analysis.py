"""What lies behind it all: hears conditions and raw states, keeps the incidents, and says which alert follows from
which.

Holds no rule: which known fault it is, is `app/policy/fault_patterns.py`'s verdict; what belongs together that of
`incidents.py`; which incident goes on as which that of `incident_book.py`. Incidents live in memory, for they
follow from conditions, which are told again within 30 s of a restart; their beginnings, changes and ends are in
the log that outlives it. Nothing is mended from here.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final, Protocol

import structlog

from app.domain.alert import Alert
from app.domain.condition import RETOLD_S, Category, Condition, Subject, SubjectKind
from app.domain.device import DeviceReading
from app.domain.events import (
    AlertChanged,
    DeviceRead,
    Event,
    IncidentChanged,
    StreamChanged,
    StreamErrorSeen,
    StreamHealthRead,
    WorkerReplaced,
)
from app.domain.ids import EncoderId, StreamId
from app.domain.incident import Cause, Diagnosis, Incident
from app.domain.stream import StreamState
from app.monitoring.fault_labels import FaultLabels, Map
from app.monitoring.pattern_file import PatternFile
from app.monitoring.signatures import Signatures
from app.policy.device_states import states_of
from app.policy.facts import RANKS, FactBook, fact_of, state_of
from app.policy.fault_patterns import MESSAGE, Diagnostician, Pattern
from app.policy.incident_book import IncidentBook, Opened
from app.policy.incidents import group
from app.runtime.bus import Bus
from app.runtime.clock import monotonic, utc_now

BEAT_S: Final = 1.0
SOON_S: Final = 0.2
"""What comes together is looked at together."""
REST: Final = 20.0
"""A look that took long is followed by a rest so many times as long: a twentieth of the time at most."""
IDLE_S: Final = 5.0
"""Patterns and ends depend on time as well."""
SETTLE_S: Final = 5.0
"""A cause that is only concluded must be the conclusion for so long, except where encoders are gone: then waiting
would have people told of each of them."""
HAPPENED_S: Final = 30.0
SHARED: Final = "shared_cause"
LABEL: Final = "incident"
"""On conditions that are told from here; they are no evidence."""
_WRITTEN_BY: Final[Mapping[str, str]] = {
    "worker_replaced": "worker",
    "backup_lost": "worker",
    "backup_given_up": "worker",
    "device_given_up": "device",
}
"""Errors whose detail is what a worker or a device wrote."""
_KINDS: Final = {kind.value: kind for kind in SubjectKind}

log = structlog.get_logger()


class Alerts(Protocol):
    """The board of alerts, as far as it is asked from here."""

    def active(self) -> tuple[Alert, ...]: ...

    def blame(self, fingerprint: str, cause: str | None) -> None: ...


class ErrorAnalysis:
    """`hear` is a listener of the bus; `run` works until it is cancelled."""

    def __init__(self, *, file: PatternFile, around: Map, alerts: Alerts, bus: Bus[Event]) -> None:
        """Raises ValueError for a signature that cannot be compiled."""
        self.patterns: tuple[Pattern, ...] = file.patterns
        self._signatures = Signatures(file.signatures)
        self._diagnostician = Diagnostician(file.patterns)
        self._labels = FaultLabels(around)
        self._alerts = alerts
        self._bus = bus
        self._diagnoses: tuple[Diagnosis, ...] = ()
        self._facts = FactBook()
        self._book = IncidentBook()
        self._readings: dict[EncoderId, tuple[DeviceReading, frozenset[str]]] = {}
        self._live: dict[StreamId, EncoderId | None] = {}
        self._viewers: dict[str, int] = {}
        self._told: dict[str, tuple[Cause, Condition, float]] = {}
        """By incident: the cause that is told in its name, and when it was told last."""
        self._since: dict[str, tuple[Cause, float]] = {}
        """By incident: since when its cause is what it is."""
        self._blamed: set[str] = set()
        self._woken = asyncio.Event()

    # --- what comes in

    def hear(self, event: Event) -> None:
        now = monotonic()
        match event:
            case Condition():
                self._hear_condition(event, now)
            case DeviceRead():
                self._hear_device(event, now)
            case StreamHealthRead():
                self._hear_health(event, now)
            case StreamErrorSeen():
                self._hear_error(event, now)
            case WorkerReplaced() if event.from_id is not None:
                self._labels.left(event.stream_id, event.from_id, now)
            case StreamChanged() if event.state is StreamState.ENDED:
                self._labels.forget(event.stream_id)
                self._facts.end_states(Subject(SubjectKind.STREAM, event.stream_id), (), now)
                self._live.pop(event.stream_id, None)
                self._viewers.pop(event.stream_id, None)
            case AlertChanged():
                self._woken.set()
            case _:
                pass

    def _hear_condition(self, condition: Condition, now: float) -> None:
        if any(label == LABEL for label, _ in condition.labels):
            return
        if condition.is_active:
            is_news = self._facts.begin(fact_of(self._labels.of(condition, now), now), now)
        else:
            name, kind, subject = condition.key
            is_news = self._facts.end((name, kind.value, subject), now)
        if is_news:
            self._woken.set()

    def _hear_device(self, event: DeviceRead, now: float) -> None:
        before, known = self._readings.get(event.encoder_id, (None, frozenset[str]()))
        states = states_of(event.reading, before)
        self._readings[event.encoder_id] = event.reading, states
        if states != known:
            subject = Subject(SubjectKind.ENCODER, event.encoder_id)
            self._states(subject, states, self._labels.encoder_labels(event.encoder_id), now)

    def _hear_health(self, event: StreamHealthRead, now: float) -> None:
        health = event.health
        self._labels.seen(health, now)
        if health.channel is not None:
            self._viewers[health.stream_id] = health.channel.viewers
        place = self._labels.around.stream(health.stream_id)
        encoder = None if place is None else place.device or health.primary_id
        is_live = health.state is StreamState.LIVE
        if is_live and (health.stream_id not in self._live or self._live[health.stream_id] != encoder):
            self._live[health.stream_id] = encoder
            labels = () if encoder is None else self._labels.encoder_labels(encoder)
            self._states(Subject(SubjectKind.STREAM, health.stream_id), (), (), now)
            self._states(Subject(SubjectKind.STREAM, health.stream_id), ("state:stream=live",), labels, now)
        elif not is_live and health.stream_id in self._live:
            del self._live[health.stream_id]
            self._states(Subject(SubjectKind.STREAM, health.stream_id), (), (), now)

    def _hear_error(self, event: StreamErrorSeen, now: float) -> None:
        cause = re.sub(r"[^a-z0-9]+", "_", event.cause.lower()).strip("_")
        names = [f"error:{cause}"]
        source = _WRITTEN_BY.get(cause)
        if source is not None:
            names += [f"{MESSAGE}{name}" for name in self._signatures.of(source, event.detail)]
        encoder = self._labels.lost_by(event.stream_id, now)
        labels = self._labels.stream_labels(event.stream_id)
        if encoder is not None:
            labels += self._labels.encoder_labels(encoder)
        subject = Subject(SubjectKind.STREAM, event.stream_id)
        for name in names:
            self._facts.begin(state_of(name, subject, labels, now, event.at, ends=now + HAPPENED_S), now)
        self._woken.set()

    def _states(
        self, subject: Subject, states: Iterable[str], labels: tuple[tuple[str, str], ...], now: float
    ) -> None:
        at, states = utc_now(), tuple(states)
        self._facts.end_states(subject, states, now)
        for name in states:
            self._facts.begin(state_of(name, subject, labels, now, at, ends=None), now)
        self._woken.set()

    # --- what runs by itself

    async def run(self) -> None:
        looked = 0.0
        while True:
            try:
                async with asyncio.timeout(BEAT_S):
                    await self._woken.wait()
                await asyncio.sleep(SOON_S)
            except TimeoutError:
                pass
            if self._woken.is_set() or monotonic() - looked >= IDLE_S or self._is_settling():
                self._woken.clear()
                looked = monotonic()
                self.look()
                await asyncio.sleep((monotonic() - looked) * REST)

    def _is_settling(self) -> bool:
        return any(name not in self._told for name in self._since)

    def look(self) -> None:
        """One round: which incidents there are now, what is told in their name, which alerts follow from which."""
        now, at = monotonic(), utc_now()
        self._facts.tick(now)
        facts = tuple(self._facts)
        self._diagnoses = self._diagnostician.judge(facts, now)
        changed = self._book.tick(
            group(facts, self._labels.population()),
            self._diagnoses,
            now,
            at,
            viewers=self._viewers,
        )
        for incident in changed:
            self._log(incident)
            self._bus.tell(IncidentChanged(incident, at))
        self._tell_causes(now)
        self._blame()

    def _tell_causes(self, now: float) -> None:
        """A cause that nobody watches is told from here, so that people hear of it instead of what follows."""
        opened = {one.incident.id: one for one in self._book.open()}
        for name, (cause, condition, told_at) in tuple(self._told.items()):
            one = opened.get(name)
            if one is None or one.incident.cause != cause or not self._lasts(one):
                del self._told[name]
                self._bus.tell(replace(condition, is_active=False, at=utc_now()))
            elif now - told_at >= RETOLD_S:
                self._told[name] = cause, condition, now
                self._bus.tell(replace(condition, at=utc_now()))
        self._since = {
            name: self._since_of(name, one.incident.cause, now)
            for name, one in opened.items()
            if _is_concluded(one)
        }
        for name, (cause, since) in self._since.items():
            one = opened[name]
            is_loss = one.root.category is Category.ENCODER_OFFLINE
            if name in self._told or not self._lasts(one) or (now - since < SETTLE_S and not is_loss):
                continue
            condition = _condition(one.incident, one.root.category)
            self._told[name] = cause, condition, now
            self._bus.tell(condition)

    def _since_of(self, name: str, cause: Cause, now: float) -> tuple[Cause, float]:
        before = self._since.get(name)
        return before if before is not None and before[0] == cause else (cause, now)

    def _lasts(self, one: Opened) -> bool:
        return any(sufferer.is_active for sufferer in one.incident.signs)

    def _blame(self) -> None:
        """What is worse than its cause speaks for itself: people must not miss it."""
        alerts = {(one.name, one.subject.kind.value, one.subject.id): one for one in self._alerts.active()}
        wanted: dict[str, str] = {}
        for opened in self._book.open():
            told = self._told.get(opened.incident.id)
            key = opened.root.key if told is None else _key(told[1])
            root = alerts.get(key)
            if root is None or root.is_external:
                continue
            for one in opened.keys:
                alert = alerts.get(one)
                if alert is None or alert is root or alert.is_external:
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

    def _log(self, incident: Incident) -> None:
        state = "incident ended" if incident.ended_at is not None else "incident"
        log.info(
            state,
            incident_id=incident.id,
            cause=f"{incident.cause.label} {incident.cause.value}",
            severity=incident.severity.value,
            children=incident.total_children,
            merged_into=incident.merged_into,
        )

    # --- what is asked

    def diagnoses(self) -> tuple[Diagnosis, ...]:
        """Every known fault that is seen now, in an incident or not: the most telling first."""
        return self._diagnoses

    def open(self) -> tuple[Incident, ...]:
        """The oldest first."""
        return tuple(one.incident for one in self._book.open())

    def over(self) -> tuple[Incident, ...]:
        """The one that ended last first; the last 500 since control started."""
        return self._book.over()

    def find(self, incident_id: str) -> Incident | None:
        return self._book.find(incident_id)


def _is_concluded(one: Opened) -> bool:
    """Whether its cause has no sign of its own: it follows only from what its parts have in common."""
    cause = one.incident.cause
    return one.root.own != Cause(cause.label, cause.value)


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
    what = "several of its parts are in trouble alike" if diagnosis is None else diagnosis.cause
    return Condition(
        name=SHARED if diagnosis is None else diagnosis.pattern_id,
        subject=subject,
        is_active=True,
        severity=incident.severity,
        category=category,
        at=utc_now(),
        summary=f"{cause.label} {cause.value}: {what} ({incident.total_signs} signs, {incident.streams} streams)",
        labels=((cause.label, cause.value), (LABEL, incident.id)),
        value=float(incident.total_signs),
    )
