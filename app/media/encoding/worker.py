"""One worker: plays a stream's source from the gateway, publishes its renditions and its sound back.

Runs in the worker child. Leaves to others: starting and confining the process (`children`, `confine`), decoding and
encoding (`pipeline`), what the bytes of messages mean (`wire`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from aiortmp import MediaBatch, MediaMessage, ProtocolError, Rejected, RtmpError
from aiortmp.aio import ClientConnection, Publish, connect
from app.domain.errors import InvalidRequest
from app.domain.ladder import AUDIO_TRACK, SOURCE_RENDITION, AudioMode
from app.domain.stream import WorkerOrder
from app.media.encoding.codecs import encoder_name
from app.media.encoding.conduit import Closed
from app.media.encoding.pipeline import IDLE_FLUSH_S, Pipeline
from app.media.encoding.talk import ExitCode, Farewell, Figures, Line, Problem
from app.media.encoding.wire import FeedStart, ProgrammeWriter, SourceReader, WireClock, read_feed_start
from app.runtime.clock import monotonic

APP: Final = "worker"
REPORT_INTERVAL_S: Final = 0.5
_MAX_UNSENT_BYTES: Final = 1024 * 1024
"""Above it nothing is taken from the pipeline: the encoders wait until the socket has drained."""
_DRAIN_S: Final = 2.0
_HANG_S: Final = 0.5
"""For each thread of the pipeline to end; one that hangs in a codec ends with the process."""
_MAX_PROBLEMS: Final = 32


@dataclass(frozen=True, slots=True)
class _Feed:
    """The source as it comes, from its opening message on."""

    pipeline: Pipeline
    reader: SourceReader
    writer: ProgrammeWriter


class Worker:
    """`run` once. It is the sink of the source it plays. `tell` hears figures and problems."""

    def __init__(self, order: WorkerOrder, *, tell: Callable[[Line], None], decoder_threads: int = 1) -> None:
        self._order = order
        self._tell = tell
        self._decoder_threads = decoder_threads
        self._loop = asyncio.get_running_loop()
        self._outcome: asyncio.Future[Farewell] = self._loop.create_future()
        self._publishes: dict[str, Publish] = {}
        self._feed: _Feed | None = None
        self._told_problems: set[str] = set()

    async def run(self, stopping: asyncio.Event) -> Farewell:
        """Until the source is over, something fails, or `stopping` is set."""
        try:
            encoder_name(self._order.encode.codec)
            connection = await self._enter()
        except InvalidRequest as error:
            return Farewell(ExitCode.BAD_ORDER, error.detail)
        except Rejected as error:
            return Farewell(ExitCode.REFUSED, f"the gateway refused this worker: {error}")
        except (RtmpError, OSError) as error:
            return Farewell(ExitCode.LOST, f"no connection to the gateway: {error}")
        reports = asyncio.create_task(self._report())
        stop = asyncio.create_task(stopping.wait())
        try:
            await asyncio.wait((stop, self._outcome), return_when=asyncio.FIRST_COMPLETED)
            if not self._outcome.done():
                await self._drain()
            return self._outcome.result()
        finally:
            reports.cancel()
            stop.cancel()
            await self._leave(connection)

    async def _enter(self) -> ClientConnection:
        order = self._order
        connection = await connect(
            f"rtmp://{_bracketed(order.gateway_host)}:{order.gateway_port}/{APP}",
            args={
                "stream_id": order.stream_id,
                "worker_id": order.worker_id,
                "generation": order.generation,
                "token": order.token.reveal(),
            },
        )
        try:
            for track in self._tracks():
                publish = await connection.publish(track)
                publish.on_end = self._publish_ended
                publish.on_writable = self._pump
                self._publishes[track] = publish
            await connection.play(SOURCE_RENDITION, self)
        except (RtmpError, OSError):
            connection.abort("was not let in")
            raise
        return connection

    def _tracks(self) -> list[str]:
        ladder = self._order.encode.ladder
        names = [rendition.name for rendition in ladder.renditions]
        return names if ladder.audio.mode is AudioMode.OFF else [*names, AUDIO_TRACK]

    async def _drain(self) -> None:
        """Let out what is inside, for a short while."""
        if self._feed is None:
            self._end(ExitCode.DONE, "stopped")
            return
        self._feed.pipeline.finish()
        try:
            async with asyncio.timeout(_DRAIN_S):
                await asyncio.shield(self._outcome)
        except TimeoutError:
            self._end(ExitCode.DONE, "stopped")

    async def _leave(self, connection: ClientConnection) -> None:
        if self._feed is not None:
            self._feed.pipeline.abort()
            await asyncio.to_thread(self._feed.pipeline.join, _HANG_S)
        try:
            async with asyncio.timeout(_DRAIN_S):
                await connection.close("worker ends")
        except TimeoutError:
            connection.abort("worker ends")

    # --- source (MediaSink) -----------------------------------------------------------------------------

    def on_media(self, batch: MediaBatch) -> None:
        if self._outcome.done():
            return
        for message in batch:
            if not self._take(message):
                return

    def on_end(self, reason: str) -> None:
        if self._feed is None:
            self._end(ExitCode.DONE, f"the feed ended: {reason}")
        else:
            # What is inside is let out first; `_pump` ends the worker after it.
            self._feed.pipeline.finish()

    def _take(self, message: MediaMessage) -> bool:
        if self._feed is None:
            return self._open_feed(message)
        try:
            for item in self._feed.reader.read(message):
                if not self._feed.pipeline.try_put(item):
                    self._end(ExitCode.BEHIND, "the source is a whole inbox ahead of the encoders")
                    return False
        except Closed:
            return False
        for problem in self._feed.reader.problems:
            self._tell_problem(problem)
        return True

    def _open_feed(self, message: MediaMessage) -> bool:
        """Only the first such message counts: later data messages are the publisher's and could say anything."""
        try:
            start = read_feed_start(message)
        except ProtocolError as error:
            self._end(ExitCode.FAILED, str(error))
            return False
        if start is not None:
            self._begin(start)
        return True

    def _begin(self, start: FeedStart) -> None:
        known = [ms for ms in start.start_after.values() if ms is not None]
        pipeline = Pipeline(
            self._order.encode,
            start_after=start.start_after,
            idle_flush_s=IDLE_FLUSH_S,
            decoder_threads=self._decoder_threads,
            on_output=self._wake,
            on_problem=self._wake_problem,
        )
        self._feed = _Feed(pipeline, SourceReader(WireClock(max(known, default=0))), ProgrammeWriter())

    # --- programme --------------------------------------------------------------------------------------

    def _wake(self) -> None:
        """Called in the pipeline's threads."""
        self._loop.call_soon_threadsafe(self._pump)

    def _wake_problem(self, text: str) -> None:
        """Called in the pipeline's threads."""
        self._loop.call_soon_threadsafe(self._tell_problem, text)

    def _pump(self) -> None:
        feed = self._feed
        if feed is None or self._outcome.done():
            return
        if any(publish.buffered_bytes > _MAX_UNSENT_BYTES for publish in self._publishes.values()):
            return  # on_writable comes back here
        messages: dict[str, list[MediaMessage]] = {}
        for item in feed.pipeline.outbox.take_all():
            messages.setdefault(item.track, []).extend(feed.writer.write(item))
        for track, of_track in messages.items():
            if of_track:
                self._publishes[track].send(MediaBatch.of(of_track))
        if feed.pipeline.outbox.is_over:
            self._pipeline_over(feed.pipeline)

    def _pipeline_over(self, pipeline: Pipeline) -> None:
        if pipeline.failure is not None:
            self._end(ExitCode.FAILED, pipeline.failure.detail)
        else:
            self._end(ExitCode.DONE, "the feed is over and all of it is sent")

    def _publish_ended(self, reason: str) -> None:
        self._end(ExitCode.LOST, f"the gateway ended the connection: {reason}")

    def _end(self, code: ExitCode, reason: str) -> None:
        if not self._outcome.done():
            self._outcome.set_result(Farewell(code, reason))

    # --- figures ----------------------------------------------------------------------------------------

    async def _report(self) -> None:
        while True:
            if self._feed is not None:
                self._tell(self._figures(self._feed))
            await asyncio.sleep(REPORT_INTERVAL_S)

    def _figures(self, feed: _Feed) -> Figures:
        reading = feed.pipeline.meter.read(monotonic())
        return Figures(
            frames_encoded=reading.frames_encoded,
            frames_dropped=reading.frames_dropped + feed.reader.broken,
            speed=reading.speed,
            latency_ms=reading.latency_ms,
            waiting=feed.pipeline.waiting,
            codec=encoder_name(self._order.encode.codec),
        )

    def _tell_problem(self, text: str) -> None:
        if text not in self._told_problems and len(self._told_problems) < _MAX_PROBLEMS:
            self._told_problems.add(text)
            self._tell(Problem(text))


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
