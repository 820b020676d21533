"""Streams: what is asked for when one is opened or changed."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from app.api.registry import Body
from app.api.schemas.texts import EncoderName, Name, RenditionName, Resolution, Target, Word
from app.domain.encoder import EncoderKind
from app.domain.ids import EncoderId
from app.domain.ladder import AudioMode, FrameRate, Rendition
from app.domain.session import DeviceWish, StreamChange, StreamRequest
from app.domain.stream import SlateMode, StandbyGrade, StreamMode

Bitrate = Annotated[int, Field(ge=1, le=1_000_000_000, description="bit/s", examples=[5_000_000])]
Fps = Annotated[float, Field(gt=0, le=1000, description="frames per second", examples=[30])]
Targets = Annotated[list[Target], Field(max_length=16)]


def size_of(resolution: str) -> tuple[int, int]:
    width, height = resolution.split("x")
    return int(width), int(height)


class RenditionBody(Body):
    name: RenditionName
    resolution: Resolution
    bitrate: Bitrate
    fps: Fps

    def rendition(self) -> Rendition:
        width, height = size_of(self.resolution)
        return Rendition(self.name, width, height, FrameRate.of(self.fps), self.bitrate)


class InitBody(Body):
    """A streaming session to be opened."""

    resolution: Resolution
    bitrate: Bitrate
    fps: Fps
    name: Name | None = None
    input: Literal["publisher", "device"] = Field(
        "publisher", description="device: two hardware encoders of the fleet publish it, from inputs of their own"
    )
    encoder_kind: Literal["aja_helo"] | None = Field(None, description="of the devices; absent: any")
    mode: StreamMode | None = Field(
        None,
        description="absent: transcode, and for devices passthrough, unless renditions are asked for",
    )
    renditions: Annotated[list[RenditionBody], Field(min_length=1, max_length=8)] | None = Field(
        None, description="absent: the asked resolution and the standard ones below it"
    )
    audio: AudioMode = AudioMode.AUTO
    preset: Literal["ultrafast", "superfast", "veryfast", "faster", "fast", "medium"] = "veryfast"
    codec: Word = Field("auto", description="an FFmpeg encoder's name, or auto")
    destinations: Targets = Field(default_factory=list)
    record: bool = False
    hls: bool = True
    keyframe_interval_ms: Annotated[int, Field(ge=500, le=10_000)] = 2000
    segment_ms: Annotated[int, Field(ge=500, le=20_000)] = 4000
    reconnect_window_s: Annotated[int, Field(ge=0, le=600)] = 60
    key_lifetime_s: Annotated[int, Field(ge=60, le=31_536_000)] = 24 * 3600
    region: Word | None = None
    standby: StandbyGrade | None = Field(
        None,
        description="how ready the backup stands: cold (room is kept), warm (proved and silent; what is taken when "
        "absent), hot (decodes along), active-active (encodes along). Of devices passed through: hot (both stream; "
        "what is taken when absent), else the backup is set up, and started when it is needed",
    )
    backup_input: bool = Field(
        False, description="hand out a second key, for a second publisher that takes over when the first one goes"
    )
    slate: SlateMode = Field(
        SlateMode.OFF, description="what is shown while nobody publishes and the reconnect window is open"
    )
    content_checks: bool = Field(
        True,
        description="look at pictures and sound now and then: black, frozen, silent; an encoder that does "
        "that to a source that is well is left",
    )

    auto_quality: bool = Field(
        True,
        description="while its encoder cannot keep up, take back bit rate, then size, then frame rate; and give it "
        "again",
    )

    def request(self) -> StreamRequest:
        width, height = size_of(self.resolution)
        mode = self.mode or self._usual_mode()
        # Beside encoders that work on it, devices are always hot.
        grade = self.standby if mode is StreamMode.PASSTHROUGH else None
        kind = None if self.encoder_kind is None else EncoderKind(self.encoder_kind)
        return StreamRequest(
            width=width,
            height=height,
            bitrate_bps=self.bitrate,
            fps=self.fps,
            name=self.name,
            mode=mode,
            renditions=tuple(item.rendition() for item in self.renditions) if self.renditions else None,
            audio=self.audio,
            preset=self.preset,
            codec=self.codec,
            destinations=tuple(self.destinations),
            record=self.record,
            hls=self.hls,
            keyframe_interval_ms=self.keyframe_interval_ms,
            segment_ms=self.segment_ms,
            reconnect_window_s=self.reconnect_window_s,
            key_lifetime_s=self.key_lifetime_s,
            region=self.region,
            standby=self.standby or StandbyGrade.WARM,
            backup_input=self.backup_input,
            slate=self.slate,
            content_checks=self.content_checks,
            auto_quality=self.auto_quality,
            devices=DeviceWish(kind, grade or StandbyGrade.HOT) if self.input == "device" else None,
        )

    def _usual_mode(self) -> StreamMode:
        passed = self.input == "device" and not self.renditions
        return StreamMode.PASSTHROUGH if passed else StreamMode.TRANSCODE


class ConfigBody(Body):
    """What is absent stays as it is."""

    resolution: Resolution | None = None
    bitrate: Bitrate | None = None
    fps: Fps | None = None
    destinations: Targets | None = None
    record: bool | None = None
    auto_quality: bool | None = Field(None, description="as at the opening; off gives back what was taken")
    encoder_id: EncoderName | None = Field(None, description="who is to do the work, by a planned switch")

    def change(self) -> StreamChange:
        width, height = size_of(self.resolution) if self.resolution else (None, None)
        return StreamChange(
            bitrate_bps=self.bitrate,
            width=width,
            height=height,
            fps=self.fps,
            destinations=None if self.destinations is None else tuple(self.destinations),
            record=self.record,
            auto_quality=self.auto_quality,
            encoder_id=None if self.encoder_id is None else EncoderId(self.encoder_id),
        )
