"""The places a HELO records to, and its limits there (manual 1.1, storage). Pure.

Leaves to others: when it records (`recording`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from app.simulators.helo.memory import Memory

SD, USB, SMB, NFS = range(4)
NONE: Final = 4
"""`SecondaryRecordingDestination` of a unit without a duplicate."""
_FOLDERS: Final = ("/media/sd", "/media/usb", "/media/smb", "/media/nfs")
_NAMES: Final = ("SD", "USB", "SMB", "NFS")

# Results that `ChangeSlot` turns into.
CHANGED, UNFORMATTED, DAMAGED, LOW, ABSENT, PLEASE_REBOOT, IN_USE = 0, 10, 11, 12, 13, 14, 15


@dataclass(slots=True)
class Medium:
    """`free` between 0 and 1. `mounted_at`: when mounting is done; None: it is not there, or was asked out."""

    slot: int
    total_bytes: int = 64_000_000_000
    free: float = 0.9
    is_present: bool = False
    mounted_at: float = 0.0
    is_formatted: bool = True
    is_damaged: bool = False
    is_supported: bool = True
    is_locked: bool = False
    is_slow: bool = False
    name_fails: bool = False
    clips: list[str] = field(default_factory=list)

    @property
    def is_share(self) -> bool:
        return self.slot in (SMB, NFS)

    @property
    def low(self) -> float:
        return 0.07 if self.is_share else 0.15

    @property
    def full(self) -> float:
        """For a new recording; one that runs goes on to `full_while_recording`."""
        return 0.05 if self.is_share else 0.10

    full_while_recording = 0.01

    @property
    def free_percent(self) -> int:
        return min(99, round(self.free * 100))

    def is_mounted(self, now: float) -> bool:
        return self.is_present and now >= self.mounted_at and not self.name_fails and self.is_supported

    def can_record(self, now: float) -> bool:
        usable = self.is_formatted and not self.is_damaged and not self.is_locked
        return usable and self.is_mounted(now) and self.free > self.full

    def write(self, written_bytes: float) -> None:
        self.free = max(0.0, self.free - written_bytes / self.total_bytes)

    def alarms(self, now: float, *, is_recording: bool) -> set[str]:
        """Names as on the primary destination."""
        if not self.is_present:
            name = "Remote_Media_Mount_Failed_Alarm" if self.is_share else "No_Media_Installed_Alarm"
            return {name}
        full = self.full_while_recording if is_recording else self.full
        conditions = {
            "Remote_Media_DNS_Alarm": self.name_fails,
            "Unsupported_Media_Alarm": not self.is_supported,
            "Media_Unformatted_Alarm": not self.is_formatted,
            "Media_Damaged_Alarm": self.is_damaged,
            "Remote_Media_Write_Protected_Alarm": self.is_locked and self.is_share,
            "SD_Card_Write_Protected_Alarm": self.is_locked and not self.is_share,
            "Media_Too_Slow_Alarm": self.is_slow and is_recording,
            "Media_Low_Alarm": self.is_mounted(now) and self.free <= self.low,
            "Media_Full_Alarm": self.is_mounted(now) and self.free <= full,
        }
        return {name for name, is_on in conditions.items() if is_on}


class Storage:
    """All four places; a card is in."""

    def __init__(self) -> None:
        self.media = [Medium(slot, is_present=slot == SD) for slot in (SD, USB, SMB, NFS)]

    def at(self, destination: int) -> Medium | None:
        return self.media[destination] if destination < len(self.media) else None

    def next_of(self, current: int, now: float) -> tuple[int, int]:
        """(destination, result) of a change to the other local medium."""
        other = USB if current == SD else SD
        medium = self.media[other]
        if not medium.is_mounted(now):
            return current, ABSENT
        if not medium.is_formatted:
            return current, UNFORMATTED
        if medium.is_damaged:
            return current, DAMAGED
        return (other, CHANGED) if medium.free > medium.full else (current, LOW)

    def show(self, memory: Memory, now: float) -> None:
        """Write the telemetry of the primary and the secondary destination."""
        for prefix, selector in (("", "RecordingDestination"), ("Secondary", "SecondaryRecordingDestination")):
            _show(memory, prefix, self.at(memory.number(selector)), now)


def _show(memory: Memory, prefix: str, medium: Medium | None, now: float) -> None:
    current = "Secondary" if prefix else "Current"
    is_mounted = medium is not None and medium.is_mounted(now)
    memory.put(f"{current}MediaMounted", int(is_mounted))
    memory.put(f"{prefix}MediaRecordReady", int(medium is not None and medium.can_record(now)))
    if not prefix:
        memory.put("MediaLoading", int(medium is not None and medium.is_present and now < medium.mounted_at))
    if medium is None or not is_mounted:
        medium = None
    memory.put(f"{current}MediaAvailable", medium.free_percent if medium else 0)
    memory.put(f"{current}MediaTotalBytes", medium.total_bytes if medium else 0)
    memory.put(f"{current}MediaUnusedBytes", int(medium.total_bytes * medium.free) if medium else 0)
    memory.put(f"{prefix}VolumeName", _NAMES[medium.slot] if medium else "")
    memory.put(f"{prefix}FilesystemType", _filesystem(medium))
    memory.put(f"{prefix}StoragePath", _FOLDERS[medium.slot] if medium else "")


def _filesystem(medium: Medium | None) -> str:
    if medium is None or not medium.is_formatted:
        return ""
    return ("exfat", "exfat", "cifs", "nfs")[medium.slot]
