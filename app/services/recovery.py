"""Keeps every stream on a living encoder with a backup behind it.

Hears the evidence, asks the stream's machine what to do, and has it done. Who takes over is the balancer's choice,
how is the takeover's business.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import structlog

from app.domain.errors import ManagerError
from app.domain.events import Event, Severity, StreamErrorSeen
from app.domain.ids import EncoderId
from app.policy import recovery as machine
from app.runtime.bus import Bus
from app.runtime.clock import monotonic, utc_now
from app.runtime.tasks import TaskGroupKeeper
from app.services.gateways import Gateways
from app.services.live_streams import LiveStream, LiveStreams
from app.services.takeover import Takeover

BLAME_AFTER_S: Final = 5.0
"""A loss counts against its encoder only when the stream's gateway outlives it by so much.

A gateway that ends takes every worker of its streams with it, and may tell so before it goes.
"""
MAX_ACCUSED: Final = 4_096

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
        takeover: Takeover,
        bus: Bus[Event],
        keeper: TaskGroupKeeper,
    ) -> None:
        self._streams = streams
        self._gateways = gateways
        self._takeover = takeover
        self._bus = bus
        self._keeper = keeper
        self._accused: deque[_Accused] = deque(maxlen=MAX_ACCUSED)

    # --- evidence

    def active_lost(self, stream: LiveStream, generation: int, cause: str, *, blame: bool = True) -> None:
        """`blame`: it counts against the encoder. Told twice, or of an older worker: nothing happens."""
        active = stream.active
        if active is None or generation < active.generation:
            return
        if stream.machine.phase is machine.Phase.STEADY:
            encoder_id = active.encoder_id
            log.warning(
                "worker lost", stream_id=stream.id, encoder_id=encoder_id, generation=generation, cause=cause
            )
            if blame and generation != stream.drilled_generation:
                self._takeover.avoid(stream, encoder_id)
                self._accused.append(_Accused(monotonic(), stream, encoder_id))
        self._feed(stream, machine.ActiveLost(generation, cause))

    def backup_lost(self, stream: LiveStream, cause: str) -> None:
        if stream.machine.cover is not machine.Cover.PROTECTED:
            return
        self._error(stream, Severity.WARNING, "backup lost", cause, "another backup is sought")
        self._feed(stream, machine.BackupLost(cause))

    def took_over(self, stream: LiveStream, generation: int) -> None:
        """Somebody who moved the stream tells that it went well: a backup is sought."""
        self._feed(stream, machine.Replaced(generation))

    def seek_backup(self, stream: LiveStream) -> None:
        """For a stream that was opened without one."""
        self._feed(stream, machine.FleetGrew())

    def fleet_grew(self) -> None:
        for stream in self._streams:
            self._feed(stream, machine.FleetGrew())

    def restart_all_on(self, encoder_id: EncoderId) -> None:
        """By an operator's wish: a new worker for every stream of the encoder, at its backup where it has one."""
        for stream in self._streams:
            active = stream.active
            if active is not None and active.encoder_id == encoder_id:
                self.active_lost(stream, active.generation, "restarted by an operator", blame=False)

    def tick(self, now: float) -> None:
        while self._accused and now - self._accused[0].at >= BLAME_AFTER_S:
            accused = self._accused.popleft()
            if self._gateways.stayed_since(accused.stream.record.gateway_id, accused.at):
                self._takeover.blame(accused.stream, accused.encoder_id)
        for stream in self._streams:
            due = stream.machine.due
            if due is not None and now >= due:
                self._carry_out(stream, stream.machine.tick(now))

    # --- deeds

    def _feed(self, stream: LiveStream, event: machine.Event) -> None:
        self._carry_out(stream, stream.machine.feed(event, monotonic()))

    def _carry_out(self, stream: LiveStream, commands: Iterable[machine.Command]) -> None:
        for command in commands:
            match command:
                case machine.Replace(cause):
                    self._keeper.start(self._replace(stream, cause), name=f"replace {stream.id}")
                case machine.SeekBackup():
                    self._keeper.start(self._seek_backup(stream), name=f"backup {stream.id}")
                case machine.Hold(reason, retry_s):
                    stream.without_encoder = f"no encoder: {reason}"
                    acted = f"tried again in {retry_s:g} s or sooner"
                    self._error(stream, Severity.CRITICAL, "no encoder", reason, acted)

    async def _replace(self, stream: LiveStream, cause: str) -> None:
        async with stream.lock:
            if stream.ended:
                return
            answer: machine.Event = machine.ReplaceFailed("a fault of control itself")
            try:
                answer = machine.Replaced(await self._takeover.move(stream, cause))
            except ManagerError as error:
                answer = machine.ReplaceFailed(error.detail)
            finally:
                # Whatever happened, the machine must hear of it: without an answer it would wait for ever.
                self._feed(stream, answer)

    async def _seek_backup(self, stream: LiveStream) -> None:
        async with stream.lock:
            if stream.ended:
                return
            answer: machine.Event = machine.BackupFailed("a fault of control itself")
            try:
                await self._takeover.reserve_backup(stream)
                answer = machine.BackupReady()
            except ManagerError as error:
                answer = machine.BackupFailed(error.detail)
            finally:
                self._feed(stream, answer)

    def _error(self, stream: LiveStream, severity: Severity, cause: str, detail: str, acted: str) -> None:
        tenant = stream.record.tenant
        self._bus.tell(StreamErrorSeen(stream.id, tenant, severity, cause, detail, utc_now(), acted))
