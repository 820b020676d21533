"""Which conditions have one cause: a set of facts in, groups with their cause and the reasons out. Pure, no memory.

A part is the cause of what names it in its labels, when there is a sign at the part itself, or when several of its
own parts were hit at about the same time. Of all causes that could be, the one that explains most is taken first;
of those that explain the same, the narrowest. The order in which facts came is of no account. How groups become
incidents that keep their name is `incident_book.py`'s business.
"""

from __future__ import annotations

import heapq
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from app.domain.condition import Category
from app.domain.incident import Cause
from app.domain.severity import Severity
from app.policy.facts import RANKS, Fact

SKEW_S: Final = 60.0
"""An effect may be seen so long before its cause: a gateway misses pictures within 0.1 s, an encoder's heartbeat is
missed after seconds, and a device is asked again twice."""
TOGETHER_S: Final = 60.0
"""Parts of one part that are hit within so long of each other are hit together."""
TOGETHER_HOT_S: Final = 900.0
"""A room whose cooling fails warms its machines one after the other."""
RECENT_S: Final = 300.0
"""So long after a cause that is not grave, what follows is still laid to it."""
MIN_SHARE: Final = 0.5
"""Of the members of a part, as far as they are counted: with fewer, it is chance."""
NARROWNESS: Final[Mapping[str, int]] = {
    "destination": 1, "certificate": 2, "encoder": 3, "host": 4, "gateway": 5, "rack": 6, "region": 7, "version": 8,
}  # fmt: skip
"""What is not in it takes nothing else with it."""
_MEMBERS: Final[Mapping[str, tuple[str, int]]] = {
    "encoder": ("stream", 2),
    "host": ("encoder", 2), "rack": ("encoder", 2), "region": ("encoder", 2), "version": ("encoder", 3),
    "gateway": ("stream", 3), "destination": ("stream", 2),
}  # fmt: skip
"""What a part is made of, and how many of those hit together point at it."""
_NOT_BY: Final[Mapping[str, frozenset[Category]]] = {
    "gateway": frozenset(
        {Category.FAILOVER, Category.PICTURE, Category.SILENT_AUDIO, Category.INPUT_LOST, Category.BANDWIDTH}
    ),
    "encoder": frozenset({Category.BANDWIDTH}),
}
"""What a part does not do to its streams: that all of them have it points elsewhere."""
_LOCAL: Final = frozenset({Category.STORAGE, Category.NTP, Category.NOTIFIER, Category.REMEDIATION})
"""What is wrong there is wrong there only: a full disk stops no stream."""

Population = Mapping[tuple[str, str], int]
"""Members of a part, by its label and value, as far as they are known."""


@dataclass(frozen=True, slots=True)
class Group:
    """`facts`: all of it, in a fixed order; `signs`: those that show the cause itself. `hit`: of its `members`."""

    cause: Cause
    facts: tuple[Fact, ...]
    signs: tuple[Fact, ...]
    hit: int
    members: int | None

    @property
    def root(self) -> Fact:
        """Of the signs: the worst, then the first."""
        return min(self.signs, key=lambda fact: (-RANKS.index(fact.severity), fact.began, fact.key))

    def reasons(self) -> tuple[str, ...]:
        what = f"{self.cause.label} {self.cause.value}"
        found: list[str] = []
        if len(self.facts) > 1:
            found.append(f"all {len(self.facts)} conditions share {what}, and nothing narrower")
        if self.hit:
            of = "" if self.members is None else f" of {self.members}"
            spread = max(fact.began for fact in self.signs) - min(fact.began for fact in self.signs)
            found.append(f"{self.hit}{of} parts of it were hit within {spread:.0f} s")
        root = self.root
        if root.own == Cause(self.cause.label, self.cause.value):
            found.append(f"{root.name} is a sign at the part itself")
        others = [fact.began for fact in self.facts if fact is not root]
        if others and root.began <= min(others):
            found.append(f"{root.name} of {root.subject.id} came first")
        if root.severity is Severity.CRITICAL and len(self.facts) > 1:
            found.append(f"{root.name} is critical")
        return tuple(found)


def group(facts: Iterable[Fact], population: Population) -> tuple[Group, ...]:
    """Every condition in exactly one group, the first of them first. The same set gives the same groups."""
    ordered = sorted((fact for fact in facts if fact.is_condition), key=lambda fact: fact.key)
    shelves: defaultdict[Cause, list[Fact]] = defaultdict(list)
    for fact in ordered:
        for cause in _could_be(fact):
            shelves[cause].append(fact)
    taken: set[int] = set()
    queue = [_queued(found) for cause in sorted(shelves) if (found := _judge(cause, shelves[cause], population))]
    heapq.heapify(queue)
    groups: list[Group] = []
    while queue:
        *_, best = heapq.heappop(queue)
        if any(id(fact) in taken for fact in best.facts):
            left = [fact for fact in shelves[best.cause] if id(fact) not in taken]
            if left and (again := _judge(best.cause, left, population)):
                heapq.heappush(queue, _queued(again))
            continue
        taken.update(id(fact) for fact in best.facts)
        groups.append(best)
        left = [fact for fact in shelves[best.cause] if id(fact) not in taken]
        if left and (again := _judge(best.cause, left, population)):
            heapq.heappush(queue, _queued(again))
    return tuple(sorted(groups, key=lambda one: (min(fact.began for fact in one.facts), one.cause)))


