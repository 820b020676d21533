"""One feed: the source's messages in, the programme's messages out, through a pipeline of its own.

A feed begins with a word of the gateway; another such word makes another feed. Leaves to others: the connection,
and what the words mean for it (`worker`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from aiortmp import MediaMessage
from app.domain.stream import EncodeSettings, SlateMode
from app.media.encoding.codecs import encoder_name
from app.media.encoding.memory import SourceMemory
from app.media.encoding.packets import SourceItem
from app.media.encoding.pipeline import IDLE_FLUSH_S, Pipeline
from app.media.encoding.talk import Figures
from app.media.encoding.wire import ProgrammeWriter, SourceReader, WireClock
from app.media.encoding.words import StartAfter
from app.runtime.clock import monotonic


class Feed:
    """`start_after`: what comes out already. `listening`: nothing comes out before `speak`. `on_output` and
    `on_problem` are called in the pipeline's threads. A feed that goes on where another one was takes its `reader`.
    """

    def __init__(
        self,
        settings: EncodeSettings,
        start_after: StartAfter,
        *,
        decoder_threads: int,
        on_output: Callable[[], None],
        on_problem: Callable[[str], None],
        listening: bool = False,
        reader: SourceReader | None = None,
    ) -> None:
        known = [ms for ms in start_after.values() if ms is not None]
        self.reader = reader or SourceReader(WireClock(max(known, default=None)))
        self._settings = settings
        self._writer = ProgrammeWriter()
        self._memory = SourceMemory() if listening else None
        self.pipeline = Pipeline(
            settings,
            start_after=start_after,
            idle_flush_s=IDLE_FLUSH_S,
            decoder_threads=decoder_threads,
            listening=listening,
            on_output=on_output,
            on_problem=on_problem,
        )

    def take(self, items: Sequence[SourceItem]) -> bool:
        """False when the pipeline's inbox is full. Raises Closed when it is over."""
        if self._memory is not None:
            self._memory.add(items)
        return all(self.pipeline.try_put(item) for item in items)

    def near(self, start_after: StartAfter) -> StartAfter:
        """The same times on this feed's line, which may have begun some wraps of 32 bits apart."""
        clock = self.reader.clock
        return {track: None if ms is None else clock.nearest(ms) for track, ms in start_after.items()}

    def speak(self, start_after: StartAfter) -> Sequence[SourceItem] | None:
        """Stop listening. None: done. Otherwise what was decoded does not reach back so far: these packets do.

        Raises Closed when the pipeline is over.
        """
        memory, self._memory = self._memory, None
        if memory is None:
            return None  # it speaks
        if self.pipeline.reaches(start_after) and self.pipeline.speak(start_after):
            return None
        return memory.items

    @property
    def is_listening(self) -> bool:
        """Nothing comes out as yet."""
        return self._memory is not None

    def slate(self, mode: SlateMode, from_ms: int | None) -> bool:
        """The publisher is gone. False when the pipeline's inbox is full. Raises Closed when it is over."""
        return self.pipeline.slate(mode, None if from_ms is None else self.reader.clock.nearest(from_ms))

    def has_opened(self, track: str) -> bool:
        """Whether the picture track's header has been said."""
        return self._writer.has_opened(track)

    def outgoing(self) -> dict[str, list[MediaMessage]]:
        """What the pipeline has made, by track."""
        messages: dict[str, list[MediaMessage]] = {}
        for item in self.pipeline.outbox.take_all():
            messages.setdefault(item.track, []).extend(self._writer.write(item))
        return {track: of_track for track, of_track in messages.items() if of_track}

    def figures(self) -> Figures:
        reading = self.pipeline.meter.read(monotonic())
        return Figures(
            frames_encoded=reading.frames_encoded,
            frames_dropped=reading.frames_dropped + self.reader.broken,
            speed=reading.speed,
            latency_ms=reading.latency_ms,
            waiting=self.pipeline.waiting,
            codec=encoder_name(self._settings.codec),
        )
