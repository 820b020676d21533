"""Has one device do its part of a stream: set up from the manager's own record, started, stopped. Idempotent.

A device that was let go while it could not be reached may come back streaming under its old settings; it is told to
stop when it does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import structlog

from app.domain.device import DeviceProfile, EngineState
from app.domain.errors import DeviceError, ManagerError, NotAllowed, NotAuthenticated
from app.domain.ids import EncoderId
from app.ports.device import HardwareEncoder
from app.runtime.clock import monotonic
from app.runtime.tasks import TaskGroupKeeper
from app.services.devices import Devices
from app.services.ledger import Ledger

MAX_STRAYS: Final = 1_000
AGAIN_S: Final = 15.0
"""Longer than a device may take to stop."""
_NEVER: Final = float("inf")
_ON: Final = frozenset({EngineState.RUNNING, EngineState.STARTING, EngineState.FAILED})
"""States in which it streams, or tries to."""

log = structlog.get_logger()


@contextmanager
def answers_of(encoder_id: EncoderId) -> Iterator[None]:
    """That a device wants another password, or must not be asked, is no fault of the caller's own key."""
    try:
        yield
    except (NotAuthenticated, NotAllowed) as error:
        raise DeviceError(f"{encoder_id}: {error.detail}") from error


class DeviceDeeds:
    """Every deed raises Unavailable, Conflict, or DeviceError with what the device answered."""

    def __init__(self, *, devices: Devices, ledger: Ledger, keeper: TaskGroupKeeper) -> None:
        self._devices = devices
        self._ledger = ledger
        self._keeper = keeper
        self._look_from: dict[EncoderId, float] = {}
        """From when each is to be looked at; those that were looked at never again."""
        self._strays: dict[EncoderId, float] = {}
        """With the time from which it may be told again."""

    async def start(self, encoder_id: EncoderId, profile: DeviceProfile) -> None:
        """One that streams as the profile says is left alone."""
        device = self._devices.hardware(encoder_id)
        with answers_of(encoder_id):
            if (await device.read()).streaming in _ON:
                if await device.drift(profile):
                    await device.stop_stream()
                    await device.configure(profile)
            else:
                await device.configure(profile)
            await device.start_stream()

    async def restart(self, encoder_id: EncoderId, profile: DeviceProfile) -> None:
        device = self._devices.hardware(encoder_id)
        with answers_of(encoder_id):
            await device.stop_stream()
            await device.configure(profile)
            await device.start_stream()

    async def stand_by(self, encoder_id: EncoderId, profile: DeviceProfile) -> None:
        device = self._devices.hardware(encoder_id)
        with answers_of(encoder_id):
            await device.stop_stream()
            if await device.drift(profile):
                await device.configure(profile)

    async def reboot(self, encoder_id: EncoderId) -> None:
        with answers_of(encoder_id):
            await self._devices.hardware(encoder_id).reboot()

    def leave(self, encoder_id: EncoderId) -> None:
        """It feeds no stream any more: it is told to stop now, or when it is back."""
        if len(self._strays) < MAX_STRAYS:
            self._strays[encoder_id] = 0.0

    def look_for_forgotten(self, known: Callable[[DeviceProfile], bool]) -> None:
        """Call again and again: looks once at each device that streams for nobody, as after a control that ended
        between the end of a stream and its devices'. It is told to stop where its settings are `known` as ours."""
        now, ids = monotonic(), self._devices.ids()
        if len(self._look_from) > len(ids):  # one that was taken out may be entered again
            self._look_from = {encoder_id: at for encoder_id, at in self._look_from.items() if encoder_id in ids}
        for encoder_id in ids:
            reading = self._devices.reading(encoder_id)
            if reading is None or now < self._look_from.get(encoder_id, now):
                continue
            self._look_from[encoder_id] = _NEVER
            if reading.streaming in _ON and not self._ledger.totals(encoder_id)[1]:
                self._keeper.start(self._look_at(encoder_id, known), name=f"look at {encoder_id}")

    async def _look_at(self, encoder_id: EncoderId, known: Callable[[DeviceProfile], bool]) -> None:
        try:
            held = await self._devices.hardware(encoder_id).profile()
        except ManagerError as error:
            log.info("device is looked at later", encoder_id=encoder_id, reason=error.detail)
            self._look_from[encoder_id] = monotonic() + AGAIN_S
            return
        if held is not None and known(held):
            log.warning("device streams for a stream that is over", encoder_id=encoder_id)
            self.leave(encoder_id)

    def quiet_strays(self) -> None:
        """Call again and again."""
        now = monotonic()
        for encoder_id, at in tuple(self._strays.items()):
            if encoder_id not in self._devices or self._ledger.totals(encoder_id)[1]:
                del self._strays[encoder_id]
            elif now >= at:
                self._strays[encoder_id] = now + AGAIN_S
                work = self._quiet(encoder_id, self._devices.hardware(encoder_id))
                self._keeper.start(work, name=f"stop {encoder_id}")

    async def _quiet(self, encoder_id: EncoderId, device: HardwareEncoder) -> None:
        try:
            await device.stop_stream()
        except ManagerError as error:
            log.debug("device is told to stop later", encoder_id=encoder_id, reason=error.detail)
        else:
            self._strays.pop(encoder_id, None)
