"""The streams that run now: one room each, kept in memory and written behind to the store.

The store is the truth after a restart; while control runs, this is. Every change of a stream's plan is made by
somebody who holds the stream's lock, and raises its revision.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final, TypeAlias

import structlog

from app.domain.access import Principal, Scope
from app.domain.errors import Conflict, NotFound, Unavailable
from app.domain.events import Event, StreamChanged
from app.domain.ids import EncoderId, GatewayId, StreamId
from app.domain.ladder import Ladder
from app.domain.note import Note
from app.domain.session import StreamRecord
from app.domain.stream import EncodeSettings, StandbyGrade, StreamMode, StreamState, WorkerGrant, WorkerOrder
from app.policy.content_evidence import ContentEvidence
from app.policy.failover import FailoverMachine
from app.policy.failover_states import Cover
from app.policy.health_verdict import Watched
from app.policy.placement import Need, ladder_cost
from app.policy.quality_ladder import Quality
from app.policy.recent_drops import RecentDrops
from app.policy.session_cost import shape_of
from app.policy.slow_evidence import Since
from app.policy.stream_life import Life
from app.ports.store import Store
from app.runtime.bus import Bus
from app.runtime.clock import monotonic, utc_now
from app.services.observation import Observation

STORE_WAIT_S: Final = 0.5
"""How long a failover waits for the store before it goes on without it."""
SAVE_RETRY_S: Final = 1.0
AVOID_S: Final = 60.0
"""An encoder that failed this stream is not asked again so soon, while there is another."""

IDLE_GRADES: Final = frozenset({StandbyGrade.COLD, StandbyGrade.WARM})
"""Their backup uses nothing of its encoder until it is needed."""

Standing: TypeAlias = "tuple[StreamState, str | None, Cover, WorkerGrant | None, WorkerGrant | None]"
"""State, why there is no encoder, whether a backup stands ready, active and standby."""

log = structlog.get_logger()


@dataclass(slots=True)
class LiveStream:
    """`backup_order` holds the standby's token, which is never stored: after a restart one that does not run yet
    is of no use."""

    record: StreamRecord
    machine: FailoverMachine
    backup_order: WorkerOrder | None = None
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    editing: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held by a change of the stream from its beginning to its end, which may wait for workers."""
    seen: Observation = field(default_factory=Observation)
    restarts: int = 0
    without_encoder: str | None = None
    since: float = field(default_factory=monotonic)
    """When control took it up: opened, or loaded after a restart."""
    taken_up_at: datetime = field(default_factory=utc_now)
    """The same, by the wall clock."""
    moved_at: float = field(default_factory=monotonic)
    """When the present worker was started."""
    standby_since: float = field(default_factory=monotonic)
    """When the present standby was started."""
    better_standby_asked_at: float | None = None
    """When another encoder was looked for in place of the standby's, which is too hot."""
    moved_to: int = 0
    """Generation of the worker that took over last; a plan may name a later one that could not be started."""
    since_slow: Since = field(default_factory=Since)
    """Since when there is something against its encoder."""
    content: ContentEvidence = field(default_factory=ContentEvidence)
    drops: RecentDrops = field(default_factory=RecentDrops)
    """Of its active worker."""
    watched: Watched = field(default_factory=Watched)
    """What its health has asked for lately."""
    well_standby_asked_at: float | None = None
    """When another backup was looked for in place of one that is not well."""
    quality: Quality | None = None
    """How much of the quality that was asked for is taken back; None: not looked at yet."""
    failed_on: dict[EncoderId, float] = field(default_factory=dict)
    excused_generation: int | None = None
    """The worker that a drill breaks or a change relieves: its end is nobody's fault."""
    drilled_at: float | None = None
    """When it was drilled last by the schedule of this control, as seconds pass, whatever the wall clock says."""
    health_told: tuple[float | None, Standing | None] = (None, None)
    """When health was told last, and of which standing."""

    @property
    def id(self) -> StreamId:
        return self.record.stream_id

    def excuse_no_more(self, generation: int) -> None:
        """The drill or the change is over: should that worker speak still, its end is a fault again."""
        if self.excused_generation == generation:
            self.excused_generation = None

    @property
    def active(self) -> WorkerGrant | None:
        return None if self.record.plan is None else self.record.plan.active

    @property
    def standby(self) -> WorkerGrant | None:
        return None if self.record.plan is None else self.record.plan.standby

    @property
    def proved_standby(self) -> WorkerGrant | None:
        """A standby that runs and can take the stream at once."""
        return self.standby if self.runs_standby and self.machine.cover is Cover.PROTECTED else None

    @property
    def changes_picture(self) -> bool:
        """The standby is there to change the picture."""
        return self.record.plan is not None and self.record.plan.standby_ladder is not None

    @property
    def runs_standby(self) -> bool:
        return self.record.standby is not StandbyGrade.COLD

    @property
    def need(self) -> Need:
        record = self.record
        return need_of(record.ladder, record.encode, region=record.region, grade=record.standby)

    def life(self, now: float) -> Life:
        """The wall clock was asked once, when the stream was taken up: its later steps end no key."""
        expires_at = self.record.key_expires_at
        lasts_s = None if expires_at is None else (expires_at - self.taken_up_at).total_seconds()
        return Life(
            waited_s=now - self.since,
            key_left_s=None if lasts_s is None else lasts_s - (now - self.since),
            published=self.record.first_published_at is not None,
            source_up=self.seen.source_since is not None,
        )

    @property
    def ended(self) -> bool:
        return self.record.ended_at is not None

    def avoid(self, encoder_id: EncoderId) -> None:
        """The encoder lost or refused what this stream needs: others come first for a while."""
        self.failed_on[encoder_id] = monotonic()

    def avoided(self) -> tuple[EncoderId, ...]:
        """The one that failed longest ago first."""
        now = monotonic()
        self.failed_on = {e: at for e, at in self.failed_on.items() if now - at < AVOID_S}
        return tuple(sorted(self.failed_on, key=lambda encoder_id: self.failed_on[encoder_id]))


