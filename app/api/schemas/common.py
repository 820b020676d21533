"""Parts that several answers share."""

from __future__ import annotations

from pydantic import Field

from app.api.registry import Answer
from app.domain.encoder import EncoderReading, WorkerReading
from app.domain.ids import StreamId
from app.domain.ladder import Ladder, Rendition


class RenditionView(Answer):
    name: str
    width: int
    height: int
    fps: float
    bitrate: int = Field(description="bit/s")

    @classmethod
    def of(cls, rendition: Rendition) -> RenditionView:
        return cls(
            name=rendition.name,
            width=rendition.width,
            height=rendition.height,
            fps=round(rendition.frame_rate.fps, 3),
            bitrate=rendition.video_bps,
        )


class LadderView(Answer):
    renditions: list[RenditionView]
    audio_mode: str
    audio_bitrate: int = Field(description="bit/s")

    @classmethod
    def of(cls, ladder: Ladder) -> LadderView:
        return cls(
            renditions=[RenditionView.of(rendition) for rendition in ladder.renditions],
            audio_mode=ladder.audio.mode,
            audio_bitrate=ladder.audio.audio_bps,
        )


class WorkerView(Answer):
    worker_id: str
    stream_id: str
    generation: int
    cpu_usage: float | None = Field(description="percent of one core")
    memory_bytes: int | None
    frames_encoded: int
    dropped_frames: int
    speed: float | None = Field(description="encoded seconds per second")
    latency_ms: float | None
    codec: str | None

    @classmethod
    def of(cls, worker: WorkerReading) -> WorkerView:
        return cls(
            worker_id=worker.worker_id,
            stream_id=worker.stream_id,
            generation=worker.generation,
            cpu_usage=worker.cpu_percent,
            memory_bytes=worker.rss_bytes,
            frames_encoded=worker.frames_encoded,
            dropped_frames=worker.frames_dropped,
            speed=worker.speed,
            latency_ms=worker.latency_ms,
            codec=worker.codec,
        )


class ReadingView(Answer):
    """One encoder's own figures. What it does not report is null, never zero."""

    cpu_usage: float | None = Field(description="percent of the whole machine")
    memory_usage: float | None = Field(description="percent")
    temperature: float | None = Field(description="degrees Celsius")
    fan_rpm: float | None
    gpu_usage: float | None = Field(description="percent")
    network_bps: float | None
    disk_free_bytes: int | None
    disk_usage: float | None = Field(description="percent")
    workers: list[WorkerView] = Field(description="those of streams you may see")

    @classmethod
    def of(cls, reading: EncoderReading, visible: frozenset[StreamId] | None) -> ReadingView:
        """`visible` None: every stream."""
        return cls(
            cpu_usage=reading.cpu_percent,
            memory_usage=reading.memory_percent,
            temperature=reading.temperature_c,
            fan_rpm=reading.fan_rpm,
            gpu_usage=reading.gpu_percent,
            network_bps=reading.network_bps,
            disk_free_bytes=reading.disk_free_bytes,
            disk_usage=reading.disk_percent,
            workers=[
                WorkerView.of(worker)
                for worker in reading.workers
                if visible is None or worker.stream_id in visible
            ],
        )
