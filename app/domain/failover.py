"""A change of encoder, or of the input that is its source, under a running stream, and its measured report.

Times are milliseconds since the last picture of the old worker was let through, by the gateway's monotonic clock,
so one clock measures all of them. What was not measured is None.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from app.domain.ids import EncoderId, StreamId, WorkerId
from app.domain.stream import Input, StandbyGrade


class SwitchKind(StrEnum):
    REFLEX = "reflex"
    """The gateway lost the active worker and gave the stream to its standby."""
    PLANNED = "planned"
    """By order, at a segment border: both run until then."""
    REPLACED = "replaced"
    """No standby stood ready: control started another worker."""
    INPUT = "input"
    """The stream's other input became its source: what is told of workers, is told of inputs then."""


class DecidedBy(StrEnum):
    GATEWAY = "gateway"
    CONTROL = "control"
    OPERATOR = "operator"
    DRILL = "drill"


@dataclass(frozen=True, slots=True)
class TrackSplice:
    """One track over a switch. `last_ms` and `first_ms`, on the timeline: of the old worker and of the new one.

    `missing` counts frames of the source that never came out, `doubled` those that came out twice, from the switch
    until the new worker had caught up.
    """

    name: str
    last_ms: int | None
    first_ms: int | None
    missing: int | None
    doubled: int


@dataclass(frozen=True, slots=True)
class SwitchReport:
    """Everything about one switch. A stream and a generation name it; a change of input, a stream and its time.

    `detected_ms`, `decided_ms` and `first_frame_ms` follow each other; `stall_ms` is the longest time without a
    picture from the loss until the new worker had caught up, which it did after `catch_up_ms`. For a planned
    switch nothing is lost, so `detected_ms` is None.

    For a change of input `from_input` and `to_input` are set, and workers are none of its business. Encoders are
    those that publish there, where they belong to the fleet. Frames are the source's: `missing` counts those that
    it would have had at its own pace between the last picture of the old input and the first one of the new, so
    it may be one or two off.
    """

    stream_id: StreamId
    generation: int
    from_generation: int
    from_worker_id: WorkerId | None
    to_worker_id: WorkerId | None
    from_encoder_id: EncoderId | None
    to_encoder_id: EncoderId | None
    kind: SwitchKind
    grade: StandbyGrade
    cause: str
    """What happened, such as `connection closed`, `stalled`, `drill`, `too hot`."""
    evidence: str
    """What was seen, in words and figures."""
    decided_by: DecidedBy
    at: datetime
    proved: bool
    """Whether the new worker had been proved before."""
    detected_ms: float | None
    decided_ms: float | None
    first_frame_ms: float | None
    stall_ms: float | None
    catch_up_ms: float | None
    tracks: tuple[TrackSplice, ...] = ()
    parameters_changed: bool = False
    """The new worker's parameter sets differ: players are told of a discontinuity."""
    complete: bool = True
    """False: measuring ended early, because the stream or the new worker did."""
    from_input: Input | None = None
    to_input: Input | None = None

    @property
    def name(self) -> tuple[StreamId, int, datetime | None]:
        """Unlike that of every other report."""
        return self.stream_id, self.generation, self.at if self.kind is SwitchKind.INPUT else None

    @property
    def frames_missing(self) -> int | None:
        """Of all tracks; None when it was not counted on one of them, or there is none to count on."""
        counts = [track.missing for track in self.tracks]
        known = [count for count in counts if count is not None]
        return sum(known) if counts and len(known) == len(counts) else None

    @property
    def frames_doubled(self) -> int:
        return sum(track.doubled for track in self.tracks)

    @property
    def lossless(self) -> bool:
        """Measured to the end on every track, and no frame missing or doubled."""
        return self.complete and self.frames_missing == 0 and self.frames_doubled == 0
