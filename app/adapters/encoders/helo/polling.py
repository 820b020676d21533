"""Which parameters are to be read now, so that a device is asked as seldom as makes sense. Pure.

Each id has its pace; what is due is read in order of urgency, at most `PER_ROUND` in one round, so a round stays
short however much is due at its start. An event hastens what it names. While events flow, states are read less
often. What its list of parameters does not name is not asked; what it names, or may have, and answers as if there
were no such thing is asked seldom: the answer for that means other things too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from app.adapters.encoders.helo import parameters as p

PER_ROUND: Final = 8
STATES_S: Final = 2.0
STATES_BY_EVENT_S: Final = 5.0
UNWELL_S: Final = 4.0
SIGNAL_S: Final = 10.0
PARTS_S: Final = 30.0
REST_S: Final = 300.0
LACKING_S: Final = 60
_NEVER: Final = float("-inf")
_STATES: Final = (p.STREAM_STATE, p.RECORD_STATE)
KEPT_PACES: Final = 3.0
"""A value that was not read again for so many paces is not known any more."""


def _media(*what: str) -> tuple[str, ...]:
    return tuple(slot + measure for slot in p.MEDIA.values() for measure in what)


_PACES: Final[Mapping[str, float]] = {
    **dict.fromkeys(_STATES, STATES_S),
    # The temperature among them: a sensor that was not read for 15 s counts as lost.
    **dict.fromkeys((p.INPUT_FORMAT, p.VIDEO_SOURCE, p.DURATION, p.TEMPERATURE, *p.ALARMS_OFTEN), SIGNAL_S),
    **dict.fromkeys(
        (
            *_media("Mounted", "Available"), *p.MEDIUM_READY.values(), p.MEDIA_STATE_NOW,
            *p.ALARMS_SOMETIMES, p.LINK_ERRORS, p.SYSTEM_STATE,
        ),
        PARTS_S,
    ),
    **dict.fromkeys(
        (
            p.PRODUCT, p.SERIAL, p.FIRMWARE, p.NAME, *(i for i in p.WELL if i != p.SYSTEM_STATE), p.SYSTEM_TIME,
            *_media("UnusedBytes", "TotalBytes"), *p.FILESYSTEM.values(), *p.VOLUME.values(),
        ),
        REST_S,
    ),
}  # fmt: skip


class PollingPlan:
    """One device's. `now` in monotonic seconds."""

    def __init__(self) -> None:
        self._paces = dict(_PACES)
        self._read_at: dict[str, float] = {}
        self._hastened: set[str] = set()
        self._lacking: set[str] = set()

    def flows(self, *, has_events: bool) -> None:
        """Whether the device tells of its changes."""
        pace_s = STATES_BY_EVENT_S if has_events else STATES_S
        self._paces |= {i: pace_s for i in _STATES if i in self._paces}

    def look_closely(self, *, is_ill: bool) -> None:
        """While a part of it is not up, all are watched until they are."""
        self._paces |= {i: UNWELL_S if is_ill else _PACES[i] for i in p.WELL if i in self._paces}

    def due(self, now: float) -> tuple[str, ...]:
        """What to read in this round, in this order."""
        read_at, hastened, lacking = self._read_at, self._hastened, self._lacking
        # Asked for each device each second: one pass, and no call for what is not due.
        waiting = [
            i
            for i, pace_s in self._paces.items()
            if now - read_at.get(i, _NEVER) >= (max(pace_s, LACKING_S) if i in lacking else pace_s) or i in hastened
        ]
        # States first, whatever else a device says has changed.
        waiting.sort(
            key=lambda i: (
                i not in _STATES,
                i not in hastened,
                self._paces[i],
                read_at.get(i, _NEVER),
            )
        )
        return tuple(waiting[:PER_ROUND])

    def read(self, param_id: str, now: float) -> None:
        if param_id in self._paces:
            self._read_at[param_id] = now
        self._hastened.discard(param_id)

    def hasten(self, ids: Iterable[str]) -> None:
        """They changed. What changes by itself, as a clock does, keeps its pace."""
        self._hastened.update(i for i in ids if i in self._paces and i not in (p.DURATION, p.SYSTEM_TIME))

    def lacks(self, param_id: str) -> None:
        """It answered as if there were no such thing."""
        if param_id in self._paces:
            self._lacking.add(param_id)
        self._hastened.discard(param_id)

    def has(self, param_id: str) -> None:
        """It told a value."""
        self._lacking.discard(param_id)

    def all_anew(self) -> None:
        """The device was away: nothing read before holds."""
        self._read_at.clear()

    def offer(self, ids: frozenset[str], alarms: Iterable[str]) -> None:
        """What the device's descriptors list: nothing else is asked, and every alarm is."""
        paces = {**dict.fromkeys(alarms, REST_S), **_PACES, **self._paces}
        self._paces = {i: pace_s for i, pace_s in paces.items() if i in ids}
        self._lacking.clear()

    def forgotten(self, now: float) -> frozenset[str]:
        """What was read, and not again for so long that it is not known any more."""
        return frozenset(
            i
            for i, at in self._read_at.items()
            if now - at > KEPT_PACES * max(self._paces.get(i, 0.0), STATES_BY_EVENT_S)
        )
