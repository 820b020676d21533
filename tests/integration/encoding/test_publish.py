"""Publishing the test card and files to a real RTMP server."""

from __future__ import annotations

import asyncio
import itertools
import subprocess
from collections.abc import AsyncIterator
from fractions import Fraction
from pathlib import Path

import av
import pytest

from aiortmp import MediaBatch, MediaMessage, MessageType, RtmpError, amf0
from aiortmp.aio import ConnectRequest, PlayRequest, PublishRequest, Server, ServerConnection, serve
from app.domain.errors import InvalidRequest, NotAllowed, NotFound, Unavailable
from app.domain.ladder import FrameRate
from app.domain.secret import Secret
from app.media.encoding.packets import AudioConfig, AudioPacket, VideoConfig, VideoEnd, VideoPacket
from app.media.encoding.publish import publish
from app.media.encoding.testcard import CardPlan, read_counter
from app.media.encoding.wire import SourceReader
from tests.e2e.source import make_source, read_number
from tests.integration.encoding.gate import until
from tests.unit.media.encoding.clips import headless, small

KEY = Secret("the-right-key")
CARD = CardPlan(320, 180, FrameRate(30), 300_000, 1_000, frames=45)


class Door:
    """Takes one key; keeps what came."""

    def __init__(self) -> None:
        self.messages: list[MediaMessage] = []
        self.connections: list[ServerConnection] = []
        self.server: Server | None = None

    @property
    def url(self) -> str:
        assert self.server is not None
        return f"rtmp://127.0.0.1:{self.server.port}/live"

    def items(self) -> list[object]:
        reader = SourceReader()
        return [item for message in self.messages for item in reader.read(message)]

    def frames(self) -> list[av.VideoFrame]:
        items = self.items()
        config = next(item for item in items if isinstance(item, VideoConfig))
        context = av.CodecContext.create(config.codec, "r")
        context.extradata = config.extradata
        frames = []
        for item in items:
            if isinstance(item, VideoPacket):
                coded = av.Packet(item.data)
                coded.pts, coded.dts, coded.time_base = item.pts_ms, item.dts_ms, Fraction(1, 1000)
                frames += context.decode(coded)
        return frames + context.decode(None)


class _Handler:
    def __init__(self, door: Door, connection: ServerConnection) -> None:
        self._door = door
        door.connections.append(connection)

    def on_connect(self, request: ConnectRequest) -> None:
        request.accept()

    def on_publish(self, request: PublishRequest) -> None:
        if request.name == KEY.reveal():
            request.accept(_Sink(self._door))
        else:
            request.reject(description="unknown stream key")

    def on_play(self, request: PlayRequest) -> None:
        request.reject()

    def on_closed(self, reason: RtmpError | None) -> None:
        pass


class _Sink:
    def __init__(self, door: Door) -> None:
        self._door = door

    def on_media(self, batch: MediaBatch) -> None:
        self._door.messages.extend(batch)

    def on_end(self, reason: str) -> None:
        pass


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    door = Door()
    door.server = await serve(lambda connection: _Handler(door, connection), "127.0.0.1", 0)
    yield door
    door.server.close()
    await door.server.wait_closed()


async def test_every_frame_of_the_card_arrives_in_order_of_time(door: Door) -> None:
    await publish("testcard", door.url, KEY, card=CARD)
    await until(lambda: any(isinstance(item, VideoEnd) for item in door.items()), "the end of the picture")
    assert [read_counter(frame) for frame in door.frames()] == list(range(45))
    stamps = [message.timestamp for message in door.messages]
    assert stamps == sorted(stamps)
    name, values = amf0.decode(door.messages[0].payload)[-2:]
    assert name == "onMetaData"
    assert isinstance(values, dict)
    assert (values["width"], values["framerate"]) == (320.0, 30.0)


