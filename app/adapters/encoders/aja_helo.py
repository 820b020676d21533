"""AJA HELO and HELO Plus over their web interface: orders confirmed by state, writes by reading them back.

Reading is `helo/rounds.py`'s, how a request goes `helo/client.py`'s, what settings mean `helo/profile.py`'s.
Whether an order is wise is its giver's business.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Collection

import structlog

from app.adapters.encoders.helo import clock
from app.adapters.encoders.helo import parameters as p
from app.adapters.encoders.helo import profile as settings
from app.adapters.encoders.helo.client import Dice, HeloClient
from app.adapters.encoders.helo.descriptors import DescriptorCache, capabilities
from app.adapters.encoders.helo.http import Http, Lost, TooSlow
from app.adapters.encoders.helo.patience import PATIENCE, Patience
from app.adapters.encoders.helo.rounds import Rounds
from app.adapters.encoders.helo.wire import number
from app.domain.device import DeviceChoice, DeviceEntry, DeviceProfile, DeviceReading, Reach
from app.domain.encoder import Capabilities
from app.domain.errors import Conflict, DeviceError, Unavailable
from app.domain.ids import EncoderId
from app.runtime.clock import monotonic

log = structlog.get_logger()


class HeloDriver:
    """Implements `HardwareEncoder`. `dice`: random numbers from 0 to 1. `cache` is shared by all drivers.

    Raises InvalidRequest or NotAllowed for an address where no device can be.
    """

    def __init__(
        self,
        entry: DeviceEntry,
        *,
        cache: DescriptorCache,
        dice: Dice = random.random,
        patience: Patience = PATIENCE,
    ) -> None:
        link = Http(entry.url, fingerprint=entry.fingerprint)
        self._encoder_id = entry.encoder_id
        self._patience = patience
        self._client = HeloClient(link=link, password=entry.password, dice=dice, patience=patience)
        self._rounds = Rounds(entry.encoder_id, client=self._client, cache=cache)
        self._restarts_until = 0.0
        self._was_down = True
        self._is_off_server = False
        """Its clock was taken off its time server, and was not seen to be put on again."""
        self._pictures = 0
        self._orders = asyncio.Lock()

    @property
    def encoder_id(self) -> EncoderId:
        return self._encoder_id

    @property
    def reach(self) -> Reach:
        reach = self._client.reach
        if reach in (Reach.UNREACHABLE, Reach.SLOW) and monotonic() < self._restarts_until:
            return Reach.REBOOTING
        return Reach.REBOOTING if reach is Reach.OK and self._rounds.is_booting else reach

    # --- what is asked

    async def capabilities(self) -> Capabilities:
        serial, firmware = await self._must_get(p.SERIAL), await self._must_get(p.FIRMWARE)
        return capabilities(await self._rounds.describe(serial, firmware), firmware=firmware)

    async def read(self) -> DeviceReading:
        try:
            reading = await self._rounds.read()
        except Unavailable:
            self._was_down = True
            raise
        self._was_down = self._was_down or self._rounds.is_booting
        # It may answer on for a moment before it goes down.
        if self._was_down and self._rounds.is_running:
            self._restarts_until = 0.0
        return reading

    async def profile(self) -> DeviceProfile | None:
        return settings.read_profile(await self._read_all(settings.SETTINGS), await self._input())

    async def drift(self, profile: DeviceProfile) -> tuple[str, ...]:
        wanted = settings.standing(profile, await self._input())
        return settings.differing(wanted, await self._read_all(wanted))

    async def choice(self, name: DeviceChoice) -> str | None:
        code = number(await self._rounds.get(p.CHOICES[name]))
        return next((word for word, known in p.CHOICE_WORDS[name].items() if known == code), None)

    async def preview(self) -> bytes:
        self._pictures += 1
        return await self._client.picture(self._pictures)

    # --- what is ordered

    async def configure(self, profile: DeviceProfile) -> None:
        async with self._orders:
            await self._must_rest("its settings change only while it neither streams nor records")
            wanted = settings.writes(profile, await self._input())
            for param_id in settings.differing(wanted, await self._read_all(wanted)):
                await self._client.put(param_id, wanted[param_id])
            left = settings.differing(wanted, await self._read_all(wanted))
            if left:
                raise DeviceError(f"it did not take {', '.join(left)}")

    async def choose(self, name: DeviceChoice, value: str) -> None:
        code = p.CHOICE_WORDS[name].get(value)
        if code is None:
            raise DeviceError(f"it has no {value} for {name}")
        async with self._orders:
            await self._write(p.CHOICES[name], str(code))
            self._rounds.look_anew()

    async def sync_calendar(self) -> None:
        async with self._orders:
            if not await self._client.put(p.FETCH_CALENDAR, "1"):
                raise DeviceError("it fetches no calendar")
            self._rounds.look_anew()

    async def start_stream(self) -> None:
        await self._start(p.START_STREAM, p.STREAM_STATE, "stream")

    async def stop_stream(self) -> None:
        await self._stop(p.STOP_STREAM, p.STREAM_STATE, "stream")

    async def start_recording(self) -> None:
        await self._start(p.START_RECORDING, p.RECORD_STATE, "record")

    async def stop_recording(self) -> None:
        await self._stop(p.STOP_RECORDING, p.RECORD_STATE, "record")

    async def change_medium(self, slot: str) -> None:
        param_id = p.CHANGE_MEDIUM.get(slot)
        if param_id is None:
            raise DeviceError(f"it has no slot {slot}")
        async with self._orders:
            if not await self._client.put(param_id, str(p.NEXT_MEDIUM)):
                raise DeviceError("it refuses to change over")
            deadline = monotonic() + self._patience.stop_s
            while (code := number(await self._must_get(param_id))) != 0:
                if code is not None and code in p.MEDIUM_REFUSALS:
                    raise DeviceError(f"it does not change over: {p.MEDIUM_REFUSALS[code]}")
                if monotonic() >= deadline:
                    raise DeviceError("it does not change over, and does not say why")
                await asyncio.sleep(self._patience.look_again_s)
            self._rounds.look_anew()

    async def leave_transfer_mode(self) -> None:
        async with self._orders:
            await self._write(p.MEDIA_STATE, "0")
            self._rounds.look_anew()

    async def sync_clock(self) -> None:
        async with self._orders:
            await self._must_rest("its clock is not touched while it streams or records")
            if number(await self._rounds.get(p.TIME_SOURCE)) == p.BY_SERVER or self._is_off_server:
                # It follows its server already: taken off and put on again, it asks anew.
                self._is_off_server = True
                await self._write(p.TIME_SOURCE, "0")
                await self._write(p.TIME_SOURCE, "1")
                self._is_off_server = False
            else:
                await clock.set_right(self._client)
            self._rounds.look_anew()

    async def reboot(self) -> None:
        async with self._orders:
            if not await self._put_unsure(p.REBOOT, "1"):
                raise DeviceError("it refuses to restart")
            self._restarts_until, self._was_down = monotonic() + self._patience.restart_s, False
            self._rounds.went_away()
            self._client.forget_session()

    async def close(self) -> None:
        await self._rounds.close()
        await self._client.close()

    # --- how it is ordered

    async def _start(self, command: str, state_id: str, what: str) -> None:
        async with self._orders:
            if await self._state(state_id) == p.RUNNING:
                return
            if number(await self._rounds.get(p.MEDIA_STATE_NOW)) == 1:
                raise Conflict(f"it is in file-transfer mode and can't {what}")
            began = monotonic()
            await self._order(command)
            while (state := await self._state(state_id)) != p.RUNNING:
                waited_s = monotonic() - began
                if waited_s >= self._patience.start_s or (
                    state in p.NOT_STARTING and waited_s >= self._patience.faulty_s
                ):
                    raise DeviceError(f"it does not {what}: it stays {p.state_words(state)}")
                await asyncio.sleep(self._patience.look_again_s)

    async def _stop(self, command: str, state_id: str, what: str) -> None:
        async with self._orders:
            if await self._state(state_id) in p.AT_REST:
                return
            await self._order(command)
            deadline = monotonic() + self._patience.stop_s
            while (state := await self._state(state_id)) not in p.AT_REST:
                if monotonic() >= deadline:
                    raise DeviceError(f"it does not cease to {what}: it stays {p.state_words(state)}")
                await asyncio.sleep(self._patience.look_again_s)

    async def _order(self, command: str) -> None:
        if not await self._put_unsure(p.COMMAND, command):
            raise DeviceError("it refuses the order")

    async def _put_unsure(self, param_id: str, value: str) -> bool:
        """A write that counts as taken unless the device refused it: what it did is seen by its state."""
        try:
            return await self._client.put(param_id, value)
        except (Lost, TooSlow, DeviceError) as error:
            log.info("order without an answer", encoder_id=self._encoder_id, reason=error.detail)
            return True

    async def _input(self) -> int | None:
        """The format that its stream depends on; None: not known, or it streams its own test pattern."""
        if number(await self._rounds.get(p.VIDEO_SOURCE)) == p.TEST_PATTERN:
            return None
        return number(await self._rounds.get(p.INPUT_FORMAT))

    async def _write(self, param_id: str, value: str) -> None:
        await self._client.put(param_id, value)
        deadline = monotonic() + self._patience.read_back_s
        while number(await self._must_get(param_id)) != number(value):
            if monotonic() >= deadline:
                raise DeviceError(f"it did not take {param_id}")
            await asyncio.sleep(self._patience.look_again_s)

    async def _must_rest(self, otherwise: str) -> None:
        if p.RUNNING in (await self._state(p.STREAM_STATE), await self._state(p.RECORD_STATE)):
            raise Conflict(otherwise)

    async def _state(self, param_id: str) -> int | None:
        return number(await self._must_get(param_id))

    async def _must_get(self, param_id: str) -> str:
        value = await self._rounds.get(param_id)
        if value is None:
            raise DeviceError(f"it has no {param_id}")
        return value

    async def _read_all(self, ids: Collection[str]) -> dict[str, str]:
        found = {param_id: await self._client.get(param_id) for param_id in ids}
        return {param_id: parameter.value for param_id, parameter in found.items() if parameter is not None}
