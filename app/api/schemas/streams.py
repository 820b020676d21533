"""Streams: what is answered. The stream key is in `OpenedAnswer` and nowhere else."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from urllib.parse import urlsplit

from pydantic import Field

from app.api.registry import Answer
from app.api.schemas.common import LadderView
from app.domain.session import (
    ChangeOutcome,
    EncoderChoice,
    OpenedStream,
    Playback,
    StreamRecord,
)
from app.domain.stream import Destination, StandbyGrade, StreamMode

DEFAULT_BPS: Final = 4_500_000
"""What the ready line publishes when nothing is encoded here: what is recommended for 720p."""


class ChosenEncoder(Answer):
    encoder_id: str
    name: str
    kind: str
    reasons: list[str]

    @classmethod
    def of(cls, choice: EncoderChoice | None) -> ChosenEncoder | None:
        if choice is None:
            return None
        return cls(encoder_id=choice.encoder_id, name=choice.name, kind=choice.kind, reasons=list(choice.reasons))


class PlaybackView(Answer):
    """null: this output is off."""

    hls: str | None
    http_flv: str | None
    rtmp: str | None

    @classmethod
    def of(cls, playback: Playback) -> PlaybackView:
        return cls(hls=playback.hls, http_flv=playback.http_flv, rtmp=playback.rtmp)


class OpenedAnswer(Answer):
    """`stream_key`, `backup_stream_key` and `ffmpeg` hold keys; they are shown this once."""

    stream_id: str
    stream_key: str
    backup_stream_key: str | None = Field(description="of the second input; null where none was asked for")
    stream_key_expires_at: datetime | None
    rtmp_url: str = Field(description="the server part: OBS wants server and key apart")
    rtmps_url: str | None
    ffmpeg: str = Field(description="a line to paste; the stream key is the last part of its address")
    state: str
    primary_encoder: ChosenEncoder | None
    backup_encoder: ChosenEncoder | None
    standby: str | None = Field(description="how ready the backup is kept; null: passed through, so none is needed")
    playback: PlaybackView
    ladder: LadderView
    recommendations: list[str]
    warnings: list[str]
    created_at: datetime

    @classmethod
    def of(cls, opened: OpenedStream) -> OpenedAnswer:
        record = opened.record
        key = opened.stream_key.reveal()
        return cls(
            stream_id=record.stream_id,
            stream_key=key,
            backup_stream_key=opened.backup_stream_key.reveal() if opened.backup_stream_key else None,
            stream_key_expires_at=record.key_expires_at,
            rtmp_url=opened.rtmp_url,
            rtmps_url=opened.rtmps_url,
            ffmpeg=ffmpeg_line(
                opened.rtmp_url, key, record.ladder.renditions[0].video_bps if record.encode else None
            ),
            state=record.state,
            primary_encoder=ChosenEncoder.of(opened.primary),
            backup_encoder=ChosenEncoder.of(opened.backup),
            standby=_grade(record),
            playback=PlaybackView.of(opened.playback),
            ladder=LadderView.of(record.ladder),
            recommendations=list(opened.advice.recommendations),
            warnings=list(opened.advice.warnings),
            created_at=record.created_at,
        )


def ffmpeg_line(server: str, key: str, video_bps: int | None) -> str:
    """Publishes a file as a camera would: in real time, a key frame each two seconds."""
    rate = f"{(video_bps or DEFAULT_BPS) // 1000}k"
    video = f"-c:v libx264 -preset veryfast -b:v {rate} -force_key_frames 'expr:gte(t,n_forced*2)'"
    return f"ffmpeg -re -i input.mp4 {video} -c:a aac -b:a 128k -ar 48000 -f flv '{server}/{key}'"


class DestinationView(Answer):
    id: str
    server: str = Field(description="where it goes, without the part that holds a key")
    rendition: str | None

    @classmethod
    def of(cls, destination: Destination) -> DestinationView:
        url = urlsplit(destination.url.reveal())
        place = url.netloc.rpartition("@")[2]
        return cls(id=destination.id, server=f"{url.scheme}://{place}", rendition=destination.rendition)


class StreamView(Answer):
    stream_id: str
    name: str | None
    tenant: str
    mode: str
    input: str = Field(description="publisher, or device: hardware encoders of the fleet publish it")
    state: str
    rtmp_url: str | None = Field(description="the server part of where to publish")
    stream_key_last4: str
    stream_key_expires_at: datetime | None
    primary_encoder_id: str | None
    backup_encoder_id: str | None
    standby: str | None = Field(
        description="how ready the backup is kept: cold, warm, hot or active-active; null: none is needed"
    )
    backup_input: bool
    slate: str
    content_checks: bool = Field(description="whether pictures and sound are looked at now and then")
    auto_quality: bool = Field(description="whether quality is taken back while its encoder cannot keep up")
    ladder: LadderView = Field(description="what it has now")
    asked_ladder: LadderView | None = Field(description="what was asked for, while it has less; else null")
    playback: PlaybackView
    destinations: list[DestinationView]
    record: bool
    hls: bool
    segment_ms: int
    region: str | None
    generation: int = Field(description="of the worker whose picture counts; 0 without an encoder")
    revision: int
    created_at: datetime
    ended_at: datetime | None
    end_reason: str | None

    @classmethod
    def of(cls, record: StreamRecord, server: str | None, playback: Playback) -> StreamView:
        return cls(
            stream_id=record.stream_id,
            name=record.name,
            tenant=record.tenant,
            mode=record.mode,
            input="publisher" if record.feed is None else "device",
            state=record.state,
            rtmp_url=server,
            stream_key_last4=record.key_last4,
            stream_key_expires_at=record.key_expires_at,
            primary_encoder_id=record.primary_id,
            backup_encoder_id=record.backup_id,
            standby=_grade(record),
            backup_input=record.backup_key_sha256 is not None,
            slate=record.slate,
            content_checks=record.content_checks,
            auto_quality=record.auto_quality,
            ladder=LadderView.of(record.ladder),
            asked_ladder=None if record.asked is None else LadderView.of(record.asked),
            playback=PlaybackView.of(playback),
            destinations=[DestinationView.of(destination) for destination in record.destinations],
            record=record.record,
            hls=record.hls,
            segment_ms=record.timing.segment_ms,
            region=record.region,
            generation=record.plan.active.generation if record.plan and record.plan.active else 0,
            revision=record.revision,
            created_at=record.created_at,
            ended_at=record.ended_at,
            end_reason=record.end_reason,
        )


def _grade(record: StreamRecord) -> StandbyGrade | None:
    if record.mode is StreamMode.TRANSCODE:
        return record.standby
    return None if record.feed is None else record.feed.grade


class StreamList(Answer):
    streams: list[StreamView]


class StreamEvent(Answer):
    at: datetime
    kind: str
    text: str


class StreamEvents(Answer):
    events: list[StreamEvent] = Field(description="newest first; older ones are forgotten")


class ChangedAnswer(Answer):
    change_class: str = Field(
        description="none, in_place (nothing restarted) or planned_switch (a new worker takes over without a gap)"
    )
    change: str = Field(description="the same, under its older name")
    stream: StreamView
    recommendations: list[str]
    warnings: list[str]

    @classmethod
    def of(cls, outcome: ChangeOutcome, stream: StreamView) -> ChangedAnswer:
        return cls(
            change_class=outcome.change_class,
            change=outcome.change_class,
            stream=stream,
            recommendations=list(outcome.advice.recommendations),
            warnings=list(outcome.advice.warnings),
        )
