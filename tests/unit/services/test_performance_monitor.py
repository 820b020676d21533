"""What the performance monitor makes of what it is shown, second by second."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from app.domain.encoder import EncoderReading, EncoderState, WorkerReading
from app.domain.events import EncoderChanged, StreamErrorSeen
from app.domain.ids import EncoderId, StreamId, WorkerId
from app.domain.performance import Figure, Performance
from app.domain.severity import Severity
from app.services import performance_monitor
from app.services.performance_monitor import Meters, PerformanceMonitor, Usage

T0 = datetime(2026, 1, 1, tzinfo=UTC)


def stream(lag_ms: float | None, *, publishes: bool = True) -> Any:
    reading = SimpleNamespace(programme_lag_ms=lag_ms)
    return SimpleNamespace(seen=SimpleNamespace(reading=reading, source_since=1.0 if publishes else None))


def member(
    cpu: float | None, *, memory: float | None = 50.0, latency_ms: float | None = None, up: bool = True
) -> Any:
    worker = WorkerReading(WorkerId("wrk_1"), StreamId("str_1"), 1, latency_ms=latency_ms)
    return SimpleNamespace(
        link_up=up, reading=EncoderReading(cpu_percent=cpu, memory_percent=memory, workers=(worker,))
    )


@dataclass
class Room:
    now: float = 1_000.0
    streams: list[Any] = field(default_factory=list)
    fleet: list[Any] = field(default_factory=list)
    facts: int = 0
    usage: Usage = field(default_factory=Usage)
    clock_ms: float | None = None

    def __post_init__(self) -> None:
        meters = Meters(
            link_facts=lambda: self.facts,
            link_orders=lambda: 0,
            usage=lambda: self.usage,
            clock_offset_ms=lambda: self.clock_ms,
        )
        streams: Any = self.streams
        fleet: Any = self.fleet
        self.monitor = PerformanceMonitor(streams=streams, fleet=fleet, meters=meters)

    def looks(self, times: int = 1) -> None:
        for _ in range(times):
            self.now += 1.0
            self.monitor.look(self.now)

    def of(self, figure: Figure) -> Performance:
        return next(one for one in self.monitor.all() if one.figure is figure)

    def value(self, figure: Figure) -> float | None:
        return self.of(figure).now


@pytest.fixture
def room(monkeypatch: pytest.MonkeyPatch) -> Iterator[Room]:
    room = Room()
    monkeypatch.setattr(performance_monitor, "monotonic", lambda: room.now)
    return room


def test_before_the_first_look_and_of_an_empty_system_nothing_is_known(room: Room) -> None:
    assert {one.now for one in room.monitor.all()} == {None}
    room.looks()
    assert room.value(Figure.LATENCY_MS) is None
    assert room.value(Figure.FLEET_CPU_PERCENT) is None
    assert room.value(Figure.CONTROL_MEMORY_BYTES) is None


def test_latency_is_that_of_streams_somebody_publishes(room: Room) -> None:
    room.streams += [stream(100.0), stream(300.0), stream(2_000.0), stream(None), stream(9e9, publishes=False)]
    room.looks()
    assert room.value(Figure.LATENCY_MS) == 300.0
    assert room.value(Figure.LATENCY_WORST_MS) == 2_000.0


def test_resources_are_those_of_encoders_that_are_there_and_tell(room: Room) -> None:
    room.fleet += [
        member(20.0, latency_ms=40.0),
        member(60.0, latency_ms=90.0),
        member(None),
        member(99.0, up=False),
    ]
    room.usage, room.clock_ms = Usage(12.5, 1 << 28), -70.0
    room.looks()
    assert room.value(Figure.FLEET_CPU_PERCENT) == 40.0
    assert room.value(Figure.ENCODE_LATENCY_MS) == 90.0
    assert room.value(Figure.CONTROL_CPU_PERCENT) == 12.5
    assert room.value(Figure.CONTROL_MEMORY_BYTES) == float(1 << 28)
    assert room.value(Figure.CLOCK_OFFSET_MS) == -70.0


def test_rates_are_counted_between_two_looks(room: Room) -> None:
    room.facts = 1_000
    room.looks()
    assert room.value(Figure.LINK_FACTS_PER_S) is None
    room.facts += 50
    for _ in range(3):
        room.monitor.hear(EncoderChanged(EncoderId("enc_1"), EncoderState.ONLINE, T0))
        room.monitor.count_request()
    room.monitor.count_socket_message()
    room.now += 1.0
    room.looks()
    assert room.value(Figure.LINK_FACTS_PER_S) == 25.0
    assert room.value(Figure.BUS_PER_S) == 1.5
    assert room.value(Figure.REQUESTS_PER_S) == 1.5
    assert room.value(Figure.SOCKET_PER_S) == 0.5
    room.looks()
    assert room.value(Figure.BUS_PER_S) == 0.0


def test_errors_are_those_that_are_worse_than_a_word(room: Room) -> None:
    room.looks()
    for severity in Severity:
        room.monitor.hear(StreamErrorSeen(StreamId("str_1"), "acme", severity, "cause", "detail", T0))
    room.looks()
    assert room.value(Figure.ERRORS_PER_MIN) == 120.0
    room.looks(59)
    minute = room.of(Figure.ERRORS_PER_MIN).minute
    assert minute is not None
    assert minute.mean == pytest.approx(2.0, abs=0.1)
    assert minute.high == 120.0


def test_history_is_told_by_second_and_by_minute_with_the_time_of_people(room: Room) -> None:
    room.streams.append(stream(100.0))
    room.looks(125)
    seconds = room.monitor.seconds(Figure.LATENCY_MS)
    minutes = room.monitor.minutes(Figure.LATENCY_MS)
    assert (len(seconds), len(minutes)) == (125, 2)
    assert (seconds[-1].at - seconds[0].at).total_seconds() == pytest.approx(124.0)
    assert (minutes[1].at - minutes[0].at).total_seconds() == pytest.approx(60.0)
    assert {bucket.mean for bucket in minutes} == {100.0}


def test_a_figure_that_rises_is_foretold_with_its_bounds_and_when_it_crosses_its_limit(room: Room) -> None:
    room.fleet.append(None)
    for second in range(120):
        room.fleet[0] = member(30.0 + second * 0.25)
        room.looks()
    outlook = room.of(Figure.FLEET_CPU_PERCENT).outlook
    assert outlook is not None
    assert outlook.is_sure
    assert outlook.per_min == pytest.approx(15.0, rel=0.05)
    assert outlook.expected_low <= outlook.expected <= outlook.expected_high
    assert outlook.limit == 85.0
    assert outlook.crosses_in_s == pytest.approx((85.0 - 59.75) / 0.25, rel=0.05)


def test_what_was_measured_too_shortly_or_stands_still_foretells_nothing_wrong(room: Room) -> None:
    room.fleet.append(member(50.0))
    room.looks(30)
    assert room.of(Figure.FLEET_CPU_PERCENT).outlook is None
    room.looks(90)
    outlook = room.of(Figure.FLEET_CPU_PERCENT).outlook
    assert outlook is not None
    assert (outlook.is_sure, outlook.crosses_in_s, outlook.expected) == (False, None, 50.0)


def test_nothing_is_foretold_that_cannot_be(room: Room) -> None:
    room.streams.append(None)
    room.fleet.append(None)
    for second in range(120):
        room.streams[0] = stream(130.0 - second)
        room.fleet[0] = member(30.0 + second * 0.5)
        room.clock_ms = 130.0 - second
        room.looks()
    lag, cpu, clock = (
        room.of(figure).outlook for figure in (Figure.LATENCY_MS, Figure.FLEET_CPU_PERCENT, Figure.CLOCK_OFFSET_MS)
    )
    assert lag is not None
    assert cpu is not None
    assert clock is not None
    assert (lag.expected_low, lag.expected, lag.expected_high) == (0.0, 0.0, 0.0)
    assert (cpu.expected_low, cpu.expected, cpu.expected_high) == (100.0, 100.0, 100.0)
    assert clock.expected < 0.0, "a clock may be ahead or behind"


async def test_it_looks_by_itself_and_sees_how_late_its_turn_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(performance_monitor, "TURN_S", 0.001)
    monkeypatch.setattr(performance_monitor, "LOOK_S", 0.01)
    room = Room()
    running = asyncio.create_task(room.monitor.run())
    try:
        async with asyncio.timeout(10.0):
            while len(room.monitor.seconds(Figure.LOOP_LAG_MS)) < 3:  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.005)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert all(bucket.mean >= 0.0 for bucket in room.monitor.seconds(Figure.LOOP_LAG_MS))
