"""Each fault that operators of HELO devices meet: what the device shows, and the known fault that is told by it.

The verdicts of the device watch are the real ones."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from app.domain.condition import Category, Condition, Subject, SubjectKind
from app.domain.device import DeviceAlarm, DeviceReading, EngineState, Reach
from app.domain.events import DeviceRead
from app.domain.ids import EncoderId
from app.domain.severity import Severity
from app.policy.device_faults import Fault, judge_reach, judge_reading
from tests.support.alerts import T0
from tests.support.faults import trouble
from tests.unit.monitoring.test_error_analysis import Room, health, room

__all__ = ["room"]

DEVICE = EncoderId("e1")


@dataclass(frozen=True)
class Shows:
    """Alarms, what else it reads, how it is reached, what is seen of its stream; and how long that must last."""

    alarms: tuple[str, ...] = ()
    reads: dict[str, Any] = field(default_factory=dict)
    reach: Reach = Reach.OK
    content: tuple[str, ...] = ()
    is_live: bool = False
    after_s: float = 1.0


FAULTS: dict[str, Shows] = {
    "helo-01": Shows(reads={"streaming": EngineState.FAILED}, after_s=61.0),
    "helo-02": Shows(("NetworkNameNotFoundAlarm",)),
    "helo-03": Shows(("Invalid_Selection_Alarm",)),
    "helo-04": Shows(reads={"has_input": False}),
    "helo-05": Shows(("Input_Format_Changed_Alarm",)),
    "helo-06": Shows(("No_Audio_Input_Alarm",)),
    "helo-07": Shows(("Network_Too_Slow_Alarm", "Dropped_Frames_Alarm")),
    "helo-08": Shows(("Media_Low_Alarm",)),
    "helo-09": Shows(("Secondary_Media_Full_Alarm",)),
    "helo-10": Shows(("Media_Too_Slow_Alarm",)),
    "helo-11": Shows(("Storage_Removed_Alarm",)),
    "helo-12": Shows(("Media_Damaged_Alarm",)),
    "helo-13": Shows(("SD_Card_Write_Protected_Alarm",)),
    "helo-14": Shows(("Remote_Media_Mount_Failed_Alarm",)),
    "helo-16": Shows(("SMB_V1_In_Use_Alarm",)),
    "helo-17": Shows(reads={"clock_offset_s": -7_200.0}),
    "helo-18": Shows(("Scheduled_Event_Late_Alarm",)),
    "helo-19": Shows(("Scheduler_Takes_Priority_Alarm",)),
    "helo-20": Shows(("Near_Over_Temp_Alarm",), after_s=11.0),
    "helo-21": Shows(("Safeboot_Alarm",)),
    "helo-22": Shows(reach=Reach.SLOW, is_live=True, after_s=16.0),
    "helo-23": Shows(reach=Reach.LOGGED_OUT),
    "helo-24": Shows(reads={"is_in_transfer_mode": True}, after_s=61.0),
    "helo-25": Shows(reach=Reach.UNREACHABLE, after_s=301.0),
    "helo-26": Shows(("Record_Inhibited_Alarm",)),
    "helo-27": Shows(("BitRate_Not_Compatible_Alarm",)),
    "helo-30": Shows(reads={"is_well": False}, after_s=31.0),
    "helo-31": Shows(("Invalid_Selection_Alarm",), {"system_name": "aja-helo-1SC001234"}),
    "helo-32": Shows(reads={"streaming": EngineState.STOPPED}, reach=Reach.REBOOTING),
    "helo-33": Shows(reads={"has_input": True}, content=("silent_audio", "black_picture")),
}
BY_EYE = {"helo-15", "helo-28", "helo-29"}


def show(room: Room, shows: Shows) -> None:
    room.plan.stream("s01", "x1", device=DEVICE)
    if shows.is_live:
        room.bus.tell(health("s01", "x1", None))
    faults: list[Fault] = []
    if shows.reach is not Reach.OK:
        fault = judge_reach(shows.reach)
        assert fault is not None
        faults.append(fault)
    if shows.reach in (Reach.OK, Reach.REBOOTING):
        alarms = tuple(DeviceAlarm(name, "warning", "words") for name in shows.alarms)
        reading = DeviceReading(T0, alarms=alarms, **shows.reads)
        room.bus.tell(DeviceRead(DEVICE, reading))
        faults += judge_reading(reading)
    for fault in faults:
        room.bus.tell(
            Condition(
                fault.name, Subject(SubjectKind.ENCODER, DEVICE), True, fault.severity, fault.category, T0, "-"
            )
        )
    for name in shows.content:
        found = trouble(
            name,
            SubjectKind.STREAM,
            "s01",
            severity=Severity.WARNING,
            category=Category.PICTURE,
            labels={"side": "source"},
        )
        room.bus.tell(found)


def known(room: Room) -> set[str]:
    by_id = {pattern.id: pattern.known_as for pattern in room.analysis.patterns}
    return {name for found in room.analysis.diagnoses() for name in by_id[found.pattern_id]}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_of_a_helo_is_known_by_what_the_device_shows(room: Room, fault: str) -> None:
    shows = FAULTS[fault]
    now = 0.0
    while now < shows.after_s:
        room.now = now
        show(room, shows)
        now += 10.0
    room.now = shows.after_s
    show(room, shows)
    room.at(shows.after_s)
    assert fault in known(room)


def test_a_device_that_shows_nothing_has_no_fault(room: Room) -> None:
    show(room, Shows(reads={"has_input": True, "streaming": EngineState.RUNNING, "is_well": True}, is_live=True))
    room.at(400.0)
    assert known(room) == set()


def test_every_fault_is_either_seen_or_left_to_people() -> None:
    assert FAULTS.keys() | BY_EYE == {f"helo-{number:02}" for number in range(1, 34)}
    assert not FAULTS.keys() & BY_EYE
