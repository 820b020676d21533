"""Writes one stream's recording to disk, off the event loop, bounded, and never at the stream's expense.

Files are appended to in whole fragments, so a killed process leaves a playable file. A full disk ends the recording
cleanly and is counted; the stream goes on.
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


class Recorder:
    """`take` is called on the loop; `run` is its one task."""

    def __init__(
        self, directory: Path, *, executor: Executor, files: Callable[[Path], RecordingFiles] = RecordingFiles
    ) -> None:
        self._files = files(directory)
        self._executor = executor
        self._muxer = RecordingMuxer()
        self._queue: asyncio.Queue[Piece | None] = asyncio.Queue()
        self._queued_bytes = 0
        self._task: asyncio.Task[None] | None = None
        self.failed: str | None = None
        self.lost_pieces = 0

    def start(self, task: asyncio.Task[None]) -> None:
        """`task` runs `run`."""
        self._task = task

    @property
    def bytes_written(self) -> int:
        return self._files.bytes_written

    def take(self, arrival: Arrival) -> None:
        """Packets of the highest muxed stream."""
        if self.failed is None:
            for piece in self._muxer.push(arrival):
                self._enqueue(piece)

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        while (piece := await self._queue.get()) is not None:
            self._queued_bytes -= len(piece.data)
            try:
                await loop.run_in_executor(self._executor, self._files.write, piece)
            except OSError as error:
                self.failed = error.strerror or type(error).__name__
                log.error("recording stopped", directory=self._files.name, reason=self.failed)
                break
        try:
            await loop.run_in_executor(self._executor, self._files.finish)
        except OSError as error:
            self.failed = self.failed or error.strerror

    async def close(self) -> None:
        """Write what is held and finish the file."""
        if self.failed is None:
            for piece in self._muxer.flush():
                self._enqueue(piece)
        self._queue.put_nowait(None)
        if self._task is not None:
            await self._task

    def _enqueue(self, piece: Piece) -> None:
        if self._queued_bytes > QUEUE_MAX_BYTES:
            self.lost_pieces += 1
            return
        self._queued_bytes += len(piece.data)
        self._queue.put_nowait(piece)
