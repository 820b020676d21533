"""A hardware encoder in memory: for tests, load tests and drills of what manages such devices.

It keeps the promises of the port and nothing else: orders take effect at once, and whoever holds it says how it is
and how it can be reached. The simulator that speaks a real device's protocol is `app/simulators/`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from app.domain.device import DeviceChoice, DeviceProfile, DeviceReading, EngineState, Medium, Reach
from app.domain.encoder import Capabilities, CodecProbe
from app.domain.errors import Conflict, DeviceError, ManagerError, NotAuthenticated, Unavailable
from app.domain.ids import EncoderId
from app.runtime.clock import utc_now

CAPABILITIES: Final = Capabilities(
    cpu_model=None,
    cpu_cores=None,
    memory_bytes=None,
    gpus=(),
    probes=(CodecProbe("h264", works=True),),
    max_streams=1,
    capacity_pixels_per_s=1920.0 * 1080.0 * 60.0,
    build="simulated 1",
)
_PREVIEW: Final = bytes.fromhex("ffd8ffd9")
_VALUES: Final = {
    DeviceChoice.VIDEO_INPUT: ("sdi", "hdmi", "test_pattern"),
    DeviceChoice.AUDIO_INPUT: ("sdi", "hdmi", "analog", "none"),
    DeviceChoice.MUTE: ("on", "off"),
}
_STOPPED: Final = (EngineState.STOPPED, EngineState.FAULTY, EngineState.SHUT_DOWN)


class SimulatedDevice:
    """Implements `HardwareEncoder`.

    `reach` says how it can be reached: any but OK makes every call fail as that would. `state` is what it tells
    next, `held` and `chosen` the settings it has, `refusal` what keeps it from doing what it is told, `orders` what
    it was told.
    """

    def __init__(self, encoder_id: EncoderId, *, state: DeviceReading | None = None) -> None:
        self._encoder_id = encoder_id
        self.reach = Reach.OK
        self.state = state or DeviceReading(
            at=utc_now(),
            model="SIMULATED",
            firmware="1",
            is_well=True,
            streaming=EngineState.STOPPED,
            recording=EngineState.STOPPED,
            has_input=True,
            input_format="1920x1080p 30",
            temperature_c=45.0,
            media=(Medium("primary", is_mounted=True, is_ready=True, free_percent=80.0),),
            is_in_transfer_mode=False,
        )
        self.held: DeviceProfile | None = None
        self.chosen = {
            DeviceChoice.VIDEO_INPUT: "hdmi",
            DeviceChoice.AUDIO_INPUT: "hdmi",
            DeviceChoice.MUTE: "off",
        }
        self.refusal: str | None = None
        self.orders: list[str] = []

    @property
    def encoder_id(self) -> EncoderId:
        return self._encoder_id

    def tell(self, **changes: object) -> None:
        """What it tells from now on, by the names of `DeviceReading`."""
        self.state = replace(self.state, **changes)  # type: ignore[arg-type]  # names are the caller's; a wrong one raises

    async def capabilities(self) -> Capabilities:
        self._answer()
        return CAPABILITIES

    async def read(self) -> DeviceReading:
        self._answer()
        return replace(self.state, at=utc_now())

    async def profile(self) -> DeviceProfile | None:
        self._answer()
        return self.held

    async def drift(self, profile: DeviceProfile) -> tuple[str, ...]:
        self._answer()
        names = (
            "rtmp_url",
            "stream_key",
            "width",
            "height",
            "video_bps",
            "audio_bps",
            "fps",
            "keyframe_interval_ms",
        )
        return tuple(n for n in names if self.held is None or getattr(profile, n) != getattr(self.held, n))

    async def configure(self, profile: DeviceProfile) -> None:
        self._obey("configure", must_rest=True)
        self.held = profile

    async def choice(self, name: DeviceChoice) -> str | None:
        self._answer()
        return self.chosen[name]

    async def choose(self, name: DeviceChoice, value: str) -> None:
        self._obey(f"choose {name} {value}")
        if value not in _VALUES[name]:
            raise DeviceError(f"it has no {value} for {name}")
        self.chosen[name] = value

    async def sync_calendar(self) -> None:
        self._obey("sync_calendar")

    async def start_stream(self) -> None:
        self._answer()
        if self.state.streaming is EngineState.RUNNING:
            return
        if self.state.is_in_transfer_mode:
            raise Conflict("it is in file-transfer mode and can't stream")
        self._obey("start_stream")
        self.tell(streaming=EngineState.RUNNING, streaming_s=0.0)

    async def stop_stream(self) -> None:
        self._answer()
        if self.state.streaming in _STOPPED:
            return
        self._obey("stop_stream")
        self.tell(streaming=EngineState.STOPPED, streaming_s=None)

    async def start_recording(self) -> None:
        self._answer()
        if self.state.recording is EngineState.RUNNING:
            return
        if self.state.is_in_transfer_mode:
            raise Conflict("it is in file-transfer mode and can't record")
        self._obey("start_recording")
        self.tell(recording=EngineState.RUNNING)

    async def stop_recording(self) -> None:
        self._answer()
        if self.state.recording in _STOPPED:
            return
        self._obey("stop_recording")
        self.tell(recording=EngineState.STOPPED)

    async def change_medium(self, slot: str) -> None:
        self._obey(f"change_medium {slot}")
        if slot not in {medium.slot for medium in self.state.media}:
            raise DeviceError(f"it has no slot {slot}")

    async def leave_transfer_mode(self) -> None:
        self._obey("leave_transfer_mode")
        self.tell(is_in_transfer_mode=False)

    async def sync_clock(self) -> None:
        self._obey("sync_clock", must_rest=True)
        self.tell(clock_offset_s=0.0)

    async def reboot(self) -> None:
        self._obey("reboot")
        self.reach = Reach.REBOOTING
        self.tell(streaming=EngineState.STOPPED, recording=EngineState.STOPPED, streaming_s=None)

    async def preview(self) -> bytes:
        self._answer()
        return _PREVIEW

    async def close(self) -> None:
        """It holds nothing open."""

    def _answer(self) -> None:
        error = _error(self.reach)
        if error is not None:
            raise error

    def _obey(self, order: str, *, must_rest: bool = False) -> None:
        self._answer()
        if must_rest and EngineState.RUNNING in (self.state.streaming, self.state.recording):
            raise Conflict("it streams or records")
        self.orders.append(order)
        if self.refusal is not None:
            raise DeviceError(self.refusal)


def _error(reach: Reach) -> ManagerError | None:
    match reach:
        case Reach.OK:
            return None
        case Reach.GARBLED:
            return DeviceError("its answers cannot be read")
        case Reach.LOGGED_OUT:
            return NotAuthenticated("it refuses the password")
    return Unavailable(f"it is {reach}")
