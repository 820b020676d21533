"""A software encoder: orders to its node over the link."""

from __future__ import annotations

from typing import Final

from app.domain.ids import EncoderId, NodeId, StreamId, WorkerId
from app.domain.link import BreakWorker, ReconfigureWorker, ReleaseStream, ReserveStream, StartWorker, StopWorker
from app.domain.stream import EncodeSettings, WorkerOrder
from app.ports.link import Downlink

START_S: Final = 5.0
RESERVE_S: Final = 5.0
STOP_S: Final = 15.0
"""A stop escalates from asking to SIGKILL before it is done."""


class NodeDriver:
    """Implements `EncoderDriver`."""

    def __init__(self, *, encoder_id: EncoderId, node_id: NodeId, downlink: Downlink) -> None:
        self._encoder_id = encoder_id
        self._node_id = node_id
        self._downlink = downlink

    @property
    def encoder_id(self) -> EncoderId:
        return self._encoder_id

    async def reserve(self, stream_id: StreamId, order: WorkerOrder) -> None:
        await self._downlink.order(self._node_id, ReserveStream(stream_id, order), timeout_s=RESERVE_S)

    async def release(self, stream_id: StreamId) -> None:
        await self._downlink.order(self._node_id, ReleaseStream(stream_id))

    async def start(self, order: WorkerOrder) -> None:
        await self._downlink.order(self._node_id, StartWorker(order), timeout_s=START_S)

    async def stop(self, worker_id: WorkerId, reason: str) -> None:
        await self._downlink.order(self._node_id, StopWorker(worker_id, reason), timeout_s=STOP_S)

    async def reconfigure(self, worker_id: WorkerId, encode: EncodeSettings) -> None:
        await self._downlink.order(self._node_id, ReconfigureWorker(worker_id, encode))

    async def break_worker(self, worker_id: WorkerId, how: str) -> None:
        await self._downlink.order(self._node_id, BreakWorker(worker_id, how))
