"""One feed: the source's messages in, the programme's messages out, through a pipeline of its own.

A feed begins with a word of the gateway; another such word makes another feed. Leaves to others: the connection,
and what the words mean for it (`worker`).
"""

from __future__ import annotations

from dataclasses import dataclass

from aiortmp import MediaMessage
from app.domain.stream import EncodeSettings
from app.media.encoding.codecs import encoder_name
from app.media.encoding.packets import SourceItem
from app.media.encoding.pipeline import Pipeline
from app.media.encoding.talk import Figures
from app.media.encoding.wire import ProgrammeWriter, SourceReader
from app.runtime.clock import monotonic


@dataclass(frozen=True, slots=True)
class Feed:
    pipeline: Pipeline
    reader: SourceReader
    writer: ProgrammeWriter

    def take(self, items: list[SourceItem]) -> bool:
        """False when the pipeline's inbox is full. Raises Closed when it is over."""
        return all(self.pipeline.try_put(item) for item in items)

    def outgoing(self) -> dict[str, list[MediaMessage]]:
        """What the pipeline has made, by track."""
        messages: dict[str, list[MediaMessage]] = {}
        for item in self.pipeline.outbox.take_all():
            messages.setdefault(item.track, []).extend(self.writer.write(item))
        return {track: of_track for track, of_track in messages.items() if of_track}

    def figures(self, settings: EncodeSettings) -> Figures:
        reading = self.pipeline.meter.read(monotonic())
        return Figures(
            frames_encoded=reading.frames_encoded,
            frames_dropped=reading.frames_dropped + self.reader.broken,
            speed=reading.speed,
            latency_ms=reading.latency_ms,
            waiting=self.pipeline.waiting,
            codec=encoder_name(settings.codec),
        )
