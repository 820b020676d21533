"""A small relay on the library, and a client sink: what the tests over sockets talk to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from aiortmp import MediaBatch, MediaMessage, MessageType, RtmpError
from aiortmp.aio import ConnectRequest, Play, PlayRequest, Publication, PublishRequest, ServerConnection
from aiortmp.flv import audio_is_sequence_header, video_is_keyframe, video_is_sequence_header


async def until(condition: Callable[[], object], *, timeout_s: float = 20.0) -> None:
    """Wait for a condition; TimeoutError when it does not come."""
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event of its own
            await asyncio.sleep(0.005)


class Sink:
    """Keeps what comes."""

    def __init__(self) -> None:
        self.messages: list[MediaMessage] = []
        self.ends: list[str] = []

    def on_media(self, batch: MediaBatch) -> None:
        self.messages.extend(batch)

    def on_end(self, reason: str) -> None:
        self.ends.append(reason)

    def of_type(self, kind: MessageType) -> list[MediaMessage]:
        return [message for message in self.messages if message.type is kind]


class Stream:
    """One name: what was published, and who plays. Late players get headers and the last group."""

    def __init__(self) -> None:
        self.sink = Sink()
        self.plays: list[Play] = []
        self.headers: dict[MessageType, MediaMessage] = {}
        self.group: list[MediaBatch] = []

    def on_media(self, batch: MediaBatch) -> None:
        self.sink.on_media(batch)
        for message in batch:
            self._keep(message)
        for at in reversed(range(len(batch))):
            if batch[at].type is MessageType.VIDEO and video_is_keyframe(batch[at].peek(2)):
                self.group = [batch[at:]]
                break
        else:
            self.group.append(batch)
        for play in self.plays:
            play.send(batch)

    def on_end(self, reason: str) -> None:
        self.sink.on_end(reason)
        for play in list(self.plays):
            play.finish()

    def join(self, play: Play) -> None:
        if self.headers:
            play.send(MediaBatch.of(self.headers.values()))
        for batch in self.group:
            play.send(batch)
        self.plays.append(play)
        play.on_end = lambda _: self.plays.remove(play)

    def _keep(self, message: MediaMessage) -> None:
        head = message.peek(2)
        is_header = {
            MessageType.DATA: True,
            MessageType.VIDEO: video_is_sequence_header(head),
            MessageType.AUDIO: audio_is_sequence_header(head),
        }
        if is_header[message.type]:
            self.headers[message.type] = message


class Relay:
    """Everything published under a name goes to everybody who plays it. ``bad`` names are refused."""

    def __init__(self) -> None:
        self.streams: dict[str, Stream] = {}
        self.connects: list[ConnectRequest] = []
        self.publications: list[Publication] = []
        self.closed: list[RtmpError | None] = []

    def stream(self, name: str) -> Stream:
        return self.streams.setdefault(name, Stream())

    def handler(self, connection: ServerConnection) -> Handler:
        return Handler(self)


class Handler:
    """One connection of the relay."""

    def __init__(self, relay: Relay) -> None:
        self.relay = relay

    def on_connect(self, request: ConnectRequest) -> None:
        self.relay.connects.append(request)
        if request.app == "closed":
            request.reject(description="this application is closed")
        else:
            request.accept()

    def on_publish(self, request: PublishRequest) -> None:
        if request.name.startswith("bad"):
            request.reject(description="no such stream key")
        else:
            self.relay.publications.append(request.accept(self.relay.stream(request.name)))

    def on_play(self, request: PlayRequest) -> None:
        if request.name.startswith("bad"):
            request.reject(description="no such stream")
        else:
            self.relay.stream(request.name).join(request.accept())

    def on_closed(self, reason: RtmpError | None) -> None:
        self.relay.closed.append(reason)
