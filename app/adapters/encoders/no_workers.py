"""A hardware encoder in the fleet's eyes: it runs no workers, and says so."""

from __future__ import annotations

from typing import NoReturn

from app.domain.errors import Conflict, NoCapacity, NotFound
from app.domain.ids import EncoderId, StreamId, WorkerId
from app.domain.stream import EncodeSettings, WorkerOrder


class NoWorkers:
    """Implements `EncoderDriver` of a device, whose own input is all that it encodes."""

    def __init__(self, encoder_id: EncoderId) -> None:
        self._encoder_id = encoder_id

    @property
    def encoder_id(self) -> EncoderId:
        return self._encoder_id

    async def reserve(self, stream_id: StreamId, order: WorkerOrder) -> None:
        self._refuse()

    async def release(self, stream_id: StreamId) -> None:
        """It never holds one."""

    async def start(self, order: WorkerOrder) -> None:
        self._refuse()

    async def stop(self, worker_id: WorkerId, reason: str) -> None:
        """None runs."""

    async def reconfigure(self, worker_id: WorkerId, encode: EncodeSettings) -> None:
        raise Conflict(f"{self._encoder_id} is a device: no worker runs there")

    async def break_worker(self, worker_id: WorkerId, how: str) -> None:
        raise NotFound(f"{self._encoder_id} is a device: no worker runs there")

    def _refuse(self) -> NoReturn:
        raise NoCapacity(f"{self._encoder_id} is a device: it encodes its own input and nothing else")
