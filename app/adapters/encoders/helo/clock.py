"""A HELO's clock: read, and set right. No document says its zone or how its time is written; both are measured.

What users of such devices write is local time to the minute. So our own time is written first, how far that leads
astray is read back, and what is written then makes up for it. The rest is half a minute at most.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from app.adapters.encoders.helo import parameters as p
from app.adapters.encoders.helo.client import HeloClient
from app.adapters.encoders.helo.reading import epoch_s
from app.domain.errors import DeviceError
from app.runtime.clock import utc_now

SET_RIGHT_S: Final = 60.0
"""Closer than this is right: half a minute of rounding, and time that goes by meanwhile."""
_HALF_MINUTE: Final = timedelta(seconds=30)


async def offset_s(client: HeloClient) -> float:
    """The device's time minus ours. Raises DeviceError where it tells none."""
    told = await client.get(p.SYSTEM_TIME)
    seconds = None if told is None else epoch_s(told.value)
    if seconds is None:
        raise DeviceError("its clock cannot be read, so it is not set either")
    return seconds - utc_now().timestamp()


async def set_right(client: HeloClient) -> None:
    """Raises DeviceError where it does not take it."""
    if abs(await offset_s(client)) <= SET_RIGHT_S:
        return
    astray_s = 0.0
    for _ in range(2):
        await client.put(p.DATE, written(utc_now() - timedelta(seconds=astray_s)))
        left_s = await offset_s(client)
        if abs(left_s) <= SET_RIGHT_S:
            return
        astray_s = left_s
    raise DeviceError("it does not take the time")


def written(when: datetime) -> str:
    """To the nearest minute."""
    return (when.astimezone(UTC) + _HALF_MINUTE).strftime("%m/%d/%Y %H:%M")
