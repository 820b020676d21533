"""A stream: what was asked for, who encodes it, where it goes, and what state it is in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from app.domain.ids import DestinationId, EncoderId, PlaybackId, StreamId, WorkerId
from app.domain.ladder import Ladder
from app.domain.secret import Secret


class StreamMode(StrEnum):
    TRANSCODE = "transcode"
    PASSTHROUGH = "passthrough"
    """No encoder: the publisher's packets are the programme."""


class StreamState(StrEnum):
    WAITING = "waiting"
    """Opened; no publisher yet, or the publisher is gone and its reconnect window is open."""
    STARTING = "starting"
    """The publisher is there, no programme frame yet."""
    LIVE = "live"
    DEGRADED = "degraded"
    """The publisher is there and the programme stands still or falls behind."""
    ENDED = "ended"


class StandbyGrade(StrEnum):
    """How ready a stream's backup stands."""

    COLD = "cold"
    """Room is kept, nothing runs."""
    WARM = "warm"
    """Process up, connected to the gateway, proved; silent."""
    HOT = "hot"
    """Warm, and decodes along: no group of pictures to catch up."""
    ACTIVE_ACTIVE = "active-active"
    """Encodes along: the gateway lets through what comes first."""


class Input(StrEnum):
    """The two places where somebody can publish a stream, each with a key of its own."""

    MAIN = "main"
    BACKUP = "backup"

    @property
    def other(self) -> Input:
        return Input.BACKUP if self is Input.MAIN else Input.MAIN


class SlateMode(StrEnum):
    """What is shown when no publisher is there, while the reconnect window is open."""

    OFF = "off"
    LAST_FRAME = "last_frame"
    STILL = "still"
    """A card that says that the stream will be back."""


@dataclass(frozen=True, slots=True)
class Destination:
    """A place the programme is pushed to. The URL carries somebody's stream key, so all of it is secret."""

    id: DestinationId
    url: Secret
    rendition: str | None = None
    """None: the highest."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Units in the names. Segment duration is a whole multiple of the key frame interval."""

    keyframe_interval_ms: int = 2_000
    segment_ms: int = 4_000
    reconnect_window_s: int = 60
    ring_max_bytes: int = 64 * 1024 * 1024
    ring_max_s: int = 30


@dataclass(frozen=True, slots=True)
class Outputs:
    hls: bool = True
    http_flv: bool = True
    rtmp_play: bool = True
    record: bool = False
    destinations: tuple[Destination, ...] = ()


@dataclass(frozen=True, slots=True)
class WorkerGrant:
    """Permission of one worker to encode one stream. Only the highest generation may speak at the switch."""

    worker_id: WorkerId
    encoder_id: EncoderId
    generation: int
    token_sha256: str
    """Hex digest of the token that the worker shows to the gateway."""


@dataclass(frozen=True, slots=True)
class ChannelPlan:
    """All a gateway needs to run one stream without asking control again.

    `revision` only grows for one stream; a gateway refuses an older one than it holds.
    `key_sha256` is the hex digest of the stream key, so a gateway can check a publisher alone.
    """

    stream_id: StreamId
    playback_id: PlaybackId
    revision: int
    mode: StreamMode
    key_sha256: str
    key_expires_at: datetime | None
    ladder: Ladder
    timing: Timing = Timing()
    outputs: Outputs = Outputs()
    active: WorkerGrant | None = None
    standby: WorkerGrant | None = None
    standby_ladder: Ladder | None = None
    """What the standby encodes, where it is there to change the picture; None: the ladder."""
    grade: StandbyGrade = StandbyGrade.WARM
    backup_key_sha256: str | None = None
    """Digest of the key of the declared backup input; None: there is none."""
    slate: SlateMode = SlateMode.OFF
    content_checks: bool = True
    """Pictures and sound are looked at now and then."""


@dataclass(frozen=True, slots=True)
class EncodeSettings:
    """How a worker encodes: `preset` by x264's names, `codec` by FFmpeg's encoder name or `auto`."""

    ladder: Ladder
    keyframe_interval_ms: int
    preset: str = "veryfast"
    codec: str = "auto"
    independent_gops: bool = False
    """Each group of pictures is encoded without memory of those before, so two encoders that began at different
    times make the same bytes (active-active)."""


@dataclass(frozen=True, slots=True)
class WorkerOrder:
    """Order to a node: run one worker child. `gateway_host:gateway_port` is the gateway's RTMP door.

    `standby`: it waits for the gateway's word beside the worker that encodes now, which is left alone.
    """

    stream_id: StreamId
    worker_id: WorkerId
    generation: int
    gateway_host: str
    gateway_port: int
    token: Secret
    encode: EncodeSettings
    standby: bool = False