def need_of(ladder: Ladder, encode: EncodeSettings | None, *, region: str | None, grade: StandbyGrade) -> Need:
    return Need(
        ladder_cost(ladder),
        "auto" if encode is None else encode.codec,
        region,
        shape=None if encode is None else shape_of(encode),
        shares_reserve=grade in IDLE_GRADES,
    )


def live_stream(record: StreamRecord) -> LiveStream:
    """The room of a record: of a new one, or of one that the store kept."""
    return LiveStream(record, new_machine(record))


def new_machine(record: StreamRecord) -> FailoverMachine:
    """At rest, or waiting for its standby: one that runs counts when the gateway has said that it stands ready."""
    active = None if record.plan is None else record.plan.active
    standby = None if record.plan is None else record.plan.standby
    runs = record.standby is not StandbyGrade.COLD
    ready = Cover.PREPARING if runs else Cover.PROTECTED
    return FailoverMachine(
        generation=0 if active is None else active.generation,
        # One that was to change the picture is no backup for it.
        cover=Cover.BARE if record.plan is None or standby is None or record.plan.standby_ladder else ready,
        standby=None if standby is None else standby.generation,
        runs=runs,
        now=monotonic(),
        ended=record.mode is not StreamMode.TRANSCODE,
    )


class LiveStreams:
    def __init__(self, *, store: Store, bus: Bus[Event]) -> None:
        self._store = store
        self._bus = bus
        self._by_id: dict[StreamId, LiveStream] = {}
        self._unread: frozenset[StreamId] = frozenset()
        self._unsaved: dict[StreamId, LiveStream] = {}
        self._to_save = asyncio.Event()

    def __iter__(self) -> Iterator[LiveStream]:
        return iter(tuple(self._by_id.values()))

    def __len__(self) -> int:
        return len(self._by_id)

    async def load(self) -> int:
        """Take up what the store says is running; call before the first peer may come."""
        for record in await self._store.running_streams():
            self._by_id[record.stream_id] = live_stream(record)
        self._unread = await self._store.running_ids() - self._by_id.keys()
        return len(self._by_id)

    def is_unread(self, stream_id: StreamId) -> bool:
        """The store knows it and cannot read it: it goes on as it is, under the plan that its gateway has."""
        return stream_id in self._unread

    def add(self, stream: LiveStream) -> None:
        self._by_id[stream.id] = stream

    def remove(self, stream: LiveStream) -> None:
        self._by_id.pop(stream.id, None)

    def find(self, stream_id: StreamId) -> LiveStream | None:
        return self._by_id.get(stream_id)

    def owned(self, stream_id: StreamId, who: Principal) -> LiveStream:
        """Raises NotFound for an unknown stream, one that ended, and another tenant's, all alike."""
        stream = self._by_id.get(stream_id)
        if stream is None or not may_see(stream.record, who):
            raise NotFound("no such stream is running", hint="GET /api/streams lists the streams of this key.")
        return stream

    def of_gateway(self, gateway_id: GatewayId) -> Iterator[LiveStream]:
        return (stream for stream in self if stream.record.gateway_id == gateway_id)

    # --- saving

    async def save(
        self, stream: LiveStream, change: Callable[[StreamRecord], StreamRecord], note: Note | None = None
    ) -> None:
        """Durable first, then true. Raises Unavailable, and nothing has changed then.

        The gateway may give the stream to its standby while the store writes: then `change` is made on top of that.
        """
        before = stream.record
        record = change(before)
        await self._store.put_stream(record, note)
        if stream.record is before:
            stream.record = record
        else:
            await self.save_or_later(stream, change(stream.record))

    async def settle(self, stream: LiveStream) -> None:
        """Returns when what the stream is now is durable. Raises Unavailable."""
        with contextlib.suppress(Conflict):  # something newer was written meanwhile
            await self._store.put_stream(stream.record)

    async def save_or_later(self, stream: LiveStream, record: StreamRecord) -> None:
        """True at once; durable within moments, or as soon as the store is back. Never raises."""
        stream.record = record
        try:
            async with asyncio.timeout(STORE_WAIT_S):
                await self._store.put_stream(record)
        except (Unavailable, TimeoutError) as error:
            log.warning(
                "stream saved later", stream_id=stream.id, reason=str(error) or "the store did not answer in time"
            )
            self.save_later(stream)

    def save_later(self, stream: LiveStream) -> None:
        self._unsaved[stream.id] = stream
        self._to_save.set()

    async def save_behind(self) -> None:
        """Runs until cancelled: writes what `save_later` left, again and again while the store is away."""
        while True:
            await self._to_save.wait()
            self._to_save.clear()
            while self._unsaved:
                if not await self._save_some():
                    await asyncio.sleep(SAVE_RETRY_S)

    async def flush(self) -> None:
        """At the end of control: one last try for what is not saved yet."""
        if self._unsaved and not await self._save_some():
            log.error("streams not saved at the end", count=len(self._unsaved))

    async def _save_some(self) -> bool:
        waiting, self._unsaved = self._unsaved, {}
        results = await asyncio.gather(
            *(self._store.put_stream(stream.record) for stream in waiting.values()), return_exceptions=True
        )
        well = True
        for stream, result in zip(waiting.values(), results, strict=True):
            if isinstance(result, Unavailable):
                self._unsaved.setdefault(stream.id, stream)
                well = False
            elif isinstance(result, Conflict):
                log.error("the store holds a newer revision", stream_id=stream.id)
            elif result is not None:
                # Trying again would fail again; the streams that wait with it must not be lost with it.
                log.error("stream cannot be saved", stream_id=stream.id, exc_info=result)
        return well

    # --- state

    def enter(self, stream: LiveStream, state: StreamState, reason: str | None) -> None:
        """Note the state and tell it, when it is another one."""
        if stream.record.state is state:
            return
        stream.record = replace(stream.record, state=state)
        self.save_later(stream)
        log.info("stream state", stream_id=stream.id, state=state.value, reason=reason)
        self._bus.tell(StreamChanged(stream.id, stream.record.tenant, state, utc_now(), reason))


def may_see(record: StreamRecord, who: Principal) -> bool:
    return record.tenant == who.tenant or who.may(Scope.ADMIN)
