"""Keeps every stream on a living encoder with a standby behind it.

Hears the evidence, asks the stream's machine what to do, and has it done. Who takes over is the balancer's choice,
how is the business of the takeover and of the standbys.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Coroutine, Iterable
from dataclasses import dataclass
from typing import Any, Final

import structlog

from app.domain.errors import ManagerError
from app.domain.events import Event, StreamErrorSeen
from app.domain.failover import DecidedBy, SwitchKind
from app.domain.ids import EncoderId
from app.domain.link import Switched
from app.domain.severity import Severity
from app.domain.stream import StandbyGrade
from app.policy import failover_words as words
from app.policy.failover_states import Cover, Phase
from app.runtime.bus import Bus
from app.runtime.clock import monotonic, utc_now
from app.runtime.tasks import TaskGroupKeeper
from app.services.gateways import Gateways
from app.services.live_streams import LiveStream, LiveStreams
from app.services.load_balancer import LoadBalancer
from app.services.standbys import Standbys
from app.services.takeover import Takeover

BLAME_AFTER_S: Final = 5.0
"""A loss counts against its encoder only when the stream's gateway outlives it by so much.

A gateway that ends takes every worker of its streams with it, and may tell so before it goes.
"""
MAX_ACCUSED: Final = 4_096
BUSY_GRADES: Final = frozenset({StandbyGrade.HOT, StandbyGrade.ACTIVE_ACTIVE})
"""Standbys that cost their encoder about as much as a stream."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Accused:
    at: float
    stream: LiveStream
    encoder_id: EncoderId


