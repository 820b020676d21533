"""A plain relay on aiortmp, as a process: ``python -m benchmarks.rtmp.relay PORT``.

Publishers wait while a player's buffer is full, so that nothing is lost and memory stays bounded.
"""

from __future__ import annotations

import asyncio
import sys

from aiortmp import Limits, MediaBatch, RtmpError
from aiortmp.aio import ConnectRequest, Gathering, Play, PlayRequest, PublishRequest, ServerConnection, serve

HIGH_BYTES = 4 * 1024 * 1024
GATHER_S = 0.0005


class Stream:
    """One publisher, many players."""

    def __init__(self) -> None:
        self.plays: list[Play] = []
        self.publisher: ServerConnection | None = None
        self.opening: MediaBatch | None = None

    def on_media(self, batch: MediaBatch) -> None:
        if self.opening is None:
            self.opening = batch
        full = False
        for play in self.plays:
            play.send(batch)
            full = full or play.buffered_bytes > HIGH_BYTES
        if full and self.publisher is not None:
            self.publisher.pause_reading()

    def on_end(self, reason: str) -> None:
        self.publisher = None
        self.opening = None

    def join(self, play: Play) -> None:
        if self.opening is not None:
            play.send(self.opening)
        self.plays.append(play)
        play.on_writable = self.resume
        play.on_end = lambda _: self.leave(play)

    def leave(self, play: Play) -> None:
        self.plays.remove(play)
        self.resume()

    def resume(self) -> None:
        if self.publisher is not None and all(play.buffered_bytes <= HIGH_BYTES for play in self.plays):
            self.publisher.resume_reading()


class Handler:
    """One connection."""

    def __init__(self, streams: dict[str, Stream]) -> None:
        self._streams = streams

    def on_connect(self, request: ConnectRequest) -> None:
        request.accept()

    def on_publish(self, request: PublishRequest) -> None:
        stream = self._streams.setdefault(request.name, Stream())
        stream.publisher = request.connection
        request.accept(stream)

    def on_play(self, request: PlayRequest) -> None:
        self._streams.setdefault(request.name, Stream()).join(request.accept())

    def on_closed(self, reason: RtmpError | None) -> None:
        """Sinks and plays hear of it by themselves."""


async def main(port: int) -> None:
    streams: dict[str, Stream] = {}
    limits = Limits(max_send_buffer_bytes=1 << 30)
    gathering = Gathering(asyncio.get_running_loop(), GATHER_S)
    await serve(lambda _: Handler(streams), "127.0.0.1", port, limits=limits, chunk_size=4096, gathering=gathering)
    await asyncio.Event().wait()


if __name__ == "__main__":
    try:
        from uvloop import run
    except ImportError:
        from asyncio import run
    if "--asyncio" in sys.argv:
        from asyncio import run
    run(main(int(sys.argv[1])))
