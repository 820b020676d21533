"""What is wrong with devices now, as it is told on the bus, and what follows for the whole of them.

Only what a condition's fields say counts, never the text in it: that may hold words that somebody else chose.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from app.domain.condition import GONE_S, Category, Condition, Subject, SubjectKind
from app.domain.encoder import EncoderState
from app.domain.events import EncoderChanged, Event, IncidentChanged
from app.domain.ids import EncoderId
from app.domain.incident import Diagnosis, Incident
from app.domain.remediation import Remedy
from app.domain.severity import Severity
from app.policy.reboot_cycle import RebootCycle
from app.policy.remedies import for_condition
from app.runtime.clock import monotonic, utc_now

REBOOTING: Final = "device_rebooting"
OWN: Final = frozenset({"remedy_breaker_open", "device_reboot_cycle"})
"""Told here: they make nobody sick."""

DIAGNOSIS_S: Final = 30.0
"""After a diagnosis: it may be taken back."""
UNASKED: Final = frozenset(remedy.value for remedy in Remedy) - {Remedy.UNMUTE.value}
"""A device may be muted on purpose."""


@dataclass(slots=True)
class Sign:
    """`remedy`: what a diagnosis names; None: what the condition itself is for, if anything."""

    condition: Condition
    since: float
    told: float
    remedy: Remedy | None = None

    def cure(self) -> tuple[Remedy, float] | None:
        """With the seconds that it must have lasted."""
        if self.remedy is not None:
            return self.remedy, DIAGNOSIS_S
        return for_condition(self.condition.name)

    def lasted_s(self, now: float) -> float:
        return now - self.since


class SickDevices:
    """`ids`: the devices that are entered. `hear` listens to the bus, `tell` gets what is found here."""

    def __init__(self, *, ids: Callable[[], Iterable[EncoderId]], tell: Callable[[Condition], None]) -> None:
        self._ids = ids
        self._tell = tell
        self._signs: dict[tuple[EncoderId, str], Sign] = {}
        self._offline: set[EncoderId] = set()
        self._diagnosed: dict[str, frozenset[tuple[EncoderId, str]]] = {}
        """Of each incident that lasts, what it says of devices now."""
        self._cycles: dict[EncoderId, RebootCycle] = {}
        self._told: set[EncoderId] = set()

    def hear(self, event: Event) -> None:
        if isinstance(event, IncidentChanged):
            self._note_incident(event.incident, monotonic())
        elif isinstance(event, EncoderChanged):
            (self._offline.add if event.state is EncoderState.OFFLINE else self._offline.discard)(event.encoder_id)
        elif isinstance(event, Condition) and event.subject.kind is SubjectKind.ENCODER and event.name not in OWN:
            self._note(event, monotonic())

    def signs(self, now: float) -> tuple[tuple[EncoderId, Sign], ...]:
        """What lasts, the oldest first, of devices that are entered."""
        known = set(self._ids())
        for key, sign in tuple(self._signs.items()):
            if now - sign.told > GONE_S or key[0] not in known:
                del self._signs[key]
        return tuple((key[0], sign) for key, sign in sorted(self._signs.items(), key=lambda kept: kept[1].since))

    def lasts(self, encoder_id: EncoderId, name: str) -> bool:
        return (encoder_id, name) in self._signs

    def unhealthy(self, name: str | None = None) -> int:
        """Devices with something grave or out of reach; or those with the condition `name`, if they are more."""
        known = set(self._ids())
        grave = {key[0] for key, sign in self._signs.items() if sign.condition.severity is Severity.CRITICAL}
        same = {key[0] for key in self._signs if key[1] == name}
        return max(len((grave | self._offline) & known), len(same & known))

    def in_circles(self, encoder_id: EncoderId, now: float) -> bool:
        cycle = self._cycles.get(encoder_id)
        return cycle is not None and cycle.lasts(now)

    def tell_cycles(self, now: float) -> None:
        """Call again and again: who goes in circles is told, and who does not any more."""
        known = set(self._ids())
        for encoder_id, cycle in tuple(self._cycles.items()):
            lasts = cycle.lasts(now) and encoder_id in known
            if lasts or encoder_id in self._told:
                self._tell(_circles(encoder_id, is_active=lasts))
            if lasts:
                self._told.add(encoder_id)
                continue
            self._told.discard(encoder_id)
            if encoder_id not in known:
                del self._cycles[encoder_id]

    def _note_incident(self, incident: Incident, now: float) -> None:
        """Diagnoses that name a device and something that may be done to it without a person."""
        diagnoses = () if incident.ended_at is not None else incident.diagnoses
        signs: dict[tuple[EncoderId, str], Sign] = {}
        for one in diagnoses:
            key = EncoderId(one.scope.value), one.pattern_id
            if one.scope.label == "encoder" and one.remedy in UNASKED and key[0] in set(self._ids()):
                # An incident is told when it changes, not again and again.
                signs[key] = Sign(_diagnosed(one), now, math.inf, Remedy(one.remedy))
        before = self._diagnosed.pop(incident.id, frozenset())
        if signs:
            self._diagnosed[incident.id] = frozenset(signs)
        # An incident may go on without a diagnosis that it had, and end without it.
        for key in before.difference(*self._diagnosed.values()):
            self._signs.pop(key, None)
        self._signs = signs | self._signs

    def _note(self, condition: Condition, now: float) -> None:
        encoder_id = EncoderId(condition.subject.id)
        key = (encoder_id, condition.name)
        if not condition.is_active:
            self._signs.pop(key, None)
            return
        sign = self._signs.get(key)
        if sign is None and encoder_id in set(self._ids()):
            self._signs[key] = Sign(condition, now, now)
            if condition.name == REBOOTING:
                self._cycles.setdefault(encoder_id, RebootCycle()).restarted(now)
        elif sign is not None:
            sign.condition, sign.told = condition, now


def _diagnosed(found: Diagnosis) -> Condition:
    return Condition(
        name=found.pattern_id,
        subject=Subject(SubjectKind.ENCODER, found.scope.value),
        is_active=True,
        severity=found.severity,
        category=found.category,
        at=utc_now(),
        summary=f"{found.pattern_id}, by {', '.join(found.evidence)}",
    )


def _circles(encoder_id: EncoderId, *, is_active: bool) -> Condition:
    return Condition(
        name="device_reboot_cycle",
        subject=Subject(SubjectKind.ENCODER, encoder_id),
        is_active=is_active,
        severity=Severity.CRITICAL,
        category=Category.SYSTEM,
        at=utc_now(),
        summary=f"{encoder_id}: it restarts again and again: look at its power, its media and its firmware",
        labels=(("encoder", encoder_id),),
    )