class Recovery:
    def __init__(
        self,
        *,
        streams: LiveStreams,
        gateways: Gateways,
        balancer: LoadBalancer,
        takeover: Takeover,
        standbys: Standbys,
        bus: Bus[Event],
        keeper: TaskGroupKeeper,
    ) -> None:
        self._streams = streams
        self._gateways = gateways
        self._balancer = balancer
        self._takeover = takeover
        self._standbys = standbys
        self._bus = bus
        self._keeper = keeper
        self._accused: deque[_Accused] = deque(maxlen=MAX_ACCUSED)

    # --- evidence

    def active_lost(
        self, stream: LiveStream, generation: int, cause: str, *, blame: bool = True, by_gateway: bool = False
    ) -> None:
        """`blame`: it counts against the encoder. Told twice, or of an older worker: nothing happens."""
        active = stream.active
        if active is None or generation < active.generation:
            return
        # The node may tell of a worker's end before the gateway tells of the switch that brought it.
        ordered = stream.machine.phase is Phase.SWITCHING or generation == stream.excused_generation
        blame = blame and not ordered
        if stream.machine.phase not in (Phase.SWITCHING, Phase.REFLEX, Phase.REPLACING, Phase.HELD):
            self._lost(stream, active.encoder_id, generation, cause, blame=blame)
        elsewhere = self._elsewhere(stream)
        self._feed(stream, words.ActiveLost(generation, cause, by_gateway, counts=blame, elsewhere=elsewhere))

    def standby_lost(self, stream: LiveStream, generation: int, cause: str) -> None:
        if stream.machine.standby != generation or stream.machine.cover is Cover.SEEKING:
            return
        self._error(stream, Severity.WARNING, "backup lost", cause, "another backup is sought")
        self._feed(stream, words.StandbyLost(generation, cause))

    def standby_started(self, stream: LiveStream, generation: int) -> None:
        """Somebody gave the stream another standby than it had: it is to prove itself."""
        self._feed(stream, words.StandbyStarted(generation))

    def standby_given_up(self, stream: LiveStream) -> None:
        """Somebody let the standby go: another one is sought."""
        self._feed(stream, words.StandbyLost(stream.machine.standby or 0, "given up"))

    def standby_ready(self, stream: LiveStream, generation: int) -> None:
        log.info("standby ready", stream_id=stream.id, generation=generation)
        self._feed(stream, words.StandbyReady(generation))

    def standby_doubted(self, stream: LiveStream) -> None:
        """The gateway came and does not tell of a ready standby."""
        if stream.proved_standby is not None:
            self._feed(stream, words.StandbyDoubted(stream.proved_standby.generation))

    def switched(self, stream: LiveStream, fact: Switched) -> None:
        """The gateway gave the stream to its standby."""
        active = stream.active
        if active is None or fact.generation <= active.generation:
            return
        reflex = fact.kind is SwitchKind.REFLEX
        cause = fact.cause if not fact.evidence else f"{fact.cause}: {fact.evidence}"
        blame = reflex and active.generation != stream.excused_generation
        if reflex and stream.machine.phase is not Phase.REFLEX:
            self._lost(stream, active.encoder_id, active.generation, cause, blame=blame)
        wished = active.generation == stream.excused_generation or (
            fact.kind is SwitchKind.PLANNED and fact.decided_by in (DecidedBy.OPERATOR, DecidedBy.DRILL)
        )
        if self._takeover.follow(stream, fact.generation, cause, wished=wished):
            self._feed(stream, words.Switched(fact.generation, counts=blame))
        else:
            # Its standby was given up here in the same moment: a newer worker makes the two agree.
            self.active_lost(stream, active.generation, cause, blame=False, by_gateway=True)

    def leave(self, stream: LiveStream, wish: words.Leave) -> bool:
        """The active worker still works and is to be left, by a planned switch where a standby is ready.

        False: not now; it may be asked again.
        """
        self._feed(stream, wish)
        if stream.machine.phase is Phase.STEADY:
            return False
        if stream.active is not None and wish.by is DecidedBy.CONTROL:
            stream.avoid(stream.active.encoder_id)
        return True

    def leave_sooner(self, stream: LiveStream, wish: words.Leave) -> None:
        """The same for a stream that waits to be moved already; only a stronger reason counts."""
        self._feed(stream, wish)

    def leave_standby(self, stream: LiveStream, wish: words.Leave) -> None:
        """The standby is on an encoder that should not take the stream over: another one is better, if there is."""
        active, standby = stream.active, stream.standby
        if active is None or standby is None or stream.changes_picture:
            return
        # One that was left lately may be as hot again in a moment.
        besides = (active.encoder_id, standby.encoder_id, *stream.avoided())
        if wish.must or self._balancer.has_other(stream.id, stream.need, besides):
            stream.avoid(standby.encoder_id)
            self.standby_lost(stream, standby.generation, wish.cause)

    def cleared(self, stream: LiveStream) -> None:
        self._feed(stream, words.Cleared())
        if stream.machine.phase is Phase.STEADY:
            stream.without_encoder = None

    def took_over(self, stream: LiveStream, generation: int) -> None:
        """Somebody who moved the stream tells that it went well: a backup is sought."""
        self._feed(stream, words.Replaced(generation))

    def fleet_grew(self) -> None:
        for stream in self._streams:
            # Asked only for those that wait: a fleet that comes back comes to every stream.
            waits = stream.machine.phase is Phase.HELD
            self._feed(stream, words.FleetGrew(elsewhere=waits and self._elsewhere(stream)))

    def restart_all_on(self, encoder_id: EncoderId) -> None:
        """By an operator's wish: a new worker for every stream of the encoder, at its standby where it has one."""
        for stream in self._streams:
            active = stream.active
            if active is not None and active.encoder_id == encoder_id:
                wish = words.Leave("restarted by an operator", DecidedBy.OPERATOR, must=True, once=True)
                self.leave(stream, wish)

    def tick(self, now: float) -> None:
        while self._accused and now - self._accused[0].at >= BLAME_AFTER_S:
            accused = self._accused.popleft()
            if self._gateways.stayed_since(accused.stream.record.gateway_id, accused.at):
                self._takeover.blame(accused.stream, accused.encoder_id)
        for stream in self._streams:
            due = stream.machine.due
            if due is not None and now >= due:
                self._carry_out(stream, stream.machine.tick(now))

    def _elsewhere(self, stream: LiveStream) -> bool:
        """Whether an encoder could take the stream that has not failed it lately, and is not the one it has."""
        active = () if stream.active is None else (stream.active.encoder_id,)
        return self._balancer.has_other(stream.id, stream.need, (*active, *stream.avoided()))

    def _lost(self, stream: LiveStream, encoder_id: EncoderId, generation: int, cause: str, *, blame: bool) -> None:
        log.warning("worker lost", stream_id=stream.id, encoder_id=encoder_id, generation=generation, cause=cause)
        if blame:
            stream.avoid(encoder_id)
            self._accused.append(_Accused(monotonic(), stream, encoder_id))

    # --- deeds

    def _feed(self, stream: LiveStream, event: words.Event) -> None:
        self._carry_out(stream, stream.machine.feed(event, monotonic()))

    def _carry_out(self, stream: LiveStream, commands: Iterable[words.Command]) -> None:
        for command in commands:
            match command:
                case words.Replace():
                    self._start(stream, "replace", self._replace(stream, command))
                case words.Switch():
                    self._start(stream, "switch", self._switch(stream, command))
                case words.Remedy():
                    self._feed(stream, words.Remedied(self._relieve(stream)))
                case words.SeekStandby():
                    self._start(stream, "standby", self._seek(stream))
                case words.LetGoStandby(generation, reason):
                    self._error(stream, Severity.WARNING, "backup given up", reason, "another backup is sought")
                    self._start(stream, "let go", self._let_go(stream, generation))
                case words.Hold(reason, retry_s):
                    stream.without_encoder = f"no encoder: {reason}"
                    acted = f"tried again in {retry_s:g} s or sooner"
                    self._error(stream, Severity.CRITICAL, "no encoder", reason, acted)

    def _start(self, stream: LiveStream, what: str, work: Coroutine[Any, Any, None]) -> None:
        self._keeper.start(work, name=f"{what} {stream.id}")

    async def _replace(self, stream: LiveStream, command: words.Replace) -> None:
        async with stream.lock:
            if stream.ended:
                return
            answer: words.Event = words.ReplaceFailed("a fault of control itself")
            before = stream.active
            try:
                if stream.moved_to > command.generation:
                    answer = words.Replaced(stream.moved_to)  # somebody was quicker
                else:
                    answer = words.Replaced(
                        await self._takeover.move(stream, command.cause, by_choice=command.by_choice)
                    )
            except ManagerError as error:
                unchanged, elsewhere = stream.active == before, self._elsewhere(stream)
                answer = words.ReplaceFailed(error.detail, still_works=unchanged, elsewhere=elsewhere)
            finally:
                # Whatever happened, the machine must hear of it: it would wait until its deadline otherwise.
                self._feed(stream, answer)

    async def _seek(self, stream: LiveStream) -> None:
        async with stream.lock:
            if stream.ended or stream.machine.cover is not Cover.SEEKING:
                return
            answer: words.Event = words.SeekFailed("a fault of control itself")
            try:
                answer = await self._standbys.prepare(stream)
            except ManagerError as error:
                answer = words.SeekFailed(error.detail)
            finally:
                self._feed(stream, answer)

    async def _let_go(self, stream: LiveStream, generation: int) -> None:
        async with stream.lock:
            standby = stream.standby
            if standby is not None and standby.generation == generation and not stream.ended:
                stream.avoid(standby.encoder_id)
                await self._standbys.drop(stream)

    def _relieve(self, stream: LiveStream) -> bool:
        """Have standbys that decode or encode along leave the stream's encoder, where another one can take them.

        Whether that helps is seen by whether the evidence comes again.
        """
        active, moved = stream.active, False
        for other in self._streams:
            standby = other.standby
            if active is None or standby is None or standby.encoder_id != active.encoder_id:
                continue
            besides = [grant.encoder_id for grant in (other.active, standby) if grant is not None]
            if other.record.standby in BUSY_GRADES and self._balancer.has_other(other.id, other.need, besides):
                other.avoid(standby.encoder_id)
                self.standby_lost(other, standby.generation, "its encoder falls behind and is to be relieved")
                moved = True
        return moved

    async def _switch(self, stream: LiveStream, command: words.Switch) -> None:
        standby, active = stream.standby, stream.active
        if standby is None or active is None or standby.generation != command.generation:
            self._feed(stream, words.SwitchFailed("the standby is another one now"))
            return
        faults = self._balancer.faults(standby.encoder_id, stream.id, stream.need, by_choice=True)
        if faults:
            reason = f"{standby.encoder_id}: {'; '.join(faults)}"
            other = self._balancer.has_other(stream.id, stream.need, (active.encoder_id, standby.encoder_id))
            acted = "another backup is sought" if other else "no other has room: the stream stays where it is"
            self._error(stream, Severity.WARNING, "backup passed over", reason, acted)
            self._feed(stream, words.SwitchFailed(reason, seek_another=other))
            return
        try:
            await self._gateways.switch(
                stream.record, command.generation, cause=command.cause, decided_by=command.by
            )
        except ManagerError as error:
            self._error(stream, Severity.WARNING, "switch refused", error.detail, "the stream stays where it is")
            self._feed(stream, words.SwitchFailed(error.detail))

    def _error(self, stream: LiveStream, severity: Severity, cause: str, detail: str, acted: str) -> None:
        tenant = stream.record.tenant
        self._bus.tell(StreamErrorSeen(stream.id, tenant, severity, cause, detail, utc_now(), acted))
