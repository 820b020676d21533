"""Chooses encoders over one picture of the fleet and reserves them in the same breath.

No await between looking and reserving: a hundred inits at once cannot promise the same place twice. The rules are
`app/policy/ranking.py`'s; why it was decided so is kept by `decision_log.py`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Sequence
from itertools import islice
from typing import Final

from app.domain.encoder import EncoderInfo, EncoderState
from app.domain.errors import NoCapacity
from app.domain.fleet import BalancerView, PlacementDecision, Role
from app.domain.ids import EncoderId, StreamId
from app.domain.ladder import FrameRate, Ladder
from app.policy import reserve
from app.policy.candidates import Obstacle, Ordered
from app.policy.default_ladder import default_ladder
from app.policy.placement import Need, Panic, Standing, judge, ladder_cost
from app.policy.ranking import Caution, Choice, Question, Ranking, Seek, answer, rank
from app.policy.reserve import Reserve
from app.policy.session_cost import SessionCosts
from app.runtime.clock import utc_now
from app.services.decision_log import DecisionLog
from app.services.fleet import Fleet
from app.services.ledger import Ledger

CANDIDATES_SHOWN: Final = 500
RETRY_AFTER_S: Final = {
    Obstacle.NO_ENCODER: 5.0,
    Obstacle.FULL: 5.0,
    Obstacle.HOT: 60.0,
    Obstacle.UNABLE: 60.0,
    Obstacle.AWAY: 5.0,
    Obstacle.NO_RESERVE: 5.0,
}
"""The earliest time at which it can be otherwise: a stream may end and an encoder may come at any moment, a hot one
cools for a minute, and what nobody can do needs another encoder."""

_REFERENCE: Final = Need(
    ladder_cost(Ladder(default_ladder(width=1920, height=1080, rate=FrameRate(30), video_bps=8_000_000))), "auto"
)


class LoadBalancer:
    """`keep_reserve`: what is done with a stream for which only one place is left. `costs`: measured by others."""

    def __init__(
        self,
        *,
        fleet: Fleet,
        ledger: Ledger,
        panic: Panic = Panic.LEAST_BAD,
        keep_reserve: Reserve = Reserve.WARN,
        costs: SessionCosts | None = None,
    ) -> None:
        self._fleet = fleet
        self._ledger = ledger
        self._panic = panic
        self._keep_reserve = keep_reserve
        self._costs = SessionCosts() if costs is None else costs
        self._log = DecisionLog()
        self.opened: Callable[[EncoderId], None] = lambda encoder_id: None
        """Told the primary of each new stream."""

    # --- who gets a stream

    def place(self, stream_id: StreamId, need: Need) -> PlacementDecision:
        """Reserve a primary and, where one is left, a backup. Raises NoCapacity with the reasons.

        The result tells no candidates: they are made for those who ask for `decisions`.
        """
        question = self._for_both(need)
        order = self._fleet.order(question.need)
        choice = answer(question, order)
        decision = self._log.keep(stream_id, question, choice, order)
        if choice.primary is None:
            raise self._nobody(choice, order)
        # First: with the promise the fleet's picture of the encoder is made anew.
        self.opened(choice.primary.encoder_id)
        self._promise(choice.primary, stream_id, Role.PRIMARY, question.need)
        if choice.backup is not None:
            self._promise(choice.backup, stream_id, Role.BACKUP, question.need)
        return decision

    def consider(self, need: Need) -> PlacementDecision:
        """What `place` would decide now, with the candidates; nothing is reserved or kept."""
        question = self._for_both(need)
        order = self._fleet.order(question.need)
        return DecisionLog.told_once(question, answer(question, order), order)

    def place_primary(self, stream_id: StreamId, need: Need, *, avoid: Sequence[EncoderId]) -> EncoderId:
        """Reserve the best encoder; what the stream itself holds counts as free. Raises NoCapacity.

        One to be avoided is taken all the same when no other has room, the first of them first: better a doubtful
        encoder than none.
        """
        question = Question(Seek.PRIMARY, self._measured(need), self._panic, tuple(avoid))
        order = self._without(stream_id, question.need)
        choice = answer(question, order)
        self._log.keep(stream_id, question, choice, order)
        if choice.primary is None:
            raise self._nobody(choice, order)
        self._promise(choice.primary, stream_id, Role.PRIMARY, question.need)
        return choice.primary.encoder_id

    def place_backup(
        self, stream_id: StreamId, need: Need, *, primary: EncoderInfo, avoid: Sequence[EncoderId]
    ) -> EncoderId:
        """Reserve a backup for `primary`. Raises NoCapacity when no second encoder has room.

        Better a doubtful one than none: of those to be avoided, the first is asked first.
        """
        self._ledger.release(stream_id, Role.BACKUP)
        question = Question(Seek.BACKUP, self._measured(need), self._panic, tuple(avoid), primary)
        order = self._fleet.order(question.need)
        choice = answer(question, order)
        if choice.backup is None:
            raise _no_capacity(choice.reasons, Obstacle.NO_RESERVE)
        self._log.keep(stream_id, question, choice, order)
        self._promise(choice.backup, stream_id, Role.BACKUP, question.need)
        return choice.backup.encoder_id

    def promote_backup(self, stream_id: StreamId, encoder_id: EncoderId, need: Need) -> None:
        """The backup's place becomes the primary's; the old primary's is free."""
        self._ledger.release_all(stream_id)
        self.adopt(stream_id, encoder_id, Role.PRIMARY, need)
        self._log.note(stream_id, need, encoder_id, f"{encoder_id} takes over: it stood ready as backup")

    def adopt(self, stream_id: StreamId, encoder_id: EncoderId, role: Role, need: Need) -> None:
        """Write down a place without asking for room: it is in use, as before control's restart, or ordered."""
        info = self._fleet.info(encoder_id)
        if info is not None:
            self._promise(info, stream_id, role, self._measured(need))
        else:
            self._ledger.promise(encoder_id, stream_id, role, need.pixels_per_s, shares=need.shares_reserve)

    def release(self, stream_id: StreamId, role: Role | None = None) -> None:
        if role is None:
            self._ledger.release_all(stream_id)
        else:
            self._ledger.release(stream_id, role)

    # --- who could have one

    def faults(
        self, encoder_id: EncoderId, stream_id: StreamId, need: Need, *, by_choice: bool = False
    ) -> tuple[str, ...]:
        """Why an encoder that holds a place for the stream should not work for it now; empty: it may.

        Its place is free for it, and one that is draining keeps what it has, unless gone to `by_choice`.
        """
        standing = self._fleet.standing(encoder_id)
        if standing is None:
            return ("not connected",)
        standing = self._less(standing, stream_id)
        if standing.state is EncoderState.DRAINING and not by_choice:
            standing = dataclasses.replace(standing, state=EncoderState.ONLINE)
        resting = () if standing.ejected is None else (standing.ejected,)
        return _texts(standing, self._measured(need)) + resting

    def faults_beside(self, encoder_id: EncoderId, need: Need) -> tuple[str, ...]:
        """Why the encoder cannot take so much beside all that it does and keeps room for; empty: it can."""
        standing = self._fleet.standing(encoder_id)
        return ("not connected",) if standing is None else _texts(standing, self._measured(need))

    def has_other(self, stream_id: StreamId, need: Need, besides: Collection[EncoderId]) -> bool:
        """Whether an encoder besides these could take the stream now and does not rest."""
        return any(
            judged.standing.ejected is None and judged.standing.info.encoder_id not in besides
            for judged in self._without(stream_id, self._measured(need)).fit()
        )

    # --- for people

    def view(self) -> BalancerView:
        standings = self._fleet.standings()
        return BalancerView(
            at=utc_now(),
            candidates=self._shown(standings).candidates(),
            reserved=tuple(self._ledger),
            decisions=self._log.last(),
            reserve=reserve.judge(map(self._account, standings), self._ledger.without_second_place()),
            costs=self._costs.learned(),
        )

    def decisions(self, stream_id: StreamId) -> tuple[PlacementDecision, ...]:
        """Newest first; old ones are forgotten."""
        return self._log.of(stream_id)

    # --- inside

    def _shown(self, standings: tuple[Standing, ...]) -> Ranking:
        fit = tuple(islice(self._fleet.order(_REFERENCE).fit(), CANDIDATES_SHOWN))
        shown = {judged.standing.info.encoder_id for judged in fit}
        unfit = (standing for standing in standings if standing.info.encoder_id not in shown)
        return Ranking(fit + rank(islice(unfit, CANDIDATES_SHOWN - len(fit)), _REFERENCE).judged, _REFERENCE)

    def _measured(self, need: Need) -> Need:
        """With what such sessions were seen to cost."""
        cores = self._costs.cores(need.shape)
        return dataclasses.replace(need, cores=cores) if cores else need

    def _for_both(self, need: Need) -> Question:
        return Question(
            Seek.BOTH, self._measured(need), self._panic, needs_two=self._keep_reserve is Reserve.REFUSE
        )

    def _promise(self, info: EncoderInfo, stream_id: StreamId, role: Role, need: Need) -> None:
        self._ledger.promise(
            info.encoder_id,
            stream_id,
            role,
            need.pixels_on(info.capabilities),
            host_id=info.host_id,
            shares=need.shares_reserve,
        )

    def _nobody(self, choice: Choice, order: Ordered) -> NoCapacity:
        if Caution.UNPROTECTED in choice.cautions:
            return _no_capacity(choice.reasons, Obstacle.NO_RESERVE)
        return _no_capacity(choice.reasons, order.obstacle())

    def _without(self, stream_id: StreamId, need: Need) -> Ordered:
        """The picture as if this stream held nothing."""
        instead: dict[EncoderId, Standing] = {}
        for role in Role:
            promise = self._ledger.of(stream_id, role)
            standing = None if promise is None else self._fleet.standing(promise.encoder_id)
            if standing is not None:
                instead[standing.info.encoder_id] = self._less(standing, stream_id)
        return self._fleet.order(need, instead)

    def _less(self, standing: Standing, stream_id: StreamId) -> Standing:
        encoder_id = standing.info.encoder_id
        if self._ledger.promised(stream_id, encoder_id)[1] == 0:
            return standing
        pixels, streams = self._ledger.totals_without(encoder_id, stream_id)
        return dataclasses.replace(standing, promised_pixels_per_s=pixels, promised_streams=streams)

    def _account(self, standing: Standing) -> reserve.Account:
        encoder_id = standing.info.encoder_id
        return reserve.Account(
            encoder_id,
            standing.info.capabilities.capacity_pixels_per_s,
            self._ledger.firm(encoder_id),
            self._ledger.if_lost(encoder_id),
            standing.state in (EncoderState.ONLINE, EncoderState.DRAINING),
        )


def _texts(standing: Standing, need: Need) -> tuple[str, ...]:
    return tuple(veto.text for veto in judge(standing, need).vetoes)


def _no_capacity(reasons: tuple[str, ...], obstacle: Obstacle) -> NoCapacity:
    return NoCapacity(
        "no encoder can take the stream: " + " | ".join(reasons),
        hint="Add an encoder or put one back, end a stream, or ask for fewer or smaller renditions.",
        retry_after_s=RETRY_AFTER_S[obstacle],
        reason=obstacle.value,
    )
