"""The last decisions of the balancer with what they were made of, so that each can be explained and made again.

Kept of each: the question, and how the best candidates stood. That is enough to give the same choice once more:
who stood worse would not have been chosen. Bounded; candidates are put into words for those who ask.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final

from app.domain.fleet import Candidate, PlacementDecision
from app.domain.ids import EncoderId, StreamId
from app.policy.candidates import Ordered
from app.policy.placement import Need, Standing
from app.policy.ranking import BACKUPS_CONSIDERED, Choice, Question, answer, rank
from app.runtime.clock import utc_now

DECISIONS_KEPT: Final = 500
CANDIDATES_KEPT: Final = BACKUPS_CONSIDERED + 8
"""For each decision, the best ones: all that a backup is chosen from, the primary, and some that are avoided."""
FEW: Final = 5
"""At least so many are kept. Where fewer are fit some of those that refuse are, so that it can be seen why."""
DECISIONS_SHOWN: Final = 50
REASONS_KEPT: Final = 6


@dataclass(frozen=True, slots=True)
class _Kept:
    decision: PlacementDecision
    question: Question | None
    """None: nobody was asked, the standby took over."""
    standings: tuple[Standing, ...] = ()


class DecisionLog:
    def __init__(self) -> None:
        self._kept: deque[_Kept] = deque(maxlen=DECISIONS_KEPT)

    def keep(self, stream_id: StreamId, question: Question, choice: Choice, order: Ordered) -> PlacementDecision:
        """`order`: what the choice was made from, before anybody was promised anything."""
        kept = _Kept(_decision(stream_id, question, choice), question, _inputs(choice, order))
        self._kept.append(kept)
        return kept.decision

    def note(self, stream_id: StreamId, need: Need, primary_id: EncoderId, reason: str) -> None:
        """A decision that was none of the balancer's."""
        self._kept.append(_Kept(_plain(stream_id, need, primary_id, reason), None))

    def last(self) -> tuple[PlacementDecision, ...]:
        """Newest first, each with the first of its candidates."""
        shown = (_told(kept) for kept in islice(reversed(self._kept), DECISIONS_SHOWN))
        return tuple(replace(decision, candidates=decision.candidates[:FEW]) for decision in shown)

    def of(self, stream_id: StreamId) -> tuple[PlacementDecision, ...]:
        """Newest first."""
        return tuple(_told(kept) for kept in reversed(self._kept) if kept.decision.stream_id == stream_id)

    @staticmethod
    def told_once(question: Question, choice: Choice, order: Ordered) -> PlacementDecision:
        """In full, without keeping it."""
        return _told(_Kept(_decision(None, question, choice), question, _inputs(choice, order)))


def _inputs(choice: Choice, order: Ordered) -> tuple[Standing, ...]:
    """How the chosen stood, those that held the stream before, and the best of the others."""
    found = [*order.instead, *(info.encoder_id for info in (choice.primary, choice.backup) if info is not None)]
    most = max(FEW, min(len(order.judged()), CANDIDATES_KEPT))
    asked = list(islice(order.fit(), most)) or islice(order.in_panic().fit(), CANDIDATES_KEPT)
    best = [judged.standing.info.encoder_id for judged in asked]
    if len(best) < FEW:
        best += order.first_by_id(FEW)
    return tuple(order.standing(encoder_id) for encoder_id in dict.fromkeys(found + best))


def _decision(stream_id: StreamId | None, question: Question, choice: Choice) -> PlacementDecision:
    return PlacementDecision(
        stream_id=stream_id,
        at=utc_now(),
        pixels_per_s=question.need.pixels_per_s,
        primary_id=None if choice.primary is None else choice.primary.encoder_id,
        backup_id=None if choice.backup is None else choice.backup.encoder_id,
        reasons=choice.reasons[:REASONS_KEPT],
        candidates=(),
        cautions=tuple(caution.value for caution in choice.cautions),
    )


def _plain(stream_id: StreamId, need: Need, primary_id: EncoderId, reason: str) -> PlacementDecision:
    return PlacementDecision(stream_id, utc_now(), need.pixels_per_s, primary_id, None, (reason,), ())


def _told(kept: _Kept) -> PlacementDecision:
    if kept.question is None:
        return kept.decision
    return replace(
        kept.decision, candidates=_candidates(kept, kept.question), replays=_replays(kept, kept.question)
    )


def _candidates(kept: _Kept, question: Question) -> tuple[Candidate, ...]:
    return rank(kept.standings, question.need).candidates()


def _replays(kept: _Kept, question: Question) -> bool:
    again = answer(question, rank(kept.standings, question.need))
    ids = tuple(None if info is None else info.encoder_id for info in (again.primary, again.backup))
    return ids == (kept.decision.primary_id, kept.decision.backup_id)
