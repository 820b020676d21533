"""From the values of parameters to what holds for every make of device. Pure; unknown stays None.

A temperature of 0 is unknown: it is the value that the parameter has before the sensor was read, and inside a
running device of 13 W, for rooms of 0 °C and more, it is never so cold. Free space is 0 as well before a medium
is mounted, so it counts only with one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from app.adapters.encoders.helo import parameters as p
from app.adapters.encoders.helo.wire import number
from app.domain.device import DeviceAlarm, DeviceReading, EngineState, Medium

Values = Mapping[str, str]
"""By id; what is not known is not in it."""

_HOTTEST_C: Final = 150
_CONNECTED: Final = (EngineState.RUNNING, EngineState.FAILED)
"""Otherwise the device tells a duration of 0, which is that of no stream."""
_DURATION: Final = re.compile(r"(\d{1,5}):([0-5]\d|[0-9]{2}):([0-5]\d):([0-5]\d)")
_TIME_UNITS: Final = (1.0, 1e3, 1e6, 1e9)
_YEAR_1998, _YEAR_2100 = 883_612_800.0, 4_102_444_800.0
_MAX_NAME: Final = 200


def build(
    values: Values, alarms: tuple[DeviceAlarm, ...], *, at: datetime, offset_s: float | None
) -> DeviceReading:
    # One that streams its own test pattern needs no input: whether there is one says nothing.
    needs_input = number(values.get(p.VIDEO_SOURCE)) != p.TEST_PATTERN
    code = number(values.get(p.INPUT_FORMAT)) if needs_input and _sees(values) else None
    streaming = _engine(values.get(p.STREAM_STATE))
    return DeviceReading(
        at=at,
        model=_name(values.get(p.PRODUCT)),
        firmware=_name(values.get(p.FIRMWARE)),
        system_name=_name(values.get(p.NAME)),
        is_well=_is_well(values),
        streaming=streaming,
        recording=_engine(values.get(p.RECORD_STATE)),
        streaming_s=duration_s(values.get(p.DURATION)) if streaming in _CONNECTED else None,
        has_input=None if code is None else code not in (0, 1),
        input_format=p.input_format(code),
        temperature_c=_temperature(values.get(p.TEMPERATURE)),
        media=tuple(_medium(slot, values) for slot in p.MEDIA if _is_there(slot, values)),
        alarms=alarms,
        link_errors=number(values.get(p.LINK_ERRORS)),
        clock_offset_s=offset_s,
        is_in_transfer_mode=_is_transferring(values.get(p.MEDIA_STATE_NOW)),
    )


def duration_s(text: str | None) -> float | None:
    """Days, hours, minutes and seconds as the device writes them, in seconds."""
    parts = _DURATION.fullmatch(text or "")
    if parts is None:
        return None
    days, hours, minutes, seconds = (int(part) for part in parts.groups())
    return float(((days * 24 + hours) * 60 + minutes) * 60 + seconds)


def epoch_s(text: str | None) -> float | None:
    """SystemTime as seconds since 1970. Its unit is in no document, but its size tells: the spans of years in
    seconds, milli-, micro- and nanoseconds do not touch."""
    ticks = number(text)
    if ticks is None:
        return None
    fitting = (ticks / unit for unit in _TIME_UNITS if _YEAR_1998 <= ticks / unit <= _YEAR_2100)
    return next(fitting, None)


def _engine(text: str | None) -> EngineState | None:
    code = number(text)
    return None if code is None else p.ENGINE_STATES.get(code)


def _sees(values: Values) -> bool:
    """Its input reads as none until its video part is up: that is not to have lost it."""
    is_coming = number(values.get(p.SYSTEM_STATE)) in p.BOOTING
    return not is_coming and number(values.get(p.FIRMWARE_STATUS)) in (None, p.FIRMWARE_RUNNING)


def _is_well(values: Values) -> bool | None:
    known = {i: number(values[i]) for i in p.WELL if i in values}
    if any(code is not None and code != p.WELL[i] for i, code in known.items()):
        return False
    return True if known.get(p.SYSTEM_STATE) is not None else None


def _temperature(text: str | None) -> float | None:
    degrees = number(text)
    return None if degrees is None or not 0 < degrees <= _HOTTEST_C else float(degrees)


def _is_transferring(text: str | None) -> bool | None:
    mode = number(text)
    return None if mode is None else mode == 1


def _is_there(slot: str, values: Values) -> bool:
    """The primary one always; the secondary one once the device speaks of it."""
    return slot == "primary" or number(values.get(p.MEDIA[slot] + "Mounted")) == 1


def _medium(slot: str, values: Values) -> Medium:
    begin = p.MEDIA[slot]
    is_mounted = _flag(values.get(begin + "Mounted"))
    if not is_mounted:
        return Medium(slot, is_mounted, _flag(values.get(p.MEDIUM_READY[slot])))
    free = number(values.get(begin + "Available"))
    total = number(values.get(begin + "TotalBytes"))
    return Medium(
        slot,
        is_mounted,
        _flag(values.get(p.MEDIUM_READY[slot])),
        free_percent=None if free is None or not 0 <= free <= 100 else float(free),
        # Without a size nothing is known of what is left of it either.
        free_bytes=number(values.get(begin + "UnusedBytes")) if total else None,
        total_bytes=total or None,
        filesystem=_name(values.get(p.FILESYSTEM[slot])),
        volume=_name(values.get(p.VOLUME[slot])),
    )


def _flag(text: str | None) -> bool | None:
    code = number(text)
    return None if code not in (0, 1) else code == 1


def _name(text: str | None) -> str | None:
    return "".join(c for c in (text or "")[:_MAX_NAME] if c.isprintable()) or None
