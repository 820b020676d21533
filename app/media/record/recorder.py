"""Writes one stream's recording to disk, off the event loop, bounded, and never at the stream's expense.

Files are appended to in whole fragments, so a killed process leaves a playable file. A full disk ends the part
cleanly and is counted; the stream goes on, and so does the recording when there is room again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from pathlib import Path
from typing import Final

import structlog

from app.media.arrival import Arrival
from app.media.record.files import RecordingFiles
from app.media.record.fragments import Piece, RecordingMuxer

log = structlog.get_logger()

QUEUE_MAX_BYTES: Final = 64 * 1024 * 1024
"""What may wait for a slow disk; beyond it pieces are lost and counted."""


RETRY_S: Final = 60.0
"""A disk that was full is tried again after this long, with a new part."""
CLOSE_S: Final = 5.0
"""Who closes a recording waits this long for the disk: other streams' orders come behind."""


class Recorder:
    """`take` is called on the loop; `run` is its one task.

    `failed` says why nothing is written now, or None; `failures` how often that happened.
    """

    def __init__(
        self,
        directory: Path,
        *,
        executor: Executor,
        files: Callable[[Path], RecordingFiles] = RecordingFiles,
        retry_s: float = RETRY_S,
        close_s: float = CLOSE_S,
    ) -> None:
        self._files = files(directory)
        self._executor = executor
        self._retry_s = retry_s
        self._close_s = close_s
        self._muxer = RecordingMuxer()
        self._queue: asyncio.Queue[Piece] = asyncio.Queue()
        self._queued_bytes = 0
        self._closing = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.failed: str | None = None
        self.failures = 0
        self.lost_pieces = 0

    def start(self, task: asyncio.Task[None]) -> None:
        """`task` runs `run`."""
        self._task = task

    @property
    def bytes_written(self) -> int:
        return self._files.bytes_written

    def take(self, arrival: Arrival) -> None:
        """Packets of the highest muxed stream."""
        for piece in self._muxer.push(arrival):
            self._enqueue(piece)

    async def run(self) -> None:
        """Until `close`, and all that was taken is written."""
        while (piece := await self._next()) is not None:
            self._queued_bytes -= len(piece.data)
            try:
                await self._off_loop(lambda: self._files.write(piece))
            except OSError as error:
                await self._pause(error)
        await self._finish()

    async def close(self) -> None:
        """Write what is held and finish the file. A disk slower than `close_s` goes on by itself."""
        for piece in self._muxer.flush():
            self._enqueue(piece)
        self._closing.set()
        if self._task is not None:
            done, _ = await asyncio.wait({self._task}, timeout=self._close_s)
            if not done:
                log.warning("recording is still being written", directory=self._files.name)

    async def _next(self) -> Piece | None:
        """The next piece; None when there is none and none will come."""
        if self._queue.empty() and not self._closing.is_set():
            waits = (asyncio.ensure_future(self._queue.get()), asyncio.ensure_future(self._closing.wait()))
            try:
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
                if waits[0].done():
                    return waits[0].result()
            finally:
                for wait in waits:
                    wait.cancel()
        return None if self._queue.empty() else self._queue.get_nowait()

    async def _pause(self, error: OSError) -> None:
        """Write nothing for a while, then begin a new part with what comes."""
        self.failed = error.strerror or type(error).__name__
        self.failures += 1
        log.error("recording paused", directory=self._files.name, reason=self.failed, again_in_s=self._retry_s)
        await self._finish()
        try:
            async with asyncio.timeout(self._retry_s):
                await self._closing.wait()
        except TimeoutError:
            pass  # the time is over: try again
        while not self._queue.empty():
            self._queued_bytes -= len(self._queue.get_nowait().data)
            self.lost_pieces += 1
        if not self._closing.is_set():
            self._muxer.begin_part()
            self.failed = None

    async def _finish(self) -> None:
        try:
            await self._off_loop(self._files.finish)
        except OSError as error:
            self.failed = self.failed or error.strerror

    async def _off_loop(self, work: Callable[[], None]) -> None:
        await asyncio.get_running_loop().run_in_executor(self._executor, work)

    def _enqueue(self, piece: Piece) -> None:
        if self.failed is not None or self._queued_bytes > QUEUE_MAX_BYTES:
            self.lost_pieces += 1
            if piece.new_part:
                # What follows would be appended to a part of other formats.
                self._muxer.begin_part()
            return
        self._queued_bytes += len(piece.data)
        self._queue.put_nowait(piece)
