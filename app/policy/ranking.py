"""Chooses encoders for a stream out of a whole fleet: the cheapest fit one as primary, another one as backup.

Pure: every encoder judged by `placement.py`, in order. `candidates.py` gives the same order of a large fleet
without judging everyone. What is kept of a question is enough to ask it again and get the same answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from operator import attrgetter
from typing import Final, Protocol

from app.domain.encoder import EncoderInfo
from app.domain.fleet import Candidate
from app.domain.ids import EncoderId
from app.policy.placement import BUILD_POINTS, Judged, Need, Panic, Standing, candidate, judge, relief_points

REASONS_TOLD: Final = 5
"""Of encoders that refuse; the others are counted."""
BACKUPS_CONSIDERED: Final = 16
HOT_TOO: Final = ", though it is hot: every other one is hotter or has no room"


class Caution(StrEnum):
    """What is not as it should be with a choice that was made all the same, for machines."""

    UNPROTECTED = "unprotected"
    """No second encoder has room: the loss of the primary's node has no place to go."""
    SAME_HOST = "same_host"
    SAME_RACK = "same_rack"
    HOT = "hot"


class Seek(StrEnum):
    BOTH = "both"
    PRIMARY = "primary"
    BACKUP = "backup"


@dataclass(frozen=True, slots=True)
class Question:
    """`avoid`: doubtful ones, the one to be asked first among them first. `primary`: whose backup is sought."""

    seek: Seek
    need: Need
    panic: Panic = Panic.LEAST_BAD
    avoid: tuple[EncoderId, ...] = ()
    primary: EncoderInfo | None = None
    needs_two: bool = False
    """A stream for which no second place is left is not taken."""


@dataclass(frozen=True, slots=True)
class Choice:
    """`primary` is None when nobody can take it, `backup` when no second encoder has room; the reasons say why."""

    primary: EncoderInfo | None
    backup: EncoderInfo | None
    reasons: tuple[str, ...]
    cautions: tuple[Caution, ...] = ()


class Order(Protocol):
    """A fleet in order of cost for one need."""

    @property
    def need(self) -> Need: ...

    def fit(self) -> Iterator[Judged]:
        """Who can take the stream, cheapest first; equals by id, so that one picture gives one choice."""
        ...

    def in_panic(self) -> Order:
        """Nobody is fit: those that only heat speaks against may take it all the same, the coolest first."""
        ...

    def refusals(self) -> tuple[str, ...]:
        """Why nobody can take it: a line for each of the first encoders, and how many more there are."""
        ...

    def may_differ(self, info: EncoderInfo) -> tuple[bool, bool]:
        """Whether anybody is on another host, and in another rack, than `info`."""
        ...


@dataclass(frozen=True, slots=True)
class Ranking:
    """All encoders judged, the unfit last."""

    judged: tuple[Judged, ...]
    need: Need

    def fit(self) -> Iterator[Judged]:
        for judged in self.judged:
            if judged.vetoes:
                return
            yield judged

    def candidates(self) -> tuple[Candidate, ...]:
        return tuple(candidate(judged, self.need) for judged in self.judged)

    def in_panic(self) -> Ranking:
        hot = sorted((j for j in self.judged if j.only_hot_c is not None), key=lambda j: (j.only_hot_c, j.order))
        calmed = tuple(replace(judged, vetoes=()) for judged in hot)
        return replace(self, judged=calmed + tuple(j for j in self.judged if j.only_hot_c is None))

    def refusals(self) -> tuple[str, ...]:
        if not self.judged:
            return ("no encoder is connected",)
        told = [refusal(judged) for judged in self.judged if judged.vetoes]
        more = (f"and {len(told) - REASONS_TOLD} more",) if len(told) > REASONS_TOLD else ()
        return (*told[:REASONS_TOLD], *more)

    def may_differ(self, info: EncoderInfo) -> tuple[bool, bool]:
        infos = [judged.standing.info for judged in self.judged]
        return any(i.host_id != info.host_id for i in infos), any(i.rack != info.rack for i in infos)


def rank(standings: Iterable[Standing], need: Need) -> Ranking:
    return Ranking(tuple(sorted((judge(one, need) for one in standings), key=attrgetter("order"))), need)


def refusal(judged: Judged) -> str:
    return f"{judged.standing.info.name}: {'; '.join(veto.text for veto in judged.vetoes)}"


def answer(question: Question, order: Order) -> Choice:
    """The choice, or none with its reasons; never an empty one without."""
    match question.seek:
        case Seek.BOTH:
            choice = choose(order)
            if choice.primary is None and question.panic is Panic.LEAST_BAD:
                choice = _though_hot(choose(order.in_panic()), choice)
            if question.needs_two and choice.primary is not None and choice.backup is None:
                # The second reason says why there is no second place.
                return Choice(None, None, choice.reasons[1:], choice.cautions)
            return choice
        case Seek.PRIMARY:
            return _choose_next(question, order)
        case Seek.BACKUP:
            assert question.primary is not None, "a backup is somebody's"
            return _choose_other(question, question.primary, order)