def topic_of(fact: Fact) -> str:
    return fact.category.value if fact.category in _LOCAL else ""


def _could_be(fact: Fact) -> Iterator[Cause]:
    topic, own = topic_of(fact), fact.own
    for label, value in fact.parts().items():
        if label not in NARROWNESS and label != own.label:
            continue
        yield Cause(label, value, topic)
        if topic and label in NARROWNESS:
            # It may follow from what befell the whole part.
            yield Cause(label, value)


def _queued(found: Group) -> tuple[int, int, int, Cause, Group]:
    """The most explained first, then the narrowest."""
    subjects = len({fact.own for fact in found.facts})
    return -subjects, -len(found.facts), NARROWNESS.get(found.cause.label, 0), found.cause, found


def _judge(cause: Cause, facts: Sequence[Fact], population: Population) -> Group | None:
    """What `cause` explains of `facts`, all of which name it; None: it is no cause."""
    part = Cause(cause.label, cause.value)
    own = [fact for fact in facts if fact.own == part and topic_of(fact) == cause.topic]
    core, members = _hit_together(cause, facts, population)
    anchors = [] if cause.topic else [fact for fact in own if fact.severity is not Severity.INFO]
    # Where the part itself shows it, what its members have follows from that.
    signs = _unique(own if anchors else [*own, *core])
    if not signs:
        return None
    known = {fact.key for fact in signs}
    waved = {fact.key for fact in core}
    first, last = _reach(core)
    explained = [
        fact
        for fact in facts
        if fact.key not in known
        and (fact.key in waved or any(_explains(anchor, fact) for anchor in anchors) or first <= fact.began <= last)
    ]
    everything = sorted([*signs, *explained], key=lambda fact: fact.key)
    hit = 0 if anchors else len({fact.own for fact in core})
    return Group(cause, tuple(everything), tuple(signs), hit, members)


def _unique(facts: Iterable[Fact]) -> list[Fact]:
    return sorted({fact.key: fact for fact in facts}.values(), key=lambda fact: fact.key)


def _hit_together(
    cause: Cause, facts: Sequence[Fact], population: Population
) -> tuple[tuple[Fact, ...], int | None]:
    """Signs of one kind at enough of its members within a short time, the first such wave; empty: there is none."""
    made_of = _MEMBERS.get(cause.label)
    if made_of is None:
        return (), None
    label, fewest = made_of
    members = population.get((cause.label, cause.value))
    kinds: defaultdict[Category, list[Fact]] = defaultdict(list)
    foreign = _NOT_BY.get(cause.label, frozenset())
    for fact in facts:
        is_member = fact.own.label == label and topic_of(fact) == cause.topic and fact.category not in foreign
        if is_member and fact.severity is not Severity.INFO:
            kinds[fact.category].append(fact)
    waves = [
        wave
        for category, found in kinds.items()
        for wave in _waves(found, TOGETHER_HOT_S if category is Category.THERMAL else TOGETHER_S)
        if _is_enough(len({fact.own for fact in wave}), fewest, members)
    ]
    if not waves:
        return (), members
    return min(waves, key=lambda wave: (wave[0].began, -len(wave), wave[0].category)), members


def _waves(facts: Iterable[Fact], gap_s: float) -> Iterator[tuple[Fact, ...]]:
    """Each fact with those that began before and after it without a longer gap."""
    wave: list[Fact] = []
    for fact in sorted(facts, key=lambda fact: (fact.began, fact.key)):
        if wave and fact.began - wave[-1].began > gap_s:
            yield tuple(wave)
            wave = []
        wave.append(fact)
    if wave:
        yield tuple(wave)


def _is_enough(hit: int, fewest: int, members: int | None) -> bool:
    return hit >= fewest and (members is None or hit >= MIN_SHARE * members)


def _explains(anchor: Fact, fact: Fact) -> bool:
    after_s = fact.began - anchor.began
    if after_s < -SKEW_S:
        return False
    if anchor.severity is Severity.CRITICAL:
        return anchor.ended is None or fact.began <= anchor.ended + SKEW_S
    return after_s <= RECENT_S


def _reach(core: Sequence[Fact]) -> tuple[float, float]:
    """From when until when what begins is laid to a wave. Of what is gone altogether, as long as it is."""
    if not core:
        return math.inf, -math.inf
    is_total = core[0].category is Category.ENCODER_OFFLINE and any(one.ended is None for one in core)
    last = max(one.began for one in core) + RECENT_S
    return core[0].began - SKEW_S, math.inf if is_total else last
