"""The encoders that control has met since its start: their links, readings, failures. One picture for all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import structlog

from app.domain.encoder import HARDWARE, EncoderInfo, EncoderReading, EncoderState
from app.domain.errors import NotFound, Unavailable
from app.domain.events import EncoderChanged, EncoderRead, Event
from app.domain.fleet import OperatorWish
from app.domain.ids import EncoderId, HostId, NodeId, StreamId
from app.policy import decline, ejection
from app.policy.candidates import Fleetwide, Ordered
from app.policy.decline import History
from app.policy.ejection import Conduct
from app.policy.encoder_presence import Presence, judge
from app.policy.heat import Heat
from app.policy.placement import SLOW_START_S, SLOW_START_STEPS, Need, Standing
from app.ports.encoder import EncoderDriver
from app.ports.store import Store
from app.runtime.bus import Bus
from app.runtime.clock import monotonic, utc_now
from app.services.ledger import Ledger

FORGET_S: Final = 24 * 3600.0
"""An encoder that was away this long is no part of the fleet any more."""
STANDING_S: Final = 0.25
"""How long a picture stays true by itself: silence and age are seen that much later."""
RENEWED_S: Final = 2.0
"""One that nobody told of for so long is looked at as a whole again."""
MAX_ENCODERS: Final = 10_000

log = structlog.get_logger()
_NO_FAULTS: Final = Conduct()
_NO_HISTORY: Final = History()
DriverFor = Callable[[EncoderInfo], EncoderDriver]
HeatOf = Callable[[EncoderId], Heat | None]
"""What is known of an encoder's warmth; None: nobody watches it."""
Allowance = Callable[[EncoderId], float]
"""Share of its usual weight that an encoder's temperature leaves it."""


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
    history: History = _NO_HISTORY
    was_gone: bool = False
    heartbeats: int = 0
    """Since it came."""
    if_lost: Mapping[HostId, float] = field(default_factory=dict)
    """As the ledger tells it."""
    stood_at: float = 0.0
    """When its standing was made."""


