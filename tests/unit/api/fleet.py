"""Services in memory for tests of the doors: real nouns, no store, no link."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from app.domain.access import ApiKey, Principal, Scope
from app.domain.connection import ConnectionHealth, Pattern, Prediction
from app.domain.device import NewDevice
from app.domain.drill import DrillKind
from app.domain.encoder import (
    Capabilities,
    CodecProbe,
    EncoderInfo,
    EncoderKind,
    EncoderReading,
    EncoderState,
    WorkerReading,
)
from app.domain.errors import Conflict, NotAuthenticated, NotFound
from app.domain.failover import DecidedBy, SwitchKind, SwitchReport, TrackSplice
from app.domain.fleet import (
    BalancerView,
    Candidate,
    ConfiguredStream,
    EncoderAction,
    EncoderConfig,
    EncoderMetrics,
    EncoderView,
    FleetSummary,
    PlacementDecision,
    ReserveView,
    Role,
    ScorePart,
)
from app.domain.ids import (
    DestinationId,
    EncoderId,
    GatewayId,
    HostId,
    KeyId,
    NodeId,
    PlaybackId,
    StreamId,
    WorkerId,
)
from app.domain.ladder import FrameRate, Ladder, Rendition
from app.domain.note import Note
from app.domain.secret import Secret
from app.domain.session import (
    Advice,
    ChangeOutcome,
    EncoderChoice,
    OpenedStream,
    Playback,
    StandbyHealth,
    StandbyState,
    StreamChange,
    StreamHealth,
    StreamRecord,
    StreamRequest,
)
from app.domain.stream import Destination, EncodeSettings, StandbyGrade, StreamState, Timing
from app.services.drill import DrillService
from app.services.encoder_service import EncoderService
from app.services.key_service import KeyService
from app.services.load_balancer import LoadBalancer
from app.services.stream_service import StreamService

T0 = datetime(2026, 11, 20, 12, tzinfo=UTC)
BACKUP_KEY = "sk_CANARY_backup_0123456789abcdef01234567"
STREAM_KEY = "sk_CANARY_0123456789abcdef0123456789abcdef"
DESTINATION_KEY = "CANARY_destination_key"
ENCODER = EncoderId("enc_a")
CONNECTION = ConnectionHealth(
    score=88.0,
    is_up=True,
    up_share=0.99,
    drops_lately=1,
    usual_gap_s=1.0,
    patterns=(Pattern("periodic_drops", "drops each 5.0 min", 300.0),),
    prediction=Prediction(0.8, 120.0),
    reasons=("dropped 1 time(s) within the last hour",),
)


class Keys(KeyService):
    def __init__(self) -> None:
        self.keys: dict[str, tuple[Principal, datetime, bool]] = {}
        self._numbers = itertools.count(1)

    def give(self, text: str, *scopes: Scope, tenant: str = "acme", expired: bool = False) -> str:
        principal = Principal(KeyId(f"key_{next(self._numbers)}"), tenant, frozenset(scopes))
        self.keys[text] = (principal, T0, expired)
        return text

    async def authenticate(self, text: str) -> Principal:
        found = self.keys.get(text)
        if found is None or found[2]:
            raise NotAuthenticated("this is no valid API key")
        return found[0]

    async def create(
        self, *, name: str, tenant: str, scopes: frozenset[Scope], lifetime_s: int
    ) -> tuple[ApiKey, Secret]:
        text = f"emk_live_{next(self._numbers)}"
        self.give(text, *scopes, tenant=tenant)
        principal = self.keys[text][0]
        key = ApiKey(
            principal.key_id, name, tenant, scopes, "digest", text[-4:], T0, T0 + timedelta(seconds=lifetime_s)
        )
        return key, Secret(text)

    async def revoke(self, key_id: KeyId) -> None:
        for text, (principal, made, _) in self.keys.items():
            if principal.key_id == key_id:
                self.keys[text] = (principal, made, True)
                return
        raise NotFound("no such key")

    async def list(self) -> tuple[ApiKey, ...]:
        return tuple(
            ApiKey(p.key_id, "k", p.tenant, p.scopes, "digest", text[-4:], made, made)
            for text, (p, made, _) in self.keys.items()
        )

    async def ensure_bootstrap(self, secret: Secret) -> None:
        self.give(secret.reveal(), Scope.ADMIN)


class Streams(StreamService):
    def __init__(self) -> None:
        self.records: dict[StreamId, StreamRecord] = {}
        self.opened = 0
        self.changes: list[StreamChange] = []
        self.reports: list[SwitchReport] = []

    async def open(self, request: StreamRequest, owner: Principal) -> OpenedStream:
        self.opened += 1
        record = stream_record(StreamId(f"str_{self.opened}"), owner.tenant, request)
        self.records[record.stream_id] = record
        choice = EncoderChoice(ENCODER, "A", EncoderKind.SOFTWARE, ("least loaded",))
        return OpenedStream(
            record,
            Secret(STREAM_KEY),
            "rtmp://127.0.0.1:1935/live",
            None,
            choice,
            None,
            playback_of(record),
            Advice(warnings=("no backup stands ready",), recommendations=("add an encoder",)),
            Secret(BACKUP_KEY) if request.backup_input else None,
        )

    def consider(self, request: StreamRequest) -> PlacementDecision:
        return decision(None)

    def _own(self, stream_id: StreamId, who: Principal) -> StreamRecord:
        record = self.records.get(stream_id)
        if record is None or (record.tenant != who.tenant and not who.may(Scope.ADMIN)):
            raise NotFound("no such stream")
        return record

    async def health(self, stream_id: StreamId, who: Principal) -> StreamHealth:
        return health_of(self._own(stream_id, who))

    def all_health(self, who: Principal) -> tuple[StreamHealth, ...]:
        return tuple(health_of(r) for r in self.records.values() if r.tenant == who.tenant or who.may(Scope.ADMIN))

    async def get(self, stream_id: StreamId, who: Principal) -> StreamRecord:
        return self._own(stream_id, who)

    async def list(self, who: Principal) -> tuple[StreamRecord, ...]:
        return tuple(r for r in self.records.values() if r.tenant == who.tenant or who.may(Scope.ADMIN))

    def places(self, record: StreamRecord) -> tuple[str, Playback]:
        return "rtmp://127.0.0.1:1935/live", playback_of(record)

    async def change(self, stream_id: StreamId, change: StreamChange, who: Principal) -> ChangeOutcome:
        self.changes.append(change)
        record = replace(self._own(stream_id, who), record=bool(change.record), revision=2)
        self.records[stream_id] = record
        return ChangeOutcome(record, "in_place")

    async def end(self, stream_id: StreamId, who: Principal, reason: str = "ended by request") -> None:
        self._own(stream_id, who)
        del self.records[stream_id]

    async def events(self, stream_id: StreamId, who: Principal) -> tuple[Note, ...]:
        record = self._own(stream_id, who)
        return (Note(record.created_at, stream_id, "stream opened", ""),)

    async def failovers(self, stream_id: StreamId, who: Principal, limit: int = 100) -> tuple[SwitchReport, ...]:
        self._own(stream_id, who)
        return tuple(report for report in reversed(self.reports) if report.stream_id == stream_id)[:limit]

    def placement(self, stream_id: StreamId, who: Principal) -> tuple[PlacementDecision, ...]:
        self._own(stream_id, who)
        return (decision(stream_id),)


class Drills(DrillService):
    """Every drill of a stream is reported with the next generation, but one that is refused."""

    def __init__(self, streams: Streams) -> None:
        self._streams = streams
        self.asked: list[tuple[StreamId, DrillKind, int]] = []

    async def drill(
        self, stream_id: StreamId, kind: DrillKind, count: int, who: Principal
    ) -> tuple[SwitchReport, ...]:
        await self._streams.get(stream_id, who)
        self.asked.append((stream_id, kind, count))
        made = tuple(report_of(stream_id, len(self._streams.reports) + 2 + number) for number in range(count))
        self._streams.reports.extend(made)
        return made


def report_of(stream_id: StreamId, generation: int, *, missing: int | None = 0) -> SwitchReport:
    return SwitchReport(
        stream_id=stream_id,
        generation=generation,
        from_generation=generation - 1,
        from_worker_id=WorkerId("wrk_a"),
        to_worker_id=WorkerId("wrk_b"),
        from_encoder_id=ENCODER,
        to_encoder_id=EncoderId("enc_b"),
        kind=SwitchKind.REFLEX,
        grade=StandbyGrade.WARM,
        cause="connection closed",
        evidence="reset by the worker",
        decided_by=DecidedBy.GATEWAY,
        at=T0 + timedelta(seconds=generation),
        proved=True,
        detected_ms=12.0,
        decided_ms=12.5,
        first_frame_ms=180.0,
        stall_ms=190.0,
        catch_up_ms=400.0,
        tracks=(TrackSplice("720p", 1000, 1033, missing, 0), TrackSplice("audio", 1000, 1021, 0, 0)),
    )


class Encoders(EncoderService):
    def __init__(self, streams: Streams) -> None:
        self._streams = streams
        self.actions: list[EncoderAction] = []
        self.entered: list[NewDevice] = []
        self.removed: list[EncoderId] = []

    def list(self) -> tuple[EncoderView, ...]:
        return (self.status(ENCODER),)

    def status(self, encoder_id: EncoderId) -> EncoderView:
        if encoder_id != ENCODER:
            raise NotFound("no such encoder")
        probes = (CodecProbe("libx264", True), CodecProbe("h264_nvenc", False, "no device"))
        able = Capabilities("cpu", 8, 16 << 30, (), probes, 4, 2e8, "ffmpeg-8")
        info = EncoderInfo(ENCODER, NodeId("node_a"), HostId("host_a"), EncoderKind.SOFTWARE, "A", able)
        return EncoderView(info, EncoderState.ONLINE, None, T0, T0, self.reading(), 96.0, (), 1, 0, 1e8)

    def reading(self) -> EncoderReading:
        workers = tuple(
            WorkerReading(WorkerId(f"wrk_{i}"), stream_id, 1, 55.0)
            for i, stream_id in enumerate(self._streams.records)
        )
        return EncoderReading(cpu_percent=41.5, memory_percent=30.0, workers=workers)

    def metrics(self, encoder_id: EncoderId) -> EncoderMetrics:
        view = self.status(encoder_id)
        return EncoderMetrics(encoder_id, view.state, T0, view.reading, view.score, (), CONNECTION)

    def config(self, encoder_id: EncoderId) -> EncoderConfig:
        self.status(encoder_id)
        return EncoderConfig(
            encoder_id,
            tuple(
                ConfiguredStream(r.stream_id, r.tenant, Role.PRIMARY, WorkerId("wrk_0"), 1, r.encode, True)
                for r in self._streams.records.values()
            ),
        )

    async def control(self, encoder_id: EncoderId, action: EncoderAction, who: Principal) -> EncoderView:
        view = self.status(encoder_id)
        if action is EncoderAction.REBOOT:
            raise Conflict("a software encoder cannot reboot its machine")
        self.actions.append(action)
        return view

    async def enter(self, new: NewDevice, who: Principal) -> EncoderView:
        self.entered.append(new)
        return self.status(ENCODER)

    async def remove(self, encoder_id: EncoderId, who: Principal) -> None:
        self.status(encoder_id)
        self.removed.append(encoder_id)

    def system(self) -> FleetSummary:
        return FleetSummary(1, ((EncoderState.ONLINE, 1),), 2e8, 1e8, 1)


class Balancer(LoadBalancer):
    def __init__(self, streams: Streams) -> None:
        self._streams = streams

    def view(self) -> BalancerView:
        ids = tuple(self._streams.records)
        return BalancerView(
            T0,
            decision(None).candidates,
            tuple((ENCODER, stream_id, Role.PRIMARY, 1e8) for stream_id in ids),
            tuple(decision(stream_id) for stream_id in ids),
            ReserveView(True, None, 0.0, (), 0),
            (),
        )


def decision(stream_id: StreamId | None) -> PlacementDecision:
    candidate = Candidate(ENCODER, "A", 12.5, (ScorePart("load", 0.4, 12.5), ScorePart("heat", None, 0.0)), ())
    return PlacementDecision(stream_id, T0, 1e8, ENCODER, None, ("least loaded",), (candidate,))


def stream_record(stream_id: StreamId, tenant: str, request: StreamRequest) -> StreamRecord:
    rendition = Rendition(f"{request.height}p", request.width, request.height, FrameRate(30), request.bitrate_bps)
    ladder = Ladder((rendition,))
    url = f"rtmp://a.example/app/{DESTINATION_KEY}"
    return StreamRecord(
        stream_id=stream_id,
        playback_id=PlaybackId("play_1"),
        tenant=tenant,
        name=request.name,
        mode=request.mode,
        state=StreamState.WAITING,
        gateway_id=GatewayId("gw"),
        key_sha256="00" * 32,
        key_last4=STREAM_KEY[-4:],
        key_expires_at=T0 + timedelta(days=1),
        ladder=ladder,
        encode=EncodeSettings(ladder, 2000),
        timing=Timing(),
        destinations=(Destination(DestinationId("dst_1"), Secret(url)),),
        record=request.record,
        hls=request.hls,
        region=request.region,
        standby=request.standby,
        backup_key_sha256="11" * 32 if request.backup_input else None,
        slate=request.slate,
        content_checks=request.content_checks,
        auto_quality=request.auto_quality,
        primary_id=ENCODER,
        backup_id=None,
        generation=1,
        revision=1,
        created_at=T0,
    )


def health_of(record: StreamRecord, cpu: float | None = 55.0) -> StreamHealth:
    return StreamHealth(
        stream_id=record.stream_id,
        state=record.state,
        at=T0,
        score=90.0,
        reasons=(),
        protected=False,
        standby=StandbyHealth(record.standby, StandbyState.SOUGHT),
        last_drill=record.last_drill,
        primary_id=ENCODER,
        backup_id=None,
        generation=1,
        cpu_usage=cpu,
        dropped_frames=0,
        bitrate=5_000_000.0,
        source=None,
        channel=None,
    )


def playback_of(record: StreamRecord) -> Playback:
    base = "http://127.0.0.1:8081"
    return Playback(f"{base}/hls/{record.playback_id}/index.m3u8", f"{base}/flv/{record.playback_id}.flv", None)
