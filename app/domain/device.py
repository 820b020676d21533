"""A hardware encoder as it tells of itself, and what the manager wants of it. Unknown is None, never zero.

What holds for every make; the words of one make are its driver's business.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from app.domain.encoder import Capabilities, EncoderKind
from app.domain.ids import EncoderId, HostId
from app.domain.secret import Secret


@dataclass(frozen=True, slots=True)
class DeviceEntry:
    """One device that an operator entered. `url` is the base of its web interface, without credentials.

    `fingerprint`: SHA-256 of the certificate it showed when it was entered, in hex; None for plain HTTP.
    """

    encoder_id: EncoderId
    kind: EncoderKind
    url: str
    name: str
    added_at: datetime
    password: Secret | None = None
    host_id: HostId | None = None
    """None: a host of its own."""
    region: str | None = None
    rack: str | None = None
    fingerprint: str | None = None
    spare_input: str | None = None
    """sdi or hdmi: where the same picture comes in too; None: nowhere, so its input is never changed by itself."""


@dataclass(frozen=True, slots=True)
class KeptDevice:
    """An entry with what the device said it can do when it was last asked, to plan with before it answers."""

    entry: DeviceEntry
    capabilities: Capabilities


class EngineState(StrEnum):
    """Of streaming or of recording."""

    STARTING = "starting"
    STOPPED = "stopped"
    RUNNING = "running"
    FAULTY = "faulty"
    """Stopped, and something keeps it from starting: no input, no medium, unusable settings."""
    FAILED = "failed"
    """It ran and broke; the device may be trying again by itself."""
    SHUT_DOWN = "shut_down"
    """Only a restart of the device brings it back."""


class Reach(StrEnum):
    """How the last try to speak with a device ended."""

    UNTRIED = "untried"
    OK = "ok"
    UNREACHABLE = "unreachable"
    """No connection, or it was lost."""
    SLOW = "slow"
    """Connected, and no whole answer in time."""
    GARBLED = "garbled"
    """An answer that is none of its own: broken JSON, another page, too long."""
    LOGGED_OUT = "logged_out"
    """It wants a password, or another one."""
    REBOOTING = "rebooting"
    """Away after a restart that was asked for, or booting."""


class DeviceChoice(StrEnum):
    """A setting of a device that has a few values, and is none of a profile's."""

    VIDEO_INPUT = "video_input"
    """sdi, hdmi or test_pattern."""
    AUDIO_INPUT = "audio_input"
    """sdi, hdmi, analog or none."""
    MUTE = "mute"
    """on or off."""


@dataclass(frozen=True, slots=True)
class DeviceAlarm:
    """One active alarm of the device: its own id without a prefix, and its own words."""

    id: str
    severity: str
    """warning, error or fatal."""
    text: str


@dataclass(frozen=True, slots=True)
class Medium:
    """A place the device can record to."""

    slot: str
    """primary or secondary."""
    is_mounted: bool | None = None
    is_ready: bool | None = None
    free_percent: float | None = None
    free_bytes: int | None = None
    total_bytes: int | None = None
    filesystem: str | None = None
    volume: str | None = None


@dataclass(frozen=True, slots=True)
class DeviceReading:
    """What was read in one round; what this round did not ask is kept from the last one by the reader.

    `input_format` are the device's words, None when there is no usable signal or it is not known:
    `has_input` tells the two apart. `clock_offset_s`: device minus ours.
    """

    at: datetime
    model: str | None = None
    firmware: str | None = None
    system_name: str | None = None
    is_well: bool | None = None
    """Booted, all its parts running, not in its recovery image."""
    streaming: EngineState | None = None
    recording: EngineState | None = None
    streaming_s: float | None = None
    """How long the present stream has been connected."""
    has_input: bool | None = None
    input_format: str | None = None
    temperature_c: float | None = None
    media: tuple[Medium, ...] = ()
    alarms: tuple[DeviceAlarm, ...] = ()
    link_errors: int | None = None
    clock_offset_s: float | None = None
    is_in_transfer_mode: bool | None = None


@dataclass(frozen=True, slots=True)
class DeviceProfile:
    """What the manager wants the device to stream: our own copy is the truth, never what a dead device held.

    Sizes in pixels, rates in bit/s. `fps` None: the input's own rate.
    """

    rtmp_url: str
    """Server part; the key is apart."""
    stream_key: Secret = field(repr=False)
    width: int
    height: int
    video_bps: int
    audio_bps: int
    fps: float | None = None
    keyframe_interval_ms: int = 2_000


@dataclass(frozen=True, slots=True)
class NewDevice:
    """What an operator enters; None: the manager chooses, or there is none."""

    kind: EncoderKind
    url: str
    password: Secret | None = None
    name: str | None = None
    encoder_id: EncoderId | None = None
    host_id: HostId | None = None
    region: str | None = None
    rack: str | None = None
    spare_input: str | None = None
