"""Incidents over time: groups of one moment become incidents that keep their name while they last. Pure.

An incident goes on in the group that holds most of what it held; of several that go on in one group the oldest
stays and the others are merged into it; what falls out of one group is split from it. Deterministic: the same
groups at the same times give the same incidents, whatever the order in which conditions came.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from app.domain.condition import Subject, SubjectKind
from app.domain.incident import Cause, Diagnosis, Incident, Sufferer
from app.domain.severity import Severity
from app.policy.facts import RANKS, Fact, Key
from app.policy.incidents import Group

CLEAR_S: Final = 30.0
"""An incident is over when nothing of it has been so for so long."""
MAX_KEPT: Final = 500
"""Incidents that are over."""
MAX_LISTED: Final = 200
"""Parts of one incident that are listed by name."""
MAX_DIAGNOSES: Final = 5


@dataclass(frozen=True, slots=True)
class Opened:
    """One that lasts, with the keys of all that belongs to it, and what lies behind them."""

    incident: Incident
    keys: frozenset[Key]
    root: Fact
    held: float
    """Of its signs, 0 to 1: the share that has lasted as long as their alerts are held."""


class IncidentBook:
    """`tick` returns those that began, ended, merged, or turned out to have another cause."""

    def __init__(self) -> None:
        self._open: dict[str, Opened] = {}
        self._over: OrderedDict[str, Incident] = OrderedDict()

    def open(self) -> tuple[Opened, ...]:
        """The oldest first."""
        return tuple(self._open.values())

    def over(self) -> tuple[Incident, ...]:
        """The one that ended last first."""
        return tuple(reversed(self._over.values()))

    def find(self, incident_id: str) -> Incident | None:
        opened = self._open.get(incident_id)
        return self._over.get(incident_id) if opened is None else opened.incident

    def tick(
        self,
        groups: Iterable[Group],
        diagnoses: Sequence[Diagnosis],
        now: float,
        at: datetime,
        *,
        viewers: Mapping[str, int] | None = None,
    ) -> tuple[Incident, ...]:
        """`viewers`: of each stream, as far as they are known."""
        lasting = [one for one in groups if _is_worth_it(one, now) and _lasts(one, now)]
        names, merged = self._names(lasting)
        changed: list[Incident] = []
        opened: dict[str, Opened] = {}
        for found, (name, split_from) in zip(lasting, names, strict=True):
            before = self._open.get(name)
            incident = _incident(name, found, diagnoses, now, viewers or {})
            if before is None:
                incident = replace(incident, split_from=split_from)
            else:
                was = before.incident
                incident = replace(incident, started_at=was.started_at, split_from=was.split_from)
            keys, held = frozenset(fact.key for fact in found.facts), [one.has_held(now) for one in found.signs]
            opened[name] = Opened(incident, keys, found.root, held=sum(held) / len(held))
            if before is None or _is_news(before.incident, incident):
                changed.append(incident)
        for name, gone in self._open.items():
            if name not in opened:
                ended = replace(gone.incident, ended_at=at, merged_into=merged.get(name))
                self._over[name] = ended
                changed.append(ended)
        while len(self._over) > MAX_KEPT:
            self._over.popitem(last=False)
        self._open = dict(sorted(opened.items(), key=lambda item: (item[1].incident.started_at, item[0])))
        return tuple(changed)

    def _names(self, groups: Sequence[Group]) -> tuple[list[tuple[str, str | None]], dict[str, str]]:
        """Each group's incident and the one it is split from; and of those that are merged, into which."""
        shared: defaultdict[str, list[tuple[int, bool, int]]] = defaultdict(list)
        for number, found in enumerate(groups):
            keys = {fact.key for fact in found.facts}
            for name, opened in self._open.items():
                if common := len(keys & opened.keys):
                    shared[name].append((common, opened.incident.cause == found.cause, -number))
        taken: dict[int, str] = {}
        merged: dict[str, str] = {}
        for name in self._open:
            if name not in shared:
                continue
            number = -max(shared[name])[2]
            if number in taken:
                merged[name] = taken[number]
            else:
                taken[number] = name
        names: list[tuple[str, str | None]] = []
        used = {*self._open, *self._over}
        for number, found in enumerate(groups):
            if number in taken:
                names.append((taken[number], None))
                continue
            parents = [name for name in self._open if any(-one[2] == number for one in shared.get(name, ()))]
            name = _new_name(found, used)
            used.add(name)
            names.append((name, parents[0] if parents else None))
        return names, merged


