"""Who publishes to a simulated fleet, and who watches."""

from __future__ import annotations

import asyncio
from itertools import pairwise

from aiortmp import MediaBatch, MessageType
from app.media.channel import Channel
from app.media.doors.rtmp import RtmpDoor
from app.runtime import clock
from tests.unit.media.stream_parts import audio, audio_header, video, video_header

from .wire import Wire
from .worker import generation_of

FRAME_MS = 100
GOP_MS = 2_000


class Publisher:
    """Sends a frame and a packet of sound every tenth of a second, from the moment it starts."""

    def __init__(self, door: RtmpDoor, key: str) -> None:
        self._wire = wire = Wire(door, "publisher", on_media=lambda _: None, on_closed=self._closed)
        wire.connect("live")
        self._send = wire.publish(key)
        self.sent: list[int] = []
        self.cut_off = False
        self._task = asyncio.create_task(self._run())

    def _closed(self) -> None:
        self.cut_off = True

    async def _run(self) -> None:
        self._send(MediaBatch.of([video_header(), audio_header()]))
        at = 0
        while True:
            self._send(MediaBatch.of([video(at, key=at % GOP_MS == 0, body=b"s%d" % at), audio(at, b"s%d" % at)]))
            self.sent.append(at)
            at += FRAME_MS
            await asyncio.sleep(FRAME_MS / 1000)

    def stop(self) -> None:
        """Says nothing more; the connection stays."""
        self._task.cancel()

    def leave(self) -> None:
        self._task.cancel()
        self._wire.leave()


class Viewer:
    """Sees one muxed stream of the programme from its first frame on."""

    buffered_bytes = 0

    def __init__(self, channel: Channel, rendition: str) -> None:
        self.pictures: list[int] = []
        self.sounds: list[int] = []
        self.made_by: list[int] = []
        """The generation of the worker that made each picture."""
        self.seen_at: list[float] = []
        """When each picture came."""
        channel.programme.muxes[rendition].join(self)

    def send(self, batch: MediaBatch) -> None:
        for message in batch:
            if message.type is MessageType.DATA or message.payload[1:2] == b"\0":
                continue
            if message.type is MessageType.VIDEO:
                self.pictures.append(message.timestamp)
                self.made_by.append(generation_of(message))
                self.seen_at.append(clock.monotonic())
            else:
                self.sounds.append(message.timestamp)

    def longest_gap_s(self) -> float:
        """Between two pictures that were shown one after the other."""
        return max((b - a for a, b in pairwise(self.seen_at)), default=0.0)
