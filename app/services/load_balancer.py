"""Chooses encoders over one picture of the fleet and reserves them in the same breath.

No await between looking and reserving: a hundred inits at once cannot promise the same place twice.
"""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Collection, Sequence
from itertools import islice
from typing import Final

from app.domain.encoder import EncoderInfo, EncoderState
from app.domain.errors import NoCapacity
from app.domain.fleet import BalancerView, PlacementDecision, Role
from app.domain.ids import EncoderId, StreamId
from app.domain.ladder import FrameRate, Ladder
from app.policy.default_ladder import default_ladder
from app.policy.placement import Choice, Need, Panic, Ranking, Standing, choose, choose_backup, ladder_cost, rank
from app.runtime.clock import monotonic, utc_now
from app.services.fleet import Fleet
from app.services.ledger import Ledger

DECISIONS_KEPT: Final = 500
CANDIDATES_KEPT: Final = 5
"""For each kept decision: the best ones, or the first of those that were refused."""
DECISIONS_SHOWN: Final = 50
RETRY_AFTER_S: Final = 5.0
REASONS_SHOWN: Final = 5
HOT_TOO: Final = ", though it is hot: every other one is hotter or has no room"

_REFERENCE: Final = Need(
    ladder_cost(Ladder(default_ladder(width=1920, height=1080, rate=FrameRate(30), video_bps=8_000_000))), "auto"
)


