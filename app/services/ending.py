"""Ends a stream: durable first, then the gateway, the worker and the backup are told.

What is away then is told at its next hello, because nobody knows the stream any more.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import replace

import structlog

from app.domain.errors import ManagerError, Unavailable
from app.domain.events import Event, StreamChanged
from app.domain.note import Note
from app.domain.session import StreamRecord
from app.domain.stream import StreamState
from app.policy.failover_words import Ended
from app.runtime.bus import Bus
from app.runtime.clock import monotonic, utc_now
from app.runtime.tasks import TaskGroupKeeper
from app.services.fleet import Fleet
from app.services.gateways import Gateways
from app.services.live_streams import LiveStream, LiveStreams
from app.services.load_balancer import LoadBalancer

log = structlog.get_logger()


class Ending:
    def __init__(
        self,
        *,
        streams: LiveStreams,
        fleet: Fleet,
        gateways: Gateways,
        balancer: LoadBalancer,
        bus: Bus[Event],
        keeper: TaskGroupKeeper,
        freed: Callable[[StreamRecord], None],
    ) -> None:
        """`freed` is told of each stream that has ended, as it was."""
        self._streams = streams
        self._fleet = fleet
        self._gateways = gateways
        self._balancer = balancer
        self._bus = bus
        self._keeper = keeper
        self._freed = freed

    async def end(self, stream: LiveStream, reason: str) -> None:
        """A no-op for a stream that ended meanwhile. Raises Unavailable while the store is away."""
        async with stream.lock:
            await self.end_held(stream, reason)

    async def end_held(self, stream: LiveStream, reason: str) -> None:
        """The same for a caller who holds the stream's lock."""
        if stream.ended:
            return
        now, gone = utc_now(), stream.record

        def ended(running: StreamRecord) -> StreamRecord:
            end = replace(running, state=StreamState.ENDED, ended_at=now, end_reason=reason, plan=None)
            return replace(end, revision=running.revision + 1)

        await self._streams.save(stream, ended, Note(now, stream.id, "stream ended", reason))
        self._streams.remove(stream)
        self._balancer.release(stream.id)
        self._freed(gone)
        stream.machine.feed(Ended(), monotonic())
        log.info("stream ended", stream_id=stream.id, reason=reason)
        self._bus.tell(StreamChanged(stream.id, gone.tenant, StreamState.ENDED, now, reason))
        self._tell_parts(gone, reason)

    def _tell_parts(self, gone: StreamRecord, reason: str) -> None:
        plan, stream_id = gone.plan, gone.stream_id
        orders: list[Awaitable[None]] = [self._gateways.close_channel(gone.gateway_id, stream_id, reason)]
        # An encoder that is not connected is told by its next hello.
        with contextlib.suppress(Unavailable):
            if plan is not None and plan.active is not None:
                orders.append(self._fleet.driver(plan.active.encoder_id).stop(plan.active.worker_id, reason))
        with contextlib.suppress(Unavailable):
            if plan is not None and plan.standby is not None:
                driver = self._fleet.driver(plan.standby.encoder_id)
                orders += [driver.stop(plan.standby.worker_id, reason), driver.release(stream_id)]
        for order in orders:
            self._keeper.start(_quietly(order), name=f"end {stream_id}")


async def _quietly(order: Awaitable[None]) -> None:
    with contextlib.suppress(ManagerError):
        await order
