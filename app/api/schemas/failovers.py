"""A change of encoder under a running stream, as clients see its report over REST and Socket.IO alike."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import Field

from app.api.registry import Answer, Body, Query
from app.domain.drill import DrillKind
from app.domain.failover import SwitchReport, TrackSplice


class TrackSpliceView(Answer):
    """Times on the stream's timeline. `missing`: frames of the source that never came out; null: not counted."""

    name: str
    last_ms: int | None = Field(description="of the old worker")
    first_ms: int | None = Field(description="of the new worker")
    missing: int | None
    doubled: int

    @classmethod
    def of(cls, splice: TrackSplice) -> TrackSpliceView:
        return cls(
            name=splice.name,
            last_ms=splice.last_ms,
            first_ms=splice.first_ms,
            missing=splice.missing,
            doubled=splice.doubled,
        )


class FailoverView(Answer):
    """Times are milliseconds since the last picture of the old worker was let through, by the gateway's clock."""

    stream_id: str
    generation: int = Field(description="of the new worker; with the stream it names the report of a switch")
    from_generation: int
    at: datetime
    kind: str = Field(description="reflex, planned, replaced; or input: the stream's other input became its source")
    grade: str = Field(description="how ready the new worker stood: cold, warm, hot or active-active")
    cause: str
    evidence: str
    decided_by: str = Field(description="gateway, control, operator or drill")
    from_input: str | None = Field(description="main or backup; null unless an input changed")
    to_input: str | None
    from_encoder_id: str | None
    to_encoder_id: str | None
    from_worker_id: str | None
    to_worker_id: str | None
    proved: bool = Field(description="the new worker had been proved before")
    detected_ms: float | None = Field(description="null: not measured; a planned switch has no loss to detect")
    decided_ms: float | None
    first_frame_ms: float | None
    stall_ms: float | None = Field(description="the longest time without a picture")
    catch_up_ms: float | None
    frames_missing: int | None = Field(description="of all tracks; null: of one at least it was not counted")
    frames_doubled: int
    tracks: list[TrackSpliceView]
    parameters_changed: bool = Field(description="players were told of a discontinuity")
    complete: bool = Field(description="false: measuring ended early, with the stream or the new worker")

    @classmethod
    def of(cls, report: SwitchReport) -> FailoverView:
        return cls(
            stream_id=report.stream_id,
            generation=report.generation,
            from_generation=report.from_generation,
            at=report.at,
            kind=report.kind,
            grade=report.grade,
            cause=report.cause,
            evidence=report.evidence,
            decided_by=report.decided_by,
            from_input=report.from_input,
            to_input=report.to_input,
            from_encoder_id=report.from_encoder_id,
            to_encoder_id=report.to_encoder_id,
            from_worker_id=report.from_worker_id,
            to_worker_id=report.to_worker_id,
            proved=report.proved,
            detected_ms=report.detected_ms,
            decided_ms=report.decided_ms,
            first_frame_ms=report.first_frame_ms,
            stall_ms=report.stall_ms,
            catch_up_ms=report.catch_up_ms,
            frames_missing=report.frames_missing,
            frames_doubled=report.frames_doubled,
            tracks=[TrackSpliceView.of(track) for track in report.tracks],
            parameters_changed=report.parameters_changed,
            complete=report.complete,
        )


class FailoversQuery(Query):
    limit: Annotated[int, Field(ge=1, le=1000, description="so many at most, the newest")] = 100


class FailoverList(Answer):
    failovers: list[FailoverView] = Field(description="newest first; the last 1000 of a stream are kept")

    @classmethod
    def of(cls, reports: tuple[SwitchReport, ...]) -> FailoverList:
        return cls(failovers=[FailoverView.of(report) for report in reports])


class DrillBody(Body):
    kind: DrillKind = Field(
        description="kill: SIGKILL to the active worker; stall: SIGSTOP; planned: a switch at a segment border"
    )
    count: Annotated[int, Field(ge=1, le=10, description="one after the other, each once protected again")] = 1


class DrillAnswer(Answer):
    passed: bool = Field(description="every switch was measured to its end, no frame was lost, none came twice")
    failovers: list[FailoverView] = Field(description="of this drill, in order")

    @classmethod
    def of(cls, reports: tuple[SwitchReport, ...]) -> DrillAnswer:
        return cls(
            passed=all(report.lossless for report in reports),
            failovers=[FailoverView.of(report) for report in reports],
        )
