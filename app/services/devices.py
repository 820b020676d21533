"""Hardware encoders that operators entered: kept in the store, members of the fleet, each with its driver.

How a device is asked again and again is the watch's business, what it streams that of `device_streams.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final, Protocol
from urllib.parse import urlsplit

import structlog

from app.domain.access import Principal
from app.domain.device import DeviceEntry, DeviceReading, KeptDevice, NewDevice
from app.domain.encoder import HARDWARE, EncoderInfo, EncoderReading
from app.domain.errors import Conflict, DeviceError, InvalidRequest, ManagerError, NotAuthenticated, NotFound
from app.domain.events import DeviceRead, Event
from app.domain.ids import EncoderId, HostId, NodeId
from app.policy.outgoing import Refused, Target, judge_url
from app.ports.device import HardwareEncoder
from app.ports.encoder import EncoderDriver
from app.ports.store import Store
from app.runtime.clock import utc_now
from app.services.fleet import Fleet
from app.services.ledger import Ledger

MAX_DEVICES: Final = 1_000
SCHEMES: Final = {"http": 80, "https": 443}

log = structlog.get_logger()


Labels = tuple[tuple[str, str], ...]
"""What a device may share with others, such as its host, rack and region."""


class Watch(Protocol):
    """Who reads the devices, each at its own pace."""

    def add(self, driver: HardwareEncoder, *, labels: Labels = ()) -> None: ...

    def remove(self, encoder_id: EncoderId) -> None: ...


class Devices:
    """`driver_for` gives the driver of an entry and raises InvalidRequest or NotAllowed for an address that cannot
    be one; `fingerprint_of` the certificate that an https:// address shows; `no_workers` a driver for the fleet.
    """

    def __init__(
        self,
        *,
        store: Store,
        fleet: Fleet,
        ledger: Ledger,
        driver_for: Callable[[DeviceEntry], HardwareEncoder],
        fingerprint_of: Callable[[str], Awaitable[str | None]],
        no_workers: Callable[[EncoderId], EncoderDriver],
        watch: Watch,
    ) -> None:
        self._store = store
        self._fleet = fleet
        self._ledger = ledger
        self._driver_for = driver_for
        self._fingerprint_of = fingerprint_of
        self._no_workers = no_workers
        self._watch = watch
        self._kept: dict[EncoderId, KeptDevice] = {}
        self._hardware: dict[EncoderId, HardwareEncoder] = {}
        self._readings: dict[EncoderId, DeviceReading] = {}
        self._changes = asyncio.Lock()
        """Held by who changes what is entered, until store and memory agree."""

    async def load(self) -> int:
        """Take up what the store knows. Raises Unavailable."""
        for kept in await self._store.devices():
            try:
                self._join(kept, self._driver_for(kept.entry), answers=False)
            except ManagerError as error:
                log.error("device left out", encoder_id=kept.entry.encoder_id, reason=error.detail)
        return len(self._kept)

    # --- what comes in

    def hear(self, event: Event) -> None:
        """A listener of the bus: keeps what each device told last."""
        if isinstance(event, DeviceRead) and event.encoder_id in self._kept:
            self._readings[event.encoder_id] = event.reading

    def answered(self, encoder_id: EncoderId, reading: EncoderReading) -> None:
        """Its sign of life for the fleet; one that was away comes anew."""
        kept, info = self._kept.get(encoder_id), self._fleet.info(encoder_id)
        if kept is None or info is None:
            return
        if not self._fleet.member(encoder_id).link_up:
            self._fleet.arrived(info, self._no_workers(encoder_id))
        self._fleet.heard(encoder_id, reading)

    # --- what is asked

    def __contains__(self, encoder_id: object) -> bool:
        return encoder_id in self._kept

    def ids(self) -> tuple[EncoderId, ...]:
        return tuple(self._kept)

    def hardware(self, encoder_id: EncoderId) -> HardwareEncoder:
        """Raises NotFound."""
        driver = self._hardware.get(encoder_id)
        if driver is None:
            raise NotFound(f"{encoder_id} is no device that was entered here", hint="GET /api/encoders lists them.")
        return driver

    def url(self, encoder_id: EncoderId) -> str | None:
        kept = self._kept.get(encoder_id)
        return None if kept is None else kept.entry.url

    def entries(self) -> tuple[DeviceEntry, ...]:
        return tuple(kept.entry for kept in self._kept.values())

    def reading(self, encoder_id: EncoderId) -> DeviceReading | None:
        return self._readings.get(encoder_id)

    # --- what operators do

    async def enter(self, new: NewDevice, who: Principal) -> EncoderId:
        """Ask the device who it is, and take it in. Raises InvalidRequest, NotAllowed, Conflict, DeviceError with
        what is wrong with the device or its password, Unavailable."""
        entry = await self._entry(new)
        driver = self._driver_for(entry)
        try:
            try:
                able = await driver.capabilities()
                reading = await driver.read()
            except ManagerError as error:
                raise _named(error, entry) from error
            kept = KeptDevice(entry, replace(able, max_streams=min(able.max_streams, 1)))
            async with self._changes:
                self._demand_new(entry)  # another one may have been quicker
                await self._store.put_device(kept)
                self._join(kept, driver, answers=True)
        finally:
            if self._hardware.get(entry.encoder_id) is not driver:
                await driver.close()
        self._readings[entry.encoder_id] = reading
        self.answered(entry.encoder_id, EncoderReading(temperature_c=reading.temperature_c))
        log.info("device entered", encoder_id=entry.encoder_id, kind=entry.kind.value, by=who.key_id)
        return entry.encoder_id

    async def remove(self, encoder_id: EncoderId, who: Principal) -> None:
        """The device itself is left as it is. Raises NotFound, Conflict while a stream has it, Unavailable."""
        async with self._changes:
            driver, kept = self.hardware(encoder_id), self._kept[encoder_id]
            if self._ledger.totals(encoder_id)[1]:
                raise Conflict(
                    f"{encoder_id} serves a stream", hint="Drain or stop it, or end the stream, and try again."
                )
            # First of all no stream is put on it any more.
            self._part(encoder_id)
            is_gone = False
            try:
                await self._store.remove_device(encoder_id)
                is_gone = True
            finally:
                if not is_gone:
                    self._join(kept, driver, answers=False)
        await driver.close()
        log.info("device removed", encoder_id=encoder_id, by=who.key_id)

    async def trust(self, encoder_id: EncoderId, fingerprint: str, who: Principal) -> None:
        """The certificate that the device must show from now on. Raises NotFound, Unavailable."""
        async with self._changes:
            before, kept = self.hardware(encoder_id), self._kept[encoder_id]
            kept = replace(kept, entry=replace(kept.entry, fingerprint=fingerprint))
            driver = self._driver_for(kept.entry)
            await self._store.put_device(kept)
            self._kept[encoder_id], self._hardware[encoder_id] = kept, driver
            self._watch.add(driver, labels=_shared(kept.entry))
        await before.close()
        log.warning("another certificate accepted", encoder_id=encoder_id, fingerprint=fingerprint, by=who.key_id)

    async def close(self) -> None:
        for driver in tuple(self._hardware.values()):
            await driver.close()

    # --- inside

    async def _entry(self, new: NewDevice) -> DeviceEntry:
        if new.kind not in HARDWARE:
            raise InvalidRequest(f"{new.kind.value} encoders come by themselves; only devices are entered")
        target = judge_url(new.url, schemes=SCHEMES)
        if isinstance(target, Refused):
            raise InvalidRequest(target.reason)
        place = target.host if target.port == SCHEMES[target.scheme] else f"{target.host}:{target.port}"
        encoder_id = new.encoder_id or EncoderId(f"{_SHORT.get(new.kind, new.kind.value)}-{place}")
        entry = DeviceEntry(
            encoder_id=encoder_id,
            kind=new.kind,
            url=_one_way(new.url, target),
            name=new.name or encoder_id,
            added_at=utc_now(),
            password=new.password,
            host_id=new.host_id,
            region=new.region,
            rack=new.rack,
            spare_input=new.spare_input,
        )
        self._demand_new(entry)
        if target.scheme == "https":
            entry = replace(entry, fingerprint=await self._fingerprint_of(entry.url))
        return entry

    def _demand_new(self, entry: DeviceEntry) -> None:
        if self._fleet.info(entry.encoder_id) is not None:
            raise Conflict(f"an encoder {entry.encoder_id} is in the fleet already")
        twin = next((k.entry.encoder_id for k in self._kept.values() if k.entry.url == entry.url), None)
        if twin is not None:
            raise Conflict(f"the device at this address is {twin} already")
        if len(self._kept) >= MAX_DEVICES:
            raise Conflict(f"{MAX_DEVICES} devices are entered; more are not taken")

    def _join(self, kept: KeptDevice, driver: HardwareEncoder, *, answers: bool) -> None:
        entry = kept.entry
        self._kept[entry.encoder_id] = kept
        self._hardware[entry.encoder_id] = driver
        self._fleet.arrived(_info(kept), self._no_workers(entry.encoder_id), link_up=answers)
        self._watch.add(driver, labels=_shared(entry))

    def _part(self, encoder_id: EncoderId) -> None:
        self._watch.remove(encoder_id)
        self._fleet.removed(encoder_id)
        for known in (self._kept, self._hardware, self._readings):
            known.pop(encoder_id, None)


_SHORT: Final = {kind: kind.value.rpartition("_")[2] for kind in HARDWARE}


def _one_way(url: str, target: Target) -> str:
    """The same text for the same address, however it was written. What else is in it stays, to be refused."""
    host = f"[{target.host}]" if ":" in target.host else target.host
    place = host if target.port == SCHEMES[target.scheme] else f"{host}:{target.port}"
    return urlsplit(url)._replace(scheme=target.scheme, netloc=place).geturl().rstrip("/")


def _shared(entry: DeviceEntry) -> Labels:
    shared = {"host": entry.host_id, "rack": entry.rack, "region": entry.region}
    return tuple((name, value) for name, value in shared.items() if value is not None)


def _info(kept: KeptDevice) -> EncoderInfo:
    entry = kept.entry
    return EncoderInfo(
        encoder_id=entry.encoder_id,
        node_id=NodeId(f"device:{entry.encoder_id}"),
        host_id=entry.host_id or HostId(f"device:{entry.encoder_id}"),
        kind=entry.kind,
        name=entry.name,
        capabilities=kept.capabilities,
        region=entry.region,
        rack=entry.rack,
    )


def _named(error: ManagerError, entry: DeviceEntry) -> ManagerError:
    """The device's fault in words for who enters it; that it wants a password is not the caller's own key."""
    if isinstance(error, NotAuthenticated):
        hint = "Enter it with its password." if entry.password is None else "Check the password."
        return DeviceError(f"the device at {entry.url} wants another password: {error.detail}", hint=hint)
    if isinstance(error, DeviceError):
        return DeviceError(f"what answers at {entry.url} is no {entry.kind.value} as expected: {error.detail}")
    return type(error)(f"the device at {entry.url} cannot be asked: {error.detail}", hint=error.hint)
