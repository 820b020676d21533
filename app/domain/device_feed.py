"""What a stream has of devices: the picture they are to make, and which device publishes on which input."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from app.domain.encoder import EncoderKind
from app.domain.ids import EncoderId
from app.domain.secret import Secret
from app.domain.stream import Input, StandbyGrade


@dataclass(frozen=True, slots=True)
class DevicePicture:
    """Sizes in pixels, rates in bit/s."""

    width: int
    height: int
    fps: float
    video_bps: int
    audio_bps: int
    keyframe_interval_ms: int


@dataclass(frozen=True, slots=True)
class DeviceSeat:
    """One input of the stream: its key, and the device that holds it."""

    key: Secret = field(repr=False)
    encoder_id: EncoderId | None = None


@dataclass(frozen=True, slots=True)
class DeviceFeed:
    """The manager's own record of what the devices of one stream are to do: never read from a device.

    `primary`: the input that was on air last; its device is the stream's primary one. `grade` hot: both devices
    stream all the time; else the backup is set up and started only when the primary is lost.
    """

    picture: DevicePicture
    main: DeviceSeat
    backup: DeviceSeat
    kind: EncoderKind | None = None
    """None: devices of every make."""
    grade: StandbyGrade = StandbyGrade.HOT
    primary: Input = Input.MAIN

    def seat(self, name: Input) -> DeviceSeat:
        return self.main if name is Input.MAIN else self.backup

    def seated(self, name: Input, encoder_id: EncoderId | None) -> DeviceFeed:
        """With this device, or none, on input `name`."""
        seat = replace(self.seat(name), encoder_id=encoder_id)
        return replace(self, main=seat) if name is Input.MAIN else replace(self, backup=seat)

    def input_of(self, encoder_id: EncoderId) -> Input | None:
        return next((name for name in Input if self.seat(name).encoder_id == encoder_id), None)

    @property
    def is_hot(self) -> bool:
        return self.grade in (StandbyGrade.HOT, StandbyGrade.ACTIVE_ACTIVE)

    @property
    def primary_id(self) -> EncoderId | None:
        return self.seat(self.primary).encoder_id

    @property
    def backup_id(self) -> EncoderId | None:
        return self.seat(self.primary.other).encoder_id
