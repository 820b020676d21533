"""What control, gateways and nodes say to each other over the link.

Gateways and nodes connect out to control. Each link opens with a hello that tells everything that runs there,
so control adopts it after a restart. Then **orders** go down, each answered by done or by an error, and
**facts** go up, which nobody answers. How these become bytes is the link adapter's business.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from app.domain.content import Finding
from app.domain.encoder import EncoderInfo, EncoderReading
from app.domain.failover import DecidedBy, SwitchKind, SwitchReport
from app.domain.ids import DestinationId, GatewayId, HostId, StreamId, WorkerId
from app.domain.stream import ChannelPlan, EncodeSettings, Input, WorkerOrder

# --- hello: the first message of a link -----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SourceUp:
    stream_id: StreamId
    at: datetime
    peer: str
    software: str | None
    video_codec: str | None
    audio_codec: str | None
    width: int | None = None
    height: int | None = None
    input: Input = Input.MAIN
    """Where it publishes."""


@dataclass(frozen=True, slots=True)
class RunningChannel:
    """`source` is what was told when the publisher came; None while there is none.

    `generation` is the one that may speak: higher than the plan's active one when the gateway gave the stream to
    its standby. `reports` are those of the last switches, oldest first, for a control that was away.
    """

    stream_id: StreamId
    revision: int
    generation: int
    source: SourceUp | None
    standby_generation: int | None = None
    """The standby that stands ready; None: none does."""
    reports: tuple[SwitchReport, ...] = ()


@dataclass(frozen=True, slots=True)
class GatewayHello:
    """`rtmp_host:rtmp_port` is what publishers and workers dial; `http_url` is the base of playback URLs."""

    gateway_id: GatewayId
    version: str
    rtmp_host: str
    rtmp_port: int
    rtmps_port: int | None
    http_url: str
    channels: tuple[RunningChannel, ...] = ()
    host_id: HostId | None = None
    """Its machine: two gateways under one id on two machines would drive each other out."""


@dataclass(frozen=True, slots=True)
class RunningWorker:
    worker_id: WorkerId
    stream_id: StreamId
    generation: int


@dataclass(frozen=True, slots=True)
class NodeHello:
    version: str
    encoder: EncoderInfo
    workers: tuple[RunningWorker, ...] = ()


Hello = GatewayHello | NodeHello

# --- orders: control to gateway -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OpenChannel:
    """Open the stream's channel, or bring the open one to this plan. An older revision is refused."""

    plan: ChannelPlan


@dataclass(frozen=True, slots=True)
class CloseChannel:
    """End the stream: publisher, worker and viewers are told `reason` and let go."""

    stream_id: StreamId
    reason: str


@dataclass(frozen=True, slots=True)
class SwitchStream:
    """Give the stream to its standby of `generation`: at the next segment border that both can reach, or at once.

    Refused with Conflict when that standby is not the plan's or does not stand ready. Done when it is decided;
    `SwitchMeasured` tells how it went.
    """

    stream_id: StreamId
    generation: int
    cause: str
    decided_by: DecidedBy
    at_border: bool = True


@dataclass(frozen=True, slots=True)
class SwitchInput:
    """Make `input` the source at its next key frame, while the present source still sends.

    Refused with Conflict when nothing comes there. Done when it is noted; `SwitchMeasured` tells how it went. What
    has not happened within the time that a key frame may take is forgotten.
    """

    stream_id: StreamId
    input: Input
    cause: str
    decided_by: DecidedBy


# --- orders: control to node ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StartWorker:
    order: WorkerOrder


@dataclass(frozen=True, slots=True)
class StopWorker:
    worker_id: WorkerId
    reason: str


@dataclass(frozen=True, slots=True)
class ReserveStream:
    """Keep room for a stream that may come as backup. Refused if the node cannot run it."""

    stream_id: StreamId
    order: WorkerOrder


@dataclass(frozen=True, slots=True)
class ReleaseStream:
    stream_id: StreamId


@dataclass(frozen=True, slots=True)
class ReconfigureWorker:
    """Go on with another bitrate of the same renditions, without a restart. Refused if the encoder cannot."""

    worker_id: WorkerId
    encode: EncodeSettings


@dataclass(frozen=True, slots=True)
class BreakWorker:
    """A drill: make the worker fail for real. `how` is kill (SIGKILL) or stall (SIGSTOP)."""

    worker_id: WorkerId
    how: str


