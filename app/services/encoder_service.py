"""The fleet as operators see it, and what they do with encoders."""

from __future__ import annotations

import builtins
from collections import Counter
from collections.abc import Callable

import structlog

from app.domain.access import Principal
from app.domain.encoder import EncoderKind, EncoderState
from app.domain.errors import Conflict
from app.domain.fleet import (
    ConfiguredStream,
    EncoderAction,
    EncoderConfig,
    EncoderMetrics,
    EncoderView,
    FleetSummary,
    OperatorWish,
    Role,
)
from app.domain.ids import EncoderId
from app.domain.stream import WorkerGrant
from app.policy.health_score import measures_of, score
from app.runtime.clock import monotonic
from app.services.fleet import Fleet, Member
from app.services.gateways import Gateways
from app.services.ledger import Ledger
from app.services.live_streams import LiveStream, LiveStreams

log = structlog.get_logger()

_WISHES = {
    EncoderAction.START: OperatorWish.ACTIVE,
    EncoderAction.UNDRAIN: OperatorWish.ACTIVE,
    EncoderAction.DRAIN: OperatorWish.DRAINING,
    EncoderAction.STOP: OperatorWish.STOPPED,
}


class EncoderService:
    """Raises NotFound for an unknown encoder. `on_restart` is told which encoder's workers are to start anew."""

    def __init__(
        self,
        *,
        fleet: Fleet,
        ledger: Ledger,
        streams: LiveStreams,
        gateways: Gateways,
        on_restart: Callable[[EncoderId], None],
    ) -> None:
        self._fleet = fleet
        self._ledger = ledger
        self._streams = streams
        self._gateways = gateways
        self._on_restart = on_restart

    def list(self) -> tuple[EncoderView, ...]:
        members = sorted(self._fleet, key=lambda member: member.info.encoder_id)
        return tuple(self._view(member) for member in members)

    def status(self, encoder_id: EncoderId) -> EncoderView:
        return self._view(self._fleet.member(encoder_id))

    def metrics(self, encoder_id: EncoderId) -> EncoderMetrics:
        view = self.status(encoder_id)
        return EncoderMetrics(
            encoder_id, view.state, view.last_seen_at, view.reading, view.score, view.score_reasons
        )

    def config(self, encoder_id: EncoderId) -> EncoderConfig:
        member = self._fleet.member(encoder_id)
        found: builtins.list[ConfiguredStream] = []
        for stream in self._streams:
            for role, grant in ((Role.PRIMARY, stream.active), (Role.BACKUP, stream.standby)):
                if grant is not None and grant.encoder_id == encoder_id:
                    found.append(_configured(stream, role, grant, member))
        return EncoderConfig(encoder_id, tuple(found))

    async def control(self, encoder_id: EncoderId, action: EncoderAction, who: Principal) -> EncoderView:
        """Raises Conflict for what this kind of encoder cannot do.

        `stop` moves its streams to others and takes no new ones until `start`; `drain` has its streams switch to
        their standbys without a stall, keeps those that have none, and takes nothing new until `undrain`;
        `restart` gives every stream of it a new worker.
        """
        member = self._fleet.member(encoder_id)
        if action is EncoderAction.REBOOT and member.info.kind is not EncoderKind.AJA_HELO:
            raise Conflict(
                f"{encoder_id} is a {member.info.kind.value} encoder: control cannot reboot its machine",
                hint="`restart` starts its workers anew.",
            )
        log.info("encoder controlled", encoder_id=encoder_id, action=action.value, by=who.key_id)
        wish = _WISHES.get(action)
        if wish is not None:
            await self._fleet.wish(encoder_id, wish)
        else:
            self._on_restart(encoder_id)
        return self.status(encoder_id)

    def system(self) -> FleetSummary:
        views = self.list()
        counted = Counter(view.state for view in views)
        online = [view for view in views if view.state is EncoderState.ONLINE]
        return FleetSummary(
            total=len(views),
            by_state=tuple((state, counted[state]) for state in EncoderState),
            capacity_pixels_per_s=sum(view.info.capabilities.capacity_pixels_per_s for view in online),
            used_pixels_per_s=sum(view.used_pixels_per_s for view in views),
            gateways_connected=len(self._gateways.connected()),
        )

    def _view(self, member: Member) -> EncoderView:
        encoder_id = member.info.encoder_id
        presence = self._fleet.presence(member, monotonic())
        health = score(measures_of(member.reading))
        return EncoderView(
            info=member.info,
            state=presence.state,
            reason=presence.reason,
            arrived_at=member.arrived_at,
            last_seen_at=member.last_heard_at,
            reading=member.reading,
            score=health.overall,
            score_reasons=health.reasons,
            streams_primary=self._ledger.count(encoder_id, Role.PRIMARY),
            streams_backup=self._ledger.count(encoder_id, Role.BACKUP),
            used_pixels_per_s=self._ledger.totals(encoder_id)[0],
        )


def _configured(stream: LiveStream, role: Role, grant: WorkerGrant, member: Member) -> ConfiguredStream:
    workers = None if member.reading is None else {worker.worker_id for worker in member.reading.workers}
    return ConfiguredStream(
        stream_id=stream.id,
        tenant=stream.record.tenant,
        role=role,
        worker_id=grant.worker_id,
        generation=grant.generation,
        encode=stream.record.encode,
        running=None if workers is None else grant.worker_id in workers,
    )
