"""A gateway small enough to read: takes one worker at a time, feeds it, keeps what it sends back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from fractions import Fraction

import av

from aiortmp import MediaBatch, MediaMessage, MessageType, RtmpError, amf0, flv
from aiortmp.aio import ConnectRequest, Play, PlayRequest, PublishRequest, Server, ServerConnection, serve
from app.domain.ids import StreamId, WorkerId
from app.domain.secret import Secret
from app.domain.stream import EncodeSettings, WorkerOrder
from app.media.encoding.packets import SourceItem
from app.media.encoding.wire import PublisherWriter
from tests.e2e.source import read_number
from tests.unit.media.encoding.clips import settings

TOKEN = "token-that-must-not-be-seen"
PATIENCE_S = 20.0


async def until(condition: Callable[[], object], what: str) -> None:
    """Wait for a condition with a deadline."""
    deadline = asyncio.get_running_loop().time() + PATIENCE_S
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, f"waited in vain for {what}"
        await asyncio.sleep(0.01)


class Gate:
    """`plays` and `connects` grow with each worker; `tracks` keeps every message by stream name."""

    def __init__(self) -> None:
        self.tracks: dict[str, list[MediaMessage]] = {}
        self.connects: list[ConnectRequest] = []
        self.plays: list[Play] = []
        self.connections: list[ServerConnection] = []
        self.closed: list[str] = []
        self.refuse: str | None = None
        self._server: Server | None = None
        self._writer = PublisherWriter()

    async def open(self) -> Gate:
        self._server = await serve(lambda connection: _Handler(self, connection), "127.0.0.1", 0)
        return self

    async def close(self) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()

    def order(
        self, generation: int = 1, *, stream: str = "str_1", plan: EncodeSettings | None = None
    ) -> WorkerOrder:
        assert self._server is not None
        return WorkerOrder(
            stream_id=StreamId(stream),
            worker_id=WorkerId(f"wrk_{stream}_{generation}"),
            generation=generation,
            gateway_host="127.0.0.1",
            gateway_port=self._server.port,
            token=Secret(TOKEN),
            encode=plan or settings(),
        )

    def start_feed(self, start_after: dict[str, int | None] | None = None) -> None:
        self.say("onFeedStart", start_after=start_after or {})

    def say(self, name: str, **values: amf0.Value) -> None:
        """A word to the worker itself, unless it is given another nonce than the worker's."""
        nonce = self.connects[-1].args["nonce"]
        said: dict[str, amf0.Value] = {"nonce": nonce, "generation": 1} | values
        payload = amf0.encode([name, {key: value for key, value in said.items() if value != "none"}])
        self.plays[-1].send(MediaBatch.of([MediaMessage(MessageType.DATA, 0, payload)]))

    def send(self, items: Iterable[SourceItem]) -> None:
        for item in items:
            messages = self._writer.write(item)
            if messages:
                self.plays[-1].send(MediaBatch.of(messages))

    def end_feed(self) -> None:
        self.plays[-1].finish(description="the publisher is gone")

    @property
    def ready(self) -> int:
        """How often the worker said that it is proved."""
        said = [m for of_track in self.tracks.values() for m in of_track if m.type is MessageType.DATA]
        return sum(amf0.decode(m.payload) == ["onStandbyReady", {"generation": 1.0}] for m in said)

    def headers(self, track: str) -> list[bytes]:
        """The parameter sets that were said of a picture track."""
        videos = [m.payload for m in self.tracks.get(track, []) if m.type is MessageType.VIDEO]
        return [tag.body(p) for p in videos if (tag := flv.parse_video(p)).is_sequence_header]

    def times(self, track: str) -> list[int]:
        """Timestamps of the track's frames."""
        return [m.timestamp for m in self.tracks.get(track, []) if _is_frame(m)]

    def numbers(self, track: str) -> list[int]:
        """The numbers in the track's pictures, decoded as a player would."""
        context = av.CodecContext.create("h264", "r")
        numbers: list[int] = []
        for message in self.tracks[track]:
            if message.type is not MessageType.VIDEO:
                continue
            tag = flv.parse_video(message.payload)
            if tag.is_sequence_header:
                context = av.CodecContext.create("h264", "r")
                context.extradata = tag.body(message.payload)
                continue
            coded = av.Packet(tag.body(message.payload))
            coded.pts, coded.time_base = message.timestamp, Fraction(1, 1000)
            numbers += [read_number(frame) for frame in context.decode(coded)]
        return numbers + [read_number(frame) for frame in context.decode(None)]


def _is_frame(message: MediaMessage) -> bool:
    if message.type is MessageType.VIDEO:
        return flv.parse_video(message.payload).is_coded
    return message.type is MessageType.AUDIO and flv.parse_audio(message.payload).is_coded


class _Handler:
    def __init__(self, gate: Gate, connection: ServerConnection) -> None:
        self._gate = gate
        gate.connections.append(connection)

    def on_connect(self, request: ConnectRequest) -> None:
        self._gate.connects.append(request)
        if self._gate.refuse is not None:
            request.reject(description=self._gate.refuse)
        else:
            request.accept()

    def on_publish(self, request: PublishRequest) -> None:
        request.accept(_Sink(self._gate.tracks.setdefault(request.name, [])))

    def on_play(self, request: PlayRequest) -> None:
        assert request.name == "source"
        self._gate.plays.append(request.accept())

    def on_closed(self, reason: RtmpError | None) -> None:
        self._gate.closed.append(str(reason))


class _Sink:
    def __init__(self, messages: list[MediaMessage]) -> None:
        self._messages = messages

    def on_media(self, batch: MediaBatch) -> None:
        self._messages.extend(batch)

    def on_end(self, reason: str) -> None:
        pass
