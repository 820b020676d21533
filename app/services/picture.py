"""Gives a running stream another picture or encoder: rates in place, all else by a worker that is proved before.

The new worker stands by with the new settings beside the one that encodes; when it is proved the stream is given to
it. Until then the old picture goes on, and it goes on too when anything fails.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import replace
from typing import Final

import structlog

from app.domain.errors import Conflict, ManagerError, Unavailable
from app.domain.failover import DecidedBy
from app.domain.fleet import Role
from app.domain.ids import EncoderId
from app.domain.stream import EncodeSettings, WorkerGrant
from app.policy.failover import PREPARE_S, SWITCH_S
from app.policy.failover_states import Cover
from app.policy.failover_words import Leave
from app.policy.placement import Need, ladder_cost
from app.policy.session_cost import shape_of
from app.runtime.clock import monotonic
from app.services.fleet import Fleet
from app.services.gateways import Gateways
from app.services.live_streams import LiveStream, LiveStreams
from app.services.load_balancer import LoadBalancer
from app.services.plans import renewed
from app.services.recovery import Recovery
from app.services.standbys import Standbys
from app.services.takeover import Takeover

LOOK_EVERY_S: Final = 0.05
CAUSE: Final = "picture changed"
MOVED: Final = "moved to another encoder"

log = structlog.get_logger()


class Picture:
    def __init__(
        self,
        *,
        streams: LiveStreams,
        fleet: Fleet,
        gateways: Gateways,
        balancer: LoadBalancer,
        standbys: Standbys,
        takeover: Takeover,
        recovery: Recovery,
    ) -> None:
        self._streams = streams
        self._fleet = fleet
        self._gateways = gateways
        self._balancer = balancer
        self._standbys = standbys
        self._takeover = takeover
        self._recovery = recovery

    # --- rates

    async def reconfigure(self, stream: LiveStream, encode: EncodeSettings) -> None:
        """The same renditions at other rates, in the workers that run. Raises what the active one answers.

        The caller holds the stream's lock. A standby that cannot follow is let go and another one sought.
        """
        active, standby = _active(stream), stream.standby
        await self._fleet.driver(active.encoder_id).reconfigure(active.worker_id, encode)
        if stream.active != active:
            raise Unavailable("the stream went to its standby meanwhile")
        stream.record = renewed(replace(stream.record, ladder=encode.ladder, encode=encode))
        await self._streams.save_or_later(stream, stream.record)
        if standby is not None:
            await self._renew_standby(stream, standby, encode)
        # The rates do not wait for a gateway that went this moment: it gets the plan at its next hello.
        with contextlib.suppress(ManagerError):
            await self._gateways.apply(stream.record)

    async def _renew_standby(self, stream: LiveStream, standby: WorkerGrant, encode: EncodeSettings) -> None:
        """It may have been given the stream while the store was waited for: then too it is to follow."""
        order = stream.backup_order
        if order is not None:
            order = stream.backup_order = replace(order, encode=encode)
        try:
            driver = self._fleet.driver(standby.encoder_id)
            if stream.runs_standby:
                await driver.reconfigure(standby.worker_id, encode)
            elif order is not None:
                await driver.reserve(stream.id, order)
        except ManagerError as error:
            cause = f"it kept its old rates: {error.detail}"
            if stream.active == standby:
                self._recovery.leave(stream, Leave(cause, DecidedBy.OPERATOR))
            else:
                self._recovery.standby_lost(stream, standby.generation, cause)

    # --- everything else

    async def switch_to(
        self,
        stream: LiveStream,
        encode: EncodeSettings,
        onto: EncoderId | None = None,
        *,
        by: DecidedBy = DecidedBy.OPERATOR,
    ) -> None:
        """Another ladder, or another encoder: `onto`. Raises ManagerError when the old picture goes on, and why."""
        async with stream.lock:
            if onto is not None:
                self._demand_fit(stream, onto, _need(stream, encode))
            if not stream.runs_standby:
                await self._replace(stream, encode, onto)
                return
            generation = _stands_ready(stream, encode, onto) or await self._start(stream, encode, onto)
        try:
            await self._proved(stream, generation)
            await self._at_border(stream, generation, CAUSE if onto is None else MOVED, by)
        except ManagerError as error:
            log.warning("picture not changed", stream_id=stream.id, reason=error.detail)
            await self._give_up(stream, generation, error.detail)
            raise

    async def _start(self, stream: LiveStream, encode: EncodeSettings, onto: EncoderId | None) -> int:
        """A standby with the new settings, in place of the one there is. Its generation."""
        active, need = _active(stream), _need(stream, encode)
        encoder_id = onto or self._place(stream, active, need)
        if onto is not None:
            self._balancer.adopt(stream.id, onto, Role.BACKUP, need)
        order = self._standbys.new_order(stream, standby=True, encode=encode)
        try:
            await self._standbys.start(stream, encoder_id, order)
        except ManagerError:
            await self._standbys.drop(stream)
            self._recovery.standby_given_up(stream)
            raise
        self._recovery.standby_started(stream, order.generation)
        return order.generation

    def _place(self, stream: LiveStream, active: WorkerGrant, need: Need) -> EncoderId:
        """The present encoder when it has room beside what it does, else the best other one. Raises NoCapacity."""
        before = stream.standby
        self._balancer.release(stream.id, Role.BACKUP)
        if not self._balancer.faults_beside(active.encoder_id, need):
            self._balancer.adopt(stream.id, active.encoder_id, Role.BACKUP, need)
            return active.encoder_id
        primary = self._fleet.info(active.encoder_id)
        try:
            if primary is None:
                raise Unavailable(f"encoder {active.encoder_id} has not connected yet")
            return self._balancer.place_backup(stream.id, need, primary=primary, avoid=stream.avoided())
        except ManagerError as error:
            if before is not None:
                self._balancer.adopt(stream.id, before.encoder_id, Role.BACKUP, stream.need)
            raise Conflict(
                f"no encoder can take the new picture now: {error.detail}",
                hint="Ask for less, or open a new stream with it.",
            ) from error

    def _demand_fit(self, stream: LiveStream, encoder_id: EncoderId, need: Need) -> None:
        """Raises Conflict."""
        faults = self._balancer.faults(encoder_id, stream.id, need, by_choice=True)
        if faults:
            raise Conflict(
                f"encoder {encoder_id} cannot take the stream now: {'; '.join(faults)}",
                hint="GET /api/encoders shows who could.",
            )

    async def _proved(self, stream: LiveStream, generation: int) -> None:
        """Or given the stream already: by the gateway, which lost the old worker."""
        await _until(
            stream,
            generation,
            PREPARE_S,
            ready=lambda: stream.moved_to == generation or stream.machine.cover is Cover.PROTECTED,
        )

    async def _at_border(self, stream: LiveStream, generation: int, cause: str, by: DecidedBy) -> None:
        """The gateway goes over at a segment border; tracks that are no more end there, new ones begin."""
        if stream.moved_to == generation:
            return
        relieved = _active(stream).generation
        stream.excused_generation = relieved
        try:
            await self._gateways.switch(stream.record, generation, cause=cause, decided_by=by)
            await _until(stream, generation, SWITCH_S, ready=lambda: stream.moved_to == generation)
        finally:
            stream.excuse_no_more(relieved)

    async def _give_up(self, stream: LiveStream, generation: int, reason: str) -> None:
        async with stream.lock:
            standby = stream.standby
            if not stream.ended and standby is not None and standby.generation == generation:
                await self._standbys.drop(stream)
                self._recovery.standby_lost(stream, generation, reason)

    async def _replace(self, stream: LiveStream, encode: EncodeSettings, onto: EncoderId | None) -> None:
        """Without a standby that runs: a new worker takes over there or at `onto`, with a short pause."""
        before, active = stream.record, _active(stream)
        stream.record = replace(before, ladder=encode.ladder, encode=encode)
        faults = self._balancer.faults(active.encoder_id, stream.id, stream.need)
        if faults and onto is None:
            stream.record = before
            raise Conflict(
                f"its encoder cannot take the new picture now: {'; '.join(faults)}",
                hint="Ask for less, or open a new stream with it.",
            )
        wanted = stream.record
        try:
            generation = await self._takeover.move(
                stream, CAUSE if onto is None else MOVED, onto=onto or active.encoder_id
            )
        except ManagerError:
            if stream.record is wanted:
                # Nothing was ordered yet: the old picture goes on.
                stream.record = before
                self._balancer.adopt(stream.id, active.encoder_id, Role.PRIMARY, stream.need)
            else:
                cause = "change of the picture failed"
                self._recovery.active_lost(stream, stream.record.generation, cause, by_gateway=True)
            raise
        self._balancer.release(stream.id, Role.BACKUP)
        self._recovery.took_over(stream, generation)


def _active(stream: LiveStream) -> WorkerGrant:
    """Raises Conflict."""
    active = stream.active
    if stream.ended:
        raise Conflict("the stream has ended")
    if active is None:
        raise Conflict("no encoder works for this stream now", hint="Try again when it is live.")
    return active


def _stands_ready(stream: LiveStream, encode: EncodeSettings, onto: EncoderId | None) -> int | None:
    """Generation of the standby when it is just what is wanted already."""
    standby = stream.proved_standby
    if standby is None or standby.encoder_id != onto or encode != stream.record.encode:
        return None
    return standby.generation


def _need(stream: LiveStream, encode: EncodeSettings) -> Need:
    pixels_per_s = ladder_cost(encode.ladder)
    return replace(stream.need, pixels_per_s=pixels_per_s, codec=encode.codec, shape=shape_of(encode))


async def _until(stream: LiveStream, generation: int, within_s: float, *, ready: Callable[[], bool]) -> None:
    """Raises Conflict or Unavailable when it does not come to that, or not in time."""
    deadline = monotonic() + within_s
    while not ready():
        standby = stream.standby
        if stream.ended:
            raise Conflict("the stream has ended")
        if standby is None or standby.generation != generation:
            raise Unavailable("the worker with the new picture did not prove itself: the old picture goes on")
        if monotonic() >= deadline:
            raise Unavailable(f"the new picture was not ready within {within_s:g} s: the old one goes on")
        await asyncio.sleep(LOOK_EVERY_S)
