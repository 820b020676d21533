"""What a device carries for live streams, and how those want it set up: for whoever wants to touch the device."""

from __future__ import annotations

from typing import Protocol

from app.domain.device import DeviceProfile
from app.domain.errors import ManagerError
from app.domain.ids import EncoderId
from app.domain.remediation import Carried
from app.services.device_places import DevicePlaces
from app.services.live_streams import LiveStreams


class Load(Protocol):
    """`make_way` and `begin_anew` raise Conflict, Unavailable, DeviceError."""

    def carried(self, encoder_id: EncoderId) -> tuple[Carried, ...]: ...

    def profile(self, encoder_id: EncoderId) -> DeviceProfile | None: ...

    async def make_way(self, encoder_id: EncoderId, *, cause: str) -> None: ...

    def begin_anew(self, encoder_id: EncoderId) -> None: ...


class Mover(Protocol):
    async def make_way(self, encoder_id: EncoderId, *, cause: str) -> None: ...

    def begin_anew(self, encoder_id: EncoderId) -> None: ...


class DeviceLoad:
    """Implements `Load`; `mover` changes what is on air, and has streams begun anew."""

    def __init__(self, *, streams: LiveStreams, places: DevicePlaces, mover: Mover) -> None:
        self._streams = streams
        self._places = places
        self._mover = mover

    def carried(self, encoder_id: EncoderId) -> tuple[Carried, ...]:
        found: list[Carried] = []
        for stream in self._streams:
            feed = stream.record.feed
            name = None if feed is None else feed.input_of(encoder_id)
            if name is None:
                continue
            is_known = stream.seen.reading is not None
            found.append(
                Carried(
                    stream.id,
                    is_on_air=stream.seen.on_air is name,
                    flows=stream.seen.flows(name) if is_known else None,
                    other_flows=stream.seen.flows(name.other),
                )
            )
        return tuple(found)

    def profile(self, encoder_id: EncoderId) -> DeviceProfile | None:
        """None: it carries nothing, or the stream's gateway has not come."""
        for stream in self._streams:
            feed = stream.record.feed
            name = None if feed is None else feed.input_of(encoder_id)
            if name is not None:
                try:
                    return self._places.profile(stream, name)
                except ManagerError:
                    return None
        return None

    async def make_way(self, encoder_id: EncoderId, *, cause: str) -> None:
        """Off the air wherever another device sends the same; where none does, it stays."""
        if any(stream.is_on_air and stream.other_flows for stream in self.carried(encoder_id)):
            await self._mover.make_way(encoder_id, cause=cause)

    def begin_anew(self, encoder_id: EncoderId) -> None:
        self._mover.begin_anew(encoder_id)