class LoadBalancer:
    def __init__(self, *, fleet: Fleet, ledger: Ledger, panic: Panic = Panic.LEAST_BAD) -> None:
        self._fleet = fleet
        self._panic = panic
        self._ledger = ledger
        self._last: Ranking | None = None
        self._decisions: deque[tuple[PlacementDecision, Ranking | None]] = deque(maxlen=DECISIONS_KEPT)

    def place(self, stream_id: StreamId, need: Need) -> PlacementDecision:
        """Reserve a primary and, where one is left, a backup. Raises NoCapacity with the reasons.

        The result tells no candidates: they are made for those who ask for `decisions`.
        """
        ranking = self._last = rank(self._fleet.standings(monotonic()), need, last=self._last)
        choice = choose(ranking)
        if choice.primary is None and self._panic is Panic.LEAST_BAD:
            choice = _though_hot(choose(ranking.in_panic()))
        primary = None if choice.primary is None else choice.primary.encoder_id
        backup = None if choice.backup is None else choice.backup.encoder_id
        decision = self._decided(stream_id, need, primary, backup, choice.reasons, ranking)
        if primary is None:
            raise _no_capacity(choice.reasons)
        self._ledger.promise(primary, stream_id, Role.PRIMARY, need.pixels_per_s)
        if backup is not None:
            self._ledger.promise(backup, stream_id, Role.BACKUP, need.pixels_per_s)
        return decision

    def place_primary(self, stream_id: StreamId, need: Need, *, avoid: Sequence[EncoderId]) -> EncoderId:
        """Reserve the best encoder; what the stream itself holds counts as free. Raises NoCapacity.

        One to be avoided is taken all the same when no other has room, the first of them first: better a doubtful
        encoder than none.
        """
        ranking = rank(self._without(stream_id), need)
        fit, though = tuple(ranking.fit()), ""
        if not fit and self._panic is Panic.LEAST_BAD:
            fit, though = tuple(ranking.in_panic().fit()), HOT_TOO
        if not fit:
            reasons = ranking.refusals()
            self._decided(stream_id, need, None, None, reasons, ranking)
            raise _no_capacity(reasons)
        doubt = {encoder_id: place for place, encoder_id in enumerate(avoid)}
        info, cost = min(fit, key=lambda found: doubt.get(found[0].encoder_id, -1))
        reason = f"{info.name} takes over: the lowest cost, {cost:.1f}"
        if info.encoder_id in doubt:
            reason = f"{info.name} takes over though it failed lately: no other has room"
        reason += though
        self._decided(stream_id, need, info.encoder_id, None, (reason,), ranking)
        self._ledger.promise(info.encoder_id, stream_id, Role.PRIMARY, need.pixels_per_s)
        return info.encoder_id

    def place_backup(
        self, stream_id: StreamId, need: Need, *, primary: EncoderInfo, avoid: Sequence[EncoderId]
    ) -> EncoderId:
        """Reserve a backup for `primary`. Raises NoCapacity when no second encoder has room.

        Better a doubtful one than none: of those to be avoided, the first is asked first.
        """
        self._ledger.release(stream_id, Role.BACKUP)
        ranking = rank(self._fleet.standings(monotonic()), need)
        for relaxed in range(len(avoid) + 1):
            info, reasons = choose_backup(ranking, primary, avoid=frozenset(avoid[relaxed:]))
            if info is not None:
                break
        if info is None:
            raise _no_capacity(reasons)
        self._decided(stream_id, need, primary.encoder_id, info.encoder_id, reasons, ranking)
        self._ledger.promise(info.encoder_id, stream_id, Role.BACKUP, need.pixels_per_s)
        return info.encoder_id

    def promote_backup(self, stream_id: StreamId, encoder_id: EncoderId, need: Need) -> None:
        """The backup's place becomes the primary's; the old primary's is free."""
        self._ledger.release_all(stream_id)
        self._ledger.promise(encoder_id, stream_id, Role.PRIMARY, need.pixels_per_s)
        reason = f"{encoder_id} takes over: it stood ready as backup"
        self._decided(stream_id, need, encoder_id, None, (reason,), None)

    def adopt(self, stream_id: StreamId, encoder_id: EncoderId, role: Role, need: Need) -> None:
        """Write down a place that was given before control's restart, room or not: it is in use."""
        self._ledger.promise(encoder_id, stream_id, role, need.pixels_per_s)

    def release(self, stream_id: StreamId, role: Role | None = None) -> None:
        if role is None:
            self._ledger.release_all(stream_id)
        else:
            self._ledger.release(stream_id, role)

    def faults(
        self, encoder_id: EncoderId, stream_id: StreamId, need: Need, *, by_choice: bool = False
    ) -> tuple[str, ...]:
        """Why an encoder that holds a place for the stream should not work for it now; empty: it may.

        Its place is free for it, and one that is draining keeps what it has, unless gone to `by_choice`.
        """
        standing = next((s for s in self._without(stream_id) if s.info.encoder_id == encoder_id), None)
        if standing is None:
            return ("not connected",)
        if standing.state is EncoderState.DRAINING and not by_choice:
            standing = dataclasses.replace(standing, state=EncoderState.ONLINE)
        resting = () if standing.ejected is None else (standing.ejected,)
        return rank((standing,), need).judged[0].vetoes + resting

    def faults_beside(self, encoder_id: EncoderId, need: Need) -> tuple[str, ...]:
        """Why the encoder cannot take so much beside all that it does and keeps room for; empty: it can."""
        standing = next((s for s in self._fleet.standings(monotonic()) if s.info.encoder_id == encoder_id), None)
        return ("not connected",) if standing is None else rank((standing,), need).judged[0].vetoes

    def has_other(self, stream_id: StreamId, need: Need, besides: Collection[EncoderId]) -> bool:
        """Whether an encoder besides these could take the stream now and does not rest."""
        fit = {info.encoder_id for info, _ in rank(self._without(stream_id), need).fit()}
        resting = {s.info.encoder_id for s in self._fleet.standings(monotonic()) if s.ejected is not None}
        return bool(fit - resting - set(besides))

    def view(self) -> BalancerView:
        return BalancerView(
            at=utc_now(),
            candidates=rank(self._fleet.standings(monotonic()), _REFERENCE).candidates(),
            reserved=tuple(self._ledger),
            decisions=tuple(_told(*kept) for kept in islice(reversed(self._decisions), DECISIONS_SHOWN)),
        )

    def decisions(self, stream_id: StreamId) -> tuple[PlacementDecision, ...]:
        """Newest first; old ones are forgotten."""
        return tuple(_told(*kept) for kept in reversed(self._decisions) if kept[0].stream_id == stream_id)

    def _without(self, stream_id: StreamId) -> tuple[Standing, ...]:
        """The picture as if this stream held nothing."""
        return tuple(self._less(standing, stream_id) for standing in self._fleet.standings(monotonic()))

    def _less(self, standing: Standing, stream_id: StreamId) -> Standing:
        pixels, streams = self._ledger.promised(stream_id, standing.info.encoder_id)
        if streams == 0:
            return standing
        return dataclasses.replace(
            standing,
            promised_pixels_per_s=standing.promised_pixels_per_s - pixels,
            promised_streams=standing.promised_streams - streams,
        )

    def _decided(
        self,
        stream_id: StreamId,
        need: Need,
        primary: EncoderId | None,
        backup: EncoderId | None,
        reasons: tuple[str, ...],
        ranking: Ranking | None,
    ) -> PlacementDecision:
        decision = PlacementDecision(
            stream_id=stream_id,
            at=utc_now(),
            pixels_per_s=need.pixels_per_s,
            primary_id=primary,
            backup_id=backup,
            reasons=reasons[:REASONS_SHOWN],
            candidates=(),
        )
        self._decisions.append((decision, None if ranking is None else ranking.first(CANDIDATES_KEPT)))
        return decision


def _though_hot(choice: Choice) -> Choice:
    reasons = (choice.reasons[0] + HOT_TOO, *choice.reasons[1:]) if choice.primary is not None else choice.reasons
    return dataclasses.replace(choice, reasons=reasons)


def _told(decision: PlacementDecision, ranking: Ranking | None) -> PlacementDecision:
    """The kept decision with its candidates, which nobody asks for at most decisions."""
    return decision if ranking is None else dataclasses.replace(decision, candidates=ranking.candidates())


def _no_capacity(reasons: tuple[str, ...]) -> NoCapacity:
    more = f" (and {len(reasons) - REASONS_SHOWN} more)" if len(reasons) > REASONS_SHOWN else ""
    return NoCapacity(
        "no encoder can take the stream: " + " | ".join(reasons[:REASONS_SHOWN]) + more,
        hint="Add an encoder or put one back, end a stream, or ask for fewer or smaller renditions.",
        retry_after_s=RETRY_AFTER_S,
    )
