"""What is wrong with a hardware encoder."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from app.domain.condition import Category
from app.domain.device import DeviceAlarm, DeviceReading, EngineState, Reach
from app.domain.severity import Severity
from app.policy.device_faults import REACH_FAULTS, judge_reach, judge_reading

AT = datetime(2030, 1, 1, tzinfo=UTC)


def names(**told: object) -> set[str]:
    return {fault.name for fault in judge_reading(DeviceReading(at=AT, **told))}  # type: ignore[arg-type]  # by name


def alarms(*ids: str, severity: str = "warning") -> tuple[DeviceAlarm, ...]:
    return tuple(DeviceAlarm(i, severity, "") for i in ids)


def test_what_is_unknown_is_no_fault() -> None:
    assert names() == set()


def test_a_device_that_does_well_has_none() -> None:
    assert (
        names(is_well=True, has_input=True, streaming=EngineState.RUNNING, recording=EngineState.STOPPED) == set()
    )


@pytest.mark.parametrize(
    ("told", "name"),
    [
        ({"has_input": False}, "device_input_lost"),
        ({"streaming": EngineState.FAILED}, "device_stream_failed"),
        ({"streaming": EngineState.FAULTY}, "device_stream_blocked"),
        ({"recording": EngineState.FAILED}, "device_recording_failed"),
        ({"recording": EngineState.SHUT_DOWN}, "device_engine_down"),
        ({"is_well": False}, "device_unwell"),
        ({"is_in_transfer_mode": True}, "device_in_transfer_mode"),
        ({"clock_offset_s": -3600.0}, "device_clock_off"),
    ],
)
def test_states_have_their_faults(told: dict[str, object], name: str) -> None:
    assert names(**told) == {name}


@pytest.mark.parametrize(
    ("alarm", "name", "category"),
    [
        ("No_Video_Input_Alarm", "device_video_lost", Category.VIDEO_SIGNAL),
        ("Media_Low_Alarm", "device_storage_low", Category.STORAGE),
        ("Media_Full_Alarm", "device_storage_full", Category.STORAGE),
        ("Storage_Removed_Alarm", "device_storage_removed", Category.STORAGE),
        ("RecordingFailedAlarm", "device_recording_failed", Category.STORAGE),
        ("StreamingFailedAlarm", "device_stream_failed", Category.STREAM_FAILED),
        ("NTPNameResolutionFailureAlarm", "device_ntp_failed", Category.NTP),
        ("Near_Over_Temp_Alarm", "device_near_over_temp", Category.THERMAL),
        ("Network_Too_Slow_Alarm", "device_network_slow", Category.BANDWIDTH),
    ],
)
def test_alarms_have_their_faults(alarm: str, name: str, category: Category) -> None:
    (fault,) = judge_reading(DeviceReading(at=AT, alarms=alarms(alarm)))
    assert (fault.name, fault.category) == (name, category)


def test_alarms_that_mean_one_thing_are_one_fault() -> None:
    both = alarms("Media_Low_Alarm", "Secondary_Media_Low_Alarm")
    assert names(alarms=both) == {"device_storage_low"}
    assert names(alarms=alarms("StreamingFailedAlarm"), streaming=EngineState.FAILED) == {"device_stream_failed"}


def test_an_alarm_of_another_firmware_is_told_too_and_the_worst_of_several_counts() -> None:
    known = (*alarms("Brand_New_Alarm"), *alarms("Burning_Alarm", severity="fatal"))
    (fault,) = judge_reading(DeviceReading(at=AT, alarms=known))
    assert (fault.name, fault.severity) == ("device_alarm", Severity.CRITICAL)
    assert "Burning" in fault.words


def test_each_way_in_which_it_is_not_reached_is_a_fault_of_its_own() -> None:
    faults = {reach: judge_reach(reach) for reach in Reach}
    assert [reach for reach, fault in faults.items() if fault is None] == [Reach.UNTRIED, Reach.OK]
    assert len(REACH_FAULTS) == len(Reach) - 2


def test_an_input_is_missed_more_while_it_is_streamed() -> None:
    lost = {
        state: judge_reading(DeviceReading(at=AT, has_input=False, streaming=state))[0] for state in EngineState
    }
    assert lost[EngineState.RUNNING].severity is Severity.CRITICAL
    assert lost[EngineState.STOPPED].severity is Severity.WARNING
