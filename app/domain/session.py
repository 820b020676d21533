"""One streaming session as clients know it: what they ask for, what they get, how it is."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from app.domain.device_feed import DeviceFeed
from app.domain.drill import DrillOutcome
from app.domain.encoder import EncoderKind
from app.domain.ids import EncoderId, GatewayId, PlaybackId, StreamId
from app.domain.ladder import AudioMode, Ladder, Rendition
from app.domain.link import ChannelReading, SourceUp
from app.domain.secret import Secret
from app.domain.stream import (
    ChannelPlan,
    Destination,
    EncodeSettings,
    Input,
    SlateMode,
    StandbyGrade,
    StreamMode,
    StreamState,
    Timing,
)


@dataclass(frozen=True, slots=True)
class StreamRequest:
    """What `POST /api/streams/init` asks for, already of the right types. None: the manager chooses."""

    width: int
    height: int
    bitrate_bps: int
    fps: float
    name: str | None = None
    mode: StreamMode = StreamMode.TRANSCODE
    renditions: tuple[Rendition, ...] | None = None
    audio: AudioMode = AudioMode.AUTO
    preset: str = "veryfast"
    codec: str = "auto"
    destinations: tuple[str, ...] = ()
    """URLs rtmp:// or rtmps://, stream key included: secret."""
    record: bool = False
    hls: bool = True
    keyframe_interval_ms: int = 2_000
    segment_ms: int = 4_000
    reconnect_window_s: int = 60
    key_lifetime_s: int = 24 * 3600
    region: str | None = None
    standby: StandbyGrade = StandbyGrade.WARM
    backup_input: bool = False
    """Hand out a second key, for a second encoder of the publisher that takes over when the first one goes."""
    slate: SlateMode = SlateMode.OFF
    content_checks: bool = True
    """Have the gateway look at pictures and sound now and then."""
    auto_quality: bool = True
    """Take quality back while its encoder cannot keep up."""
    devices: DeviceWish | None = None
    """None: somebody publishes it."""


@dataclass(frozen=True, slots=True)
class DeviceWish:
    """Devices with an input of their own are to publish it. `kind` None: of any make."""

    kind: EncoderKind | None = None
    grade: StandbyGrade = StandbyGrade.HOT


@dataclass(frozen=True, slots=True)
class Advice:
    """Verdict of the stream rules: what is refused, what is doubtful, what would be better."""

    errors: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    recommendations: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StreamRecord:
    """A stream as the store keeps it. `generation` and `revision` only grow.

    `key_last4` is all that is left of the key for people to see.
    """

    stream_id: StreamId
    playback_id: PlaybackId
    tenant: str
    name: str | None
    mode: StreamMode
    state: StreamState
    gateway_id: GatewayId
    key_sha256: str
    key_last4: str
    key_expires_at: datetime | None
    ladder: Ladder
    encode: EncodeSettings | None
    timing: Timing
    destinations: tuple[Destination, ...]
    record: bool
    hls: bool
    region: str | None
    primary_id: EncoderId | None
    backup_id: EncoderId | None
    generation: int
    revision: int
    created_at: datetime
    ended_at: datetime | None = None
    end_reason: str | None = None
    plan: ChannelPlan | None = None
    """The plan last given to the gateway: what to send again after a restart of control or gateway."""
    first_published_at: datetime | None = None
    standby: StandbyGrade = StandbyGrade.WARM
    backup_key_sha256: str | None = None
    slate: SlateMode = SlateMode.OFF
    content_checks: bool = True
    last_drill: DrillOutcome | None = None
    feed: DeviceFeed | None = None
    """What devices do for it; None: somebody publishes it."""
    auto_quality: bool = True
    asked: Ladder | None = None
    """What was asked for, while `ladder` is less of it because an encoder cannot keep up; None: it has all."""


@dataclass(frozen=True, slots=True)
class EncoderChoice:
    encoder_id: EncoderId
    name: str
    kind: EncoderKind
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Playback:
    """Where the programme can be watched; None where an output is off."""

    hls: str | None
    http_flv: str | None
    rtmp: str | None


@dataclass(frozen=True, slots=True)
class OpenedStream:
    """Answer to an init. `stream_key` is shown this once."""

    record: StreamRecord
    stream_key: Secret
    """Shown this once, like `backup_stream_key`."""
    rtmp_url: str
    rtmps_url: str | None
    primary: EncoderChoice | None
    backup: EncoderChoice | None
    playback: Playback
    advice: Advice
    backup_stream_key: Secret | None = None


class StandbyState(StrEnum):
    READY = "ready"
    """Can take the stream at once; of a cold one: its room is kept."""
    PREPARING = "preparing"
    """Started, not proved yet."""
    SOUGHT = "sought"
    NONE = "none"
    """No encoder can be the backup now; it is tried again."""


@dataclass(frozen=True, slots=True)
class StandbyHealth:
    grade: StandbyGrade
    state: StandbyState


@dataclass(frozen=True, slots=True)
class InputHealth:
    """One of the two places where the stream can be published. `encoder_id`: of the device that is to do it."""

    input: Input
    on_air: bool
    flows: bool
    encoder_id: EncoderId | None = None


@dataclass(frozen=True, slots=True)
class QualityHealth:
    """How much of the asked quality is taken back: `step` of `steps`; 0: nothing."""

    is_automatic: bool
    step: int
    steps: int


@dataclass(frozen=True, slots=True)
class StreamHealth:
    """How a stream is. `protected` is false while no backup stands ready. None: not known."""

    stream_id: StreamId
    state: StreamState
    at: datetime
    score: float | None
    reasons: tuple[str, ...]
    protected: bool
    primary_id: EncoderId | None
    backup_id: EncoderId | None
    generation: int
    cpu_usage: float | None
    """CPU of the active worker, percent of one core."""
    dropped_frames: int | None
    """None while no worker has told."""
    bitrate: float | None
    """Programme's highest rendition and audio, bit/s."""
    source: SourceUp | None
    channel: ChannelReading | None
    restarts: int = 0
    """Workers that took over while somebody published, since the stream opened or control started."""
    readiness: float | None = None
    """0, a loss now would be seen, to 1: a standby is ready, and its drills were passed. None: no encoder works."""
    standby: StandbyHealth | None = None
    """None: the stream needs none, because it is passed through or has ended."""
    last_drill: DrillOutcome | None = None
    inputs: tuple[InputHealth, ...] = ()
    verdict: str | None = None
    """What its health asks for: well, preventive, degrade or reset. None: nobody watches it."""
    quality: QualityHealth | None = None
    """None: the picture is not ours to change."""


@dataclass(frozen=True, slots=True)
class StreamChange:
    """What `PUT /config` asks to change; None leaves a part as it is."""

    bitrate_bps: int | None = None
    width: int | None = None
    height: int | None = None
    fps: float | None = None
    destinations: tuple[str, ...] | None = None
    record: bool | None = None
    encoder_id: EncoderId | None = None
    """Who is to encode it."""
    auto_quality: bool | None = None


@dataclass(frozen=True, slots=True)
class ChangeOutcome:
    """`change_class`: none, in_place (nothing restarts), or planned_switch (a new worker takes over)."""

    record: StreamRecord
    change_class: str
    advice: Advice = field(default_factory=Advice)
