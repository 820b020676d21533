"""Error analysis over a bus and a clock that the test moves: what it takes for one, tells and blames."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from app.domain.alert import Alert
from app.domain.condition import GONE_S, RETOLD_S, Category, Condition, Subject, SubjectKind
from app.domain.device import DeviceAlarm, DeviceReading, EngineState
from app.domain.events import (
    DeviceRead,
    Event,
    IncidentChanged,
    StreamChanged,
    StreamErrorSeen,
    StreamHealthRead,
    WorkerReplaced,
)
from app.domain.ids import DestinationId, EncoderId, StreamId
from app.domain.incident import Cause, Incident
from app.domain.link import ChannelReading, DestinationReading
from app.domain.session import StreamHealth
from app.domain.severity import Severity
from app.domain.stream import StreamState
from app.monitoring import error_analysis
from app.monitoring.error_analysis import SILENT_S, ErrorAnalysis
from app.monitoring.pattern_file import patterns_of
from app.monitoring.root_causes import SETTLE_S, SHARED
from app.policy.alert_rules import AlertBook, timing_of
from app.policy.incident_book import CLEAR_S
from app.runtime.bus import Bus
from app.services.journal import note_of
from tests.support.alerts import T0
from tests.support.faults import Board, Plan, trouble

ENCODER, STREAM = SubjectKind.ENCODER, SubjectKind.STREAM
FILE = patterns_of()


class Room:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        monkeypatch.setattr(error_analysis, "monotonic", lambda: self.now)
        monkeypatch.setattr(error_analysis, "utc_now", lambda: T0 + timedelta(seconds=self.now))
        self.errors: list[BaseException] = []
        self.bus: Bus[Event] = Bus(self.errors.append)
        self.plan, self.board = Plan(), Board()
        self.analysis = ErrorAnalysis(file=FILE, around=self.plan.around(), alerts=self.board, bus=self.bus)
        self.told: list[Condition] = []
        self.news: list[Incident] = []
        self._book = AlertBook()
        self.bus.listen(self.analysis.hear)
        self.bus.listen(self._note)

    def _note(self, event: Event) -> None:
        if isinstance(event, IncidentChanged):
            self.news.append(event.incident)
        if isinstance(event, Condition):
            self.told.append(event)
            self._book.feed(event, self.now, T0)
            self.board.alerts = {alert.fingerprint: alert for alert in self._book} | {
                name: alert for name, alert in self.board.alerts.items() if self._book.find(name)
            }

    def at(self, now: float) -> None:
        self.now = now
        self.analysis.look()
        assert self.errors == []

    def alert(self, name: str, subject: str) -> Alert:
        found = [one for one in self.board.active() if (one.name, one.subject.id) == (name, subject)]
        assert len(found) == 1
        return found[0]

    def only(self) -> Incident:
        (one,) = self.analysis.open()
        return one

    def lost(self, *names: str) -> None:
        for name in names:
            self.bus.tell(trouble("encoder_offline", ENCODER, name, labels={"encoder": name}, after_s=self.now))


@pytest.fixture
def room(monkeypatch: pytest.MonkeyPatch) -> Room:
    room = Room(monkeypatch)
    for number in range(8):
        room.plan.machine(f"e{number}", rack="r7", region="eu")
        room.plan.machine(f"x{number}", rack="r8", region="eu")
    for number in range(40):
        room.plan.stream(f"s{number:02}", f"e{number % 8}")
    return room


def bare(room: Room, stream: str) -> Condition:
    return trouble(
        "stream_unprotected",
        STREAM,
        stream,
        severity=Severity.WARNING,
        category=Category.FAILOVER,
        after_s=room.now,
    )


def fail_rack(room: Room) -> None:
    """Streams change to the other rack at once; that encoders are gone is seen seconds later."""
    for number in range(40):
        stream = StreamId(f"s{number:02}")
        old, new = EncoderId(f"e{number % 8}"), EncoderId(f"x{number % 8}")
        room.plan.stream(stream, new)
        room.bus.tell(WorkerReplaced(stream, "acme", old, new, 2, "connection closed", T0))
        room.bus.tell(bare(room, stream))
    room.now = 6.0
    room.lost(*(f"e{number}" for number in range(8)))


def test_a_rack_that_is_lost_is_one_incident_of_forty_though_its_streams_have_moved(room: Room) -> None:
    fail_rack(room)
    room.at(6.2)
    found = room.only()
    assert (found.cause, found.total_children, found.streams) == (Cause("rack", "r7"), 40, 40)
    assert found.diagnoses[0].pattern_id == "rack_lost"
    assert found.title.startswith("Several encoders of one rack are gone at once")


def test_a_lost_rack_is_told_at_once_and_all_else_is_laid_to_it(room: Room) -> None:
    fail_rack(room)
    room.at(6.2)
    (told,) = (one for one in room.told if one.name == "rack_lost")
    assert (told.subject, told.severity) == (Subject(SubjectKind.SYSTEM, "rack:r7"), Severity.CRITICAL)
    room.at(7.2)
    root = room.alert("rack_lost", "rack:r7").fingerprint
    for number in range(8):
        assert room.alert("encoder_offline", f"e{number}").cause_fingerprint == root


def test_what_is_told_in_its_name_ends_with_its_signs_and_is_told_again_until_then(room: Room) -> None:
    room.lost(*(f"e{number}" for number in range(8)))
    room.at(1.0)
    room.at(1.0 + RETOLD_S)
    for number in range(8):
        room.bus.tell(trouble("encoder_offline", ENCODER, f"e{number}", is_active=False))
    room.at(40.0)
    assert [one.is_active for one in room.told if one.name == "rack_lost"] == [True, True, False]
    assert room.analysis.open(), "it is over only after its clear time"
    room.at(31.0 + CLEAR_S)
    assert room.analysis.open() == ()
    assert room.analysis.over()[0].ended_at is not None


def test_a_cause_that_is_only_concluded_must_settle_before_it_is_told(room: Room) -> None:
    for number in range(25):
        found = trouble("stream_failed", STREAM, f"s{number:02}", category=Category.STREAM_FAILED)
        room.bus.tell(found)
    room.at(0.5)
    assert room.only().cause == Cause("gateway", "g1")
    assert not [one for one in room.told if one.subject.kind is SubjectKind.GATEWAY]
    room.at(0.5 + SETTLE_S)
    (told,) = (one for one in room.told if one.subject.kind is SubjectKind.GATEWAY)
    assert (told.name, told.subject.id) == ("gateway_in_trouble", "g1")


def test_a_cause_is_told_no_sooner_than_its_sign_would_be_an_alert_and_says_what_the_sign_is(room: Room) -> None:
    for number in range(8):
        found = trouble(
            "cpu_high", ENCODER, f"e{number}", severity=Severity.WARNING, category=Category.CPU, summary="uses 99 %"
        )
        room.bus.tell(found)
    hold_s = timing_of("cpu_high").hold_s
    for second in (0.5, 0.5 + SETTLE_S, hold_s - 0.1):
        room.at(second)
        assert room.analysis.is_waiting
    assert not [one for one in room.told if one.name == SHARED]
    assert room.analysis.open() == ()
    room.at(hold_s)
    assert not room.analysis.is_waiting
    (told,) = (one for one in room.told if one.name == SHARED)
    assert told.summary == "rack r7: several of its parts are in trouble alike: uses 99 % (8 signs, 0 streams)"


def test_what_is_told_of_an_encoder_has_no_name_that_a_file_could_choose(room: Room) -> None:
    """A remedy is chosen by the name of a condition."""
    for stream in ("s01", "s09", "s17"):
        room.bus.tell(trouble("stream_failed", STREAM, stream, category=Category.STREAM_FAILED))
        room.bus.tell(error("worker replaced", "SIGSEGV", stream))
    room.at(0.5)
    assert "worker_crashes" in {one.pattern_id for one in room.only().diagnoses}
    room.at(0.5 + SETTLE_S)
    (told,) = (one for one in room.told if one.subject.kind is ENCODER)
    assert (told.name, told.subject.id) == ("shared_cause", "e1")


def test_one_lost_encoder_is_its_own_cause_and_nothing_is_told_in_its_name(room: Room) -> None:
    room.lost("e1")
    room.bus.tell(WorkerReplaced(StreamId("s01"), "acme", EncoderId("e1"), EncoderId("x1"), 2, "stalled", T0))
    room.bus.tell(bare(room, "s01"))
    for second in range(20):
        room.at(float(second))
    assert [one.name for one in room.told] == ["encoder_offline", "stream_unprotected"]
    assert [(one.remedy, one.total_children) for one in room.news] == [("move_stream", 1)]


def health(stream: str, primary: str | None, backup: str | None, **more: object) -> StreamHealthRead:
    told = StreamHealth(
        stream_id=StreamId(stream),
        state=StreamState.LIVE,
        at=T0,
        score=None,
        reasons=(),
        protected=True,
        primary_id=None if primary is None else EncoderId(primary),
        backup_id=None if backup is None else EncoderId(backup),
        generation=1,
        cpu_usage=None,
        dropped_frames=None,
        bitrate=None,
        source=None,
        channel=None,
    )
    return StreamHealthRead("acme", replace(told, **more))  # type: ignore[arg-type]  # fields by name


def channel(stream: str, *destinations: tuple[str, str], viewers: int = 0) -> ChannelReading:
    return ChannelReading(
        stream_id=StreamId(stream),
        at=T0,
        source_up=True,
        source_bps=None,
        source_fps=None,
        source_frames=0,
        source_gaps=0,
        ring_bytes=0,
        ring_s=0.0,
        tracks=(),
        viewers=viewers,
        viewer_frames_dropped=0,
        programme_lag_ms=None,
        destinations=tuple(
            DestinationReading(DestinationId(name), state, None, 0, 0) for name, state in destinations
        ),
    )


def test_a_stream_without_its_backup_suffers_from_the_backup_that_is_gone(room: Room) -> None:
    room.bus.tell(health("s00", "e0", "x3"))
    room.bus.tell(health("s00", "e0", None))
    room.lost("x3")
    room.bus.tell(bare(room, "s00"))
    room.at(1.0)
    assert (room.only().cause, room.only().total_children) == (Cause("encoder", "x3"), 1)


def test_the_viewers_of_an_incident_are_counted(room: Room) -> None:
    room.bus.tell(health("s00", "e0", None, channel=channel("s00", viewers=7)))
    room.lost("e0")
    room.bus.tell(trouble("stream_failed", STREAM, "s00", category=Category.STREAM_FAILED))
    room.at(1.0)
    assert room.only().viewers == 7


def test_what_is_told_of_a_stream_after_its_end_leaves_nothing_behind(room: Room) -> None:
    def remembered() -> set[str]:
        analysis = room.analysis
        return {*analysis._live, *analysis._viewers, *analysis._labels._seats}

    room.bus.tell(health("gone", "e0", None, channel=channel("gone", viewers=7)))
    room.bus.tell(WorkerReplaced(StreamId("gone"), "acme", EncoderId("e1"), EncoderId("x1"), 2, "stalled", T0))
    assert remembered() == set()
    room.bus.tell(health("s00", "e0", None, channel=channel("s00", viewers=7)))
    assert remembered() == {"s00"}
    room.bus.tell(StreamChanged(StreamId("s00"), "acme", StreamState.ENDED, T0))
    assert remembered() == set()


def test_a_destination_that_refuses_several_streams_is_the_cause(room: Room) -> None:
    room.plan.hosts = {"d1": "live.example", "d2": "live.example", "d3": "live.example"}
    for number in range(3):
        stream, one = f"s{number:02}", (f"d{number + 1}", "refused")
        room.bus.tell(health(stream, f"e{number}", None, channel=channel(stream, one)))
        room.bus.tell(
            trouble("destination_refused", STREAM, stream, severity=Severity.WARNING, category=Category.BANDWIDTH)
        )
    room.at(1.0)
    assert room.analysis.open() == ()
    room.at(timing_of("destination_refused").hold_s)
    assert room.only().cause == Cause("destination", "live.example")
    assert room.only().diagnoses[0].pattern_id == "destination_down"


def test_what_is_worse_than_its_cause_speaks_for_itself(room: Room) -> None:
    room.bus.tell(trouble("cpu_high", ENCODER, "e1", severity=Severity.WARNING, category=Category.CPU))
    room.bus.tell(trouble("stream_failed", STREAM, "s01", category=Category.STREAM_FAILED, after_s=1.0))
    room.bus.tell(
        trouble("stream_degraded", STREAM, "s09", severity=Severity.WARNING, category=Category.STREAM_FAILED)
    )
    room.at(1.0)
    assert room.only().total_children == 2
    assert room.board.blamed == []


def test_who_was_blamed_wrongly_is_cleared(room: Room) -> None:
    room.lost(*(f"e{number}" for number in range(8)))
    room.at(1.0)
    blamed = {name for name, cause in room.board.blamed if cause is not None}
    assert len(blamed) == 8
    for number in range(1, 8):
        room.bus.tell(trouble("encoder_offline", ENCODER, f"e{number}", is_active=False))
    for second in range(2, 400, 20):
        room.now = float(second)
        room.lost("e0")
        room.at(float(second))
    assert room.only().cause == Cause("encoder", "e0")
    assert room.alert("encoder_offline", "e0").cause_fingerprint is None


def test_what_nobody_tells_again_is_over(room: Room) -> None:
    room.lost("e1")
    room.at(1.0)
    room.at(GONE_S + CLEAR_S)
    assert room.analysis.open() == ()


def device(*alarms: str, **more: object) -> DeviceRead:
    found = tuple(DeviceAlarm(name, "warning", "words") for name in alarms)
    return DeviceRead(EncoderId("e1"), DeviceReading(T0, alarms=found, **more))  # type: ignore[arg-type]  # by name


@pytest.mark.parametrize(
    ("readings", "expected"),
    [
        ([device("SD_Card_Write_Protected_Alarm")], "device_card_locked"),
        ([device("Invalid_Selection_Alarm")], "device_settings_incomplete"),
        ([device("Invalid_Selection_Alarm", system_name="aja-helo-1SC001")], "device_settings_lost"),
    ],
)
def test_a_fault_of_a_device_is_told_by_its_alarms_and_states(
    room: Room, readings: list[DeviceRead], expected: str
) -> None:
    for reading in readings:
        room.bus.tell(reading)
    room.bus.tell(trouble("device_settings_unusable", ENCODER, "e1", severity=Severity.WARNING))
    room.bus.tell(trouble("device_storage_locked", ENCODER, "e1", severity=Severity.WARNING))
    room.at(1.0)
    found = [one.pattern_id for one in room.analysis.diagnoses()]
    assert expected in found


def test_a_device_whose_interface_hangs_while_its_stream_goes_on_is_known(room: Room) -> None:
    room.plan.stream("s01", "x1", device="e1")
    room.bus.tell(health("s01", "x1", None))
    room.bus.tell(trouble("device_unreachable", ENCODER, "e1"))
    room.at(14.0)
    assert "device_interface_hangs" not in {one.pattern_id for one in room.analysis.diagnoses()}
    room.at(16.0)
    assert "device_interface_hangs" in {one.pattern_id for one in room.analysis.diagnoses()}
    room.bus.tell(StreamChanged(StreamId("s01"), "acme", StreamState.ENDED, T0))
    room.at(60.0)
    assert "device_interface_hangs" not in {one.pattern_id for one in room.analysis.diagnoses()}


def test_of_a_device_that_is_silent_nothing_is_known(room: Room) -> None:
    room.bus.tell(device("SD_Card_Write_Protected_Alarm"))
    room.at(SILENT_S - 0.1)
    assert [one.pattern_id for one in room.analysis.diagnoses()] == ["device_card_locked"]
    room.at(SILENT_S)
    room.at(2 * SILENT_S)
    assert room.analysis.diagnoses() == ()


def test_an_idle_device_after_its_power_came_back_is_known(room: Room) -> None:
    room.bus.tell(trouble("device_rebooting", ENCODER, "e1", severity=Severity.INFO))
    room.now = 20.0
    room.bus.tell(trouble("device_rebooting", ENCODER, "e1", severity=Severity.INFO, is_active=False))
    room.bus.tell(device(streaming=EngineState.STOPPED))
    room.at(21.0)
    assert [one.remedy for one in room.analysis.diagnoses()] == ["start_stream"]


def error(cause: str, detail: str, stream: str = "s01") -> StreamErrorSeen:
    return StreamErrorSeen(StreamId(stream), "acme", Severity.WARNING, cause, detail, T0)


def test_a_worker_that_was_killed_on_a_full_machine_ran_out_of_memory(room: Room) -> None:
    room.bus.tell(trouble("memory_high", ENCODER, "e1", severity=Severity.WARNING, category=Category.MEMORY))
    room.now = timing_of("memory_high").hold_s
    room.bus.tell(error("worker replaced", "worker ended (exit code -9)"))
    room.at(room.now + 1.0)
    assert room.only().diagnoses[0].pattern_id == "worker_out_of_memory"
    assert room.only().remedy is None


FORGED: tuple[Callable[[], Event], ...] = (
    lambda: error("publisher refused", "worker ended (exit code -9); SIGSEGV; CUDA_ERROR_ECC; encoder_offline"),
    lambda: error("rack_lost", "rack_lost of rack:r7, encoder_offline, reboot"),
    lambda: error(
        "worker replaced", "encoder_offline state:streaming=stopped device_rebooting alarm:HW_Error_Alarm"
    ),
)


def test_one_reading_of_a_full_cpu_and_a_backup_that_takes_seconds_are_no_incidents(room: Room) -> None:
    room.bus.tell(trouble("cpu_high", ENCODER, "e1", severity=Severity.WARNING, category=Category.CPU))
    room.bus.tell(bare(room, "s02"))
    room.at(1.0)
    room.bus.tell(trouble("cpu_high", ENCODER, "e1", severity=Severity.WARNING, is_active=False))
    room.now = 2.0
    room.bus.tell(replace(bare(room, "s02"), is_active=False))
    for second in range(2, 90):
        room.at(float(second))
    assert room.news == []


@pytest.mark.parametrize("forged", FORGED)
def test_a_line_that_a_publisher_forged_suggests_no_remedy(room: Room, forged: Callable[[], Event]) -> None:
    for _ in range(3):
        room.bus.tell(forged())
    room.at(1.0)
    assert {one.remedy for one in room.analysis.diagnoses()} <= {None}
    assert {one.pattern_id for one in room.analysis.diagnoses()} <= {"stream_key_invalid"}
    assert room.analysis.open() == ()


def test_an_incident_is_in_the_log_from_its_beginning_to_its_end(room: Room) -> None:
    room.lost("e1")
    room.at(1.0)
    room.bus.tell(trouble("encoder_offline", ENCODER, "e1", is_active=False))
    room.at(2.0 + CLEAR_S)
    notes = [note_of(IncidentChanged(one, T0)) for one in room.news]
    assert [(note.subject, note.kind) for note in notes if note is not None] == [
        (room.news[0].id, "incident critical"),
        (room.news[0].id, "incident ended"),
    ]


def test_a_build_is_blamed_only_where_there_is_another_one(room: Room) -> None:
    def ejected(name: str) -> Condition:
        return trouble("encoder_ejected", ENCODER, name, severity=Severity.WARNING, category=Category.ERROR_RATE)

    room.plan.encoders.clear()
    for number in range(4):
        room.plan.machine(f"n{number}", rack=f"q{number}", build="new")
    for number in range(4):
        room.bus.tell(ejected(f"n{number}"))
    room.at(1.0)
    assert {one.cause.label for one in room.analysis.open()} == {"encoder"}
    for number in range(4):
        room.plan.machine(f"o{number}", rack=f"p{number}", build="old")
        room.plan.machine(f"m{number}", rack=f"k{number}", build="new")
    room.at(2.0)
    for number in range(4):
        room.bus.tell(ejected(f"m{number}"))
    room.at(3.0)
    assert Cause("version", "new") in {one.cause for one in room.analysis.open()}
