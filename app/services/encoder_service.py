"""The fleet as operators see it, and what they do with encoders."""

from __future__ import annotations

import builtins
from collections import Counter
from collections.abc import Callable
from typing import Final

import structlog

from app.domain.access import Principal
from app.domain.connection import ConnectionHealth
from app.domain.device import DeviceReading, EngineState, NewDevice
from app.domain.encoder import HARDWARE, EncoderState
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
from app.services.device_streams import DeviceStreams
from app.services.devices import Devices
from app.services.fleet import Fleet, Member
from app.services.gateways import Gateways
from app.services.ledger import Ledger
from app.services.live_streams import LiveStream, LiveStreams

log = structlog.get_logger()
ConnectionOf = Callable[[EncoderId], ConnectionHealth | None]
"""How good the connection to an encoder is; None: nobody watches it."""

_WISHES = {
    EncoderAction.START: OperatorWish.ACTIVE,
    EncoderAction.UNDRAIN: OperatorWish.ACTIVE,
    EncoderAction.DRAIN: OperatorWish.DRAINING,
    EncoderAction.STOP: OperatorWish.STOPPED,
}
UNKNOWN_OFFLINE: Final = "unknown while it is offline"


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
        devices: Devices,
        feeds: DeviceStreams,
    ) -> None:
        self._fleet = fleet
        self._ledger = ledger
        self._streams = streams
        self._gateways = gateways
        self._on_restart = on_restart
        self._devices = devices
        self._feeds = feeds
        self.connection_of: ConnectionOf = lambda encoder_id: None

    def list(self) -> tuple[EncoderView, ...]:
        members = sorted(self._fleet, key=lambda member: member.info.encoder_id)
        return tuple(self._view(member) for member in members)

    def status(self, encoder_id: EncoderId) -> EncoderView:
        return self._view(self._fleet.member(encoder_id))

    async def enter(self, new: NewDevice, who: Principal) -> EncoderView:
        """Ask a device who it is and take it into the fleet. Raises what `Devices.enter` does."""
        return self.status(await self._devices.enter(new, who))

    async def remove(self, encoder_id: EncoderId, who: Principal) -> None:
        """Raises Conflict for an encoder that comes by itself, and for a device that serves a stream."""
        member = self._fleet.member(encoder_id)
        if member.info.kind not in HARDWARE:
            raise Conflict(
                f"{encoder_id} is a {member.info.kind.value} encoder: it comes and goes by itself",
                hint="Stop its process; `drain` moves its streams away before.",
            )
        await self._devices.remove(encoder_id, who)

    def metrics(self, encoder_id: EncoderId) -> EncoderMetrics:
        view = self.status(encoder_id)
        return EncoderMetrics(
            encoder_id,
            view.state,
            view.last_seen_at,
            view.reading,
            view.score,
            view.score_reasons,
            self.connection_of(encoder_id),
        )

    def config(self, encoder_id: EncoderId) -> EncoderConfig:
        member = self._fleet.member(encoder_id)
        found: builtins.list[ConfiguredStream] = []
        for stream in self._streams:
            for role, grant in ((Role.PRIMARY, stream.active), (Role.BACKUP, stream.standby)):
                if grant is not None and grant.encoder_id == encoder_id:
                    found.append(_configured(stream, role, grant, member))
            feed = stream.record.feed
            if feed is not None and encoder_id in (feed.primary_id, feed.backup_id):
                role = Role.PRIMARY if encoder_id == feed.primary_id else Role.BACKUP
                found.append(_fed(stream, role, self._devices.reading(encoder_id)))
        return EncoderConfig(encoder_id, tuple(found))

    async def control(self, encoder_id: EncoderId, action: EncoderAction, who: Principal) -> EncoderView:
        """Raises Conflict for what this kind of encoder cannot do.

        `stop` moves its streams to others and takes no new ones until `start`; `drain` has its streams switch to
        their standbys without a stall, keeps those that have none, and takes nothing new until `undrain`;
        `restart` gives every stream of it a new worker, and has a device begin its stream anew. A device that is to
        restart its stream or itself goes off the air before, if another one can take over; else it is a Conflict.
        """
        member = self._fleet.member(encoder_id)
        is_device = member.info.kind in HARDWARE
        if action is EncoderAction.REBOOT and not is_device:
            raise Conflict(
                f"{encoder_id} is a {member.info.kind.value} encoder: control cannot reboot its machine",
                hint="`restart` starts its workers anew.",
            )
        log.info("encoder controlled", encoder_id=encoder_id, action=action.value, by=who.key_id)
        wish = _WISHES.get(action)
        if wish is not None:
            await self._fleet.wish(encoder_id, wish)
        elif is_device and action is EncoderAction.REBOOT:
            await self._feeds.reboot(encoder_id)
        elif is_device:
            await self._feeds.restart_on(encoder_id)
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
        # What it told last says nothing of one that is gone.
        is_gone = presence.state is EncoderState.OFFLINE
        health = score(measures_of(None if is_gone else member.reading))
        return EncoderView(
            info=member.info,
            state=presence.state,
            reason=presence.reason,
            arrived_at=member.arrived_at,
            last_seen_at=member.last_heard_at,
            reading=member.reading,
            score=health.overall,
            score_reasons=(UNKNOWN_OFFLINE,) if is_gone else health.reasons,
            streams_primary=self._ledger.count(encoder_id, Role.PRIMARY),
            streams_backup=self._ledger.count(encoder_id, Role.BACKUP),
            used_pixels_per_s=self._ledger.totals(encoder_id)[0],
            url=self._devices.url(encoder_id),
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


def _fed(stream: LiveStream, role: Role, reading: DeviceReading | None) -> ConfiguredStream:
    """A device's part of a stream: it publishes, and runs no worker."""
    streaming = None if reading is None else reading.streaming
    return ConfiguredStream(
        stream_id=stream.id,
        tenant=stream.record.tenant,
        role=role,
        worker_id=None,
        generation=0,
        encode=None,
        running=None if streaming is None else streaming is EngineState.RUNNING,
    )
