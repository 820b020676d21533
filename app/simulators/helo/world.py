"""What is around a HELO and not in it: signals on its inputs, the network, the air, the wall clock. Pure.

Scenarios change it; the unit only looks.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

FULL_HD_30: Final = 18
NO_SIGNAL: Final = 0
BAD_SIGNAL: Final = 1


class Show(StrEnum):
    """What the camera gives, or the unit's own generator."""

    CARD = "card"
    FREEZE = "freeze"
    BLACK = "black"
    BARS = "bars"


class Ingest(StrEnum):
    """How the server on the other end behaves."""

    REAL = "real"
    """It is dialled, and its own answer counts."""
    TAKES = "takes"
    """Nothing is sent, and the stream counts as taken: for tests without a server."""
    REFUSES = "refuses"
    DOWN = "down"


@dataclass(slots=True)
class World:
    """Formats are codes of `DetectInputFormat`."""

    sdi_format: int = NO_SIGNAL
    hdmi_format: int = FULL_HD_30
    has_sound: bool = True
    show: Show = Show.CARD
    ingest: Ingest = Ingest.REAL
    names_resolve: bool = True
    has_network: bool = True
    network_is_slow: bool = False
    link_errors: int = 0
    most_kbps: int | None = None
    """More is cut down to this by the unit, with an alarm; None: it takes what it is told."""


@dataclass(frozen=True, slots=True)
class Event:
    """One entry of the unit's calendar, in seconds of the wall clock. `activity`: 1 record, 2 stream, 3 both."""

    name: str
    begin_s: float
    end_s: float
    activity: int = 2


@dataclass(slots=True)
class WallClock:
    """Seconds since 1970 that the unit believes in."""

    epoch_s: float
    at: float

    def time_s(self, now: float) -> float:
        return self.epoch_s + now - self.at

    def set(self, epoch_s: float, now: float) -> None:
        self.epoch_s, self.at = epoch_s, now


LOST_CLOCK_S: Final = 946_684_800.0
"""The start of the year 2000: where a unit wakes that forgot the time."""
