"""What a write to a HELO's parameter does: refused, held, or a deed. Pure.

Leaves to others: how the answer looks (`doors`).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from enum import Enum, auto
from typing import Final

from app.simulators.helo.parameters import SELECTORS, Parameter
from app.simulators.helo.presets import Deed
from app.simulators.helo.quirks import Locked, Refusal, Unknown
from app.simulators.helo.states import Command
from app.simulators.helo.storage import CHANGED, IN_USE, PLEASE_REBOOT
from app.simulators.helo.unit import Unit

_CHANGE_SLOT_NEXT: Final = 6
_FORMAT_MEDIUM: Final = 4
_SAFEBOOT: Final = 2
_CLOCK_FORMATS: Final = ("%m/%d/%Y %H:%M", "%m/%d/%Y", "%Y/%m/%d", "%H:%M", "%H:%M:%S")
_LOCKED_ALWAYS: Final = frozenset(("VideoInSelect", "AudioInSelect", "VideoSGFormat", "LinkProfiles"))
_SETS_THE_CLOCK: Final = frozenset(("DateSet", "TimeSet"))
"""Read-only by the list of parameters, yet the unit's own page writes them."""
_STREAM_TEMPLATES: Final = (
    (1920, 1080, 10_000),
    (1920, 1080, 5_000),
    (1280, 720, 5_000),
    (1280, 720, 3_000),
    (1280, 720, 1_500),
    (960, 540, 1_200),
    (640, 360, 800),
    (480, 270, 400),
    (720, 486, 1_000),
    (720, 576, 1_000),
    (640, 480, 1_000),
)
_RECORD_TEMPLATES: Final = (
    (1920, 1080, 20_000),
    (1920, 1080, 5_000),
    (1280, 720, 10_000),
    (1280, 720, 4_000),
    (960, 540, 2_000),
    (640, 360, 1_000),
    (480, 270, 600),
    (720, 486, 2_000),
    (720, 576, 2_000),
    (640, 480, 2_000),
)


class Written(Enum):
    OK = auto()
    """Answered with the value as it is now, changed or not."""
    FORBIDDEN = auto()
    NOT_FOUND = auto()
    CLOSED = auto()
    REBOOTS = auto()
    """Done; whether it is answered is a quirk."""


def write(unit: Unit, name: str, value: str, now: float) -> Written:
    """`name` without prefix."""
    parameter = unit.memory.seen(name)
    if parameter is None:
        return _UNKNOWN[unit.quirks.unknown]
    if name in _SETS_THE_CLOCK:
        return _set_clock(unit, value, now)
    if not parameter.is_writable:
        return Written.FORBIDDEN if unit.quirks.refusal is Refusal.FORBIDDEN else Written.OK
    if not parameter.takes(value):
        if unit.quirks.refusal is not Refusal.CLAMPED:
            return Written.FORBIDDEN if unit.quirks.refusal is Refusal.FORBIDDEN else Written.OK
        value = parameter.clamped(value)
    if _is_locked(unit, parameter) and unit.quirks.locked is not Locked.ACCEPTED:
        return Written.FORBIDDEN if unit.quirks.locked is Locked.FORBIDDEN else Written.OK
    unit.memory.put(name, value)
    do = _DEEDS.get(name)
    return Written.OK if do is None else do(unit, value, now) or Written.OK


_UNKNOWN: Final = {
    Unknown.EMPTY: Written.OK,
    Unknown.NOT_FOUND: Written.NOT_FOUND,
    Unknown.FORBIDDEN: Written.FORBIDDEN,
    Unknown.CLOSED: Written.CLOSED,
}


def _is_locked(unit: Unit, parameter: Parameter) -> bool:
    """What shapes the picture stays while it is being made."""
    streams, records = unit.streaming.is_wanted, unit.is_recording
    if parameter.name in _LOCKED_ALWAYS:
        return streams or records
    if parameter.section not in SELECTORS:
        return False
    selected = unit.memory.number(SELECTORS[parameter.section]) + 1
    if parameter.profile not in (None, selected):
        return False
    return streams if parameter.section == "stream profile" else records