async def test_the_pace_is_that_of_the_timestamps(door: Door) -> None:
    loop = asyncio.get_running_loop()
    started = loop.time()
    await publish("testcard", door.url, KEY, card=CARD)
    assert loop.time() - started >= 1.4, "1.5 s of card can't be sent in less"


@pytest.mark.parametrize(
    ("video", "audio"), [("libx264", "aac"), ("libx265", "libmp3lame"), ("libx264", "libopus")]
)
async def test_packets_of_a_file_are_sent_as_they_are(door: Door, tmp_path: Path, video: str, audio: str) -> None:
    path = make_source(tmp_path / "clip.mkv", small(seconds=1, video=video, audio=audio, b_frames=2))
    await publish(str(path), door.url, KEY)
    items = door.items()
    codecs = [item.codec for item in items if isinstance(item, VideoConfig | AudioConfig)]
    assert {"libx264": "h264", "libx265": "hevc"}[video] in codecs
    assert {"aac": "aac", "libmp3lame": "mp3", "libopus": "opus"}[audio] in codecs
    assert [read_number(frame) for frame in door.frames()] == list(range(30))
    assert sum(isinstance(item, AudioPacket) for item in items) > 30


async def test_a_file_rtmp_cant_carry_is_encoded_on_the_way(door: Door, tmp_path: Path) -> None:
    path = tmp_path / "old.mkv"
    plain = make_source(tmp_path / "plain.mkv", small(seconds=1))
    convert = ["ffmpeg", "-v", "error", "-i", str(plain), "-c:v", "mpeg4", "-q:v", "2", "-c:a", "flac", str(path)]
    await asyncio.to_thread(subprocess.run, convert, check=True)
    await publish(str(path), door.url, KEY)
    items = door.items()
    assert {item.codec for item in items if isinstance(item, VideoConfig | AudioConfig)} == {"h264", "aac"}
    assert [read_number(frame) for frame in door.frames()] == list(range(30))


@pytest.mark.parametrize("audio", ["aac", "mp2"], ids=["sent as it is", "encoded on the way"])
async def test_a_file_that_cannot_be_read_is_told(door: Door, tmp_path: Path, audio: str) -> None:
    path = headless(make_source(tmp_path / "whole.ts", small(seconds=1, video="libx265", audio=audio)))
    with pytest.raises(InvalidRequest, match=r"headless\.ts"):
        await asyncio.wait_for(publish(str(path), door.url, KEY), 20)


async def test_a_looped_file_goes_on_without_a_step_back(door: Door, tmp_path: Path) -> None:
    path = make_source(tmp_path / "clip.mp4", small(seconds=1))
    work = asyncio.create_task(publish(str(path), door.url, KEY, loop=True))
    await until(lambda: sum(m.type is MessageType.VIDEO for m in door.messages) > 70, "the third round")
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    times = [item.dts_ms for item in door.items() if isinstance(item, VideoPacket)]
    assert times == sorted(set(times))
    assert max(b - a for a, b in itertools.pairwise(times)) < 80


async def test_a_refusal_says_what_the_server_said_and_not_the_key(door: Door) -> None:
    with pytest.raises(NotAllowed, match="unknown stream key") as refused:
        await publish("testcard", door.url, Secret("a-wrong-key"), card=CARD)
    assert "a-wrong-key" not in str(refused.value)


async def test_a_server_that_goes_away_is_told(door: Door) -> None:
    work = asyncio.create_task(publish("testcard", door.url, KEY, card=CardPlan(320, 180)))
    await until(lambda: len(door.messages) > 20, "some media")
    door.connections[0].abort("cut")
    with pytest.raises(Unavailable):
        await work


async def test_no_server_no_address_and_no_file_are_told_apart(door: Door, tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        await publish("testcard", "rtmp://127.0.0.1:1/live", KEY, card=CARD)
    with pytest.raises(InvalidRequest):
        await publish("testcard", "http://127.0.0.1/live", KEY, card=CARD)
    with pytest.raises(NotFound):
        await publish(str(tmp_path / "none.mp4"), door.url, KEY)
