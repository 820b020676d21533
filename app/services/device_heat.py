"""Streams of devices and heat: asks thermal control of each seat, gives the turns to leave, tells who has to stay.

What follows from it for a seat is the policy's (`app/policy/device_heat.py`, `device_feed.py`) to say.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Protocol

from app.domain.events import Event, StreamErrorSeen
from app.domain.ids import EncoderId
from app.domain.severity import Severity
from app.domain.stream import Input
from app.policy.device_feed import Command, SeatSeen
from app.policy.device_heat import why_it_stays
from app.policy.failover_words import Leave
from app.policy.heat_turn import HeatTurn
from app.runtime.bus import Bus
from app.runtime.clock import utc_now
from app.services.device_places import DevicePlaces, feed_of
from app.services.live_streams import LiveStream

COOLER_EVERY_S: Final = 5.0
"""Each time the whole fleet is ranked; in a heat wave all streams would ask for that at every beat."""


class Warmth(Protocol):
    """What thermal control says of an encoder; None: nothing is against it, or it is not known."""

    def leave(self, encoder_id: EncoderId) -> Leave | None: ...

    def shun(self, encoder_id: EncoderId) -> Leave | None: ...

    def temperature_c(self, encoder_id: EncoderId) -> float | None: ...


class DeviceHeat:
    def __init__(self, *, warmth: Warmth, turn: HeatTurn, places: DevicePlaces, bus: Bus[Event]) -> None:
        self._warmth = warmth
        self._turn = turn
        self._places = places
        self._bus = bus
        self._waiting: list[tuple[float, LiveStream, Command]] = []
        """Changes that wait for their turn, with the temperature they flee from, found in this look."""

    def against(self, stream: LiveStream, name: Input, now: float) -> tuple[Leave | None, Leave | None, bool]:
        """Why what runs on the input's device is to leave, why nothing should wait there, and whether a cooler one
        could have its seat."""
        encoder_id, seat = feed_of(stream).seat(name).encoder_id, self._places.room(stream).seats[name]
        if encoder_id is None:
            return None, None, False
        leave, shun = self._warmth.leave(encoder_id), self._warmth.shun(encoder_id)
        if leave is None and shun is None:
            seat.cooler_asked_at, seat.has_cooler = None, False
        elif seat.cooler_asked_at is None or now - seat.cooler_asked_at >= COOLER_EVERY_S:
            seat.cooler_asked_at, seat.has_cooler = now, self._places.has_cooler(stream)
        return leave, shun, seat.has_cooler

    def wait(self, stream: LiveStream, command: Command) -> None:
        hot = feed_of(stream).seat(command.input.other).encoder_id
        celsius = None if hot is None else self._warmth.temperature_c(hot)
        self._waiting.append((celsius or 0.0, stream, command))

    def next(self, now: float) -> tuple[LiveStream, Command] | None:
        """The hottest one whose turn it is; the others are found again by the next look."""
        waiting, self._waiting = self._waiting, []
        if not waiting or not self._turn.is_free(now):
            return None
        _, stream, command = max(waiting, key=lambda found: found[0])
        self._turn.take(now)
        return stream, command

    def tell_who_stays(
        self, stream: LiveStream, seen: Mapping[Input, SeatSeen], primary: Input, now: float
    ) -> None:
        """Once for each time that a device on air is to be left and no other one is fit."""
        seat, on_air = self._places.room(stream).seats[primary], seen[primary]
        why = why_it_stays(on_air, seen[primary.other], now)
        if on_air.leave is None:
            seat.stays_told = False
        elif why is not None and not seat.stays_told:
            seat.stays_told = True
            detail = f"{on_air.encoder_id} is to be left: {on_air.leave.cause}"
            at, tenant = utc_now(), stream.record.tenant
            acted = f"it stays on air: {why}"
            self._bus.tell(
                StreamErrorSeen(stream.id, tenant, Severity.WARNING, "heat of a device", detail, at, acted)
            )
