"""The thermal monitor on a bus: what it hears, what it tells, what it answers."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from app.domain.condition import RETOLD_S, Condition
from app.domain.device import DeviceReading, EngineState
from app.domain.encoder import EncoderReading, EncoderState
from app.domain.errors import NotFound
from app.domain.events import DeviceRead, EncoderChanged, EncoderRead, Event, WorkerReplaced
from app.domain.ids import EncoderId, StreamId
from app.monitoring import thermal
from app.monitoring.thermal import Promised, ThermalMonitor
from app.policy.heat import Sense
from app.policy.thermal import BURST_MOST, DWELL_S
from app.policy.thermal_limits import ThermalLimits
from app.policy.thermal_words import ThermalState
from app.runtime.bus import Bus
from tests.unit.policy.fleets import standing

T0 = datetime(2026, 1, 1, tzinfo=UTC)
ENCODER, OTHER = EncoderId("enc-1"), EncoderId("enc-2")


class Room:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr(thermal, "monotonic", lambda: self.now)
        errors: list[BaseException] = []
        self.bus: Bus[Event] = Bus(errors.append)
        self.errors = errors
        self.conditions: list[Condition] = []
        self.promised: Promised | None = None
        self.fleet = {ENCODER: dataclasses.replace(standing(ENCODER).info, rack="rack-1")}
        self.monitor = ThermalMonitor(
            limits=ThermalLimits(), info=self.fleet.get, promised=lambda _: self.promised, bus=self.bus
        )
        self.bus.listen(self.monitor.hear)
        self.bus.listen(lambda event: self.conditions.append(event) if isinstance(event, Condition) else None)

    def reads(self, celsius: float | None, *, for_s: int = 1, cpu_percent: float | None = 50.0) -> None:
        for _ in range(for_s):
            self.now += 1.0
            self.bus.tell(EncoderRead(ENCODER, EncoderReading(cpu_percent, temperature_c=celsius), T0))

    def passes(self, seconds: int) -> None:
        for _ in range(seconds):
            self.now += 1.0
            self.monitor.beat(self.now)

    def told(self) -> list[tuple[str, bool]]:
        told = [(condition.name, condition.is_active) for condition in self.conditions]
        self.conditions.clear()
        return told


@pytest.fixture
def room(monkeypatch: pytest.MonkeyPatch) -> Iterator[Room]:
    room = Room(monkeypatch)
    yield room
    assert not room.errors


def test_a_hot_encoder_is_told_when_it_begins_while_it_lasts_and_when_it_ends(room: Room) -> None:
    room.reads(85.0)
    assert room.told() == [("encoder_hot", True)]
    room.reads(85.0, for_s=int(RETOLD_S) + 1)
    assert room.told() == [("encoder_hot", True)]
    room.reads(60.0, for_s=int(DWELL_S) + 2)
    assert ("encoder_hot", False) in room.told()
    room.reads(60.0, for_s=100)
    assert room.told() == []


def test_a_condition_names_the_encoder_its_temperature_and_what_it_may_share_with_others(room: Room) -> None:
    room.reads(92.0, for_s=8)
    condition = next(c for c in room.conditions if c.name == "encoder_critical")
    assert condition.subject.id == ENCODER
    assert condition.value == 92.0
    assert condition.labels == (("encoder", ENCODER), ("host", "host-enc-1"), ("rack", "rack-1"))


def test_a_sensor_that_falls_silent_is_told_without_a_further_reading(room: Room) -> None:
    room.reads(60.0)
    room.passes(14)
    assert room.told() == []
    room.passes(4)
    assert room.told() == [("sensor_lost", True)]
    assert room.monitor.allowance(ENCODER) == 0.0


def test_of_an_encoder_that_is_away_nothing_is_told(room: Room) -> None:
    room.reads(60.0)
    room.bus.tell(EncoderChanged(ENCODER, EncoderState.OFFLINE, T0))
    room.passes(60)
    assert room.told() == []
    room.bus.tell(EncoderChanged(ENCODER, EncoderState.ONLINE, T0))
    assert (room.told(), room.monitor.allowance(ENCODER)) == ([], 0.2)
    room.passes(20)
    assert room.told() == [("sensor_lost", True)]


def test_what_a_device_tells_itself_counts_and_its_part_for_the_fleet_does_not(room: Room) -> None:
    running = DeviceReading(T0, streaming=EngineState.RUNNING, temperature_c=71.0)
    room.bus.tell(DeviceRead(ENCODER, running))
    room.bus.tell(EncoderRead(ENCODER, EncoderReading(), T0))
    verdict = room.monitor.verdict(ENCODER)
    assert (verdict.temperature_c, verdict.load, verdict.heat.sense) == (71.0, 0.5, Sense.WELL)


def test_promised_streams_that_do_not_work_yet_are_load_to_come(room: Room) -> None:
    room.reads(60.0)
    room.promised = Promised(share=0.8, streams=4, primaries=3)
    heat = room.monitor.heat_of(ENCODER)
    assert heat is not None
    assert heat.coming_load == pytest.approx(0.6)


def test_a_burst_of_streams_is_counted_by_who_took_them(room: Room) -> None:
    room.reads(50.0)
    for number in range(BURST_MOST):
        room.bus.tell(WorkerReplaced(StreamId(f"str_{number}"), "acme", None, ENCODER, 1, "first", T0))
    assert room.monitor.allowance(ENCODER) == 0.0


def test_a_cool_down_takes_work_away_and_an_encoder_nobody_heard_has_none(room: Room) -> None:
    room.reads(60.0)
    assert room.monitor.cool_down(ENCODER, by="somebody").state is ThermalState.COOLING
    room.passes(50)
    room.reads(60.0)
    assert room.monitor.leave(ENCODER) is not None
    with pytest.raises(NotFound):
        room.monitor.cool_down(OTHER, by="somebody")
    assert room.monitor.heat_of(OTHER) is None
    assert (room.monitor.allowance(OTHER), room.monitor.leave(OTHER), room.monitor.shun(OTHER)) == (1.0, None, None)


def test_an_encoder_that_was_taken_out_is_forgotten_and_what_was_told_of_it_is_over(room: Room) -> None:
    room.reads(85.0)
    del room.fleet[ENCODER]
    room.bus.tell(EncoderChanged(ENCODER, EncoderState.STOPPED, T0, "taken out"))
    room.passes(30)
    assert room.told() == [("encoder_hot", True), ("encoder_hot", False)]
    assert list(room.monitor) == []


def test_an_encoder_that_was_away_for_a_day_is_forgotten(room: Room) -> None:
    room.reads(60.0)
    room.now += thermal.FORGET_S + 1.0
    room.monitor.beat(room.now)
    assert list(room.monitor) == []