Order = (
    OpenChannel
    | CloseChannel
    | SwitchStream
    | SwitchInput
    | StartWorker
    | StopWorker
    | ReserveStream
    | ReleaseStream
    | ReconfigureWorker
    | BreakWorker
)

# --- facts: gateway to control --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SourceDown:
    stream_id: StreamId
    at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class PublishRefused:
    """`stream_id` is None when the key named no stream. The key itself is never told."""

    stream_id: StreamId | None
    at: datetime
    peer: str
    reason: str


@dataclass(frozen=True, slots=True)
class WorkerUp:
    stream_id: StreamId
    worker_id: WorkerId
    generation: int
    at: datetime


@dataclass(frozen=True, slots=True)
class StandbyReady:
    """The standby is proved: connected, decoder opened, a probe frame encoded.

    `same_parameters`: its parameter sets are the active worker's; None before there is a source to tell from.
    """

    stream_id: StreamId
    worker_id: WorkerId
    generation: int
    at: datetime
    same_parameters: bool | None


@dataclass(frozen=True, slots=True)
class Switched:
    """The gateway gave the stream to another worker, just now. `SwitchMeasured` follows when it has caught up.

    Told instead of `WorkerDown` where the gateway acted on a loss by itself.
    """

    stream_id: StreamId
    at: datetime
    from_worker_id: WorkerId | None
    from_generation: int
    worker_id: WorkerId
    generation: int
    kind: SwitchKind
    cause: str
    evidence: str
    decided_by: DecidedBy


@dataclass(frozen=True, slots=True)
class SwitchMeasured:
    stream_id: StreamId
    report: SwitchReport


@dataclass(frozen=True, slots=True)
class WorkerDown:
    """The worker's connection to the gateway ended, or it was found without progress. A standby's too."""

    stream_id: StreamId
    worker_id: WorkerId
    generation: int
    at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class ProgrammeUp:
    """First programme frame after a start or a change of worker."""

    stream_id: StreamId
    generation: int
    at: datetime
    stall_ms: float | None
    """Time without a programme frame before this one; None at the first start."""


@dataclass(frozen=True, slots=True)
class TrackReading:
    """One track of the programme since the channel opened; `bps` over the last interval."""

    name: str
    frames: int
    bytes: int
    bps: float | None
    fps: float | None
    last_timeline_ms: int | None


@dataclass(frozen=True, slots=True)
class DestinationReading:
    id: DestinationId
    state: str
    """connecting, live, backing_off or refused."""
    detail: str | None
    bytes_sent: int
    frames_dropped: int


@dataclass(frozen=True, slots=True)
class InputReading:
    """An input that somebody is connected to."""

    input: Input
    on_air: bool
    """Its packets are the source."""
    flows: bool
    """Packets came within the last moment."""
    peer: str


@dataclass(frozen=True, slots=True)
class ChannelReading:
    """Sent for each channel once a second."""

    stream_id: StreamId
    at: datetime
    source_up: bool
    source_bps: float | None
    source_fps: float | None
    source_frames: int
    source_gaps: int
    ring_bytes: int
    ring_s: float
    tracks: tuple[TrackReading, ...]
    viewers: int
    viewer_frames_dropped: int
    programme_lag_ms: float | None
    """Newest source frame to newest programme frame, on the timeline."""
    destinations: tuple[DestinationReading, ...] = ()
    recording_bytes: int | None = None
    inputs: tuple[InputReading, ...] = ()


@dataclass(frozen=True, slots=True)
class ContentSeen:
    """What is wrong with picture, sound or their flow: told when it changes, and each few seconds while there is
    anything. `generation` is that of the worker that the programme comes from. Empty: all is well again.
    """

    stream_id: StreamId
    at: datetime
    generation: int
    findings: tuple[Finding, ...]


# --- facts: node to control -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Heartbeat:
    reading: EncoderReading


@dataclass(frozen=True, slots=True)
class WorkerExited:
    worker_id: WorkerId
    stream_id: StreamId
    generation: int
    at: datetime
    exit_code: int | None
    reason: str


Fact = (
    SourceUp
    | SourceDown
    | PublishRefused
    | WorkerUp
    | StandbyReady
    | Switched
    | SwitchMeasured
    | WorkerDown
    | ProgrammeUp
    | ChannelReading
    | ContentSeen
    | Heartbeat
    | WorkerExited
)
