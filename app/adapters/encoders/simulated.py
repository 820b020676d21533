"""A device that answers like an encoder and encodes nothing: for load tests and drills of the manager itself."""

from __future__ import annotations

from dataclasses import replace

from app.domain.encoder import EncoderInfo, EncoderReading, WorkerReading
from app.domain.errors import NoCapacity, NotFound, Unavailable
from app.domain.ids import EncoderId, StreamId, WorkerId
from app.domain.stream import EncodeSettings, WorkerOrder


class SimulatedEncoder:
    """Implements `EncoderDriver`. Its owner calls `reading()` for each heartbeat, and may switch it off."""

    def __init__(self, info: EncoderInfo) -> None:
        self.info = info
        self.workers: dict[WorkerId, WorkerOrder] = {}
        self.reserved: dict[StreamId, WorkerOrder] = {}
        self.is_off = False

    @property
    def encoder_id(self) -> EncoderId:
        return self.info.encoder_id

    async def reserve(self, stream_id: StreamId, order: WorkerOrder) -> None:
        self._admit(stream_id)
        self.reserved[stream_id] = order

    async def release(self, stream_id: StreamId) -> None:
        self._answer()
        self.reserved.pop(stream_id, None)

    async def start(self, order: WorkerOrder) -> None:
        self._admit(order.stream_id)
        older = [w.worker_id for w in self.workers.values() if w.stream_id == order.stream_id]
        for worker_id in () if order.standby else older:
            del self.workers[worker_id]
        self.reserved.pop(order.stream_id, None)
        self.workers[order.worker_id] = order

    async def stop(self, worker_id: WorkerId, reason: str) -> None:
        self._answer()
        self.workers.pop(worker_id, None)

    async def reconfigure(self, worker_id: WorkerId, encode: EncodeSettings) -> None:
        self.workers[worker_id] = replace(self._running(worker_id), encode=encode)

    async def break_worker(self, worker_id: WorkerId, how: str) -> None:
        del self.workers[self._running(worker_id).worker_id]

    def reading(self) -> EncoderReading:
        """Load in proportion to the places taken."""
        share = 100.0 * len(self.workers) / max(1, self.info.capabilities.max_streams)
        workers = tuple(
            WorkerReading(order.worker_id, order.stream_id, order.generation, cpu_percent=50.0, speed=1.0)
            for order in self.workers.values()
        )
        return EncoderReading(cpu_percent=share, memory_percent=share / 2, temperature_c=40.0, workers=workers)

    def _running(self, worker_id: WorkerId) -> WorkerOrder:
        self._answer()
        if worker_id not in self.workers:
            raise NotFound(f"worker {worker_id} does not run here")
        return self.workers[worker_id]

    def _answer(self) -> None:
        if self.is_off:
            raise Unavailable(f"{self.encoder_id} is switched off")

    def _admit(self, stream_id: StreamId) -> None:
        self._answer()
        streams = {order.stream_id for order in self.workers.values()} | set(self.reserved)
        if stream_id not in streams and len(streams) >= self.info.capabilities.max_streams:
            raise NoCapacity(f"{self.encoder_id} is full")
