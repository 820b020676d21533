"""Devices that can be mended, a control that mends them, and a journal that outlives it; all in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any

from app.adapters.encoders.simulated_device import SimulatedDevice
from app.domain.access import Principal, Scope
from app.domain.condition import Condition
from app.domain.device import DeviceProfile, DeviceReading, EngineState, Reach
from app.domain.errors import Conflict, Unavailable
from app.domain.events import DeviceRead, Event
from app.domain.fleet import OperatorWish
from app.domain.ids import EncoderId, KeyId
from app.domain.remediation import Automation, Carried, RemedyBreaker, RemedyRun
from app.monitoring.device_watch import DeviceWatch
from app.runtime.bus import Bus
from app.runtime.clock import monotonic
from app.runtime.tasks import TaskGroupKeeper, run_again
from app.services.aja_remediation_service import AjaRemediationService
from app.services.remedy_aftercare import RemedyAftercare
from app.services.remedy_book import RemedyBook
from app.services.remedy_deeds import RemedyDeeds
from app.services.sick_devices import SickDevices

PERSON = Principal(KeyId("key_person"), "ops", frozenset({Scope.ADMIN}))
BOOT_S = 40.0

Loop = Callable[[], Coroutine[Any, Any, None]]


class Knife:
    """Counts the moments at which a control may die, and stops it at the one that was chosen."""

    def __init__(self) -> None:
        self.at: int | None = None
        self.passed = 0
        self.fell = asyncio.Event()

    async def point(self) -> None:
        self.passed += 1
        if self.passed == self.at:
            self.fell.set()
            await asyncio.Event().wait()


class MemoryRemedies:
    """Implements `RemedyStore`."""

    def __init__(self, knife: Knife) -> None:
        self._knife = knife
        self.kept: dict[str, RemedyRun] = {}
        self.shut: dict[EncoderId, RemedyBreaker] = {}
        self.away = False

    async def put_run(self, run: RemedyRun) -> None:
        await self._turn()
        self.kept[run.id] = run
        await self._knife.point()

    async def open_runs(self) -> tuple[RemedyRun, ...]:
        return tuple(run for run in self.kept.values() if not run.is_over)

    async def remedy_runs(self, *, limit: int = 100, since: datetime | None = None) -> tuple[RemedyRun, ...]:
        found = sorted(self.kept.values(), key=lambda run: run.began_at, reverse=True)
        return tuple(run for run in found if since is None or run.began_at >= since)[:limit]

    async def put_breaker(self, breaker: RemedyBreaker) -> None:
        await self._turn()
        self.shut[breaker.encoder_id] = breaker
        await self._knife.point()

    async def breakers(self) -> tuple[RemedyBreaker, ...]:
        return tuple(self.shut.values())

    async def _turn(self) -> None:
        await self._knife.point()
        if self.away:
            raise Unavailable("the store is away")


class Patient(SimulatedDevice):
    """`heals` is called when it has restarted; `reboots` are the times of its restarts."""

    def __init__(self, encoder_id: EncoderId, knife: Knife) -> None:
        super().__init__(encoder_id)
        self._knife = knife
        self.reboots: list[float] = []
        self.heals: Callable[[], None] = lambda: self.tell(streaming=EngineState.STOPPED)
        self._back: asyncio.TimerHandle | None = None

    async def reboot(self) -> None:
        await self._knife.point()
        self.reboots.append(monotonic())
        await super().reboot()
        self._back = asyncio.get_running_loop().call_later(BOOT_S, self._up)
        await self._knife.point()

    async def leave_transfer_mode(self) -> None:
        await self._knife.point()
        await super().leave_transfer_mode()
        await self._knife.point()

    def break_engine(self) -> None:
        self.tell(streaming=EngineState.SHUT_DOWN)

    def _up(self) -> None:
        self.reach = Reach.OK
        self.heals()


class Rig:
    """`carried` by device; `wishes` as operators and breakers made them; `told` all conditions."""

    def __init__(self, *names: str) -> None:
        self.knife = Knife()
        self.store = MemoryRemedies(self.knife)
        self.devices = {EncoderId(name): Patient(EncoderId(name), self.knife) for name in names}
        self.carrying: dict[EncoderId, tuple[Carried, ...]] = {}
        self.profiles: dict[EncoderId, DeviceProfile] = {}
        self.spare: dict[EncoderId, str] = {}
        self.wishes: dict[EncoderId, OperatorWish] = {}
        self.moved: list[EncoderId] = []
        self.told: list[Condition] = []
        self.tell: Callable[[Event], None] = self.hear
        self.readings: dict[EncoderId, DeviceReading] = {}

    def device(self, name: str = "a") -> Patient:
        return self.devices[EncoderId(name)]

    def runs(self) -> list[RemedyRun]:
        return sorted(self.store.kept.values(), key=lambda run: run.began_at)

    def orders(self) -> list[str]:
        return [order for device in self.devices.values() for order in device.orders]

    def active(self, name: str) -> list[Condition]:
        last: dict[tuple[str, str, str], Condition] = {}
        for condition in self.told:
            last[condition.key] = condition
        return [one for one in last.values() if one.name == name and one.is_active]

    # --- what devices carry: Load

    def carried(self, encoder_id: EncoderId) -> tuple[Carried, ...]:
        return self.carrying.get(encoder_id, ())

    def profile(self, encoder_id: EncoderId) -> DeviceProfile | None:
        return self.profiles.get(encoder_id)

    async def make_way(self, encoder_id: EncoderId, *, cause: str) -> None:
        self.moved.append(encoder_id)
        self.carrying[encoder_id] = tuple(replace(one, is_on_air=False) for one in self.carried(encoder_id))

    def begin_anew(self, encoder_id: EncoderId) -> None:
        if encoder_id not in self.carrying:
            raise Conflict("it feeds no stream")
        self.devices[encoder_id].orders.append("begin_anew")

    # --- who asks streams to leave: Drains

    def wished(self, encoder_id: EncoderId) -> OperatorWish:
        return self.wishes.get(encoder_id, OperatorWish.ACTIVE)

    async def wish(self, encoder_id: EncoderId, wish: OperatorWish) -> None:
        self.wishes[encoder_id] = wish

    # --- control

    def hear(self, event: Event) -> None:
        if isinstance(event, Condition):
            self.told.append(event)
        elif isinstance(event, DeviceRead):
            self.readings[event.encoder_id] = event.reading

    @asynccontextmanager
    async def control(self, automation: Automation = Automation.ON) -> AsyncIterator[AjaRemediationService]:
        """Left as by a kill: nothing more is written or sent."""
        keeper = TaskGroupKeeper(_crashed)
        service, loops = self.put_together(keeper, automation)
        await service.load()
        for loop in loops:
            keeper.start(run_again(loop, pause_s=1.0, on_crash=_crashed), name=loop.__qualname__)
        try:
            yield service
        finally:
            await keeper.close()

    def put_together(
        self, keeper: TaskGroupKeeper, automation: Automation
    ) -> tuple[AjaRemediationService, tuple[Loop, ...]]:
        """The service and what is to run beside it."""
        bus: Bus[Event] = Bus(_raise)
        self.tell = bus.tell
        ids = tuple(self.devices)
        watch = DeviceWatch(on_reading=lambda *_: None, bus=bus)
        sick, book = SickDevices(ids=lambda: ids, tell=bus.tell), RemedyBook(self.store)
        deeds = RemedyDeeds(hardware=self.devices.__getitem__, load=self, spare_input=self.spare.get)
        service = AjaRemediationService(
            book=book,
            deeds=deeds,
            load=self,
            sick=sick,
            drains=self,
            members=lambda: ids,
            reading=self.readings.get,
            bus=bus,
            keeper=keeper,
            automation=automation,
        )
        aftercare = RemedyAftercare(
            book=book,
            deeds=deeds,
            sick=sick,
            members=lambda: ids,
            answers=lambda one: self.devices[one].reach is Reach.OK,
            by_hand=service.hands_off,
            keeper=keeper,
        )
        for listener in (self.hear, sick.hear, service.hear):
            bus.listen(listener)
        for device in self.devices.values():
            watch.add(device)
        return service, (watch.run, service.run, aftercare.run)


def _raise(error: BaseException) -> None:
    raise error


def _crashed(name: str, error: BaseException) -> None:
    raise AssertionError(f"{name} failed") from error
