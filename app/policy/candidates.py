"""A large fleet in order of cost, without judging everyone for each stream.

What a stream adds to the cost of an encoder is the same on all encoders of one make and weight, but for their
warmth, which it only raises. So each such class is kept sorted by what its members cost already; the classes are
merged, and an encoder is judged exactly when its lower bound comes up. The order is the one that judging all gives.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from heapq import heapify, heappop, heappush, heapreplace
from itertools import count
from typing import Final, TypeAlias

from app.domain.encoder import EncoderInfo
from app.domain.ids import EncoderId, HostId
from app.policy.placement import (
    REGION_POINTS,
    Judged,
    Need,
    Standing,
    VetoCode,
    able_vetoes,
    free,
    has_room,
    is_closed,
    judge,
    least_points,
    load_points,
    weight,
)
from app.policy.ranking import REASONS_TOLD, Ranking, rank, refusal

SLACK: Final = 1e-6
"""Taken off a bound: sums of floats made in another order differ in the last digits."""


class Obstacle(StrEnum):
    """Why a whole fleet refuses a stream, for machines."""

    NO_ENCODER = "no_encoder"
    FULL = "full"
    HOT = "hot"
    UNABLE = "unable"
    """No encoder that is there does such streams."""
    AWAY = "away"
    """Those that could are not there, draining or stopped."""
    NO_RESERVE = "no_reserve"
    """There is a place, but no second one, and streams without are not taken."""


_Make: TypeAlias = "tuple[object, ...]"
_Class: TypeAlias = "tuple[int, float]"
"""Number of the make, weight."""


@dataclass(slots=True)
class _Entry:
    standing: Standing
    make: int
    closed: VetoCode | None
    of_class: _Class
    least: float


class Fleetwide:
    """The encoders as they stand. `put` whoever changed; `order` is true for what was put."""

    def __init__(self) -> None:
        self._entries: dict[EncoderId, _Entry] = {}
        self._makes: dict[_Make, tuple[int, int]] = {}
        """Number of the make, and how many are of it."""
        self._numbers = count()
        self._classes: dict[_Class, list[tuple[float, EncoderId]]] = {}
        self._most_free: dict[_Class, float] = {}
        """No member of the class has more room, in pixels per second; found anew when a stream was refused."""
        self._ids: list[EncoderId] | None = None
        self._hosts: Counter[HostId] = Counter()
        self._racks: Counter[str | None] = Counter()
        self._closed: Counter[VetoCode] = Counter()
        self._hot: dict[EncoderId, None] = {}
        """Those that nothing but heat closes, in the order in which they became so."""

    def __len__(self) -> int:
        return len(self._entries)

    def put(self, standing: Standing) -> None:
        encoder_id = standing.info.encoder_id
        known = self._entries.get(encoder_id)
        if known is not None:
            self._take_out(encoder_id, known)
        if known is not None and known.standing.info is standing.info:
            make = known.make
        else:
            if known is not None:
                self._leaves(known.standing.info)
            make = self._comes(standing.info)
        entry = _Entry(standing, make, is_closed(standing), (make, weight(standing)), least_points(standing))
        self._entries[encoder_id] = entry
        if entry.closed is None:
            insort(self._classes.setdefault(entry.of_class, []), (entry.least, encoder_id))
            self._most_free[entry.of_class] = max(self._most_free.get(entry.of_class, 0.0), free(standing))
        else:
            self._closed[entry.closed] += 1
            if entry.closed is VetoCode.HOT:
                self._hot[encoder_id] = None

    def drop(self, encoder_id: EncoderId) -> None:
        entry = self._entries.pop(encoder_id, None)
        if entry is not None:
            self._take_out(encoder_id, entry)
            self._leaves(entry.standing.info)

    def standing(self, encoder_id: EncoderId) -> Standing | None:
        entry = self._entries.get(encoder_id)
        return None if entry is None else entry.standing

    def standings(self) -> Iterator[Standing]:
        return (entry.standing for entry in self._entries.values())

    def order(self, need: Need, instead: Mapping[EncoderId, Standing] | None = None) -> Ordered:
        """`instead`: how some of them are to be taken to stand."""
        return Ordered(self, need, instead or {})

    def heat_may_bar(self, need: Need) -> Iterator[EncoderId]:
        """All that are too hot for the stream and have room for it, and some others."""
        yield from self._hot
        for _, members in self.cursors(need):
            yield from (encoder_id for _, encoder_id in members if self._room(encoder_id, need))

    def closed(self) -> Counter[VetoCode]:
        """How many take nothing now, by why."""
        return +self._closed

    def obstacle(self, need: Need) -> Obstacle:
        """What is missing, when nobody can take the stream."""
        if not self._entries:
            return Obstacle.NO_ENCODER
        self._find_room()
        if any(True for _ in self.cursors(need)):
            return Obstacle.HOT  # there is room, but it would become too hot there
        closed, entries = self.closed(), self._entries
        able = any(
            not able_vetoes(entries[members[0][1]].standing.info, need) for members in self._classes.values()
        )
        if able or closed[VetoCode.PLACES] or closed[VetoCode.MEMORY]:
            return Obstacle.FULL
        if closed[VetoCode.HOT] or closed[VetoCode.SENSOR]:
            return Obstacle.HOT
        return Obstacle.UNABLE if self._classes else Obstacle.AWAY

    def _find_room(self) -> None:
        for of_class, members in self._classes.items():
            self._most_free[of_class] = max(free(self._entries[encoder_id].standing) for _, encoder_id in members)

    def first_by_id(self, most: int) -> list[EncoderId]:
        if self._ids is None:
            self._ids = sorted(self._entries)
        return self._ids[:most]

    def _room(self, encoder_id: EncoderId, need: Need) -> bool:
        return has_room(self._entries[encoder_id].standing, need)

    def may_differ(self, info: EncoderInfo) -> tuple[bool, bool]:
        others = len(self._entries)
        return self._hosts[info.host_id] < others, self._racks[info.rack] < others

    def cursors(self, need: Need) -> Iterator[tuple[float, list[tuple[float, EncoderId]]]]:
        """Of each class that has room and could do the stream: what it adds to everyone there, and its members."""
        for of_class, members in self._classes.items():
            sample = self._entries[members[0][1]].standing
            pixels = need.pixels_on(sample.info.capabilities)
            if pixels > self._most_free[of_class] or able_vetoes(sample.info, need):
                continue
            added = load_points(sample, pixels) - SLACK
            if need.region is not None and sample.info.region != need.region:
                added += REGION_POINTS
            yield added, members

    def _take_out(self, encoder_id: EncoderId, entry: _Entry) -> None:
        if entry.closed is not None:
            self._closed[entry.closed] -= 1
            self._hot.pop(encoder_id, None)
            return
        members = self._classes[entry.of_class]
        del members[bisect_left(members, (entry.least, encoder_id))]
        if not members:
            del self._classes[entry.of_class], self._most_free[entry.of_class]

    def _comes(self, info: EncoderInfo) -> int:
        self._ids = None
        self._hosts[info.host_id] += 1
        self._racks[info.rack] += 1
        number, users = self._makes.get(_make(info)) or (next(self._numbers), 0)
        self._makes[_make(info)] = number, users + 1
        return number

    def _leaves(self, info: EncoderInfo) -> None:
        self._ids = None
        self._hosts[info.host_id] -= 1
        self._racks[info.rack] -= 1
        if not self._hosts[info.host_id]:
            del self._hosts[info.host_id]
        if not self._racks[info.rack]:
            del self._racks[info.rack]
        number, users = self._makes.pop(_make(info))
        if users > 1:
            self._makes[_make(info)] = number, users - 1


class Ordered:
    """An `Order` that judges as far as it is asked, and remembers that. Good until the next `put`."""

    def __init__(self, fleet: Fleetwide, need: Need, instead: Mapping[EncoderId, Standing]) -> None:
        self._fleet = fleet
        self.instead = instead
        self._need = need
        self._found: list[Judged] = []
        self._rest = self._merge()

    @property
    def need(self) -> Need:
        return self._need

    def fit(self) -> Iterator[Judged]:
        place = 0
        while True:
            while place < len(self._found):
                yield self._found[place]
                place += 1
            judged = next(self._rest, None)
            if judged is None:
                return
            self._found.append(judged)

    def judged(self) -> tuple[Judged, ...]:
        """Those that were asked for so far, cheapest first."""
        return tuple(self._found)

    def in_panic(self) -> Ranking:
        asked = {*self._fleet.heat_may_bar(self._need), *self.instead}
        return rank((self.standing(encoder_id) for encoder_id in asked), self._need).in_panic()

    def refusals(self) -> tuple[str, ...]:
        if not len(self._fleet):
            return ("no encoder is connected",)
        first = self.first_by_id(REASONS_TOLD)
        told = [refusal(judge(self.standing(encoder_id), self._need)) for encoder_id in first]
        more = len(self._fleet) - len(told)
        return (*told, f"and {more} more") if more > 0 else tuple(told)

    def first_by_id(self, most: int) -> list[EncoderId]:
        return self._fleet.first_by_id(most)

    def obstacle(self) -> Obstacle:
        """What is missing, when nobody can take the stream."""
        return self._fleet.obstacle(self._need)

    def may_differ(self, info: EncoderInfo) -> tuple[bool, bool]:
        return self._fleet.may_differ(info)

    def standing(self, encoder_id: EncoderId) -> Standing:
        """Of one that is in the fleet."""
        known = self.instead.get(encoder_id) or self._fleet.standing(encoder_id)
        assert known is not None, "only who is in the fleet is asked for"
        return known

    def _merge(self) -> Iterator[Judged]:
        """Bounds of classes and exact costs in one heap: a cost comes out when no bound is below it."""
        heap: list[_Item] = []
        for number, (added, members) in enumerate(self._fleet.cursors(self._need)):
            heap.append((added + members[0][0], 0, str(number), _Cursor(added, members)))
        for standing in self.instead.values():
            _push(heap, judge(standing, self._need))
        heapify(heap)
        while heap:
            _, is_exact, name, found = heap[0]
            if is_exact:
                heappop(heap)
                assert isinstance(found, Judged)
                yield found
                continue
            assert isinstance(found, _Cursor)
            encoder_id = found.members[found.place][1]
            found.place += 1
            if found.place < len(found.members):
                heapreplace(heap, (found.added + found.members[found.place][0], 0, name, found))
            else:
                heappop(heap)
            if encoder_id not in self.instead:
                _push(heap, self._judged(encoder_id))

    def _judged(self, encoder_id: EncoderId) -> Judged | None:
        """None: it has no room, which is seen at a glance."""
        standing = self.standing(encoder_id)
        return judge(standing, self._need) if has_room(standing, self._need) else None


@dataclass(slots=True)
class _Cursor:
    added: float
    members: list[tuple[float, EncoderId]]
    place: int = 0


_Item: TypeAlias = "tuple[float, int, str, _Cursor | Judged]"
"""Bound or cost, 1 when exact, id."""


def _push(heap: list[_Item], judged: Judged | None) -> None:
    if judged is not None and not judged.vetoes:
        heappush(heap, (judged.cost, 1, judged.standing.info.encoder_id, judged))


def _make(info: EncoderInfo) -> _Make:
    able = info.capabilities
    return (info.kind, info.region, able.cpu_model, able.cpu_cores, able.capacity_pixels_per_s, able.probes)
