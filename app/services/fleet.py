"""The encoders that control has met since its start: their links, readings, failures. One picture for all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import structlog

from app.domain.encoder import EncoderInfo, EncoderReading, EncoderState
from app.domain.errors import NotFound, Unavailable
from app.domain.events import EncoderChanged, EncoderRead, Event
from app.domain.fleet import OperatorWish
from app.domain.ids import EncoderId, NodeId, StreamId
from app.policy import ejection
from app.policy.ejection import Conduct
from app.policy.encoder_presence import Presence, judge
from app.policy.placement import Standing
from app.ports.encoder import EncoderDriver
from app.ports.store import Store
from app.runtime.bus import Bus
from app.runtime.clock import monotonic, utc_now
from app.services.ledger import Ledger

FORGET_S: Final = 24 * 3600.0
"""An encoder that was away this long is no part of the fleet any more."""
STANDING_S: Final = 0.25
"""How long a picture stays true by itself: silence and age are seen that much later."""
MAX_ENCODERS: Final = 2_000

log = structlog.get_logger()
_NO_FAULTS: Final = Conduct()
DriverFor = Callable[[EncoderInfo], EncoderDriver]


@dataclass(slots=True)
class Member:
    info: EncoderInfo
    driver: EncoderDriver
    arrived: float
    arrived_at: datetime
    last_heard: float
    last_heard_at: datetime
    wish: OperatorWish
    link_up: bool = True
    reading: EncoderReading | None = None
    told: EncoderState | None = None
    conduct: Conduct = _NO_FAULTS
    standing: Standing | None = None
    standing_until: float = 0.0


class Fleet:
    """`driver_for` gives the driver of an encoder that came over the link."""

    def __init__(self, *, driver_for: DriverFor, store: Store, ledger: Ledger, bus: Bus[Event]) -> None:
        self._driver_for = driver_for
        self._store = store
        self._ledger = ledger
        self._bus = bus
        self._members: dict[EncoderId, Member] = {}
        self._by_node: dict[NodeId, EncoderId] = {}
        self._wishes: dict[EncoderId, OperatorWish] = {}
        self._came: list[EncoderId] = []

    async def load(self) -> None:
        self._wishes = await self._store.wishes()

    def __iter__(self) -> Iterator[Member]:
        return iter(tuple(self._members.values()))

    # --- what comes in

    def refusal(self, info: EncoderInfo) -> str | None:
        """Why the encoder may not come: another machine is here under its id, and each would drive the other out.

        Who moves an encoder to another machine is let in as soon as the old one is gone.
        """
        known = self._members.get(info.encoder_id)
        if known is None or known.info.host_id == info.host_id:
            return None
        if self.presence(known, monotonic()).state is EncoderState.OFFLINE:
            return None
        return f"encoder_id {info.encoder_id} is in use on another machine; set one of its own here"

    def arrived(self, info: EncoderInfo, driver: EncoderDriver | None = None) -> None:
        """An encoder said hello. One that only redialled keeps its age; one that was gone starts slowly again."""
        now = monotonic()
        known = self._members.get(info.encoder_id)
        if known is None and len(self._members) >= MAX_ENCODERS:
            log.error("fleet is full", encoder_id=info.encoder_id)
            return
        stayed = known is not None and self.presence(known, now).state is not EncoderState.OFFLINE
        member = Member(
            info=info,
            driver=driver or self._driver_for(info),
            arrived=known.arrived if known is not None and stayed else now,
            arrived_at=known.arrived_at if known is not None and stayed else utc_now(),
            last_heard=now,
            last_heard_at=utc_now(),
            wish=self._wishes.get(info.encoder_id, OperatorWish.ACTIVE),
        )
        if known is not None:
            member.told, member.conduct = known.told, known.conduct
            # Another node of it may still be connected: what it loses is not this one's link.
            self._by_node.pop(known.info.node_id, None)
        self._members[info.encoder_id] = member
        self._by_node[info.node_id] = info.encoder_id
        self._tell_changes(now)

    def heard(self, encoder_id: EncoderId, reading: EncoderReading) -> None:
        member = self._members.get(encoder_id)
        if member is None:
            return
        member.last_heard, member.last_heard_at, member.reading = monotonic(), utc_now(), reading
        member.standing = None
        self._bus.tell(EncoderRead(encoder_id, reading, member.last_heard_at))

    def link_lost(self, encoder_id: EncoderId) -> None:
        member = self._members.get(encoder_id)
        if member is not None:
            member.link_up = False
            member.standing = None
            self._tell_changes(monotonic())

    def failed(self, encoder_id: EncoderId, stream_id: StreamId) -> None:
        """A worker was lost there: it counts against the encoder for a while."""
        member = self._members.get(encoder_id)
        if member is not None:
            member.conduct = ejection.lost_worker(member.conduct, stream_id, monotonic())
            member.standing = None

    async def wish(self, encoder_id: EncoderId, wish: OperatorWish) -> None:
        member = self.member(encoder_id)
        await self._store.put_wish(encoder_id, wish, utc_now())
        self._wishes[encoder_id] = wish
        member.wish = wish
        member.standing = None
        self._tell_changes(monotonic())

    def tell_changes(self, now: float) -> tuple[EncoderId, ...]:
        """Tell every encoder whose state is another one than last told; the ones that take streams again since the
        last call."""
        self._tell_changes(now)
        came, self._came = tuple(self._came), []
        return came

    def excuse(self, paused_s: float) -> None:
        """Control itself stood still for so long and heard nobody: that silence is not the encoders'."""
        for member in self._members.values():
            member.last_heard += paused_s
            member.standing = None

    def _tell_changes(self, now: float) -> None:
        for member in self._members.values():
            presence = self.presence(member, now)
            if presence.state is member.told:
                continue
            if presence.state is EncoderState.OFFLINE and member.wish is not OperatorWish.STOPPED:
                member.conduct = ejection.departed(member.conduct, now)
            member.told = presence.state
            member.standing = None
            encoder_id = member.info.encoder_id
            log.info("encoder state", encoder_id=encoder_id, state=presence.state.value, reason=presence.reason)
            self._bus.tell(EncoderChanged(encoder_id, presence.state, utc_now(), presence.reason))
            if presence.state is EncoderState.ONLINE:
                self._came.append(encoder_id)

    def forget_the_gone(self, now: float) -> None:
        for encoder_id, member in tuple(self._members.items()):
            if now - member.last_heard > FORGET_S and self._ledger.totals(encoder_id)[1] == 0:
                del self._members[encoder_id]
                if self._by_node.get(member.info.node_id) == encoder_id:
                    del self._by_node[member.info.node_id]

    # --- what is asked

    def at_node(self, node_id: str) -> EncoderId | None:
        return self._by_node.get(NodeId(node_id))

    def member(self, encoder_id: EncoderId) -> Member:
        """Raises NotFound."""
        member = self._members.get(encoder_id)
        if member is None:
            raise NotFound(f"no encoder {encoder_id} has connected", hint="GET /api/encoders lists them.")
        return member

    def driver(self, encoder_id: EncoderId) -> EncoderDriver:
        """Raises Unavailable: who sends an order needs an encoder that is there."""
        member = self._members.get(encoder_id)
        if member is None:
            raise Unavailable(f"encoder {encoder_id} is not connected")
        return member.driver

    def state(self, encoder_id: EncoderId, now: float) -> Presence | None:
        """None: not met since control's start."""
        member = self._members.get(encoder_id)
        return None if member is None else self.presence(member, now)

    def info(self, encoder_id: EncoderId) -> EncoderInfo | None:
        member = self._members.get(encoder_id)
        return None if member is None else member.info

    def reading(self, encoder_id: EncoderId) -> EncoderReading | None:
        member = self._members.get(encoder_id)
        return None if member is None else member.reading

    @staticmethod
    def presence(member: Member, now: float) -> Presence:
        return judge(last_heard=member.last_heard, link_up=member.link_up, wish=member.wish, now=now)

    def standings(self, now: float) -> tuple[Standing, ...]:
        """The balancer's picture. What did not change since the last look is the same object again."""
        return tuple(self._standing(member, now) for member in self._members.values())

    def _standing(self, member: Member, now: float) -> Standing:
        pixels, streams = self._ledger.totals(member.info.encoder_id)
        known = member.standing
        if (
            known is not None
            and now < member.standing_until
            and known.promised_pixels_per_s == pixels
            and known.promised_streams == streams
        ):
            return known
        presence = self.presence(member, now)
        member.standing_until = now + STANDING_S
        member.standing = Standing(
            info=member.info,
            state=presence.state,
            state_reason=presence.reason,
            reading=member.reading,
            here_for_s=now - member.arrived,
            promised_pixels_per_s=pixels,
            promised_streams=streams,
            failures_lately=ejection.losses_lately(member.conduct, now),
            ejected=ejection.judge(member.conduct, now),
        )
        return member.standing
