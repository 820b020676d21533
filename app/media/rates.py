"""Counts of one track and what they come to in a second. Pure."""

from __future__ import annotations

from app.media.arrival import Arrival


class TrackMeter:
    """`frames` and `bytes` since the start; rates over the last interval, None before one has passed."""

    __slots__ = ("_bytes_then", "_frames_then", "_then_s", "bps", "bytes", "fps", "frames", "last_ms")

    def __init__(self) -> None:
        self.frames = 0
        self.bytes = 0
        self.last_ms: int | None = None
        self.bps: float | None = None
        self.fps: float | None = None
        self._frames_then = 0
        self._bytes_then = 0
        self._then_s: float | None = None

    def count(self, arrival: Arrival, frames: int) -> None:
        if frames:
            self.frames += frames
            self.last_ms = arrival.positions[-1]
        self.bytes += arrival.size_bytes

    def count_frames(self, arrival: Arrival, frames: int) -> None:
        """Frames that share their bytes with another track's in one read, which is counted there."""
        if frames:
            self.frames += frames
            self.last_ms = arrival.positions[-1]

    def close_interval(self, now_s: float) -> None:
        """Once a second or so: the rates since the last call."""
        if self._then_s is not None and now_s > self._then_s:
            elapsed = now_s - self._then_s
            self.bps = (self.bytes - self._bytes_then) * 8 / elapsed
            self.fps = (self.frames - self._frames_then) / elapsed
        self._then_s, self._frames_then, self._bytes_then = now_s, self.frames, self.bytes
