"""What is wrong with a hardware encoder, from what it told or from how it could not be reached. Pure.

Several alarms of a device may mean one thing: primary and secondary medium, two ids for one boot mode. What is
measured against limits of ours (heat, full disks, load) is judged elsewhere; how long it must last is the board's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from app.domain.condition import Category
from app.domain.device import DeviceReading, EngineState, Reach
from app.domain.severity import Severity

CLOCK_OFF_S: Final = 90.0
"""A clock set by hand has a resolution of minutes; a scheduler that is later than this is seen by people."""


@dataclass(frozen=True, slots=True)
class Fault:
    """`name` as a condition has it, `words` for people. `value`: the measure behind it, if there is one."""

    name: str
    severity: Severity
    category: Category
    words: str
    value: float | None = None


_INFO, _WARNING, _CRITICAL = Severity.INFO, Severity.WARNING, Severity.CRITICAL

_VIDEO = Fault("device_video_lost", _CRITICAL, Category.VIDEO_SIGNAL, "no usable video on the selected input")
_INPUT = Fault("device_input_lost", _CRITICAL, Category.INPUT_LOST, "no signal is detected on the selected input")
_CHANGED = Fault(
    "device_input_changed", _INFO, Category.VIDEO_SIGNAL, "the input changed or dropped out for a moment"
)
_SILENT = Fault("device_audio_lost", _WARNING, Category.SILENT_AUDIO, "no sound on the selected input")
_STREAM = Fault("device_stream_failed", _CRITICAL, Category.STREAM_FAILED, "its stream broke or could not start")
_BLOCKED = Fault("device_stream_blocked", _INFO, Category.STREAM_FAILED, "it could not stream as it is set now")
_SETTINGS = Fault(
    "device_settings_unusable", _WARNING, Category.STREAM_FAILED, "its settings contradict each other"
)
_DOWN = Fault("device_engine_down", _CRITICAL, Category.SYSTEM, "its encoder is shut down until it is restarted")
_RECORD = Fault("device_recording_failed", _CRITICAL, Category.STORAGE, "its recording broke or could not start")
_SLOW_NET = Fault("device_network_slow", _WARNING, Category.BANDWIDTH, "the network does not carry what it sends")
_FRAMES = Fault("device_frames_dropped", _WARNING, Category.BANDWIDTH, "it drops pictures")
_NO_NAME = Fault("device_name_unresolved", _WARNING, Category.SYSTEM, "a host name it needs cannot be resolved")
_NTP = Fault("device_ntp_failed", _WARNING, Category.NTP, "it cannot resolve its time server's name")
_LOW = Fault("device_storage_low", _WARNING, Category.STORAGE, "a medium has little space left")
_FULL = Fault("device_storage_full", _CRITICAL, Category.STORAGE, "a medium is full")
_REMOVED = Fault(
    "device_storage_removed",
    _CRITICAL,
    Category.STORAGE,
    "a medium was taken out while it recorded; it asks for a restart",
)
_CORRUPT = Fault("device_storage_damaged", _CRITICAL, Category.STORAGE, "a medium is damaged or cannot be used")
_MEDIUM = Fault("device_storage_missing", _WARNING, Category.STORAGE, "there is no medium in the selected slot")
_LOCKED = Fault("device_storage_locked", _WARNING, Category.STORAGE, "a medium or share cannot be written")
_SHARE = Fault("device_share_lost", _WARNING, Category.STORAGE, "a network share cannot be mounted")
_SLOW_DISK = Fault("device_storage_slow", _WARNING, Category.STORAGE, "a medium is too slow to record on")
_INSECURE = Fault("device_share_insecure", _INFO, Category.STORAGE, "a share is mounted with SMB 1")
_PATH = Fault("device_recording_path", _WARNING, Category.STORAGE, "its recording path or name cannot be used")
_HOT = Fault("device_near_over_temp", _WARNING, Category.THERMAL, "it says that it is close to its thermal limit")
_HARD = Fault("device_hardware_error", _CRITICAL, Category.SYSTEM, "it reports an error of its hardware")
_SOFT = Fault("device_software_error", _WARNING, Category.SYSTEM, "it reports an error of its software")
_SAFE = Fault("device_recovery_image", _WARNING, Category.SYSTEM, "it runs its recovery image")
_TWICE = Fault("device_encoder_overloaded", _WARNING, Category.SYSTEM, "it cannot stream and record as it is set")
_ADJUSTED = Fault(
    "device_bitrate_adjusted", _WARNING, Category.BITRATE, "it changed the bitrate that was asked for"
)
_SCHEDULE = Fault("device_schedule_failed", _WARNING, Category.SYSTEM, "its scheduler did not do its work")
_SCHEDULED = Fault("device_schedule_active", _INFO, Category.SYSTEM, "its own scheduler is in charge")
_TRANSFER = Fault(
    "device_in_transfer_mode", _WARNING, Category.SYSTEM, "it is in file-transfer mode: it can't stream"
)
_UNWELL = Fault("device_unwell", _WARNING, Category.SYSTEM, "it is not fully up, or runs its recovery image")

_BY_ALARM: Final[Mapping[str, Fault]] = {
    "No_Video_Input_Alarm": _VIDEO, "Input_Error_Alarm": _VIDEO, "Input_Format_Changed_Alarm": _CHANGED,
    "No_Audio_Input_Alarm": _SILENT, "AV_Mismatch_Alarm": _SILENT,
    "StreamingFailedAlarm": _STREAM, "Invalid_Selection_Alarm": _SETTINGS, "Change_Encode_Mode_Alarm": _SETTINGS,
    "Record_Format_Alarm": _SETTINGS, "2_Channel_Format_Alarm": _SETTINGS,
    "RecordingFailedAlarm": _RECORD, "Network_Too_Slow_Alarm": _SLOW_NET,
    "Dropped_Frames_Alarm": _FRAMES, "Frame_Skipped_Alarm": _FRAMES,
    "NetworkNameNotFoundAlarm": _NO_NAME, "NTPNameResolutionFailureAlarm": _NTP,
    "Media_Low_Alarm": _LOW, "Secondary_Media_Low_Alarm": _LOW,
    "Media_Full_Alarm": _FULL, "Secondary_Media_Full_Alarm": _FULL, "Storage_Removed_Alarm": _REMOVED,
    "Media_Damaged_Alarm": _CORRUPT, "Secondary_Media_Damaged_Alarm": _CORRUPT,
    "Media_Unformatted_Alarm": _CORRUPT, "Secondary_Media_Unformatted_Alarm": _CORRUPT,
    "Unsupported_Media_Alarm": _CORRUPT, "Secondary_Unsupported_Media_Alarm": _CORRUPT,
    "Primary_Filesystem_Incompatible_Alarm": _CORRUPT, "Secondary_Filesystem_Incompatible_Alarm": _CORRUPT,
    "Format_Error_Alarm": _CORRUPT,
    "No_Media_Installed_Alarm": _MEDIUM, "Secondary_No_Media_Installed_Alarm": _MEDIUM,
    "SD_Card_Write_Protected_Alarm": _LOCKED, "Secondary_SD_Card_Write_Protected_Alarm": _LOCKED,
    "Remote_Media_Write_Protected_Alarm": _LOCKED, "Secondary_Remote_Media_Write_Protected_Alarm": _LOCKED,
    "Remote_Media_Mount_Failed_Alarm": _SHARE, "Secondary_Remote_Media_Mount_Failed_Alarm": _SHARE,
    "Remote_Media_DNS_Alarm": _SHARE, "Secondary_Remote_Media_DNS_Alarm": _SHARE,
    "Media_Too_Slow_Alarm": _SLOW_DISK,
    "SMB_V1_In_Use_Alarm": _INSECURE, "Secondary_SMB_V1_In_Use_Alarm": _INSECURE,
    "Recording_Path_Alarm": _PATH, "Relative_Recording_Path_Alarm": _PATH, "Name_In_Use_Alarm": _PATH,
    "Secondary_Relative_Recording_Path_Alarm": _PATH, "No_Clip_Name_Alarm": _PATH,
    "Near_Over_Temp_Alarm": _HOT, "HW_Error_Alarm": _HARD, "SW_Error_Alarm": _SOFT,
    "Safe_Boot_Mode_Alarm": _SAFE, "Safeboot_Alarm": _SAFE, "Record_Inhibited_Alarm": _TWICE,
    "BitRate_Not_Compatible_Alarm": _ADJUSTED,
    "Scheduled_Event_Failed_Alarm": _SCHEDULE, "Scheduled_Event_Canceled_Alarm": _SCHEDULE,
    "Scheduled_Event_Late_Alarm": _SCHEDULE, "Scheduled_Event_Discarded_Alarm": _SCHEDULE,
    "Scheduling_Error_Alarm": _SCHEDULE, "Scheduler_Remote_Fetch_Alarm": _SCHEDULE,
    "Scheduled_Event_Active_Alarm": _SCHEDULED, "Scheduler_Takes_Priority_Alarm": _SCHEDULED,
}  # fmt: skip
_OTHER_SEVERITIES: Final = {"warning": _INFO, "error": _WARNING, "fatal": _CRITICAL}

_BY_REACH: Final[Mapping[Reach, Fault]] = {
    Reach.UNREACHABLE: Fault("device_unreachable", _CRITICAL, Category.ENCODER_OFFLINE, "it cannot be reached"),
    Reach.SLOW: Fault(
        "device_slow", _WARNING, Category.ENCODER_OFFLINE, "it takes connections and does not answer in time"
    ),
    Reach.GARBLED: Fault("device_garbled", _WARNING, Category.ENCODER_OFFLINE, "its answers cannot be read"),
    Reach.LOGGED_OUT: Fault("device_login_refused", _WARNING, Category.ENCODER_OFFLINE, "it refuses the password"),
    Reach.REBOOTING: Fault("device_rebooting", _INFO, Category.ENCODER_OFFLINE, "it restarts"),
}
REACH_FAULTS: Final = frozenset(fault.name for fault in _BY_REACH.values())


def judge_reach(reach: Reach) -> Fault | None:
    return _BY_REACH.get(reach)


def judge_reading(reading: DeviceReading) -> tuple[Fault, ...]:
    """One of each name, the worst of them, in the order of their names. What is unknown is no fault."""
    worst: dict[str, Fault] = {}
    is_live = reading.streaming in (EngineState.RUNNING, EngineState.FAILED)
    for fault in (*_states(reading), *_alarms(reading)):
        if fault in (_INPUT, _VIDEO) and not is_live:
            # Nobody watches it now: it is no use as a backup, and no more than that.
            fault = replace(fault, severity=_WARNING)
        known = worst.get(fault.name)
        if known is None or (_rank(fault), fault.words) > (_rank(known), known.words):
            worst[fault.name] = fault
    return tuple(worst[name] for name in sorted(worst))


def _states(reading: DeviceReading) -> Iterator[Fault]:
    if reading.has_input is False:
        yield _INPUT
    if reading.streaming is EngineState.FAILED:
        yield _STREAM
    if reading.streaming is EngineState.FAULTY:
        yield _BLOCKED
    if EngineState.SHUT_DOWN in (reading.streaming, reading.recording):
        yield _DOWN
    if reading.recording is EngineState.FAILED:
        yield _RECORD
    if reading.is_well is False:
        yield _UNWELL
    if reading.is_in_transfer_mode:
        yield _TRANSFER
    if reading.clock_offset_s is not None and abs(reading.clock_offset_s) > CLOCK_OFF_S:
        words = f"its clock is {reading.clock_offset_s:+.0f} s off"
        yield Fault("device_clock_off", _WARNING, Category.NTP, words, reading.clock_offset_s)


def _alarms(reading: DeviceReading) -> Iterator[Fault]:
    for alarm in reading.alarms:
        known = _BY_ALARM.get(alarm.id)
        if known is not None:
            yield known
        else:
            severity = _OTHER_SEVERITIES.get(alarm.severity, _WARNING)
            yield Fault("device_alarm", severity, Category.SYSTEM, f"it reports {alarm.id.replace('_', ' ')}")


def _rank(fault: Fault) -> int:
    return (_INFO, _WARNING, _CRITICAL).index(fault.severity)
