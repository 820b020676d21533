"""Devices are read at their pace, whatever the others do, and what is wrong with them is told."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from itertools import pairwise

from app.adapters.encoders.simulated_device import SimulatedDevice
from app.domain.condition import RETOLD_S, Condition
from app.domain.device import DeviceAlarm, DeviceReading, EngineState, Medium, Reach
from app.domain.encoder import EncoderReading
from app.domain.errors import DeviceError, NotAuthenticated, Unavailable
from app.domain.events import DeviceRead, Event
from app.domain.ids import EncoderId
from app.monitoring.device_watch import FAILURES_TOLD, SETTLES_S, DeviceWatch
from app.runtime.bus import Bus
from tests.simulation.virtual_time import Clock
from tests.simulation.virtual_time import run as run_in_virtual_time

LIMIT_S = 0.1
"""By how much a sick device may delay the reading of others."""


class Told:
    """What a watch told, with the time of each reading."""

    def __init__(self, clock: Clock) -> None:
        self.bus: Bus[Event] = Bus(self._fail)
        self.bus.listen(self._hear)
        self.conditions: list[Condition] = []
        self.read_at: dict[str, list[float]] = {}
        self.fleet: dict[str, EncoderReading] = {}
        self._clock = clock
        self.watch = DeviceWatch(on_reading=self._for_the_fleet, bus=self.bus)

    def active(self, encoder_id: str = "a") -> set[str]:
        state = {c.key: c for c in self.conditions}
        return {c.name for c in state.values() if c.is_active and c.subject.id == encoder_id}

    def _hear(self, event: Event) -> None:
        if isinstance(event, Condition):
            self.conditions.append(event)
        elif isinstance(event, DeviceRead):
            self.read_at.setdefault(event.encoder_id, []).append(self._clock.now_s)

    def _for_the_fleet(self, encoder_id: EncoderId, reading: EncoderReading) -> None:
        self.fleet[encoder_id] = reading

    @staticmethod
    def _fail(error: BaseException) -> None:
        raise error


class Slow(SimulatedDevice):
    """Takes thirty seconds for every answer."""

    async def read(self) -> DeviceReading:
        await asyncio.sleep(30.0)
        return await super().read()


class Broken(SimulatedDevice):
    async def read(self) -> DeviceReading:
        raise ZeroDivisionError("a mistake in a driver")


def watching(story: Callable[[Told], Awaitable[None]]) -> None:
    async def play(clock: Clock, _: random.Random) -> None:
        told = Told(clock)
        running = asyncio.create_task(told.watch.run())
        await story(told)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    run_in_virtual_time(1, play)


def device(name: str, reach: Reach = Reach.OK) -> SimulatedDevice:
    made = SimulatedDevice(EncoderId(name))
    made.reach = reach
    return made


def alarm(alarm_id: str, text: str = "") -> tuple[DeviceAlarm, ...]:
    return (DeviceAlarm(alarm_id, "warning", text),)


def test_sick_devices_delay_the_reading_of_others_by_less_than_a_tenth_of_a_second() -> None:
    async def story(told: Told) -> None:
        told.watch.add(device("well"))
        told.watch.add(Slow(EncoderId("slow")))
        told.watch.add(Broken(EncoderId("broken")))
        for reach in (Reach.UNREACHABLE, Reach.GARBLED, Reach.LOGGED_OUT, Reach.REBOOTING):
            told.watch.add(device(reach, reach))
        await asyncio.sleep(120.0)
        times = told.read_at["well"]
        assert len(times) >= 119
        gaps = [after - before for before, after in pairwise(times)]
        assert max(gaps) <= 1.0 + LIMIT_S
        assert told.active("well") == set()
        for reach, name in [
            (Reach.UNREACHABLE, "device_unreachable"),
            (Reach.GARBLED, "device_garbled"),
            (Reach.LOGGED_OUT, "device_login_refused"),
            (Reach.REBOOTING, "device_rebooting"),
        ]:
            assert told.active(reach) == {name}

    watching(story)


def test_a_slow_device_is_not_asked_in_a_rush_afterwards() -> None:
    async def story(told: Told) -> None:
        told.watch.add(Slow(EncoderId("slow")))
        await asyncio.sleep(100.0)
        times = told.read_at["slow"]
        assert all(after - before >= 30.0 for before, after in pairwise(times))

    watching(story)


def test_one_lost_answer_is_no_outage() -> None:
    async def story(told: Told) -> None:
        sick = device("a", Reach.UNREACHABLE)
        told.watch.add(sick)
        await asyncio.sleep(FAILURES_TOLD - 1.5)
        sick.reach = Reach.OK
        await asyncio.sleep(10.0)
        assert told.conditions == []

    watching(story)


def test_an_outage_is_told_once_again_while_it_lasts_and_when_it_is_over() -> None:
    async def story(told: Told) -> None:
        sick = device("a", Reach.UNREACHABLE)
        told.watch.add(sick)
        await asyncio.sleep(RETOLD_S + 5.0)
        assert [c.is_active for c in told.conditions] == [True, True]
        sick.reach = Reach.OK
        await asyncio.sleep(2.0)
        assert [c.is_active for c in told.conditions] == [True, True, False]

    watching(story)


def test_while_it_is_away_nothing_is_said_of_what_else_was_wrong_with_it() -> None:
    async def story(told: Told) -> None:
        sick = device("a")
        sick.tell(has_input=False)
        told.watch.add(sick)
        await asyncio.sleep(3.0)
        assert told.active() == {"device_input_lost"}
        sick.reach = Reach.SLOW
        before = len(told.conditions)
        await asyncio.sleep(5.0)
        assert [c.name for c in told.conditions[before:]] == ["device_slow"]
        sick.reach = Reach.OK
        sick.tell(has_input=True)
        await asyncio.sleep(2.0)
        assert told.active() == {"device_input_lost"}
        await asyncio.sleep(SETTLES_S)
        assert told.active() == set()

    watching(story)


def test_what_a_device_has_not_told_again_after_one_lost_answer_has_not_ended() -> None:
    async def story(told: Told) -> None:
        sick = device("a")
        known = alarm("Media_Low_Alarm")
        sick.tell(alarms=known)
        told.watch.add(sick)
        await asyncio.sleep(3.0)
        sick.reach = Reach.UNREACHABLE
        await asyncio.sleep(1.0)
        sick.reach = Reach.OK
        sick.tell(alarms=())
        await asyncio.sleep(3.0)
        sick.tell(alarms=known)
        await asyncio.sleep(SETTLES_S)
        assert [(c.name, c.is_active) for c in told.conditions] == [("device_storage_low", True)]

    watching(story)


def test_one_value_that_is_garbled_again_and_again_keeps_nothing_from_ending() -> None:
    class Garbling(SimulatedDevice):
        """Every tenth round meets the value that cannot be read."""

        rounds = 0

        async def read(self) -> DeviceReading:
            self.rounds += 1
            self.reach = Reach.GARBLED if self.rounds % 10 == 0 else Reach.OK
            return await super().read()

    async def story(told: Told) -> None:
        sick = Garbling(EncoderId("a"))
        sick.tell(has_input=False)
        told.watch.add(sick)
        await asyncio.sleep(25.0)
        assert told.active() == {"device_input_lost"}
        sick.tell(has_input=True)
        await asyncio.sleep(SETTLES_S + 10.0)
        assert told.active() == set()

    watching(story)


def test_a_removed_device_is_read_no_more_and_nothing_is_wrong_with_it() -> None:
    async def story(told: Told) -> None:
        sick = device("a")
        sick.tell(streaming=EngineState.FAILED)
        told.watch.add(sick)
        await asyncio.sleep(3.0)
        assert told.active() == {"device_stream_failed"}
        told.watch.remove(EncoderId("a"))
        told.watch.remove(EncoderId("a"))
        rounds = len(told.read_at["a"])
        await asyncio.sleep(10.0)
        assert told.active() == set()
        assert len(told.read_at["a"]) == rounds

    watching(story)


def test_the_fleet_hears_what_such_a_device_can_tell_and_the_rest_is_unknown() -> None:
    async def story(told: Told) -> None:
        well = device("a")
        well.tell(media=(Medium("primary", True, True, free_percent=30.0, free_bytes=7),))
        told.watch.add(well)
        await asyncio.sleep(2.0)
        assert told.fleet["a"] == EncoderReading(temperature_c=45.0, disk_free_bytes=7, disk_percent=70.0)

    watching(story)


def test_conditions_carry_what_the_device_may_share_with_others() -> None:
    async def story(told: Told) -> None:
        sick = device("a")
        sick.tell(alarms=alarm("NTPNameResolutionFailureAlarm", "typed by somebody"))
        told.watch.add(sick, labels=(("rack", "r7"),))
        await asyncio.sleep(2.0)
        (condition,) = told.conditions
        assert condition.name == "device_ntp_failed"
        assert condition.labels == (("encoder", "a"), ("rack", "r7"))
        assert "typed" not in condition.summary

    watching(story)


def test_each_error_of_the_port_leads_to_a_condition_and_none_ends_the_watch() -> None:
    errors = {Reach.UNREACHABLE: Unavailable, Reach.GARBLED: DeviceError, Reach.LOGGED_OUT: NotAuthenticated}

    async def story(told: Told) -> None:
        sick = device("a")
        told.watch.add(sick)
        for reach in errors:
            sick.reach = reach
            await asyncio.sleep(4.0)
            assert len(told.active()) == 1
        sick.reach = Reach.OK
        await asyncio.sleep(2.0)
        assert told.active() == set()

    watching(story)
