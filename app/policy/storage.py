"""Room on media: what people should do about a device's media, and which old recordings of ours may go. Pure.

Nothing is deleted unless an operator said how much is to stay free, and then only recordings that this system wrote
and that nobody writes to: the oldest first, and the newest never. A device's own clips are never deleted.
Sources: the HELO reference, limits of storage (10.2) and its table of faults (11).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from app.domain.device import Medium

FILLING_PERCENT: Final = 25.0
"""Free space from which people are told: time enough to bring another medium."""
LOW_PERCENT: Final = 15.0
START_PERCENT: Final = 10.0
"""With less a new recording need not be expected to start."""
SPARED_S: Final = 3_600.0
"""A recording that was written to so lately may be going on elsewhere, or be looked at just now."""
KEPT_NEWEST: Final = 1
"""Recordings that stay, whatever the disk says."""


@dataclass(frozen=True, slots=True)
class Advice:
    """For people. `is_urgent`: recording has ended or will not start."""

    slot: str
    words: str
    is_urgent: bool = False


def advise(media: Sequence[Medium]) -> tuple[Advice, ...]:
    """What to do about a device's media; what it does not tell gives no advice."""
    found = [advice for medium in media for advice in _of(medium)]
    ready = [medium for medium in media if medium.is_ready]
    if any(advice.is_urgent for advice in found) and ready:
        slots = ", ".join(medium.slot for medium in ready)
        found.append(Advice(slots, "is ready: recording can go on there"))
    return tuple(found)


def _of(medium: Medium) -> Iterable[Advice]:
    free = medium.free_percent
    if medium.is_mounted is False:
        yield Advice(medium.slot, "no medium is mounted: insert one, or mount the share", is_urgent=True)
        return
    if free is not None and free < START_PERCENT:
        yield Advice(
            medium.slot, f"{free:.0f} % free: a recording will not start, change the medium", is_urgent=True
        )
    elif free is not None and free <= LOW_PERCENT:
        yield Advice(medium.slot, f"{free:.0f} % free: change the medium before the next recording")
    elif free is not None and free <= FILLING_PERCENT:
        yield Advice(medium.slot, f"{free:.0f} % free: have another medium at hand")
    if medium.is_mounted and medium.is_ready is False and (free is None or free >= START_PERCENT):
        yield Advice(
            medium.slot,
            "is not ready to record: copy it off, then format it as MBR with exFAT",
            is_urgent=True,
        )
    if (medium.filesystem or "").upper().startswith("FAT"):
        yield Advice(medium.slot, "FAT32 ends files at 4 GB: format it as exFAT")


@dataclass(frozen=True, slots=True)
class Recording:
    """One that lies on the disk. `is_own`: it looks like what this system writes, and nothing else is in it."""

    name: str
    size_bytes: int
    age_s: float
    """Since it was written to."""
    is_own: bool
    is_active: bool


def to_delete(
    recordings: Iterable[Recording], *, free_bytes: int, total_bytes: int, min_free_percent: float
) -> tuple[str, ...]:
    """Names in the order in which they go, until so much is free. 0 %: nothing is ever deleted."""
    missing = total_bytes * min_free_percent / 100.0 - free_bytes
    finished = sorted((one for one in recordings if one.is_own), key=lambda one: one.age_s, reverse=True)
    stay = {one.name for one in finished[len(finished) - KEPT_NEWEST :]}
    going: list[str] = []
    for one in finished:
        if missing <= 0:
            break
        if one.is_active or one.name in stay or one.age_s < SPARED_S:
            continue
        going.append(one.name)
        missing -= one.size_bytes
    return tuple(going)
