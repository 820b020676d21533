"""The seat of the publisher in a channel: who sits there, since when, and what it sends. Does no I/O itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from aiortmp import MessageType
from app.domain.ids import StreamId
from app.domain.link import SourceUp
from app.domain.stream import Input
from app.media.arrival import Arrival
from app.media.fmp4.formats import UnsupportedFormat
from app.media.fmp4.parameter_sets import Size
from app.media.formats import (
    Metadata,
    audio_codec_name,
    read_metadata,
    video_codec_name,
    video_format,
)
from app.media.rates import TrackMeter
from app.media.timeline import AUDIO, VIDEO

HALF_DEAD_S = 2.0
"""A publisher that sent nothing for this long yields to one that shows the same key."""


@dataclass(frozen=True, slots=True)
class Publisher:
    """A connection that publishes. `close` cuts it at once, with the reason for the log."""

    peer: str
    software: str | None
    close: Callable[[str], None]


class Source:
    """What the present publisher has told of itself, and counts over all publishers of the stream."""

    def __init__(self) -> None:
        self.publisher: Publisher | None = None
        self.told: SourceUp | None = None
        """What control was told when this publisher's first packets came."""
        self.last_data_s = 0.0
        self.last_frame_s = 0.0
        """Of the last picture, or of the last sound of a source without pictures."""
        self.lost_at_s: float | None = None
        self.meter = TrackMeter()
        self.newest_video_ms: int | None = None
        self.newest_audio_ms: int | None = None
        self.video_codec: str | None = None
        self.audio_codec: str | None = None
        self.size: Size | None = None
        self._metadata = Metadata()
        self.tap: Callable[[Arrival], None] | None = None
        """Hears all that comes; set by whoever looks at it."""

    @property
    def is_up(self) -> bool:
        return self.publisher is not None

    @property
    def software(self) -> str | None:
        """The encoder's name: from the metadata, else from the connect command."""
        said = self.publisher.software if self.publisher is not None else None
        return self._metadata.software or said

    def may_be_replaced(self, now_s: float) -> bool:
        """Whether the one who sits here is as good as gone."""
        return now_s - self.last_data_s > HALF_DEAD_S

    def sit_down(self, publisher: Publisher, now_s: float) -> None:
        self.publisher = publisher
        self.told = None
        self.last_data_s = now_s
        self.lost_at_s = None
        self.video_codec = self.audio_codec = self.size = None
        self._metadata = Metadata()

    def leave(self, now_s: float) -> None:
        self.publisher = None
        self.told = None
        self.lost_at_s = now_s

    def announce(self, stream_id: StreamId, at: datetime, name: Input) -> SourceUp:
        """What control is told of the publisher that sits here, on input `name`."""
        assert self.publisher is not None, "packets come from a publisher"
        width, height = self.size or (None, None)
        self.told = SourceUp(
            stream_id,
            at,
            self.publisher.peer,
            self.software,
            self.video_codec,
            self.audio_codec,
            width,
            height,
            name,
        )
        return self.told

    def take(self, arrival: Arrival, now_s: float) -> None:
        """Count what came and learn from its headers."""
        if self.tap is not None:
            self.tap(arrival)
        self.last_data_s = now_s
        meter = self.meter
        meter.bytes += arrival.size_bytes
        if arrival.video_frames:
            meter.frames += arrival.video_frames
            meter.last_ms = self.newest_video_ms = arrival.positions[-1]
            self.last_frame_s = now_s
        elif self.video_codec is None:
            self.last_frame_s = now_s
            meter.count_frames(arrival, arrival.audio_frames)
        if arrival.audio_frames:
            self.newest_audio_ms = arrival.positions[-1]
        for index in arrival.headers:
            message = arrival.batch[index]
            self._learn(message.type, message.payload)

    def _learn(self, kind: int, payload: bytes) -> None:
        if kind == VIDEO:
            self.video_codec = video_codec_name(payload)
            try:
                found = video_format(payload, self._metadata.size)
                self.size = (found.width, found.height)
            except UnsupportedFormat:
                self.size = self._metadata.size
        elif kind == AUDIO:
            self.audio_codec = audio_codec_name(payload)
        elif kind == MessageType.DATA:
            self._metadata = read_metadata(payload) or self._metadata