def _new_name(found: Group, used: set[str]) -> str:
    """The same for the same beginning, so that a run can be repeated."""
    first = min(found.facts, key=lambda fact: (fact.began, fact.key))
    parts = (found.cause.label, found.cause.value, found.cause.topic, *first.key, first.began_at.isoformat())
    count = 0
    while True:
        text = "\0".join((*parts, str(count)))
        name = f"inc_{hashlib.sha256(text.encode()).hexdigest()[:12]}"
        if name not in used:
            return name
        count += 1


def _is_worth_it(found: Group, now: float) -> bool:
    """One reading is no incident. Where one of its conditions has held, the others follow from the same cause."""
    return any(fact.severity is not Severity.INFO and fact.has_held(now) for fact in found.facts)


def _lasts(found: Group, now: float) -> bool:
    return any(fact.holds(now) or (fact.ended is not None and now - fact.ended < CLEAR_S) for fact in found.facts)


def _is_news(before: Incident, after: Incident) -> bool:
    """Another cause, severity, root or known fault; more of the same, and other figures in its words, are none."""
    return _told(before) != _told(after)


def _told(incident: Incident) -> tuple[object, ...]:
    faults = frozenset((one.pattern_id, one.scope) for one in incident.diagnoses)
    return incident.cause, incident.severity, incident.root, faults


def _incident(
    name: str, found: Group, diagnoses: Sequence[Diagnosis], now: float, viewers: Mapping[str, int]
) -> Incident:
    fitting = _fitting(found, diagnoses)
    signs = {fact.key for fact in found.signs}
    shown = _sufferers([fact for fact in found.facts if fact.key in signs], now)
    known = {one.subject for one in shown}
    others = [fact for fact in found.facts if fact.key not in signs and fact.subject not in known]
    children = _sufferers(others, now)
    streams = {fact.subject.id for fact in found.facts if fact.subject.kind is SubjectKind.STREAM}
    counted = [viewers[one] for one in streams if one in viewers]
    severity = max((fact.severity for fact in found.facts), key=RANKS.index)
    root = found.root
    return Incident(
        id=name,
        cause=found.cause,
        severity=severity,
        title=fitting[0].cause if fitting else root.summary,
        root=(root.name, root.subject),
        reasons=found.reasons(),
        diagnoses=fitting,
        signs=shown[:MAX_LISTED],
        children=children[:MAX_LISTED],
        total_signs=len(shown),
        total_children=len(children),
        streams=len(streams),
        viewers=sum(counted) if counted else None,
        started_at=min(fact.began_at for fact in found.facts),
    )


def _fitting(found: Group, diagnoses: Sequence[Diagnosis]) -> tuple[Diagnosis, ...]:
    """Those at the cause before those at its parts; else in their own order, the most telling first.

    One that speaks of none of the group's conditions fits only where it was seen by raw states alone, at something
    that is in the group itself.
    """
    names = {fact.name for fact in found.facts}
    parts = {Cause(label, value) for fact in found.facts for label, value in fact.parts().items()}
    cause = Cause(found.cause.label, found.cause.value)
    own = set() if found.cause.topic else {cause, *(fact.own for fact in found.facts)}
    fitting = [
        one
        for one in diagnoses
        if (one.scope in parts or one.scope.label == "fleet")
        and (not names.isdisjoint(one.evidence) or (one.scope in own and all(":" in name for name in one.evidence)))
    ]
    # A sort keeps the order of equals.
    root = found.root.name
    fitting.sort(key=lambda one: (one.scope != cause, root not in one.evidence))
    seen: dict[str, Diagnosis] = {}
    for one in fitting:
        seen.setdefault(one.pattern_id, one)
    return tuple(seen.values())[:MAX_DIAGNOSES]


def _sufferers(facts: Iterable[Fact], now: float) -> tuple[Sufferer, ...]:
    """The first first."""
    by_subject: defaultdict[Subject, list[Fact]] = defaultdict(list)
    for fact in facts:
        by_subject[fact.subject].append(fact)
    found = [
        Sufferer(
            subject=subject,
            conditions=tuple(sorted(fact.name for fact in its)),
            severity=max((fact.severity for fact in its), key=RANKS.index),
            since=min(fact.began_at for fact in its),
            is_active=any(fact.holds(now) for fact in its),
        )
        for subject, its in by_subject.items()
    ]
    return tuple(sorted(found, key=lambda one: (one.since, one.subject.kind, one.subject.id)))