class Fleet:
    """`driver_for` gives the driver of an encoder that came over the link. Who watches the heat sets `heat_of` and
    `allowance`."""

    def __init__(self, *, driver_for: DriverFor, store: Store, ledger: Ledger, bus: Bus[Event]) -> None:
        self._driver_for = driver_for
        self._store = store
        self._ledger = ledger
        self._bus = bus
        self._members: dict[EncoderId, Member] = {}
        self._by_node: dict[NodeId, EncoderId] = {}
        self._wishes: dict[EncoderId, OperatorWish] = {}
        self._came: list[EncoderId] = []
        self._picture = Fleetwide()
        self._looked = 0.0
        self._ejected: frozenset[EncoderId] = frozenset()
        self.heat_of: HeatOf = lambda encoder_id: None
        self.allowance: Allowance = lambda encoder_id: 1.0
        ledger.changed = self._promises_changed

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

    def arrived(self, info: EncoderInfo, driver: EncoderDriver | None = None, *, link_up: bool = True) -> None:
        """An encoder said hello. One that only redialled keeps its age; one that was gone starts slowly again.

        `link_up` False: a device that the store knows, and that has not answered yet.
        """
        now = monotonic()
        known = self._members.get(info.encoder_id)
        if known is None and len(self._members) >= MAX_ENCODERS:
            log.error("fleet is full", encoder_id=info.encoder_id)
            return
        self._ledger.located(info.encoder_id, info.host_id)
        stayed = known is not None and self.presence(known, now).state is not EncoderState.OFFLINE
        member = Member(
            info=info,
            driver=driver or self._driver_for(info),
            arrived=known.arrived if known is not None and stayed else now,
            arrived_at=known.arrived_at if known is not None and stayed else utc_now(),
            last_heard=now,
            last_heard_at=utc_now(),
            wish=self._wishes.get(info.encoder_id, OperatorWish.ACTIVE),
            link_up=link_up,
            conduct=ejection.new_conduct(info.encoder_id),
            if_lost=self._ledger.if_lost(info.encoder_id),
        )
        if known is not None:
            member.told, member.conduct = known.told, known.conduct
            member.was_gone = known.was_gone if stayed else True
            if stayed:
                member.heartbeats, member.history = known.heartbeats, known.history
            # Another node of it may still be connected: what it loses is not this one's link.
            self._by_node.pop(known.info.node_id, None)
        self._members[info.encoder_id] = member
        self._by_node[info.node_id] = info.encoder_id
        self._stand(member, now)
        self._tell_change(member, now)

    def removed(self, encoder_id: EncoderId) -> None:
        """An operator took a device out."""
        member = self._members.get(encoder_id)
        if member is not None:
            self._drop(member, "taken out by an operator")

    def heard(self, encoder_id: EncoderId, reading: EncoderReading) -> None:
        member = self._members.get(encoder_id)
        if member is None:
            return
        now = monotonic()
        member.last_heard, member.last_heard_at, member.reading = now, utc_now(), reading
        member.heartbeats += 1
        member.history = decline.feed(member.history, reading, now)
        self._bus.tell(EncoderRead(encoder_id, reading, member.last_heard_at))
        # Last: whoever follows the readings knows more of the encoder now.
        self._stand(member, now)

    def link_lost(self, encoder_id: EncoderId) -> None:
        member = self._members.get(encoder_id)
        if member is not None:
            member.link_up = False
            self._stand(member, monotonic())
            self._tell_change(member, monotonic())

    def failed(self, encoder_id: EncoderId, stream_id: StreamId) -> None:
        """A worker was lost there: it counts against the encoder for a while."""
        member = self._members.get(encoder_id)
        if member is not None:
            now = monotonic()
            member.conduct = ejection.lost_worker(member.conduct, stream_id, now)
            if member.conduct.faults:
                self._judge_conduct(now)
            self._stand(member, now)

    async def wish(self, encoder_id: EncoderId, wish: OperatorWish) -> None:
        member = self.member(encoder_id)
        await self._store.put_wish(encoder_id, wish, utc_now())
        self._wishes[encoder_id] = wish
        member.wish = wish
        self._stand(member, monotonic())
        self._tell_change(member, monotonic())

    def tell_changes(self, now: float) -> tuple[EncoderId, ...]:
        """Tell every encoder whose state is another one than last told; the ones that take streams again since the
        last call."""
        self._look(now)
        for member in tuple(self._members.values()):
            self._tell_change(member, now)
        came, self._came = tuple(self._came), []
        return came

    def excuse(self, paused_s: float) -> None:
        """Control itself stood still for so long and heard nobody: that silence is not the encoders'."""
        for member in self._members.values():
            member.last_heard += paused_s

    def _tell_change(self, member: Member, now: float) -> None:
        presence = self.presence(member, now)
        if presence.state is member.told:
            return
        if presence.state is EncoderState.OFFLINE and member.wish is not OperatorWish.STOPPED:
            member.conduct = ejection.departed(member.conduct, now)
        member.told = presence.state
        self._stand(member, now)
        encoder_id = member.info.encoder_id
        log.info("encoder state", encoder_id=encoder_id, state=presence.state.value, reason=presence.reason)
        self._bus.tell(EncoderChanged(encoder_id, presence.state, utc_now(), presence.reason))
        # Again: who watches the heat knows now that it came.
        self._stand(member, now)
        if presence.state is EncoderState.ONLINE:
            self._came.append(encoder_id)

    def forget_the_gone(self, now: float) -> None:
        for encoder_id, member in tuple(self._members.items()):
            if member.info.kind in HARDWARE:
                continue  # who entered it takes it out
            if now - member.last_heard > FORGET_S and self._ledger.totals(encoder_id)[1] == 0:
                self._drop(member, "away for so long that it counts as taken out")

    def _drop(self, member: Member, reason: str) -> None:
        """What was wrong with it is over: nobody could end it any more."""
        encoder_id = member.info.encoder_id
        del self._members[encoder_id]
        self._picture.drop(encoder_id)
        if self._by_node.get(member.info.node_id) == encoder_id:
            del self._by_node[member.info.node_id]
        self._bus.tell(EncoderChanged(encoder_id, EncoderState.STOPPED, utc_now(), reason))

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

    def history(self, encoder_id: EncoderId) -> History:
        """Empty for one that was never met."""
        member = self._members.get(encoder_id)
        return _NO_HISTORY if member is None else member.history

    @staticmethod
    def presence(member: Member, now: float) -> Presence:
        return judge(
            last_heard=member.last_heard,
            link_up=member.link_up,
            wish=member.wish,
            now=now,
            is_device=member.info.kind in HARDWARE,
        )

    # --- the balancer's picture

    def order(self, need: Need, instead: Mapping[EncoderId, Standing] | None = None) -> Ordered:
        """All encoders in order of what the stream costs there; good until somebody is heard."""
        self._look_in_time(monotonic())
        return self._picture.order(need, instead)

    def standing(self, encoder_id: EncoderId) -> Standing | None:
        self._look_in_time(monotonic())
        return self._picture.standing(encoder_id)

    def standings(self) -> tuple[Standing, ...]:
        self._look_in_time(monotonic())
        return tuple(self._picture.standings())

    def _look_in_time(self, now: float) -> None:
        """Whoever watches the fleet looks more often than that."""
        if now - self._looked >= STANDING_S:
            self._look(now)

    def _look(self, now: float) -> None:
        """What changes by itself: who fell silent, who rests no more, who is here long enough."""
        self._looked = now
        self._judge_conduct(now)
        for encoder_id, member in self._members.items():
            known = self._picture.standing(encoder_id)
            if known is None or now - member.stood_at >= RENEWED_S or self._is_another(member, known, now):
                self._stand(member, now)

    def _is_another(self, member: Member, known: Standing, now: float) -> bool:
        if (known.ejected is not None) is not (member.info.encoder_id in self._ejected):
            return True
        if self.presence(member, now).state is not known.state:
            return True
        return known.here_for_s < SLOW_START_S and now - member.stood_at >= SLOW_START_S / SLOW_START_STEPS

    def _judge_conduct(self, now: float) -> None:
        """Who is ejected now. A member that changed by it is seen by the next look."""
        rests = {}
        for encoder_id, member in self._members.items():
            if ejection.judge(member.conduct, now) is not None:
                rests[encoder_id] = member.conduct.rests_until
            elif member.was_gone and ejection.rising(member.heartbeats, now - member.arrived) is not None:
                rests[encoder_id] = now
        self._ejected = ejection.within_share(rests, len(self._members))

    def _promises_changed(self, encoder_id: EncoderId) -> None:
        member = self._members.get(encoder_id)
        if member is not None:
            member.if_lost = self._ledger.if_lost(encoder_id)
            self._stand(member, monotonic())

    def _stand(self, member: Member, now: float) -> None:
        encoder_id = member.info.encoder_id
        pixels, streams = self._ledger.totals(encoder_id)
        presence = self.presence(member, now)
        member.stood_at = now
        self._picture.put(
            Standing(
                info=member.info,
                state=presence.state,
                state_reason=presence.reason,
                reading=member.reading,
                here_for_s=now - member.arrived,
                promised_pixels_per_s=pixels,
                promised_streams=streams,
                failures_lately=ejection.losses_lately(member.conduct, now),
                ejected=self._why_ejected(member, now),
                heat=self.heat_of(encoder_id),
                allowance=self.allowance(encoder_id),
                decline=decline.decline(member.history),
                if_lost=member.if_lost,
            )
        )

    def _why_ejected(self, member: Member, now: float) -> str | None:
        if member.info.encoder_id not in self._ejected:
            return None
        rests = ejection.judge(member.conduct, now)
        return rests or ejection.rising(member.heartbeats, now - member.arrived) or "rested until now"
