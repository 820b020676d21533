"""Learns from the workers' readings what a session costs. What follows from it is the balancer's business.

A worker counts when it encodes for the programme: a standby's idling tells nothing about its work.
"""

from __future__ import annotations

from app.domain.encoder import EncoderInfo, WorkerReading
from app.domain.events import EncoderRead, Event
from app.policy.session_cost import SessionCosts, shape_of
from app.services.fleet import Fleet
from app.services.live_streams import LiveStreams


class SessionMeter:
    """Have it listen to the bus."""

    def __init__(self, *, streams: LiveStreams, fleet: Fleet, costs: SessionCosts) -> None:
        self._streams = streams
        self._fleet = fleet
        self._costs = costs

    def hear(self, event: Event) -> None:
        if not isinstance(event, EncoderRead):
            return
        info = self._fleet.info(event.encoder_id)
        if info is not None:
            for worker in event.reading.workers:
                self._take(info, worker)

    def _take(self, info: EncoderInfo, worker: WorkerReading) -> None:
        stream = self._streams.find(worker.stream_id)
        if stream is None or stream.record.encode is None or stream.seen.source_since is None:
            return
        active = stream.active
        if active is not None and active.worker_id == worker.worker_id:
            self._costs.feed(shape_of(stream.record.encode), info.capabilities.cpu_model, worker)
