"""Gives a stream of devices another picture: the one that waits is set anew and goes on air, the other follows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Final

import structlog

from app.domain.device_feed import DevicePicture
from app.domain.errors import Conflict, ManagerError, Unavailable
from app.domain.failover import DecidedBy
from app.domain.stream import Input
from app.runtime.clock import monotonic
from app.runtime.tasks import TaskGroupKeeper
from app.services.device_deeds import DeviceDeeds
from app.services.device_places import DevicePlaces, feed_of
from app.services.gateways import Gateways
from app.services.live_streams import LiveStream

LOOK_S: Final = 0.2
BUSY_S: Final = 20.0
"""For what is being done with its devices already."""
CHANGE_S: Final = 45.0
"""For a device to be set anew and to be seen at the gateway."""

log = structlog.get_logger()


class DeviceChange:
    def __init__(
        self, *, places: DevicePlaces, deeds: DeviceDeeds, gateways: Gateways, keeper: TaskGroupKeeper
    ) -> None:
        self._places = places
        self._deeds = deeds
        self._gateways = gateways
        self._keeper = keeper

    async def change(self, stream: LiveStream, picture: DevicePicture) -> bool:
        """Go on with `picture`, over the other device where there is one; False: with a cut.

        The caller holds `editing`. Raises Conflict, Unavailable, or the device's answer; the old picture
        stays then.
        """
        room = self._places.room(stream)
        # A deed that is under way ends first: a device that flows may still be waiting for its own state to say so.
        await self._until(
            lambda: not any(seat.busy for seat in room.seats.values()),
            Conflict("its devices are being set up", hint="Try again in a moment."),
            within_s=BUSY_S,
        )
        old = feed_of(stream)
        on_air = stream.seen.on_air or old.primary
        first = on_air.other if old.seat(on_air.other).encoder_id is not None else on_air
        follows: Input | None = None
        for seat in room.seats.values():
            seat.busy = True
        try:
            async with stream.lock:
                await self._places.save(stream, replace(feed_of(stream), picture=picture))
            await self._set_anew(stream, first)
            if first is on_air:
                return False
            await self._gateways.switch_input(
                stream.record, first, cause="change of picture", decided_by=DecidedBy.OPERATOR
            )
            await self._until(lambda: stream.seen.on_air is first, Unavailable("the gateway did not change over"))
            follows = on_air
            return True
        except ManagerError:
            async with stream.lock:
                await self._places.save(stream, replace(feed_of(stream), picture=old.picture))
            self._places.renew(stream, first)
            follows = first if stream.seen.on_air is not first else None
            raise
        finally:
            for name, seat in room.seats.items():
                seat.busy = name is follows
            if follows is not None:
                self._keeper.start(self._follow(stream, follows), name=f"change {stream.id}")

    async def _set_anew(self, stream: LiveStream, name: Input) -> None:
        seen = stream.seen
        await self._deeds.restart(self._places.at(stream, name), self._places.profile(stream, name))
        self._places.room(stream).seats[name].started_at = monotonic()
        # What flowed before it was stopped may be told still.
        asked = None if seen.reading is None else seen.reading.at
        await self._until(
            lambda: seen.flows(name) and seen.reading is not None and seen.reading.at != asked,
            Unavailable("nothing came from the device that was set anew"),
        )

    async def _follow(self, stream: LiveStream, name: Input) -> None:
        """The device off the air makes the picture of the record; should it fail, its seat is looked at as ever."""
        seat = self._places.room(stream).seats[name]
        try:
            profile, encoder_id = self._places.profile(stream, name), self._places.at(stream, name)
            if feed_of(stream).is_hot:
                await self._deeds.start(encoder_id, profile)
                seat.started_at = seat.set_up_at = monotonic()
            else:
                await self._deeds.stand_by(encoder_id, profile)
        except ManagerError as error:
            seat.failures += 1
            log.warning("device not set anew", stream_id=stream.id, input=name.value, reason=error.detail)
        finally:
            seat.busy = False

    @staticmethod
    async def _until(true: Callable[[], bool], otherwise: ManagerError, *, within_s: float = CHANGE_S) -> None:
        deadline = monotonic() + within_s
        while not true():
            if monotonic() > deadline:
                raise otherwise
            await asyncio.sleep(LOOK_S)
