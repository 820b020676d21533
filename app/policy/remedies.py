"""The remedies: what each one needs, what it owns, what shows that it helped, and which condition it is for. Pure.

Whether one may be tried now is `remediation.py`'s to say; how a try goes on, `remedy_machine.py`'s.
Sources: the HELO reference, tables of faults (11) and of guards (12).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from app.domain.device import DeviceChoice, DeviceReading, EngineState
from app.domain.remediation import Remedy

CLOCK_RIGHT_S: Final = 90.0
"""A clock that was set by hand is right to the minute."""


@dataclass(frozen=True, slots=True)
class Spec:
    """`cures`: names of conditions, with the seconds that each must last before a device is helped unasked: it may
    mend itself.

    `is_disruptive`: its picture stops or changes meanwhile. `needs_rest`: only while it neither streams nor
    records. `choice`: the setting that it owns while it is tried. `verify_s`: so long its effect is waited for,
    from `settle_s` after the command on. `cool_down_s`: before the same device is given it again. `escalates`: when
    it does not help, what the device has on air is better carried by another one.
    """

    words: str
    cures: Mapping[str, float] = field(default_factory=dict)
    is_disruptive: bool = False
    needs_rest: bool = False
    choice: DeviceChoice | None = None
    has_undo: bool = False
    escalates: bool = False
    settle_s: float = 0.0
    verify_s: float = 30.0
    cool_down_s: float = 300.0


_BY_DESIGN: Final = "Scheduler_Takes_Priority_Alarm"
_ASK_FOR_RESTART: Final = ("HW_Error_Alarm", "SW_Error_Alarm", "Storage_Removed_Alarm")

CATALOGUE: Final[Mapping[Remedy, Spec]] = {
    Remedy.RESTART_STREAM: Spec(
        "begin its stream anew, off the air",
        # It connects again by itself within a minute.
        cures={"device_stream_failed": 60.0},
        is_disruptive=True,
        settle_s=5.0,
        escalates=True,
        verify_s=60.0,
    ),
    Remedy.REAPPLY_PROFILE: Spec(
        "give it the settings that its stream needs",
        cures={"device_settings_unusable": 15.0},
        needs_rest=True,
        has_undo=True,
        escalates=True,
        verify_s=15.0,
    ),
    Remedy.CHANGE_INPUT: Spec(
        "change to its spare input",
        cures={"device_input_lost": 10.0, "device_video_lost": 10.0},
        is_disruptive=True,
        choice=DeviceChoice.VIDEO_INPUT,
        has_undo=True,
        escalates=True,
        verify_s=30.0,
    ),
    Remedy.SET_AUDIO_INPUT: Spec(
        "take its sound from the input of its picture",
        cures={"device_audio_lost": 30.0},
        needs_rest=True,
        choice=DeviceChoice.AUDIO_INPUT,
        has_undo=True,
        escalates=True,
        verify_s=60.0,
    ),
    Remedy.UNMUTE: Spec(
        "unmute it",
        choice=DeviceChoice.MUTE,
        has_undo=True,
        verify_s=15.0,
    ),
    Remedy.LEAVE_TRANSFER_MODE: Spec(
        "lead it out of file transfer",
        cures={"device_in_transfer_mode": 60.0},
        verify_s=15.0,
    ),
    Remedy.CHANGE_MEDIUM: Spec(
        "go on with its next medium",
        cures={
            "device_storage_full": 10.0,
            "device_storage_damaged": 10.0,
            "device_storage_missing": 60.0,
            "device_recording_failed": 30.0,
        },
        verify_s=60.0,
        cool_down_s=600.0,
    ),
    Remedy.SYNC_CLOCK: Spec(
        "set its clock right",
        cures={"device_ntp_failed": 60.0, "device_clock_off": 60.0},
        needs_rest=True,
        verify_s=60.0,
        cool_down_s=600.0,
    ),
    Remedy.SYNC_CALENDAR: Spec(
        "fetch its calendar anew",
        cures={"device_schedule_failed": 30.0},
        verify_s=60.0,
        cool_down_s=3_600.0,
    ),
    Remedy.STOP_RECORDING: Spec(
        "end its recording, so that it gets less warm",
        cures={"device_near_over_temp": 10.0},
        escalates=True,
        verify_s=20.0,
    ),
    Remedy.REBOOT: Spec(
        "restart the device",
        cures={
            "device_engine_down": 60.0,
            "device_hardware_error": 60.0,
            "device_software_error": 60.0,
            "device_unwell": 120.0,
            "device_recovery_image": 60.0,
            "device_storage_removed": 60.0,
        },
        is_disruptive=True,
        needs_rest=True,
        settle_s=15.0,
        escalates=True,
        verify_s=300.0,
        cool_down_s=1_800.0,
    ),
}


def for_condition(name: str) -> tuple[Remedy, float] | None:
    """The remedy for a condition of a device and how long it must last first; None: a person has to look."""
    found = ((remedy, spec.cures[name]) for remedy, spec in CATALOGUE.items() if name in spec.cures)
    return next(found, None)


@dataclass(frozen=True, slots=True)
class Look:
    """At a device after a command. `value`: of the setting that the remedy owns. `drift`: settings that are not as
    the stream needs them; None: there is none. `flows`: whether what it sends arrives, as the gateway says."""

    reading: DeviceReading
    value: str | None = None
    drift: tuple[str, ...] | None = None
    flows: bool | None = None


def helped(remedy: Remedy, look: Look, wanted: str | None) -> bool | None:
    """Whether the measure of the remedy is as it should be; None: the device does not tell."""
    reading = look.reading
    match remedy:
        case Remedy.RESTART_STREAM:
            return look.flows if look.flows is not None else _is(reading.streaming, EngineState.RUNNING)
        case Remedy.REAPPLY_PROFILE:
            return None if look.drift is None else not look.drift
        case Remedy.CHANGE_INPUT:
            return None if reading.has_input is None else reading.has_input and look.value == wanted
        case Remedy.SET_AUDIO_INPUT:
            return look.value == wanted and not _has_alarm(reading, "No_Audio_Input_Alarm")
        case Remedy.UNMUTE:
            return look.value == wanted
        case Remedy.LEAVE_TRANSFER_MODE:
            return None if reading.is_in_transfer_mode is None else not reading.is_in_transfer_mode
        case Remedy.CHANGE_MEDIUM:
            return _can_record(reading)
        case Remedy.SYNC_CLOCK:
            return None if reading.clock_offset_s is None else abs(reading.clock_offset_s) <= CLOCK_RIGHT_S
        case Remedy.SYNC_CALENDAR:
            return not any(alarm.id.startswith("Schedul") and alarm.id != _BY_DESIGN for alarm in reading.alarms)
        case Remedy.STOP_RECORDING:
            return None if reading.recording is None else reading.recording is not EngineState.RUNNING
        case Remedy.REBOOT:
            if any(_has_alarm(reading, alarm_id) for alarm_id in _ASK_FOR_RESTART):
                return False
            return reading.is_well and EngineState.SHUT_DOWN not in (reading.streaming, reading.recording)


def is_needed(remedy: Remedy, look: Look) -> bool | None:
    """Whether the device itself bears out that something is wrong: a diagnosis may be false. None: it does not
    tell."""
    match remedy:
        case Remedy.CHANGE_INPUT:
            return None if look.reading.has_input is None else not look.reading.has_input
        case Remedy.SET_AUDIO_INPUT:
            return _has_alarm(look.reading, "No_Audio_Input_Alarm")
        case _:
            good = helped(remedy, look, None)
            return None if good is None else not good


def _is(state: EngineState | None, wanted: EngineState) -> bool | None:
    return None if state is None else state is wanted


def _has_alarm(reading: DeviceReading, alarm_id: str) -> bool:
    return any(alarm.id == alarm_id for alarm in reading.alarms)


def _can_record(reading: DeviceReading) -> bool | None:
    known = [medium for medium in reading.media if medium.is_ready is not None]
    return any(medium.is_ready for medium in known) if known else None
