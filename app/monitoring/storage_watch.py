"""Tells early that a device's media fill up, with what to do about it; the device itself tells only late.

What a device says of its media is in its own alarms, which `device_watch.py` tells.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from app.domain.condition import Category, Condition, Subject, SubjectKind
from app.domain.events import DeviceRead, Event
from app.domain.ids import EncoderId
from app.domain.severity import Severity
from app.monitoring.standing import StandingConditions
from app.policy.storage import Advice, advise
from app.runtime.clock import monotonic, utc_now

BEAT_S: Final = 5.0
FILLING: Final = "device_storage_filling"


class StorageWatch:
    """`knows`: whether a device is still entered. `hear` listens to the bus, `run` runs until cancelled."""

    def __init__(self, *, tell: Callable[[Condition], None], knows: Callable[[EncoderId], bool]) -> None:
        self._standing = StandingConditions(tell)
        self._knows = knows

    def hear(self, event: Event) -> None:
        if isinstance(event, DeviceRead):
            advice = advise(event.reading.media)
            # Half known is not well: nothing ends while the device does not tell of its media.
            if advice or event.reading.media:
                self._standing.note(_condition(event.encoder_id, advice), monotonic())

    async def run(self) -> None:
        while True:
            await asyncio.sleep(BEAT_S)
            for subject in self._standing.subjects():
                if not self._knows(EncoderId(subject.id)):
                    self._standing.end_all(subject, _over)
            self._standing.retell(monotonic())


def _over(condition: Condition) -> Condition:
    return replace(condition, is_active=False, at=utc_now())


def _condition(encoder_id: EncoderId, advice: tuple[Advice, ...]) -> Condition:
    is_urgent = any(one.is_urgent for one in advice)
    words = "; ".join(f"{one.slot}: {one.words}" for one in advice) or "its media have room"
    return Condition(
        name=FILLING,
        subject=Subject(SubjectKind.ENCODER, encoder_id),
        is_active=bool(advice),
        severity=Severity.WARNING if is_urgent else Severity.INFO,
        category=Category.STORAGE,
        at=utc_now(),
        summary=f"{encoder_id}: {words}",
        labels=(("encoder", encoder_id),),
    )
