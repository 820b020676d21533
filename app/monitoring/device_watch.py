"""Reads each hardware encoder at its pace and tells what it learnt: readings, and what is wrong.

One task for each device, so that a slow one keeps nobody else waiting. What is asked of a device when is its
driver's business, what counts as wrong `app/policy/device_faults.py`'s.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Final

import structlog

from app.domain.condition import RETOLD_S, Condition, Subject, SubjectKind
from app.domain.device import DeviceReading, Reach
from app.domain.encoder import EncoderReading
from app.domain.errors import DeviceError, ManagerError
from app.domain.events import DeviceRead, Event
from app.domain.ids import EncoderId
from app.policy.device_faults import REACH_FAULTS, Fault, judge_reach, judge_reading
from app.ports.device import HardwareEncoder
from app.runtime.bus import Bus
from app.runtime.clock import monotonic, utc_now
from app.runtime.tasks import TaskGroupKeeper, run_again

PACE_S: Final = 1.0
LONGEST_PAUSE_S: Final = 10.0
"""However long a device is left in peace, its state is looked at so often: an order may have reached it."""
FAILURES_TOLD: Final = 2
"""Rounds in a row that must fail before anybody is told: one lost answer is no outage."""
SETTLES_S: Final = 20.0
"""After an absence a device needs several rounds to tell all of itself; what it has not told yet has not ended."""
_MANY_PHASES: Final = 32

Labels = tuple[tuple[str, str], ...]
OnReading = Callable[[EncoderId, EncoderReading], None]

log = structlog.get_logger()


@dataclass(slots=True)
class _Watched:
    driver: HardwareEncoder
    labels: Labels
    failures: int = 0
    was_away: bool = False
    settled_from: float = 0.0
    told: dict[str, tuple[Fault, float]] = field(default_factory=dict)
    """By the fault's name: as it was told last, and when."""


class DeviceWatch:
    """`on_reading` gets what the fleet needs of each reading. `run()` watches; devices come and go meanwhile."""

    def __init__(self, *, on_reading: OnReading, bus: Bus[Event], pace_s: float = PACE_S) -> None:
        self._on_reading = on_reading
        self._bus = bus
        self._pace_s = pace_s
        self._watched: dict[EncoderId, _Watched] = {}
        self._work: dict[EncoderId, asyncio.Task[None]] = {}
        self._tasks = TaskGroupKeeper(_crashed)
        self._is_running = False
        self._added = 0

    def add(self, driver: HardwareEncoder, *, labels: Labels = ()) -> None:
        """Watch it from now on. `labels`: what it may share with others, such as host, rack and region."""
        self.remove(driver.encoder_id)
        self._watched[driver.encoder_id] = _Watched(driver, (("encoder", driver.encoder_id), *labels))
        if self._is_running:
            self._begin(driver.encoder_id)

    def remove(self, encoder_id: EncoderId) -> None:
        """Watch it no more; what was wrong with it is over. Its driver is left open. A no-op for a stranger."""
        task = self._work.pop(encoder_id, None)
        if task is not None:
            task.cancel()
        watched = self._watched.pop(encoder_id, None)
        if watched is not None:
            self._tell(watched, (), known=lambda _: True)

    async def run(self) -> None:
        """Until cancelled."""
        self._is_running = True
        try:
            for encoder_id in self._watched:
                self._begin(encoder_id)
            await asyncio.Event().wait()
        finally:
            self._is_running = False
            self._work.clear()
            await self._tasks.close()

    def _begin(self, encoder_id: EncoderId) -> None:
        watched = self._watched[encoder_id]
        # Those that are added together are not read in the same instant of each second.
        phase_s = self._pace_s * (self._added % _MANY_PHASES) / _MANY_PHASES
        self._added += 1

        async def follow() -> None:
            await asyncio.sleep(phase_s)
            await run_again(lambda: self._follow(watched), pause_s=self._pace_s, on_crash=_crashed)

        self._work[encoder_id] = self._tasks.start(follow(), name=f"watch of {encoder_id}")

    async def _follow(self, watched: _Watched) -> None:
        due = monotonic()
        while True:
            rest_s = await self._look(watched)
            # A round that took long does not make the next ones come in a rush.
            due = max(due + self._pace_s, monotonic() + rest_s)
            await asyncio.sleep(due - monotonic())

    async def _look(self, watched: _Watched) -> float:
        """One round; how long the device is to be left in peace at least."""
        try:
            reading = await watched.driver.read()
        except ManagerError as error:
            watched.failures += 1
            # One that answered, though not as it should, still stands by what it told before.
            watched.was_away = watched.was_away or not isinstance(error, DeviceError)
            fault = judge_reach(watched.driver.reach)
            if watched.failures >= FAILURES_TOLD and fault is not None:
                self._tell(watched, (replace(fault, words=f"{fault.words}: {error.detail}"),), known=_of_reach)
            return min(error.retry_after_s or 0.0, LONGEST_PAUSE_S)
        watched.failures = 0
        if watched.was_away:
            watched.was_away, watched.settled_from = False, monotonic() + SETTLES_S
        self._bus.tell(DeviceRead(watched.driver.encoder_id, reading))
        self._on_reading(watched.driver.encoder_id, _for_the_fleet(reading))
        faults = judge_reading(reading)
        if watched.driver.reach is Reach.REBOOTING and (booting := judge_reach(Reach.REBOOTING)) is not None:
            faults = (*faults, booting)
        is_settled = monotonic() >= watched.settled_from
        self._tell(watched, faults, known=lambda name: is_settled or _of_reach(name))
        return 0.0

    def _tell(self, watched: _Watched, faults: Iterable[Fault], *, known: Callable[[str], bool]) -> None:
        """Tell what began, what ended, and again what lasts. `known`: which names this round can speak of."""
        now, present = monotonic(), {fault.name: fault for fault in faults}
        for name, fault in present.items():
            before = watched.told.get(name)
            if before is None or now - before[1] >= RETOLD_S or before[0].severity is not fault.severity:
                watched.told[name] = fault, now
                self._bus.tell(_condition(watched, fault, is_active=True))
        for name in [name for name in watched.told if name not in present and known(name)]:
            fault, _ = watched.told.pop(name)
            self._bus.tell(_condition(watched, fault, is_active=False))


def _of_reach(name: str) -> bool:
    """While a device is away, nothing is known of what else is wrong with it: whether it lasts or has ended."""
    return name in REACH_FAULTS


def _condition(watched: _Watched, fault: Fault, *, is_active: bool) -> Condition:
    encoder_id = watched.driver.encoder_id
    return Condition(
        name=fault.name,
        subject=Subject(SubjectKind.ENCODER, encoder_id),
        is_active=is_active,
        severity=fault.severity,
        category=fault.category,
        at=utc_now(),
        summary=f"{encoder_id}: {fault.words}",
        labels=watched.labels,
        value=fault.value,
    )


def _for_the_fleet(reading: DeviceReading) -> EncoderReading:
    """Such a device tells neither its load nor its memory nor its fans."""
    medium = next((medium for medium in reading.media if medium.is_mounted), None)
    free_percent = None if medium is None else medium.free_percent
    return EncoderReading(
        temperature_c=reading.temperature_c,
        disk_free_bytes=None if medium is None else medium.free_bytes,
        disk_percent=None if free_percent is None else 100.0 - free_percent,
    )


def _crashed(name: str, error: BaseException) -> None:
    log.error("task failed", task=name, error=repr(error))
