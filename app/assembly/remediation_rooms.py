"""Puts together what mends devices: what is wrong with them, the journal, the deeds, and who decides."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from app.adapters.store.sql_store import SqlStore
from app.assembly.device_rooms import DeviceRooms
from app.domain.encoder import EncoderState
from app.domain.events import Event
from app.domain.fleet import OperatorWish
from app.domain.ids import EncoderId
from app.domain.remediation import Automation
from app.monitoring.storage_watch import StorageWatch
from app.runtime.bus import Bus
from app.runtime.clock import monotonic
from app.runtime.tasks import TaskGroupKeeper
from app.services.aja_remediation_service import AjaRemediationService
from app.services.fleet import Fleet
from app.services.remedy_aftercare import RemedyAftercare
from app.services.remedy_book import RemedyBook
from app.services.remedy_deeds import RemedyDeeds
from app.services.sick_devices import SickDevices

Loop = Callable[[], Coroutine[Any, Any, None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Remediation:
    """`load` reads the store, then `loops` run."""

    service: AjaRemediationService
    load: Callable[[], Awaitable[None]]
    loops: tuple[Loop, ...]


@dataclass(frozen=True, slots=True)
class _Drains:
    fleet: Fleet

    def wished(self, encoder_id: EncoderId) -> OperatorWish:
        member = next((one for one in self.fleet if one.info.encoder_id == encoder_id), None)
        # One that was removed meanwhile has nothing to leave.
        return OperatorWish.STOPPED if member is None else member.wish

    async def wish(self, encoder_id: EncoderId, wish: OperatorWish) -> None:
        await self.fleet.wish(encoder_id, wish)


def remediation(
    *,
    store: SqlStore,
    hardware: DeviceRooms,
    fleet: Fleet,
    bus: Bus[Event],
    keeper: TaskGroupKeeper,
    automation: Automation,
) -> Remediation:
    """Nothing acts before `load`."""
    devices = hardware.devices

    def spare_input(encoder_id: EncoderId) -> str | None:
        return next((e.spare_input for e in devices.entries() if e.encoder_id == encoder_id), None)

    def answers(encoder_id: EncoderId) -> bool:
        presence = fleet.state(encoder_id, monotonic())
        return presence is not None and presence.state is not EncoderState.OFFLINE

    sick = SickDevices(ids=devices.ids, tell=bus.tell)
    book = RemedyBook(store.remedies)
    deeds = RemedyDeeds(hardware=devices.hardware, load=hardware.load, spare_input=spare_input)
    service = AjaRemediationService(
        book=book,
        deeds=deeds,
        load=hardware.load,
        sick=sick,
        drains=_Drains(fleet),
        members=devices.ids,
        reading=devices.reading,
        bus=bus,
        keeper=keeper,
        automation=automation,
    )
    aftercare = RemedyAftercare(
        book=book,
        deeds=deeds,
        sick=sick,
        members=devices.ids,
        answers=answers,
        by_hand=service.hands_off,
        keeper=keeper,
    )

    storage = StorageWatch(tell=bus.tell, knows=devices.__contains__)

    async def load() -> None:
        bus.listen(storage.hear)
        bus.listen(sick.hear)
        bus.listen(service.hear)
        await service.load()

    return Remediation(service=service, load=load, loops=(service.run, aftercare.run, storage.run))
