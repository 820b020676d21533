"""One encoder of the fleet, whatever it is: our own node, a simulated device, a hardware encoder."""

from __future__ import annotations

from typing import Protocol

from app.domain.ids import EncoderId, StreamId, WorkerId
from app.domain.stream import EncodeSettings, WorkerOrder


class EncoderDriver(Protocol):
    """All calls raise ManagerError: Unavailable when it can't be reached, NoCapacity when it refuses."""

    @property
    def encoder_id(self) -> EncoderId: ...

    async def reserve(self, stream_id: StreamId, order: WorkerOrder) -> None:
        """Keep room for a stream that may come here as backup."""

    async def release(self, stream_id: StreamId) -> None:
        """Give a reservation back; a no-op when there is none."""

    async def start(self, order: WorkerOrder) -> None:
        """Run the worker; done once it is started, not once it encodes."""

    async def stop(self, worker_id: WorkerId, reason: str) -> None:
        """Stop the worker; a no-op when it does not run."""

    async def reconfigure(self, worker_id: WorkerId, encode: EncodeSettings) -> None:
        """Go on with other bitrates of the same renditions. Raises Conflict where that needs a new worker."""

    async def break_worker(self, worker_id: WorkerId, how: str) -> None:
        """A drill: `kill` or `stall` the worker. Raises NotFound for one that does not run."""
