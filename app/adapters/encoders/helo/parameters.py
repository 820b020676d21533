"""Ids of a HELO's parameters, without their prefix, and what their numbers mean. Those that the driver uses."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from app.domain.device import DeviceChoice, EngineState

COMMAND: Final = "ReplicatorCommand"
START_RECORDING, STOP_RECORDING, START_STREAM, STOP_STREAM = "1", "2", "3", "4"
STREAM_STATE: Final = "ReplicatorStreamState"
RECORD_STATE: Final = "ReplicatorRecordState"
RUNNING: Final = 2

ENGINE_STATES: Final[Mapping[int, EngineState]] = {
    0: EngineState.STARTING,
    1: EngineState.STOPPED,
    2: EngineState.RUNNING,
    3: EngineState.FAULTY,
    4: EngineState.FAILED,
    5: EngineState.SHUT_DOWN,
}
AT_REST: Final = frozenset({1, 3, 5})
"""What a stop ends in."""
NOT_STARTING: Final = frozenset({3, 5})
"""Where a start ends that can't be."""


def state_words(state: int | None) -> str:
    known = None if state is None else ENGINE_STATES.get(state)
    return "in a state that is not known" if known is None else known.value.replace("_", " ")


PRODUCT: Final = "ProductID"
SERIAL: Final = "FormattedSerialNumber"
FIRMWARE: Final = "CurrentlyRunningImageVersion"
NAME: Final = "SystemName"
SYSTEM_STATE: Final = "SystemState"
SYSTEM_RUNNING: Final = 4
FIRMWARE_STATUS: Final = "FirmwareStatus"
FIRMWARE_RUNNING: Final = 2
WELL: Final[Mapping[str, int]] = {
    SYSTEM_STATE: SYSTEM_RUNNING,
    FIRMWARE_STATUS: FIRMWARE_RUNNING,
    "ReplicatorState": 3,
    "MediaManagerState": 3,
    "SafebootMode": 0,
}
"""What each says when all is well."""
BOOTING: Final = frozenset({0, 1, 2, 3, 7, 8, 9})
"""Of SystemState: coming up, or going down."""

INPUT_FORMAT: Final = "DetectInputFormat"
VIDEO_SOURCE: Final = "VideoInSelect"
TEST_PATTERN: Final = 2
CHOICES: Final[Mapping[DeviceChoice, str]] = {
    DeviceChoice.VIDEO_INPUT: VIDEO_SOURCE,
    DeviceChoice.AUDIO_INPUT: "AudioInSelect",
    DeviceChoice.MUTE: "AVMute",
}
CHOICE_WORDS: Final[Mapping[DeviceChoice, Mapping[str, int]]] = {
    DeviceChoice.VIDEO_INPUT: {"sdi": 0, "hdmi": 1, "test_pattern": TEST_PATTERN},
    DeviceChoice.AUDIO_INPUT: {"sdi": 0, "hdmi": 1, "analog": 2, "none": 4},
    DeviceChoice.MUTE: {"off": 0, "on": 1},
}
FETCH_CALENDAR: Final = "SchedulerRemoteForceSync"
DURATION: Final = "StreamingDuration"
TEMPERATURE: Final = "Temperature"
LINK_ERRORS: Final = "LinkErrors"
MEDIA_STATE: Final = "MediaState"
MEDIA_STATE_NOW: Final = "MediaStateDebounced"
SYSTEM_TIME: Final = "SystemTime"
TIME_SOURCE: Final = "TimeSource"
BY_SERVER: Final = 1
DATE: Final = "DateSet"
REBOOT: Final = "Reboot"

MEDIA: Final[Mapping[str, str]] = {"primary": "CurrentMedia", "secondary": "SecondaryMedia"}
"""Slot and what its measures begin with."""
MEDIUM_READY: Final = {"primary": "MediaRecordReady", "secondary": "SecondaryMediaRecordReady"}
FILESYSTEM: Final = {"primary": "FilesystemType", "secondary": "SecondaryFilesystemType"}
VOLUME: Final = {"primary": "VolumeName", "secondary": "SecondaryVolumeName"}
CHANGE_MEDIUM: Final = {"primary": "ChangeSlot", "secondary": "SecondaryChangeSlot"}
NEXT_MEDIUM: Final = 6
MEDIUM_REFUSALS: Final[Mapping[int, str]] = {
    10: "the medium is not formatted",
    11: "the medium is damaged: copy it and format it anew",
    12: "the medium is nearly full",
    13: "there is no other medium",
    14: "the device wants to be restarted first",
    15: "the medium is in use",
}

ALARMS_OFTEN: Final = (
    "StreamingFailedAlarm",
    "No_Video_Input_Alarm",
    "Input_Error_Alarm",
)
ALARMS_SOMETIMES: Final = (
    "RecordingFailedAlarm",
    "Near_Over_Temp_Alarm",
    "Network_Too_Slow_Alarm",
    "NetworkNameNotFoundAlarm",
    "NTPNameResolutionFailureAlarm",
    "Media_Low_Alarm",
    "Media_Full_Alarm",
    "Media_Too_Slow_Alarm",
    "Storage_Removed_Alarm",
    "Dropped_Frames_Alarm",
    "No_Audio_Input_Alarm",
    "Invalid_Selection_Alarm",
)

_FORMATS: Final = (
    "", "", "1920x1080i 30", "1920x1080i 29.97", "1920x1080i 25", "1920x1080PsF 30", "1920x1080PsF 29.97",
    "1920x1080PsF 25", "1920x1080PsF 24", "1920x1080PsF 23.98", "1280x720p 60", "1280x720p 59.94", "1280x720p 50",
    "720x486i 29.97", "720x576i 25", "1920x1080p 60", "1920x1080p 59.94", "1920x1080p 50", "1920x1080p 30",
    "1920x1080p 29.97", "1920x1080p 25", "1920x1080p 24", "1920x1080p 23.98", "2048x1080i 30", "2048x1080i 29.97",
    "2048x1080i 25", "2048x1080PsF 30", "2048x1080PsF 29.97", "2048x1080PsF 25", "2048x1080PsF 24",
    "2048x1080PsF 23.98", "", "", "2048x1080p 60", "2048x1080p 59.94", "2048x1080p 50", "2048x1080p 30",
    "2048x1080p 29.97", "2048x1080p 25", "2048x1080p 24", "2048x1080p 23.98",
)  # fmt: skip
"""By the number of DetectInputFormat; 0 is no input, 1 an unusable one."""
_PARTS: Final = re.compile(r"(\d+)x(\d+)(?:p|i|PsF) ([\d.]+)")


def input_format(code: int | None) -> str | None:
    """The device's words; None: no usable signal, or a code of no known firmware."""
    if code is None or not 0 <= code < len(_FORMATS):
        return None
    return _FORMATS[code] or None


def raster(code: int | None) -> tuple[int, int, float] | None:
    """Width, height and frames per second of an input."""
    parts = _PARTS.fullmatch(input_format(code) or "")
    return None if parts is None else (int(parts[1]), int(parts[2]), float(parts[3]))
