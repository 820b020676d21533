"""What a node may take: pure decisions over its running workers and its reservations.

A stream counts once, however it is held. Of one stream the highest generation runs, and a standby beside those
before it until they are stopped by order. Leaves to others: starting and stopping processes (`node`).
"""

from __future__ import annotations

from dataclasses import dataclass

from app.domain.errors import Conflict, NoCapacity
from app.domain.ids import StreamId, WorkerId
from app.domain.link import RunningWorker
from app.domain.stream import WorkerOrder


@dataclass(frozen=True, slots=True)
class Admission:
    """`already`: this very worker runs, nothing is to be done. `replaces`: to be stopped before it starts."""

    already: bool = False
    replaces: tuple[WorkerId, ...] = ()


class Roster:
    def __init__(self, max_streams: int) -> None:
        self._max_streams = max_streams
        self._running: dict[WorkerId, RunningWorker] = {}
        self._reserved: set[StreamId] = set()

    @property
    def running(self) -> tuple[RunningWorker, ...]:
        return tuple(self._running.values())

    def admit(self, order: WorkerOrder) -> Admission:
        """Raises Conflict for a generation that is over, NoCapacity when there is no room."""
        mine = self._running.get(order.worker_id)
        if mine is not None and (mine.stream_id, mine.generation) == (order.stream_id, order.generation):
            return Admission(already=True)
        of_stream = [worker for worker in self._running.values() if worker.stream_id == order.stream_id]
        newest = max((worker.generation for worker in of_stream), default=None)
        if mine is not None or (newest is not None and newest >= order.generation):
            raise Conflict(
                f"worker {order.worker_id} of generation {order.generation} comes late: "
                f"{order.stream_id} runs generation {newest} here"
            )
        self._need_room(order.stream_id)
        return Admission(replaces=() if order.standby else tuple(worker.worker_id for worker in of_stream))

    def reserve(self, stream_id: StreamId) -> None:
        """Raises NoCapacity. Keeping room twice is keeping it once."""
        self._need_room(stream_id)
        self._reserved.add(stream_id)

    def release(self, stream_id: StreamId) -> None:
        self._reserved.discard(stream_id)

    def forget_reservations(self) -> None:
        self._reserved.clear()

    def started(self, order: WorkerOrder) -> None:
        """The worker takes the place that was kept for its stream."""
        self._running[order.worker_id] = RunningWorker(order.worker_id, order.stream_id, order.generation)
        self._reserved.discard(order.stream_id)

    def ended(self, worker_id: WorkerId) -> None:
        self._running.pop(worker_id, None)

    def _need_room(self, stream_id: StreamId) -> None:
        held = {worker.stream_id for worker in self._running.values()} | self._reserved
        if stream_id not in held and len(held) >= self._max_streams:
            raise NoCapacity(f"all {self._max_streams} places of this encoder are taken")