def _set_clock(unit: Unit, text: str, now: float) -> Written:
    """In minutes, as the unit's own page writes it. What is no date changes nothing."""
    today = datetime.fromtimestamp(unit.clock.time_s(now), UTC)
    for form in _CLOCK_FORMATS:
        try:
            read = datetime.strptime(text, form).replace(tzinfo=UTC)
        except ValueError:
            continue
        if "%Y" not in form:
            read = read.replace(year=today.year, month=today.month, day=today.day)
        unit.clock.set(read.timestamp(), now)
        unit.memory.put("DateSet", text)
        return Written.OK
    return Written.OK


def _command(unit: Unit, value: str, now: float) -> None:
    unit.order(Command(int(value)), now)


def _reboot(unit: Unit, value: str, now: float) -> Written:
    unit.power.restart(now, safeboot=int(value) == _SAFEBOOT)
    return Written.REBOOTS


def _preset(deed: Deed) -> _Deed:
    def do(unit: Unit, value: str, now: float) -> None:
        unit.presets.ask(deed, int(value), now, unit.memory)

    return do


def _change_slot(unit: Unit, value: str, now: float) -> None:
    if int(value) != _CHANGE_SLOT_NEXT:
        return
    current = unit.memory.number("RecordingDestination")
    if unit.is_recording:
        result = IN_USE
    elif unit.recording.medium_was_pulled:
        result = PLEASE_REBOOT
    else:
        current, result = unit.storage.next_of(current, now)
    if result == CHANGED:
        unit.memory.put("RecordingDestination", current)
    unit.memory.put("ChangeSlot", result)


def _storage_command(unit: Unit, value: str, now: float) -> None:
    medium = unit.storage.at(unit.memory.number("RecordingDestination"))
    if int(value) != _FORMAT_MEDIUM or medium is None or unit.is_recording:
        return
    medium.clips.clear()
    medium.free, medium.is_formatted, medium.is_damaged = 1.0, True, False


def _delete_clip(unit: Unit, value: str, now: float) -> None:
    delete_clips(unit, value)


def delete_clips(unit: Unit, name: str) -> None:
    """On the primary medium; `*`: all."""
    medium = unit.storage.at(unit.memory.number("RecordingDestination"))
    if medium is None:
        return
    kept = [clip for clip in medium.clips if name not in ("*", clip)]
    gone, medium.clips[:] = len(medium.clips) - len(kept), kept
    medium.free = min(1.0, medium.free + 0.01 * gone)
    unit.memory.put("MediaUpdated", unit.memory.number("MediaUpdated") + (gone > 0))


def _factory(unit: Unit, value: str, now: float) -> None:
    unit.memory.forget(everything=value == "2")
    unit.memory.put("SystemName", f"aja-helo-{unit.identity.serial}")


def _template(section: str, templates: tuple[tuple[int, int, int], ...]) -> _Deed:
    def do(unit: Unit, value: str, now: float) -> None:
        width, height, kbps = templates[unit.memory.number(f"{section}TemplateSrc")]
        unit.memory.put(f"{section}FrameGeometryType", 1)
        unit.memory.put(f"{section}Width", width)
        unit.memory.put(f"{section}Height", height)
        unit.memory.put(f"{section}VideoBitrate", kbps)

    return do


def _clone(section: str, source: str) -> _Deed:
    def do(unit: Unit, value: str, now: float) -> None:
        number = unit.memory.number(source)
        for name, parameter in unit.memory.catalogue.items():
            if parameter.section == section and parameter.is_profile_field:
                unit.memory.put(name, unit.memory.get(f"{name}_{number}"))

    return do


_Deed = Callable[[Unit, str, float], Written | None]
_DEEDS: Final[dict[str, _Deed]] = {
    "ReplicatorCommand": _command,
    "Reboot": _reboot,
    "RegisterRecall": _preset(Deed.RECALL),
    "RegisterSave": _preset(Deed.SAVE),
    "RegisterErase": _preset(Deed.ERASE),
    "ChangeSlot": _change_slot,
    "StorageCommand": _storage_command,
    "ClipToDelete": _delete_clip,
    "FactorySettings": _factory,
    "CopyStreamingTemplate": _template("Streaming", _STREAM_TEMPLATES),
    "CopyRecordingTemplate": _template("Recording", _RECORD_TEMPLATES),
    "CloneStreamingProfile": _clone("stream profile", "StreamingProfileSrc"),
    "CloneRecordingProfile": _clone("record profile", "RecordingProfileSrc"),
}
