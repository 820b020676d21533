"""What a channel sends away by itself: pushes to destinations and the recording. Switched by the plan."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from app.domain.link import DestinationReading
from app.domain.stream import ChannelPlan, Destination
from app.media.arrival import Arrival
from app.media.fanout import FanOut
from app.media.programme import Programme


class Push(Protocol):
    """One running push."""

    def reading(self) -> DestinationReading: ...

    def follow(self, mux: FanOut) -> None:
        """Send `mux` from now on."""

    async def close(self) -> None: ...


class Recording(Protocol):
    """One running recording; `take` hears the highest muxed stream."""

    def take(self, arrival: Arrival) -> None: ...

    @property
    def bytes_written(self) -> int: ...

    failures: int
    """How often the disk failed it."""

    async def close(self) -> None: ...


StartPush = Callable[[Destination, FanOut], Push]
StartRecording = Callable[[ChannelPlan], Recording]


class ChannelOutputs:
    """Starts and stops pushes and the recording as plans come."""

    def __init__(self, *, start_push: StartPush, start_recording: StartRecording) -> None:
        self._start_push = start_push
        self._start_recording = start_recording
        self._pushes: dict[Destination, Push] = {}
        self._recording: Recording | None = None

    async def apply(self, plan: ChannelPlan, programme: Programme) -> None:
        """Bring what runs to `plan`. The connection of a destination that did not change is not touched."""
        wanted = {
            destination: mux
            for destination in plan.outputs.destinations
            if (mux := programme.muxes.get(programme.rendition(destination.rendition))) is not None
        }
        for destination, push in list(self._pushes.items()):
            if destination not in wanted:
                del self._pushes[destination]
                await push.close()
        for destination, mux in wanted.items():
            if destination in self._pushes:
                self._pushes[destination].follow(mux)
            else:
                self._pushes[destination] = self._start_push(destination, mux)
        if plan.outputs.record and self._recording is None:
            self._recording = self._start_recording(plan)
            programme.set_tap(self._recording.take)
        elif not plan.outputs.record and self._recording is not None:
            programme.set_tap(None)
            recording, self._recording = self._recording, None
            await recording.close()

    def readings(self) -> tuple[DestinationReading, ...]:
        return tuple(push.reading() for push in self._pushes.values())

    @property
    def recording_bytes(self) -> int | None:
        """None when the plan records nothing."""
        return self._recording.bytes_written if self._recording is not None else None

    @property
    def recording_failures(self) -> int | None:
        """None when the plan records nothing."""
        return self._recording.failures if self._recording is not None else None

    async def close(self) -> None:
        """Stop everything; what was recorded is complete."""
        for push in self._pushes.values():
            await push.close()
        self._pushes.clear()
        if self._recording is not None:
            await self._recording.close()
            self._recording = None
