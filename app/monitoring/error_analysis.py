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
from dataclasses import dataclass
from typing import Final

import structlog

from app.domain.condition import Condition, Subject, SubjectKind
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
from app.domain.incident import Diagnosis, Incident
from app.domain.stream import StreamState
from app.monitoring.fault_labels import FaultLabels, Map
from app.monitoring.pattern_file import PatternFile
from app.monitoring.root_causes import INCIDENT_LABEL, Alerts, RootCauses
from app.monitoring.signatures import Signatures
from app.policy.device_states import states_of
from app.policy.facts import FactBook, fact_of, state_of
from app.policy.fault_patterns import MESSAGE, Diagnostician, Pattern
from app.policy.incident_book import IncidentBook
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
HAPPENED_S: Final = 30.0
SILENT_S: Final = 30.0
"""A device is read each second, and while it is in trouble each ten."""
_WRITTEN_BY: Final[Mapping[str, str]] = {
    "worker_replaced": "worker",
    "backup_lost": "worker",
    "backup_given_up": "worker",
    "device_given_up": "device",
}
"""Errors whose detail is what a worker or a device wrote."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Device:
    reading: DeviceReading
    states: frozenset[str]
    heard: float


class ErrorAnalysis:
    """`hear` is a listener of the bus; `run` works until it is cancelled."""

    def __init__(self, *, file: PatternFile, around: Map, alerts: Alerts, bus: Bus[Event]) -> None:
        """Raises ValueError for a signature that cannot be compiled."""
        self.patterns: tuple[Pattern, ...] = file.patterns
        self._signatures = Signatures(file.signatures)
        self._diagnostician = Diagnostician(file.patterns)
        self._labels = FaultLabels(around)
        self._causes = RootCauses(alerts=alerts, tell=bus.tell)
        self._bus = bus
        self._diagnoses: tuple[Diagnosis, ...] = ()
        self._facts = FactBook()
        self._book = IncidentBook()
        self._devices: dict[EncoderId, _Device] = {}
        self._live: dict[StreamId, EncoderId | None] = {}
        self._viewers: dict[str, int] = {}
        self._woken = asyncio.Event()
        self._is_holding = False

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
        if any(label == INCIDENT_LABEL for label, _ in condition.labels):
            return
        if condition.is_active:
            is_news = self._facts.begin(fact_of(self._labels.of(condition, now), now), now)
        else:
            name, kind, subject = condition.key
            is_news = self._facts.end((name, kind.value, subject), now)
        if is_news:
            self._woken.set()

    def _hear_device(self, event: DeviceRead, now: float) -> None:
        before = self._devices.get(event.encoder_id)
        states = states_of(event.reading, None if before is None else before.reading)
        self._devices[event.encoder_id] = _Device(event.reading, states, now)
        if before is None or states != before.states:
            subject = Subject(SubjectKind.ENCODER, event.encoder_id)
            self._states(subject, states, self._labels.encoder_labels(event.encoder_id), now)

    def _hear_health(self, event: StreamHealthRead, now: float) -> None:
        health = event.health
        place = self._labels.around.stream(health.stream_id)
        if place is None:
            # Told after its end: nobody would forget it again.
            return
        self._labels.seen(health, now)
        if health.channel is not None:
            self._viewers[health.stream_id] = health.channel.viewers
        encoder = place.device or health.primary_id
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
            if self._woken.is_set() or monotonic() - looked >= IDLE_S or self.is_waiting:
                self._woken.clear()
                looked = monotonic()
                self.look()
                await asyncio.sleep((monotonic() - looked) * REST)

    @property
    def is_waiting(self) -> bool:
        """Whether something becomes news by lasting: then it must not be looked at any later than its alert."""
        return self._is_holding or self._causes.is_settling

    def look(self) -> None:
        """One round: which incidents there are now, what is told in their name, which alerts follow from which."""
        now, at = monotonic(), utc_now()
        self._forget_silent_devices(now)
        self._facts.tick(now)
        facts = tuple(self._facts)
        self._is_holding = any(one.is_condition and one.holds(now) and not one.has_held(now) for one in facts)
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
        self._causes.look(self._book.open(), now)

    def _forget_silent_devices(self, now: float) -> None:
        """Of a device that is removed or out of reach nothing is known, whatever it told last."""
        for encoder_id, device in tuple(self._devices.items()):
            if now - device.heard >= SILENT_S:
                del self._devices[encoder_id]
                self._facts.end_states(Subject(SubjectKind.ENCODER, encoder_id), (), now)

    def _log(self, incident: Incident) -> None:
        state = "incident ended" if incident.ended_at is not None else "incident"
        log.info(
            state,
            incident_id=incident.id,
            title=incident.title,
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
