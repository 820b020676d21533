"""Carries a remedy out on a device, looks whether it helped, and takes it back. Holds no rule.

What was set before is kept here while a try lasts, because it may hold a stream key: the journal gets names only.
"""

from __future__ import annotations

from collections.abc import Callable

from app.domain.device import DeviceChoice, DeviceProfile
from app.domain.errors import Conflict, DeviceError, ManagerError
from app.domain.ids import EncoderId
from app.domain.remediation import Remedy, RemedyRun
from app.policy.remediation import last_that_feeds
from app.policy.remedies import CATALOGUE, Look
from app.ports.device import HardwareEncoder
from app.services.device_load import Load

SLOT = "primary"
_UNMUTED = "off"


class RemedyDeeds:
    """Every call raises what the device's driver does. `spare_input`: the input that an operator configured for a
    device whose own is lost."""

    def __init__(
        self,
        *,
        hardware: Callable[[EncoderId], HardwareEncoder],
        load: Load,
        spare_input: Callable[[EncoderId], str | None],
    ) -> None:
        self._hardware = hardware
        self._load = load
        self._spare_input = spare_input
        self._before: dict[EncoderId, DeviceProfile] = {}

    async def choice(self, encoder_id: EncoderId, name: DeviceChoice) -> str | None:
        return await self._hardware(encoder_id).choice(name)

    async def values(self, encoder_id: EncoderId, remedy: Remedy) -> tuple[str | None, str | None]:
        """What the setting that the remedy owns is, and what it would be set to; None: not known, or there is
        none."""
        name = CATALOGUE[remedy].choice
        if name is None:
            return None, None
        was = await self.choice(encoder_id, name)
        return was, await self._wanted(encoder_id, remedy, was)

    async def _wanted(self, encoder_id: EncoderId, remedy: Remedy, was: str | None) -> str | None:
        match remedy:
            case Remedy.CHANGE_INPUT:
                wanted = self._spare_input(encoder_id)
            case Remedy.SET_AUDIO_INPUT:
                picture = await self.choice(encoder_id, DeviceChoice.VIDEO_INPUT)
                wanted = picture if picture in ("sdi", "hdmi") else None
            case _:
                wanted = _UNMUTED
        return None if wanted == was else wanted

    async def act(self, run: RemedyRun) -> None:
        device, encoder_id = self._hardware(run.encoder_id), run.encoder_id
        if run.is_disruptive:
            await self._load.make_way(encoder_id, cause=f"remedy: {run.remedy}")
            if not run.is_forced:
                await self._demand_another(device, run.remedy)
        match run.remedy:
            case Remedy.RESTART_STREAM:
                self._load.begin_anew(encoder_id)
            case Remedy.REAPPLY_PROFILE:
                await self._reapply(device)
            case Remedy.CHANGE_INPUT | Remedy.SET_AUDIO_INPUT | Remedy.UNMUTE:
                await self._set(run, run.wanted)
            case Remedy.LEAVE_TRANSFER_MODE:
                await device.leave_transfer_mode()
            case Remedy.CHANGE_MEDIUM:
                await device.change_medium(SLOT)
            case Remedy.SYNC_CLOCK:
                await device.sync_clock()
            case Remedy.SYNC_CALENDAR:
                await device.sync_calendar()
            case Remedy.STOP_RECORDING:
                await device.stop_recording()
            case Remedy.REBOOT:
                await device.reboot()

    async def look(self, encoder_id: EncoderId, remedy: Remedy) -> Look:
        device = self._hardware(encoder_id)
        reading = await device.read()
        name = CATALOGUE[remedy].choice
        value = None if name is None else await device.choice(name)
        drift: tuple[str, ...] | None = None
        if remedy is Remedy.REAPPLY_PROFILE and (profile := self._load.profile(encoder_id)) is not None:
            drift = await device.drift(profile)
        flows = [stream.flows for stream in self._load.carried(encoder_id)]
        return Look(reading, value, drift, None if not flows or None in flows else all(flows))

    async def undo(self, run: RemedyRun) -> None:
        if run.remedy is not Remedy.REAPPLY_PROFILE:
            await self._set(run, run.was)
        elif (before := self._before.pop(run.encoder_id, None)) is not None:
            await self._hardware(run.encoder_id).configure(before)
        else:
            raise DeviceError("it held no whole profile before")

    def over(self, run: RemedyRun) -> None:
        """Nothing of this try will be taken back any more."""
        self._before.pop(run.encoder_id, None)

    async def escape(self, run: RemedyRun) -> str | None:
        """Have others carry what it has on air; in words how that went, None: it has nothing on air."""
        encoder_id = run.encoder_id
        if not any(stream.is_on_air for stream in self._load.carried(encoder_id)):
            return None
        try:
            await self._load.make_way(encoder_id, cause=f"remedy did not help: {run.remedy}")
        except ManagerError as error:
            return f"its stream stays on it: {error.detail}"
        if any(stream.is_on_air for stream in self._load.carried(encoder_id)):
            return "its stream stays on it: no other device sends the same"
        return "its stream was changed over to another device"

    async def _demand_another(self, device: HardwareEncoder, remedy: Remedy) -> None:
        """The other one may have ended since it was decided."""
        last = last_that_feeds(remedy, await device.read(), self._load.carried(device.encoder_id))
        if last is not None:
            raise Conflict(last)

    async def _reapply(self, device: HardwareEncoder) -> None:
        profile = self._load.profile(device.encoder_id)
        if profile is None:
            raise DeviceError("no stream says any more how it is to be set up")
        before = await device.profile()
        if before is not None:
            self._before[device.encoder_id] = before
        await device.configure(profile)

    async def _set(self, run: RemedyRun, value: str | None) -> None:
        name = CATALOGUE[run.remedy].choice
        if name is None or value is None:
            raise DeviceError("its earlier value is not known")
        await self._hardware(run.encoder_id).choose(name, value)