def choose(order: Order) -> Choice:
    best = next(order.fit(), None)
    if best is None:
        return Choice(None, None, order.refusals())
    primary = best.standing.info
    backup, reasons, cautions = choose_backup(order, primary)
    first = f"{primary.name} is primary: the lowest cost, {best.cost:.1f}"
    return Choice(primary, backup, (first, *reasons), cautions)


def choose_backup(
    order: Order, primary: EncoderInfo, *, avoid: frozenset[EncoderId] = frozenset()
) -> tuple[EncoderInfo | None, tuple[str, ...], tuple[Caution, ...]]:
    """Another host before another rack before the lower cost; never the primary's node.

    A backup that shares its room costs less than a primary. The cheapest BACKUPS_CONSIDERED are asked for that.
    """
    best: tuple[tuple[bool, bool, float], EncoderInfo] | None = None
    other_host, other_rack = order.may_differ(primary)
    nearest = (not other_host, _known(primary) and not other_rack)
    considered = 0
    for judged in order.fit():
        info, cost = judged.standing.info, judged.cost
        if best is not None and best[0][:2] <= nearest:  # whoever follows can be in no better place
            if best[0][2] <= cost and not order.need.shares_reserve:
                break
            if considered >= BACKUPS_CONSIDERED:
                break
        if info.node_id == primary.node_id or info.encoder_id in avoid:
            continue
        considered += 1
        cost -= relief_points(judged.standing, order.need, primary)
        if info.capabilities.build != primary.capabilities.build:
            cost += BUILD_POINTS
        place = (info.host_id == primary.host_id, _shares_rack(info, primary), cost)
        if best is None or place < best[0]:
            best = (place, info)
    if best is None:
        return None, ("no second encoder has room: the stream is unprotected",), (Caution.UNPROTECTED,)
    return best[1], (_why_backup(best[1], best[0], other_host=other_host),), _cautions(best[0])


def _why_backup(info: EncoderInfo, place: tuple[bool, bool, float], *, other_host: bool) -> str:
    same_host, same_rack, cost = place
    if same_host:
        why = "no other host has room" if other_host else "there is no other host"
        return f"{info.name} is backup on the primary's own host: {why}, cost {cost:.1f}"
    where = "on another host of the same rack" if same_rack else "on another host"
    return f"{info.name} is backup {where}, cost {cost:.1f}"


def _cautions(place: tuple[bool, bool, float]) -> tuple[Caution, ...]:
    if place[0]:
        return (Caution.SAME_HOST,)
    return (Caution.SAME_RACK,) if place[1] else ()


def _known(info: EncoderInfo) -> bool:
    return info.rack is not None


def _shares_rack(one: EncoderInfo, other: EncoderInfo) -> bool:
    """Racks that nobody told are not the same one."""
    return one.rack is not None and one.rack == other.rack


def _though_hot(choice: Choice, refused: Choice) -> Choice:
    if choice.primary is None:
        return refused
    reasons = (choice.reasons[0] + HOT_TOO, *choice.reasons[1:])
    return replace(choice, reasons=reasons, cautions=(Caution.HOT, *choice.cautions))


def _choose_next(question: Question, order: Order) -> Choice:
    """One to be avoided is taken all the same when no other has room: better a doubtful encoder than none."""
    found, though = _least_doubtful(question.avoid, order), ""
    cautions: tuple[Caution, ...] = ()
    if found is None and question.panic is Panic.LEAST_BAD:
        found, though, cautions = _least_doubtful(question.avoid, order.in_panic()), HOT_TOO, (Caution.HOT,)
    if found is None:
        return Choice(None, None, order.refusals())
    info = found.standing.info
    reason = f"{info.name} takes over: the lowest cost, {found.cost:.1f}"
    if info.encoder_id in question.avoid:
        reason = f"{info.name} takes over though it failed lately: no other has room"
    return Choice(info, None, (reason + though,), cautions)


def _least_doubtful(avoid: tuple[EncoderId, ...], order: Order) -> Judged | None:
    doubtful: dict[EncoderId, Judged] = {}
    for judged in order.fit():
        if judged.standing.info.encoder_id not in avoid:
            return judged
        doubtful[judged.standing.info.encoder_id] = judged
    return next((doubtful[encoder_id] for encoder_id in avoid if encoder_id in doubtful), None)


def _choose_other(question: Question, primary: EncoderInfo, order: Order) -> Choice:
    for relaxed in range(len(question.avoid) + 1):
        avoid = frozenset(question.avoid[relaxed:])
        backup, reasons, cautions = choose_backup(order, primary, avoid=avoid)
        if backup is not None:
            break
    return Choice(primary, backup, reasons, cautions)
