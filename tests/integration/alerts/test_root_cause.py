"""A rack is lost: monitors, error analysis and the board of alerts together, on a clock that the test moves."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import pytest

from app.domain.alert import AlertGroup
from app.domain.condition import Subject, SubjectKind
from app.domain.encoder import EncoderState
from app.domain.events import EncoderChanged, Event, StreamHealthRead, WorkerReplaced
from app.domain.ids import EncoderId, StreamId
from app.domain.session import StandbyHealth, StandbyState, StreamHealth
from app.domain.severity import Severity
from app.domain.stream import StandbyGrade, StreamState
from app.monitoring import alert_board, conditions, error_analysis
from app.monitoring.alert_board import AlertBoard
from app.monitoring.announcer import Announcer, Channel
from app.monitoring.conditions import Conditions, Surroundings
from app.monitoring.error_analysis import ErrorAnalysis
from app.monitoring.outbox import Outbox
from app.monitoring.pattern_file import patterns_of
from app.runtime.bus import Bus
from tests.support.alerts import T0, MemoryAlerts
from tests.support.faults import Plan

STREAMS, ENCODERS = 40, 8
STEP_S = 0.25


class Control:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        for module in (alert_board, conditions, error_analysis):
            monkeypatch.setattr(module, "monotonic", lambda: self.now)
            monkeypatch.setattr(module, "utc_now", self.at)
        self.errors: list[BaseException] = []
        self.bus: Bus[Event] = Bus(self.errors.append)
        self.plan, self.store = Plan(), MemoryAlerts()
        outbox = Outbox(store=self.store, channels=["email", "telegram"])
        announcer = Announcer(
            channels=[Channel("email", Severity.INFO), Channel("telegram", Severity.CRITICAL)],
            is_full=outbox.is_full,
        )
        self.board = AlertBoard(
            store=self.store, bus=self.bus, outbox=outbox, announcer=announcer, tenant_of=lambda _: "acme"
        )
        self.analysis = ErrorAnalysis(
            file=patterns_of(), around=self.plan.around(), alerts=self.board, bus=self.bus
        )
        around = Surroundings(
            encoder=lambda encoder_id: self.plan.encoders.get(encoder_id),
            ejected=lambda: (),
            gateway_of=lambda stream_id: self.plan.streams[stream_id].gateway,
            has_stream=lambda stream_id: stream_id in self.plan.streams,
            ping=self._ping,
        )
        self.conditions = Conditions(around=around, tell=self.bus.tell)
        for hear in (self.analysis.hear, self.board.hear, self.conditions.hear):
            self.bus.listen(hear)
        for number in range(ENCODERS):
            self.plan.machine(f"e{number}", rack="r7", region="eu")
            self.plan.machine(f"x{number}", rack="r8", region="eu")
        for number in range(STREAMS):
            self.plan.stream(f"s{number:02}", f"e{number % ENCODERS}")
            self.healthy(number, f"e{number % ENCODERS}", f"x{number % ENCODERS}")

    def at(self) -> datetime:
        return T0 + timedelta(seconds=self.now)

    async def _ping(self) -> None: ...

    def healthy(self, number: int, primary: str, backup: str | None) -> None:
        state = StandbyState.NONE if backup is None else StandbyState.READY
        health = StreamHealth(
            stream_id=StreamId(f"s{number:02}"),
            state=StreamState.LIVE,
            at=self.at(),
            score=90.0,
            reasons=(),
            protected=backup is not None,
            primary_id=EncoderId(primary),
            backup_id=None if backup is None else EncoderId(backup),
            generation=1,
            cpu_usage=None,
            dropped_frames=None,
            bitrate=None,
            source=None,
            channel=None,
            standby=StandbyHealth(StandbyGrade.WARM, state),
        )
        self.bus.tell(StreamHealthRead("acme", health))

    def take_over(self, number: int) -> None:
        old, new = f"e{number % ENCODERS}", f"x{number % ENCODERS}"
        stream = f"s{number:02}"
        self.plan.stream(stream, new)
        self.healthy(number, new, None)
        event = WorkerReplaced(
            StreamId(stream), "acme", EncoderId(old), EncoderId(new), 2, "connection closed", self.at()
        )
        self.bus.tell(event)

    def offline(self, encoder: str, *, is_back: bool = False) -> None:
        state = EncoderState.ONLINE if is_back else EncoderState.OFFLINE
        self.bus.tell(EncoderChanged(EncoderId(encoder), state, self.at(), "no heartbeat"))

    async def until(self, now: float) -> None:
        while self.now < now:
            self.now += STEP_S
            self.analysis.look()
            await self.board.look()
            if self.now % 5 == 0:
                for number in range(STREAMS):
                    place = self.plan.streams[f"s{number:02}"]
                    assert place.encoder is not None
                    is_moved = place.encoder.startswith("x")
                    self.healthy(number, place.encoder, None if is_moved else f"x{number % ENCODERS}")
                await self.conditions.look()
        assert self.errors == []

    def said(self, channel: str) -> list[AlertGroup]:
        return [one.group for one in self.store.messages.values() if one.channel == channel]


@pytest.fixture
def control(monkeypatch: pytest.MonkeyPatch) -> Control:
    return Control(monkeypatch)


async def lose_the_rack(control: Control) -> None:
    await control.until(10.0)
    for number in range(STREAMS):
        control.take_over(number)
    await control.until(15.0)
    for number in range(ENCODERS):
        control.offline(f"e{number}")
        await asyncio.sleep(0)
    await control.until(30.0)


async def test_a_lost_rack_with_forty_streams_is_one_incident_with_forty_children(control: Control) -> None:
    await lose_the_rack(control)
    await control.until(60.0)
    (incident,) = control.analysis.open()
    assert (incident.cause.label, incident.cause.value) == ("rack", "r7")
    assert (incident.total_signs, incident.total_children) == (ENCODERS, STREAMS)


async def test_people_are_told_of_the_rack_first_and_in_at_most_three_messages(control: Control) -> None:
    await lose_the_rack(control)
    for channel in ("email", "telegram"):
        said = control.said(channel)
        assert 1 <= len(said) <= 3
        assert said[0].alerts[0].subject == Subject(SubjectKind.SYSTEM, "rack:r7")
        assert "rack_lost" in said[0].title
    await control.until(120.0)
    assert all(len(control.said(channel)) <= 3 for channel in ("email", "telegram"))


async def test_every_alert_of_it_names_the_rack_as_its_cause(control: Control) -> None:
    await lose_the_rack(control)
    await control.until(60.0)
    firing = control.board.active()
    (root,) = [one for one in firing if one.name == "rack_lost"]
    others = {one.name: one.cause_fingerprint for one in firing if one is not root}
    assert set(others) == {"encoder_offline", "stream_unprotected"}
    assert set(others.values()) == {root.fingerprint}
    assert len(firing) == 1 + ENCODERS + STREAMS


async def test_when_the_rack_is_back_all_ends(control: Control) -> None:
    await lose_the_rack(control)
    for number in range(ENCODERS):
        control.offline(f"e{number}", is_back=True)
    for number in range(STREAMS):
        control.plan.stream(f"s{number:02}", f"e{number % ENCODERS}")
        control.healthy(number, f"e{number % ENCODERS}", f"x{number % ENCODERS}")
    await control.until(200.0)
    assert control.analysis.open() == ()
    (whole,) = (one for one in control.analysis.over() if one.merged_into is None)
    assert whole.cause.value == "r7"
    assert {one.merged_into for one in control.analysis.over()} <= {None, whole.id}
    assert control.board.active() == ()
    assert all("RESOLVED" in control.said(channel)[-1].title for channel in ("email", "telegram"))
