"""How streams are, as clients see it over REST and Socket.IO alike."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from app.api.registry import Answer
from app.domain.session import StreamHealth


class SourceView(Answer):
    """The publisher's side, as the gateway sees it."""

    software: str | None
    video_codec: str | None
    audio_codec: str | None
    width: int | None
    height: int | None
    since: datetime


class TrackView(Answer):
    name: str
    frames: int
    bitrate: float | None
    fps: float | None


class DestinationState(Answer):
    id: str
    state: str
    detail: str | None
    bytes_sent: int
    dropped_frames: int


class StandbyView(Answer):
    grade: str = Field(description="how ready the backup is kept: cold, warm, hot or active-active")
    state: str = Field(description="ready, preparing (not proved yet), sought, or none")


class LastDrill(Answer):
    at: datetime
    kind: str
    passed: bool
    fault: str | None


class QualityView(Answer):
    automatic: bool = Field(description="quality is taken back while its encoder cannot keep up")
    step: int = Field(description="how many steps are taken back; 0: it is as asked")
    steps: int = Field(description="how many there are")


class InputView(Answer):
    input: str = Field(description="main or backup")
    on_air: bool = Field(description="what comes here is the stream's source")
    flows: bool
    encoder_id: str | None = Field(description="of the device that publishes here; null: none does")


class HealthView(Answer):
    """`cpu_usage` is percent of one core, `bitrate` bit/s; null is not known."""

    stream_id: str
    state: str
    at: datetime
    score: float | None
    reasons: list[str]
    protected: bool = Field(description="a backup stands ready")
    readiness: float | None = Field(
        description="0, a loss would be seen, to 1: a backup is ready and passed its drills; null: none is needed"
    )
    standby: StandbyView | None = Field(description="null: the stream needs no backup")
    verdict: str | None = Field(description="what the score asks for: well, preventive, degrade or reset")
    quality: QualityView | None = Field(description="null: the picture is not ours to change")
    last_drill: LastDrill | None = Field(description="null: it was never drilled")
    primary_encoder_id: str | None
    backup_encoder_id: str | None
    generation: int = Field(description="of the worker whose picture counts; 0 without an encoder")
    restarts: int = Field(description="workers that took over while somebody published, since control started")
    cpu_usage: float | None
    dropped_frames: int | None = Field(description="by the active worker; null while unknown, 0 where none encodes")
    bitrate: float | None
    source: SourceView | None
    inputs: list[InputView] = Field(description="those that somebody is connected to, or a device belongs to")
    source_bitrate: float | None
    source_fps: float | None
    source_frames: int | None
    programme_lag_ms: float | None
    viewers: int | None
    tracks: list[TrackView]
    destinations: list[DestinationState]

    @classmethod
    def of(cls, health: StreamHealth) -> HealthView:
        source, channel = health.source, health.channel
        standby, drill = health.standby, health.last_drill
        return cls(
            stream_id=health.stream_id,
            state=health.state,
            at=health.at,
            score=health.score,
            reasons=list(health.reasons),
            protected=health.protected,
            readiness=health.readiness,
            standby=StandbyView(grade=standby.grade, state=standby.state) if standby else None,
            verdict=health.verdict,
            quality=QualityView(
                automatic=health.quality.is_automatic, step=health.quality.step, steps=health.quality.steps
            )
            if health.quality
            else None,
            last_drill=LastDrill(at=drill.at, kind=drill.kind, passed=drill.fault is None, fault=drill.fault)
            if drill
            else None,
            primary_encoder_id=health.primary_id,
            backup_encoder_id=health.backup_id,
            generation=health.generation,
            restarts=health.restarts,
            cpu_usage=health.cpu_usage,
            dropped_frames=health.dropped_frames,
            bitrate=health.bitrate,
            source=SourceView(
                software=source.software,
                video_codec=source.video_codec,
                audio_codec=source.audio_codec,
                width=source.width,
                height=source.height,
                since=source.at,
            )
            if source
            else None,
            inputs=[
                InputView(input=each.input, on_air=each.on_air, flows=each.flows, encoder_id=each.encoder_id)
                for each in health.inputs
            ],
            source_bitrate=channel.source_bps if channel else None,
            source_fps=channel.source_fps if channel else None,
            source_frames=channel.source_frames if channel else None,
            programme_lag_ms=channel.programme_lag_ms if channel else None,
            viewers=channel.viewers if channel else None,
            tracks=[
                TrackView(name=track.name, frames=track.frames, bitrate=track.bps, fps=track.fps)
                for track in (channel.tracks if channel else ())
            ],
            destinations=[
                DestinationState(
                    id=one.id,
                    state=one.state,
                    detail=one.detail,
                    bytes_sent=one.bytes_sent,
                    dropped_frames=one.frames_dropped,
                )
                for one in (channel.destinations if channel else ())
            ],
        )


class HealthList(Answer):
    streams: list[HealthView]
