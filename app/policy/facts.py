"""What is known to be so, or was until lately: the evidence for patterns and incidents. Pure, bounded.

A fact is a condition that a monitor told, or a raw state that only patterns read: `alarm:...` and `state:...` of a
device, `error:...` of a stream, `message:...` for a line that a worker wrote and a signature knows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from app.domain.condition import GONE_S, Category, Condition, Subject, SubjectKind
from app.domain.incident import Cause
from app.domain.severity import Severity
from app.policy.alert_rules import timing_of

MAX_FACTS: Final = 20_000
REMEMBERED_S: Final = 300.0
"""What is over is evidence for so long: what followed from it may last longer than it did."""
RETURN_S: Final = 60.0
"""What comes back so soon never went: it keeps the time of its beginning."""
LABELS: Final = frozenset(
    {"stream", "encoder", "host", "rack", "region", "gateway", "destination", "certificate", "version"}
)
RANKS: Final = (Severity.INFO, Severity.WARNING, Severity.CRITICAL)

Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Fact:
    """`began`, `ended`: monotonic seconds; `ended` may lie ahead. `is_condition`: it may belong to an incident."""

    name: str
    subject: Subject
    labels: tuple[tuple[str, str], ...]
    severity: Severity
    category: Category
    summary: str
    began: float
    began_at: datetime
    ended: float | None = None
    is_condition: bool = True
    since: float | None = None
    """When it came back last; None: it never went."""
    had_held: bool = False
    """It had held long enough before it came back."""
    key: Key = field(init=False, repr=False, compare=False)
    own: Cause = field(init=False, repr=False, compare=False)
    """The part that it is about."""

    def __post_init__(self) -> None:
        # Asked for again and again while causes are sought.
        object.__setattr__(self, "key", (self.name, self.subject.kind.value, self.subject.id))
        object.__setattr__(self, "own", _own(self.subject, self.labels))

    def holds(self, now: float) -> bool:
        return self.ended is None or self.ended > now

    def has_held(self, now: float) -> bool:
        """Whether it lasted, without a break, for as long as its alert is held before people are told."""
        until = now if self.ended is None else min(self.ended, now)
        since = self.began if self.since is None else self.since
        return self.had_held or until - since >= timing_of(self.name).hold_s

    def parts(self) -> Mapping[str, str]:
        """Every part that it names, itself included, by label."""
        found = {label: value for label, value in self.labels if label in LABELS}
        own = self.own
        found[own.label] = own.value
        return found


def _own(subject: Subject, labels: tuple[tuple[str, str], ...]) -> Cause:
    """The system's conditions may be about a place, such as `rack:r7`; one certificate is served in many places."""
    kind, name = subject.kind, subject.id
    if kind is SubjectKind.SYSTEM and ":" in name:
        label, _, value = name.partition(":")
        if label in LABELS:
            return Cause(label, value)
    if kind is SubjectKind.CERTIFICATE:
        name = dict(labels).get("certificate", name)
    return Cause(kind.value, name)


def fact_of(condition: Condition, now: float) -> Fact:
    return Fact(
        name=condition.name,
        subject=condition.subject,
        labels=condition.labels,
        severity=condition.severity,
        category=condition.category,
        summary=condition.summary,
        began=now,
        began_at=condition.at,
    )


def state_of(
    name: str, subject: Subject, labels: Iterable[tuple[str, str]], now: float, at: datetime, *, ends: float | None
) -> Fact:
    """What only patterns read."""
    return Fact(
        name=name,
        subject=subject,
        labels=tuple(sorted(labels)),
        severity=Severity.INFO,
        category=Category.SYSTEM,
        summary=name,
        began=now,
        began_at=at,
        ended=ends,
        is_condition=False,
    )


class FactBook:
    """`begin`, `end` and `tick` return whether something is another than before."""

    def __init__(self) -> None:
        self._facts: dict[Key, Fact] = {}
        self._heard: dict[Key, float] = {}
        """Of conditions: when they were told last."""
        self._states: dict[Subject, set[Key]] = {}
        """What lasts of each subject that only patterns read."""
        self.refused = 0
        """Facts that found no room."""

    def __iter__(self) -> Iterator[Fact]:
        return iter(tuple(self._facts.values()))

    def __len__(self) -> int:
        return len(self._facts)

    def find(self, key: Key) -> Fact | None:
        return self._facts.get(key)

    def begin(self, fact: Fact, now: float) -> bool:
        known = self._facts.get(fact.key)
        if known is None and len(self._facts) >= MAX_FACTS:
            self.refused += 1
            return False
        if fact.is_condition:
            self._heard[fact.key] = now
        elif fact.ended is None:
            self._states.setdefault(fact.subject, set()).add(fact.key)
        if known is None or _is_anew(known, fact, now):
            self._facts[fact.key] = fact
            return True
        # Where it was when it began is what tells its cause: a stream has moved on since.
        severity = max(known.severity, fact.severity, key=RANKS.index)
        changed = replace(known, severity=severity, summary=fact.summary, ended=fact.ended)
        if not known.holds(now):
            changed = replace(changed, since=fact.began, had_held=known.has_held(now))
        self._facts[fact.key] = changed
        return severity is not known.severity or known.holds(now) is not changed.holds(now)

    def end(self, key: Key, now: float) -> bool:
        fact = self._facts.get(key)
        if fact is None or not fact.holds(now):
            return False
        self._facts[key] = replace(fact, ended=now)
        return True

    def end_states(self, subject: Subject, kept: Iterable[str], now: float) -> bool:
        """Of what only patterns read about `subject`, all but `kept` is over."""
        names = set(kept)
        lasting = self._states.get(subject, set())
        over = [key for key in lasting if key[0] not in names]
        lasting.difference_update(over)
        if not lasting:
            self._states.pop(subject, None)
        ended = [self.end(key, now) for key in over]
        return any(ended)

    def tick(self, now: float) -> bool:
        """What nobody told again is over, as of when it was heard last; what is long over is forgotten."""
        is_changed = False
        for key, fact in tuple(self._facts.items()):
            heard = self._heard.get(key)
            if fact.ended is None and heard is not None and now - heard >= GONE_S:
                self._facts[key] = replace(fact, ended=heard)
                is_changed = True
            elif fact.ended is not None and now - fact.ended >= REMEMBERED_S:
                del self._facts[key]
                self._heard.pop(key, None)
                is_changed = True
        return is_changed


def _is_anew(known: Fact, fact: Fact, now: float) -> bool:
    if known.ended is None or known.ended > now:
        return False
    return not fact.is_condition or now - known.ended > RETURN_S
