"""Rounds of reading one HELO: what is due, over what was known; its alarms, its descriptors, its events."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Final

import structlog

from app.adapters.encoders.helo import parameters as p
from app.adapters.encoders.helo.alarms import read_alarm
from app.adapters.encoders.helo.client import HeloClient
from app.adapters.encoders.helo.descriptors import DescriptorCache, Descriptors
from app.adapters.encoders.helo.events import EventFollower
from app.adapters.encoders.helo.polling import REST_S, PollingPlan
from app.adapters.encoders.helo.reading import build, epoch_s
from app.adapters.encoders.helo.wire import Garbled, number
from app.domain.device import DeviceAlarm, DeviceReading
from app.domain.errors import DeviceError, ManagerError
from app.domain.ids import EncoderId
from app.runtime.clock import monotonic, utc_now
from app.runtime.tasks import TaskGroupKeeper

FORGET_EVERY_S: Final = 10.0
LONGEST_ROUND_S: Final = 5.0
"""A device that takes seconds for each answer is told of after so long, not after eight of them."""

log = structlog.get_logger()


class Rounds:
    def __init__(self, encoder_id: EncoderId, *, client: HeloClient, cache: DescriptorCache) -> None:
        self._encoder_id = encoder_id
        self._client = client
        self._cache = cache
        self._plan = PollingPlan()
        self._values: dict[str, str] = {}
        self._alarms: dict[str, DeviceAlarm] = {}
        self._unreadable: set[str] = set()
        self._offset_s: float | None = None
        self._offered_for: tuple[str, str] | None = None
        self._describe_from = 0.0
        self._was_away = False
        self._last: DeviceReading | None = None
        self._is_changed, self._is_named = True, False
        self._forget_from = 0.0
        self._turn = asyncio.Lock()
        self._tasks = TaskGroupKeeper(self._crashed)
        self._follower: asyncio.Task[None] | None = None

    @property
    def is_booting(self) -> bool:
        """As it said last."""
        return number(self._values.get(p.SYSTEM_STATE)) in p.BOOTING

    @property
    def is_running(self) -> bool:
        """It has said that it is up since it was last away."""
        return not self._was_away and number(self._values.get(p.SYSTEM_STATE)) == p.SYSTEM_RUNNING

    async def read(self) -> DeviceReading:
        async with self._turn:
            if self._was_away:
                self._plan.all_anew()
                self._values.clear()
                self._alarms.clear()
                self._is_changed, self._is_named = True, False
                # Before it is read: it may be told to restart meanwhile.
                self._was_away = False
            try:
                await self._learn()
                await self._read_due()
            except DeviceError:
                raise  # it is there, and what it told before still holds
            except ManagerError:
                self._was_away = True
                raise
            self._forget_old()
            self._follow_events()
            return self._reading()

    def went_away(self) -> None:
        """It was told to restart: what was read before holds no more."""
        self._was_away = True

    def look_anew(self) -> None:
        """Something was changed that shows in many values."""
        self._plan.all_anew()

    async def get(self, param_id: str) -> str | None:
        """A value now, kept for the reading too. None: the device does not have it."""
        found = await self._client.get(param_id)
        if found is None:
            self._drop(param_id)
            return None
        self._is_changed = self._is_changed or self._values.get(param_id) != found.value
        self._values[param_id] = found.value
        self._plan.has(param_id)
        self._plan.read(param_id, monotonic())
        return found.value

    async def describe(self, serial: str, firmware: str) -> Descriptors:
        """Its descriptors, fetched once for each firmware: which alarms there are, what need not be asked."""
        found = self._cache.get(serial, firmware)
        if found is None:
            body = await self._client.descriptors()
            try:
                found = await self._cache.read(body)
            except Garbled as error:
                raise DeviceError(str(error)) from error
            self._cache.put(serial, firmware, found)
        self._offered_for = serial, firmware
        self._plan.offer(found.ids, found.alarms)
        return found

    async def close(self) -> None:
        await self._tasks.close()

    async def _read_due(self) -> None:
        began = monotonic()
        if self.is_booting:
            self._plan.hasten((p.SYSTEM_STATE,))
        for param_id in self._plan.due(began):
            # One that spoils every answer must wait its turn like others, or nothing else would ever be read.
            self._plan.read(param_id, monotonic())
            await self._refresh(param_id)
            if monotonic() - began > LONGEST_ROUND_S:
                return

    async def _refresh(self, param_id: str) -> None:
        try:
            value = await self.get(param_id)
        except DeviceError:
            self._drop(param_id)
            raise
        if value is None:
            self._plan.lacks(param_id)
        elif param_id.endswith("Alarm"):
            self._hear_alarm(param_id, value)
        elif param_id == p.SYSTEM_TIME:
            told_s = epoch_s(value)
            self._offset_s = None if told_s is None else told_s - utc_now().timestamp()

    def _hear_alarm(self, param_id: str, value: str) -> None:
        try:
            alarm = read_alarm(param_id, value)
            self._unreadable.discard(param_id)
        except Garbled as error:
            if param_id not in self._unreadable:
                log.warning("unreadable alarm", encoder_id=self._encoder_id, reason=str(error))
            self._unreadable.add(param_id)
            alarm = None
        if alarm is None:
            self._alarms.pop(param_id, None)
        else:
            self._alarms[param_id] = alarm

    def _reading(self) -> DeviceReading:
        if self._last is not None and not self._is_changed:
            return replace(self._last, at=utc_now())
        alarms = tuple(alarm for _, alarm in sorted(self._alarms.items()))
        offset_s = self._offset_s if p.SYSTEM_TIME in self._values else None
        self._last = build(self._values, alarms, at=utc_now(), offset_s=offset_s)
        self._plan.look_closely(is_ill=self._last.is_well is False)
        self._is_changed = False
        return self._last

    def _forget_old(self) -> None:
        """What a device is too slow to tell again is not known any more."""
        now = monotonic()
        if now < self._forget_from:
            return
        self._forget_from = now + FORGET_EVERY_S
        for param_id in self._plan.forgotten(now):
            self._drop(param_id)

    def _drop(self, param_id: str) -> None:
        is_known = self._values.pop(param_id, None) is not None
        had_alarm = self._alarms.pop(param_id, None) is not None
        self._is_changed = self._is_changed or is_known or had_alarm

    async def _learn(self) -> None:
        """Who it is, and its descriptors for a firmware not met yet, before anything else is asked.

        Without descriptors reading goes on, and asks what it need not; they are tried again later.
        """
        if not self._is_named:
            self._is_named = True  # once: an answer that cannot be read keeps nothing else from being read
            for param_id in (p.SERIAL, p.FIRMWARE):
                await self.get(param_id)
        serial, firmware, now = self._values.get(p.SERIAL), self._values.get(p.FIRMWARE), monotonic()
        if serial is None or firmware is None or self._offered_for == (serial, firmware):
            return
        if now < self._describe_from:
            return
        self._describe_from = now + REST_S
        try:
            await self.describe(serial, firmware)
        except ManagerError as error:
            log.warning("no descriptors", encoder_id=self._encoder_id, reason=error.detail)

    def _follow_events(self) -> None:
        if self._follower is None or self._follower.done():
            follower = EventFollower(self._client, on_changes=self._plan.hasten, on_flow=self._flowing)
            self._follower = self._tasks.start(follower.follow(), name=f"events of {self._encoder_id}")

    def _flowing(self, has_events: bool) -> None:
        self._plan.flows(has_events=has_events)

    def _crashed(self, name: str, error: BaseException) -> None:
        log.error("task failed", task=name, error=repr(error))
