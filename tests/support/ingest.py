"""An RTMP server that takes what is published to it and counts it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import av
from av.video.frame import VideoFrame

from aiortmp import MediaBatch, MediaMessage, MessageType, RtmpError, flv
from aiortmp.aio import ConnectRequest, PlayRequest, PublishRequest, Server, ServerConnection, serve


@dataclass
class Ingest:
    """`keys`: names that are let in; None: every one. `published`: names in the order they came."""

    keys: set[str] | None = None
    published: list[str] = field(default_factory=list)
    messages: list[MediaMessage] = field(default_factory=list)
    ended: int = 0
    connections: list[ServerConnection] = field(default_factory=list)
    server: Server | None = None

    @property
    def url(self) -> str:
        assert self.server is not None, "it listens"
        return f"rtmp://127.0.0.1:{self.server.port}/live"

    def pictures(self) -> list[VideoFrame]:
        """Every frame that came, decoded as a player would."""
        frames: list[VideoFrame] = []
        context: Any = None
        for message in self.messages:
            if message.type is not MessageType.VIDEO:
                continue
            tag = flv.parse_video(message.payload)
            if tag.is_sequence_header:
                context = av.CodecContext.create("h264", "r")
                context.extradata = tag.body(message.payload)
            elif tag.is_coded:
                packet = av.Packet(tag.body(message.payload))
                packet.pts, packet.time_base = message.timestamp, Fraction(1, 1000)
                frames += context.decode(packet)
        return frames

    def sound_packets(self) -> int:
        sound = (message for message in self.messages if message.type is MessageType.AUDIO)
        return sum(flv.parse_audio(message.payload).is_coded for message in sound)

    def drop(self) -> None:
        """Cut every connection; new ones are taken."""
        for connection in self.connections:
            connection.abort("cut by the test")
        self.connections.clear()


class _Handler:
    def __init__(self, ingest: Ingest, connection: ServerConnection) -> None:
        self._ingest = ingest
        ingest.connections.append(connection)

    def on_connect(self, request: ConnectRequest) -> None:
        request.accept()

    def on_publish(self, request: PublishRequest) -> None:
        if self._ingest.keys is not None and request.name not in self._ingest.keys:
            request.reject("NetStream.Publish.BadName", "wrong key")
            return
        self._ingest.published.append(request.name)
        request.accept(self)

    def on_play(self, request: PlayRequest) -> None:
        request.reject("NetStream.Play.Failed", "nothing to see")

    def on_closed(self, reason: RtmpError | None) -> None:
        return

    def on_media(self, batch: MediaBatch) -> None:
        self._ingest.messages.extend(batch)

    def on_end(self, reason: str) -> None:
        self._ingest.ended += 1


@contextlib.asynccontextmanager
async def ingest(*, keys: set[str] | None = None) -> AsyncIterator[Ingest]:
    """Listens on a free port of the loopback."""
    found = Ingest(keys)
    found.server = await serve(lambda connection: _Handler(found, connection), "127.0.0.1", 0)
    try:
        yield found
    finally:
        found.server.close()
        await found.server.wait_closed()
