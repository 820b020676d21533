"""One worker: plays a stream's source from the gateway, publishes its renditions and its sound back.

Runs in the worker child. Leaves to others: starting and confining the process (`children`, `confine`), decoding and
encoding (`pipeline`), what the bytes of messages mean (`wire`).
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Sequence
from dataclasses import replace
from threading import Thread
from typing import Final

from aiortmp import MediaBatch, MediaMessage, MessageType, ProtocolError, Rejected, RtmpError
from aiortmp.aio import ClientConnection
from app.domain.errors import InvalidRequest
from app.domain.ladder import SOURCE_RENDITION
from app.domain.stream import EncodeSettings, StandbyGrade, WorkerOrder
from app.media.encoding.codecs import encoder_name
from app.media.encoding.conduit import Closed
from app.media.encoding.entry import Tracks, dial
from app.media.encoding.feed import Feed
from app.media.encoding.packets import SourceItem
from app.media.encoding.proof import Proof
from app.media.encoding.rates import refusal
from app.media.encoding.standby import StandbyProofs
from app.media.encoding.talk import ExitCode, Farewell, Line, NewRates, Problem
from app.media.encoding.wire import SourceReader
from app.media.encoding.words import FeedStart, Slate, Speak, Standby, StartAfter, Word, read_word

REPORT_INTERVAL_S: Final = 0.5
SILENT_INTERVAL_S: Final = 3.0
"""Of a standby, which costs next to nothing."""
_DRAIN_S: Final = 2.0
_HANG_S: Final = 0.5
"""For each thread of the pipeline to end; one that hangs in a codec ends with the process."""
_MAX_PROBLEMS: Final = 32


class Worker:
    """`run` once. It is the sink of the source it plays. `tell` hears figures and problems."""

    def __init__(self, order: WorkerOrder, *, tell: Callable[[Line], None], decoder_threads: int = 1) -> None:
        self._order = order
        self._tell = tell
        self._decoder_threads = decoder_threads
        self._nonce = secrets.token_hex(16)
        self._loop = asyncio.get_running_loop()
        self._outcome: asyncio.Future[Farewell] = self._loop.create_future()
        self._tracks = Tracks(order)
        self._reader: SourceReader | None = None
        self._feed: Feed | None = None
        self._standby: StandbyProofs | None = None
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

    def set_rates(self, encode: EncodeSettings) -> None:
        """Go on at other rates, or say why not; feeds to come begin with them."""
        before = self._order.encode
        Thread(target=self._check_rates, args=(before, encode), name="rates", daemon=True).start()

    def _check_rates(self, before: EncodeSettings, encode: EncodeSettings) -> None:
        """In a thread of its own: encoders are opened."""
        self._from_thread(self._use_rates)(encode, refusal(before, encode))

    def _use_rates(self, encode: EncodeSettings, reason: str | None) -> None:
        if reason is None:
            self._order = replace(self._order, encode=encode)
            if self._feed is not None:
                self._feed.pipeline.set_rates(encode)
        self._tell(NewRates(reason))

    async def _enter(self) -> ClientConnection:
        connection = await dial(self._order, self._nonce)
        try:
            await self._tracks.open(connection, on_end=self._publish_ended, on_writable=self._pump)
            await connection.play(SOURCE_RENDITION, self)
        except (RtmpError, OSError):
            connection.abort("was not let in")
            raise
        return connection

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
        if message.type is MessageType.DATA:
            self._hear(message)
            return not self._outcome.done()
        reader = self._reader
        if reader is None:
            return True
        items = reader.read(message)
        if self._standby is not None:
            self._standby.take(items)
        if self._feed is not None and not self._feed_with(self._feed, items):
            return False
        for problem in reader.problems:
            self._tell_problem(problem)
        return True

    def _feed_with(self, feed: Feed, items: Sequence[SourceItem]) -> bool:
        try:
            if feed.take(items):
                return True
        except Closed:
            return False
        self._end(ExitCode.BEHIND, "the source is a whole inbox ahead of the encoders")
        return False

    # --- words of the gateway -----------------------------------------------------------------------------

    def _hear(self, message: MediaMessage) -> None:
        try:
            word = read_word(message, self._nonce)
            if word is not None:
                self._obey(word)
        except ProtocolError as error:
            self._end(ExitCode.FAILED, str(error))
        except Closed:
            return  # the pipeline has just ended; `_pump` says why

    def _obey(self, word: Word) -> None:
        match word:
            case FeedStart():
                self._throw_away()
                self._begin(word.start_after)
            case Standby():
                self._throw_away()
                self._stand_by(word)
            case Speak():
                self._speak(word)
            case Slate() if self._feed is not None and not self._feed.slate(word.mode, word.from_ms):
                self._end(ExitCode.BEHIND, "the source is a whole inbox ahead of the decoder")

    def _throw_away(self) -> None:
        """What is inside comes from another time; threads that are busy with it end by themselves."""
        self._end_proofs()
        if self._feed is not None:
            self._feed.pipeline.abort()
        self._feed = self._reader = None

    def _begin(
        self, start_after: StartAfter, *, listening: bool = False, reader: SourceReader | None = None
    ) -> Feed:
        self._feed = Feed(
            self._order.encode,
            start_after,
            decoder_threads=self._decoder_threads,
            on_output=self._from_thread(self._pump),
            on_problem=self._from_thread(self._tell_problem),
            listening=listening,
            reader=reader,
        )
        self._reader = self._feed.reader
        return self._feed

    def _stand_by(self, word: Standby) -> None:
        if word.grade in (StandbyGrade.HOT, StandbyGrade.ACTIVE_ACTIVE):
            self._begin(word.start_after, listening=word.grade is StandbyGrade.HOT)
        else:
            self._reader = SourceReader()
        self._standby = StandbyProofs(self._order.encode, self._from_thread(self._proved))

    def _speak(self, word: Speak) -> None:
        feed = self._feed
        if feed is None:
            self._tell_problem("told to speak from what was decoded, but nothing was")
            return
        self._end_proofs()
        start_after = feed.near(word.start_after)
        once_more = feed.speak(start_after)
        if once_more is not None:
            self._throw_away()
            self._feed_with(self._begin(start_after, reader=feed.reader), once_more)

    def _end_proofs(self) -> None:
        if self._standby is not None:
            self._standby.end()
            self._standby = None

    # --- programme --------------------------------------------------------------------------------------

    def _from_thread(self, then: Callable[..., None]) -> Callable[..., None]:
        """To be called in threads of pipelines and proofs: goes on in the loop."""

        def call(*said: object) -> None:
            self._loop.call_soon_threadsafe(then, *said)

        return call

    def _proved(self, proof: Proof) -> None:
        if self._standby is None or self._outcome.done():
            return
        if proof.failure is not None:
            self._end(ExitCode.FAILED, f"not proved: {proof.failure.detail}")
        elif proof.unread is not None:
            self._tell_problem(f"not proved: {proof.unread}")
        else:
            self._say_ready(proof)

    def _say_ready(self, proof: Proof) -> None:
        feed = self._feed
        unsaid = [header for header in proof.headers if feed is None or not feed.has_opened(header.track)]
        self._tracks.say_ready(unsaid, proof.at_ms)
        if feed is not None and not feed.is_listening:
            self._end_proofs()  # it encodes along: from here on what it says proves it

    def _pump(self) -> None:
        feed = self._feed
        if feed is None or self._outcome.done() or self._tracks.is_full:
            return
        self._tracks.send(feed.outgoing())
        if feed.pipeline.outbox.is_over:
            failure = feed.pipeline.failure
            if failure is not None:
                self._end(ExitCode.FAILED, failure.detail)
            self._end(ExitCode.DONE, "the feed is over and all of it is sent")

    def _publish_ended(self, reason: str) -> None:
        self._end(ExitCode.LOST, f"the gateway ended the connection: {reason}")

    def _end(self, code: ExitCode, reason: str) -> None:
        """The first reason stays."""
        if not self._outcome.done():
            self._outcome.set_result(Farewell(code, reason))

    # --- figures ----------------------------------------------------------------------------------------

    async def _report(self) -> None:
        while True:
            if self._feed is not None:
                self._tell(self._feed.figures())
            await asyncio.sleep(REPORT_INTERVAL_S if self._standby is None else SILENT_INTERVAL_S)

    def _tell_problem(self, text: str) -> None:
        if text not in self._told_problems and len(self._told_problems) < _MAX_PROBLEMS:
            self._told_problems.add(text)
            self._tell(Problem(text))
