"""An encoder of the fleet: what it is, what it can do, how it is. What it does not report is None, never zero."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from app.domain.ids import EncoderId, HostId, NodeId, StreamId, WorkerId


class EncoderKind(StrEnum):
    SOFTWARE = "software"
    """Our own node: PyAV children on a machine of the fleet."""
    SIMULATED = "simulated"
    """A device that answers but encodes nothing: for load tests and drills of the manager itself."""
    AJA_HELO = "aja_helo"


HARDWARE: Final = frozenset({EncoderKind.AJA_HELO})
"""Devices with an input of their own, which control drives over their own interface."""


class EncoderState(StrEnum):
    ONLINE = "online"
    SUSPECT = "suspect"
    """No heartbeat for the suspect limit: takes no new stream."""
    OFFLINE = "offline"
    DRAINING = "draining"
    """Keeps what it has, takes nothing new."""
    STOPPED = "stopped"
    """Stopped by an operator."""


@dataclass(frozen=True, slots=True)
class CodecProbe:
    """Result of a real probe encode on this device with this build. `reason` says why it is refused."""

    codec: str
    """FFmpeg's encoder name, such as libx264 or h264_nvenc."""
    works: bool
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Capabilities:
    cpu_model: str | None
    cpu_cores: int | None
    memory_bytes: int | None
    gpus: tuple[str, ...]
    probes: tuple[CodecProbe, ...]
    max_streams: int
    capacity_pixels_per_s: float
    """Pixels per second of encoding this machine is planned for, all renditions of all streams together."""
    build: str
    """Version of the media libraries: two encoders splice exactly only with the same one."""


@dataclass(frozen=True, slots=True)
class EncoderInfo:
    encoder_id: EncoderId
    node_id: NodeId
    host_id: HostId
    kind: EncoderKind
    name: str
    capabilities: Capabilities
    region: str | None = None
    rack: str | None = None


@dataclass(frozen=True, slots=True)
class WorkerReading:
    """One worker child as its node sees it. `speed` is encoded seconds per second: below 1 it falls behind."""

    worker_id: WorkerId
    stream_id: StreamId
    generation: int
    cpu_percent: float | None = None
    rss_bytes: int | None = None
    frames_encoded: int = 0
    frames_dropped: int = 0
    speed: float | None = None
    latency_ms: float | None = None
    """From a frame's arrival at the worker to its first encoded packet."""
    codec: str | None = None


@dataclass(frozen=True, slots=True)
class EncoderReading:
    """One heartbeat. Percentages 0 to 100 of the whole machine; temperature in degrees Celsius."""

    cpu_percent: float | None = None
    memory_percent: float | None = None
    temperature_c: float | None = None
    """Of its hottest part."""
    slowdown_c: float | None = None
    """Where the device slows itself down to protect itself: the lowest of its parts that tell it."""
    is_throttled: bool | None = None
    """It slows itself down for heat now."""
    fan_rpm: float | None = None
    gpu_percent: float | None = None
    network_bps: float | None = None
    disk_free_bytes: int | None = None
    disk_percent: float | None = None
    workers: tuple[WorkerReading, ...] = ()
