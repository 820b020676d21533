"""What a device told, as names that patterns of faults can ask for. Pure. What is unknown has no name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from app.domain.device import DeviceReading

_DEFAULT_NAME: Final = "aja-helo-"
"""A HELO that was reset is called so, with its serial number behind it."""


def states_of(reading: DeviceReading, before: DeviceReading | None) -> frozenset[str]:
    """`alarm:ID` for each active alarm, `state:NAME=VALUE` for what else there is. `before`: its last reading."""
    return frozenset(_states(reading, before))


def _states(reading: DeviceReading, before: DeviceReading | None) -> Iterator[str]:
    yield from (f"alarm:{alarm.id}" for alarm in reading.alarms)
    if reading.streaming is not None:
        yield f"state:streaming={reading.streaming.value}"
    if reading.recording is not None:
        yield f"state:recording={reading.recording.value}"
    if reading.has_input is not None:
        yield f"state:input={'present' if reading.has_input else 'absent'}"
    if reading.is_in_transfer_mode:
        yield "state:transfer_mode=on"
    if reading.system_name is not None and reading.system_name.startswith(_DEFAULT_NAME):
        yield "state:system_name=default"
    errors = reading.link_errors, None if before is None else before.link_errors
    if errors[0] is not None and errors[1] is not None and errors[0] > errors[1]:
        yield "state:link_errors=rising"
