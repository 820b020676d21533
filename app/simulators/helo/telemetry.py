"""What a HELO's read-only parameters say of its state: states, durations, identity, media, alarms. Pure.

Leaves to others: the state itself (`unit`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from app.simulators.helo import picture
from app.simulators.helo.alarms import alarm_value
from app.simulators.helo.states import (
    FIRMWARE_RUNNING,
    SUBSYSTEM_RUNNING,
    SUBSYSTEM_SHUTDOWN,
    TEST_PATTERN,
    Boot,
    State,
)
from app.simulators.helo.streaming import Broken
from app.simulators.helo.world import BAD_SIGNAL, NO_SIGNAL

if TYPE_CHECKING:
    from app.simulators.helo.unit import Unit

_OVER_TEMP: Final = 4
_FORMAT_CHANGE_SHOWN_S: Final = 10.0
_NO_RECORD_ALARM, _FILE_OPEN_FAILED = 1, 3
_ZERO: Final = "00:00:00:00"


def show(unit: Unit, now: float) -> None:
    """Write everything that is to be read."""
    _show_identity(unit, now)
    _show_engines(unit, now)
    _show_input(unit)
    unit.storage.show(unit.memory, now)
    _show_network(unit)
    active = alarms(unit, now)
    if active != unit.alarms_shown:
        unit.alarms_shown = active
        _show_alarms(unit, active)


def _show_alarms(unit: Unit, active: set[str]) -> None:
    for name, parameter in unit.memory.catalogue.items():
        if parameter.section == "alarms":
            is_active, severity, text = name in active, parameter.severity, parameter.label
            unit.memory.put(name, alarm_value(is_active=is_active, severity=severity, text=text))


def duration(seconds: float | None) -> str:
    """DD:HH:MM:SS; zero for what does not run."""
    if seconds is None:
        return _ZERO
    minutes, whole = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    return f"{days:02d}:{hours:02d}:{minutes:02d}:{whole:02d}"


def _show_identity(unit: Unit, now: float) -> None:
    memory, identity = unit.memory, unit.identity
    memory.put("ProductID", identity.product)
    memory.put("FormattedSerialNumber", identity.serial)
    memory.put("MACAddress", identity.mac)
    memory.put("CurrentlyRunningImageVersion", identity.firmware)
    memory.put("MostRecentImageVersion", identity.firmware)
    memory.put("SafebootMode", int(unit.power.safeboot))
    memory.put("SystemTime", int(unit.clock.time_s(now)))
    memory.put("Temperature", max(0, round(unit.heat.degrees_c)))
    memory.put("ShutdownMessageII", _OVER_TEMP if unit.over_temp_at is not None else 0)


def _show_engines(unit: Unit, now: float) -> None:
    memory, boot = unit.memory, unit.power.boot(now)
    memory.put("SystemState", boot)
    memory.put("FirmwareStatus", FIRMWARE_RUNNING if boot >= Boot.INITIALIZED else 0)
    is_running = boot is Boot.RUNNING
    streaming = unit.stream_state() if is_running else State.UNINITIALIZED
    recording = unit.recording.state(unit.record_facts(), now) if is_running else State.UNINITIALIZED
    engine = SUBSYSTEM_SHUTDOWN if streaming is State.SHUTDOWN else SUBSYSTEM_RUNNING
    memory.put("ReplicatorState", engine if is_running else 0)
    memory.put("MediaManagerState", SUBSYSTEM_RUNNING if is_running else 0)
    memory.put("ReplicatorStreamState", streaming)
    memory.put("ReplicatorRecordState", recording)
    memory.put("ReplicatorPrimaryRecState", recording)
    memory.put("MediaStateDebounced", memory.get("MediaState"))
    _show_sessions(unit, now)


def _show_sessions(unit: Unit, now: float) -> None:
    memory, stream, record = unit.memory, unit.streaming.since, unit.recording.since
    streamed = duration(None if stream is None else now - stream)
    memory.put("StreamingDuration", streamed)
    memory.put("Stream1_Duration", streamed)
    memory.put("StreamingFormat", picture.words(memory, unit.world, "Streaming") if stream is not None else "")
    memory.put("Encoder2StreamURI", memory.get("RTMPServerURL") if stream is not None else "")
    memory.put("RecordingDuration", duration(None if record is None else now - record))
    memory.put("RecordingFormat", picture.words(memory, unit.world, "Recording") if record is not None else "")
    memory.put("FileDuration", duration(None if record is None else now - unit.recording.segment_since))
    memory.put("RecordingFilename", unit.recording.file)
    memory.put("TransportRecordAlarm", _FILE_OPEN_FAILED if unit.recording.has_failed else _NO_RECORD_ALARM)
    event, following = unit.scheduler.current, unit.scheduler.following(unit.clock.time_s(now))
    memory.put("SchedulerCurrentEvent", event.name if event else "")
    memory.put("SchedulerNextEvent", following.name if following else "")


def _show_input(unit: Unit) -> None:
    unit.memory.put("DetectInputFormat", picture.input_format(unit.memory, unit.world))
    unit.memory.put("HDMIInputFormat", unit.world.hdmi_format)


def _show_network(unit: Unit) -> None:
    memory = unit.memory
    memory.put("NetworkConnected", int(unit.world.has_network))
    memory.put("LinkState", "1000 Mb/s Full" if unit.world.has_network else "")
    memory.put("LinkErrors", unit.world.link_errors)
    memory.put("IPAddress_Actual", unit.identity.address)
    memory.put("SubnetMask_Actual", "255.255.255.0")
    memory.put("DNS1_Actual", "192.168.0.1" if unit.world.names_resolve else "")
    memory.put("InterfaceSetupState", 2)
    memory.put("DHCPState", "Bound")


def alarms(unit: Unit, now: float) -> set[str]:
    """Names of those that are on."""
    conditions = _stream_alarms(unit) | _input_alarms(unit, now) | _system_alarms(unit)
    medium = unit.storage.at(unit.memory.number("RecordingDestination"))
    media = medium.alarms(now, is_recording=unit.is_recording) if medium is not None else set()
    return {name for name, is_on in conditions.items() if is_on} | media | unit.raised


def _stream_alarms(unit: Unit) -> dict[str, bool]:
    streaming, world = unit.streaming, unit.world
    facts = unit.stream_facts()
    inhibited = unit.is_too_much and (unit.is_recording or streaming.is_wanted)
    asked = unit.memory.number("StreamingVideoBitrate")
    return {
        "StreamingFailedAlarm": streaming.has_failed,
        "RecordingFailedAlarm": unit.recording.has_failed,
        "Storage_Removed_Alarm": unit.recording.medium_was_pulled,
        "NetworkNameNotFoundAlarm": streaming.why is Broken.NO_SUCH_NAME,
        "Network_Too_Slow_Alarm": world.network_is_slow and (unit.is_streaming or streaming.has_failed),
        "Dropped_Frames_Alarm": world.network_is_slow and unit.is_streaming,
        "Invalid_Selection_Alarm": not facts.is_set_up,
        "Record_Inhibited_Alarm": inhibited,
        "BitRate_Not_Compatible_Alarm": world.most_kbps is not None and asked > world.most_kbps,
    }


def _input_alarms(unit: Unit, now: float) -> dict[str, bool]:
    memory, world = unit.memory, unit.world
    is_pattern = memory.number("VideoInSelect") == TEST_PATTERN
    found = picture.input_format(memory, world)
    changed_at = unit.format_changed_at
    chosen = memory.number("AudioInSelect")
    return {
        "No_Video_Input_Alarm": not is_pattern and found == NO_SIGNAL,
        "Input_Error_Alarm": not is_pattern and found == BAD_SIGNAL,
        "Input_Format_Changed_Alarm": changed_at is not None and now - changed_at < _FORMAT_CHANGE_SHOWN_S,
        "No_Audio_Input_Alarm": chosen != 4 and not world.has_sound,
        "AV_Mismatch_Alarm": chosen in (0, 1) and chosen != memory.number("VideoInSelect"),
    }


def _system_alarms(unit: Unit) -> dict[str, bool]:
    memory, scheduler = unit.memory, unit.scheduler
    wants_names = memory.get("TimeSource") == "1"
    return {
        "NTPNameResolutionFailureAlarm": wants_names and not unit.world.names_resolve,
        "Near_Over_Temp_Alarm": unit.heat.degrees_c >= unit.heat.plan.near_limit_c,
        "Safe_Boot_Mode_Alarm": unit.power.safeboot,
        "Safeboot_Alarm": unit.power.safeboot,
        "Scheduled_Event_Active_Alarm": scheduler.current is not None,
        "Scheduled_Event_Late_Alarm": scheduler.was_late,
        "Scheduled_Event_Canceled_Alarm": scheduler.was_canceled,
        "Scheduler_Takes_Priority_Alarm": memory.get("SchedulerEnabled") == "1"
        and memory.get("PowerUpState") != "0",
    }
