"""Known faults and the evidence that tells them: facts in, diagnoses out. Pure.

A pattern looks at one part (a stream, an encoder, a rack ...) and asks for facts about it, all of them or some of
many, at the same time or shortly one after the other. What a worker or device wrote in words is evidence only by
the name of the signature that knew it, and such a pattern suggests no remedy: words can be forged, states cannot.
The file of patterns is read by `app/monitoring/pattern_file.py`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from app.domain.condition import Category
from app.domain.incident import Cause, Diagnosis
from app.domain.remediation import Remedy
from app.domain.severity import Severity
from app.policy.facts import RANKS, Fact

FLEET: Final = "fleet"
SCOPES: Final = (
    "stream", "encoder", "host", "rack", "region", "gateway", "destination", "certificate", "version", "channel",
    "system", FLEET,
)  # fmt: skip
"""Parts that a pattern may look at; `fleet` is all of it."""
REMEDIES: Final = frozenset(Remedy) | {
    "start_stream",
    "move_stream",
    "lower_bitrate",
    "cool_down",
    "clean_storage",
    "renew_certificate",
}
"""What can be suggested: remedies of a device, and what others do. Whether and how is theirs to say."""
MESSAGE: Final = "message:"


@dataclass(frozen=True, slots=True)
class Term:
    """A fact of this name that carries these labels."""

    name: str
    labels: tuple[tuple[str, str], ...] = ()

    def fits(self, fact: Fact) -> bool:
        return fact.name == self.name and set(self.labels) <= set(fact.labels)


@dataclass(frozen=True, slots=True)
class Pattern:
    """`need` of `terms` must be seen at one `per`, by at least `subjects` of its parts.

    `within_s`: a term counts for so long after it was over; 0: all at the same time. `lasts_s`: each must have
    lasted so long. `clear_s`: the diagnosis stays for so long after its evidence. Without terms nothing can be
    seen of it: it is there for people to look up. `known_as`: its names elsewhere.
    """

    id: str
    severity: Severity
    category: Category
    per: str
    cause: str
    impact: str
    remedy: str | None = None
    terms: tuple[Term, ...] = ()
    need: int = 0
    subjects: int = 1
    within_s: float = 0.0
    lasts_s: float = 0.0
    clear_s: float = 30.0
    known_as: tuple[str, ...] = ()

    @property
    def is_by_eye(self) -> bool:
        return not self.terms


@dataclass(slots=True)
class _Seen:
    names: set[str] = field(default_factory=set)
    subjects: set[Cause] = field(default_factory=set)
    terms: set[int] = field(default_factory=set)


class Diagnostician:
    """Keeps a diagnosis until its evidence has been gone for its clear time; knows nothing else of the past."""

    def __init__(self, patterns: Sequence[Pattern]) -> None:
        self._patterns = tuple(pattern for pattern in patterns if not pattern.is_by_eye)
        self._held: dict[tuple[str, Cause], tuple[float, Diagnosis]] = {}
        """When it held last, and what it was then."""

    def judge(self, facts: Iterable[Fact], now: float) -> tuple[Diagnosis, ...]:
        """Those that hold at `now`, or did until lately: the most telling first."""
        by_name: defaultdict[str, list[Fact]] = defaultdict(list)
        for fact in facts:
            by_name[fact.name].append(fact)
        needs: dict[str, int] = {}
        for pattern in self._patterns:
            needs[pattern.id] = pattern.need
            for diagnosis in diagnose(pattern, by_name, now):
                self._held[pattern.id, diagnosis.scope] = now, diagnosis
        clear_s = {pattern.id: pattern.clear_s for pattern in self._patterns}
        for key, (seen, _) in tuple(self._held.items()):
            if seen < now and now - seen >= clear_s[key[0]]:
                del self._held[key]
        found = [diagnosis for _, diagnosis in self._held.values()]
        return tuple(
            sorted(
                found,
                key=lambda one: (-RANKS.index(one.severity), -needs[one.pattern_id], one.pattern_id, one.scope),
            )
        )


def diagnose(pattern: Pattern, by_name: Mapping[str, Sequence[Fact]], now: float) -> tuple[Diagnosis, ...]:
    """Where `pattern` holds, in the order of the parts."""
    places: defaultdict[str, _Seen] = defaultdict(_Seen)
    for number, term in enumerate(pattern.terms):
        for fact in by_name.get(term.name, ()):
            if not term.fits(fact) or not _counts(pattern, fact, now):
                continue
            value = "all" if pattern.per == FLEET else fact.parts().get(pattern.per)
            if value is None:
                continue
            seen = places[value]
            seen.terms.add(number)
            seen.names.add(fact.name)
            seen.subjects.add(fact.own)
    return tuple(
        Diagnosis(
            pattern_id=pattern.id,
            scope=Cause(pattern.per, value),
            severity=pattern.severity,
            category=pattern.category,
            cause=pattern.cause,
            impact=pattern.impact,
            remedy=pattern.remedy,
            evidence=tuple(sorted(places[value].names)),
        )
        for value in sorted(places)
        if len(places[value].terms) >= pattern.need and len(places[value].subjects) >= pattern.subjects
    )


def _counts(pattern: Pattern, fact: Fact, now: float) -> bool:
    if fact.began > now:
        return False
    end = now if fact.holds(now) or fact.ended is None else fact.ended
    is_seen = now - end <= pattern.within_s
    return is_seen and end - fact.began >= pattern.lasts_s
