"""Foreign programs, both ways: ffmpeg, librtmp, GStreamer, nginx-rtmp, and FFmpeg's newest by PyAV."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from aiortmp import MediaBatch, MediaMessage, MessageType, amf0
from aiortmp.aio import Server, connect, serve
from aiortmp.flv import AudioCodec, FlvReader, VideoCodec, parse_audio, parse_video
from tests.aiortmp import certificates, peers
from tests.aiortmp.relay import Relay, Sink, Stream, until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]
VIDEO, AUDIO, DATA = MessageType.VIDEO, MessageType.AUDIO, MessageType.DATA


@pytest.fixture
def relay() -> Relay:
    return Relay()


@pytest_asyncio.fixture
async def server(relay: Relay) -> AsyncIterator[Server]:
    running = await serve(relay.handler, "127.0.0.1", 0)
    yield running
    running.close()
    await running.wait_closed()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def clip(tmp_path_factory: pytest.TempPathFactory) -> list[MediaMessage]:
    """Four seconds of H.264 and AAC as messages."""
    peers.need("ffmpeg")
    path = tmp_path_factory.mktemp("clip") / "clip.flv"
    command = [*peers.ffmpeg_source(4, realtime=False), *peers.H264, *peers.AAC, str(path)]
    async with peers.run(*command) as ffmpeg:
        assert await ffmpeg.finish() == (0, "")
    return FlvReader().feed(path.read_bytes())


def url(server: Server, name: str = "key") -> str:
    return f"rtmp://127.0.0.1:{server.port}/live/{name}"


def video_frames(stream: Stream | Sink) -> list[MediaMessage]:
    sink = stream.sink if isinstance(stream, Stream) else stream
    return [message for message in sink.of_type(VIDEO) if parse_video(message.payload).is_coded]


async def feed(server_url: str, name: str, messages: list[MediaMessage], *, speed: float = 4.0) -> None:
    """Publish at this multiple of real time, then leave."""
    connection = await connect(server_url)
    publish = await connection.publish(name)
    last_ms = 0
    for message in messages:
        if message.timestamp > last_ms:
            await asyncio.sleep((message.timestamp - last_ms) / 1000 / speed)
            last_ms = message.timestamp
        publish.send(MediaBatch.of([message]))
        await publish.drain()
    await publish.close()
    await connection.close()


async def probe(path: Path) -> dict[str, int]:
    """Frames of each kind in a file, as ffprobe counts them by decoding."""
    peers.need("ffprobe")
    command = [
        "ffprobe",
        "-v",
        "error",
        "-count_frames",
        "-show_entries",
        "stream=codec_type,nb_read_frames",
        "-of",
        "json",
    ]
    async with peers.run(*command, str(path)) as ffprobe:
        code, said = await ffprobe.finish()
    assert code == 0, said
    return {one["codec_type"]: int(one["nb_read_frames"]) for one in json.loads(said)["streams"]}


async def test_ffmpeg_publishes_h264_and_aac(relay: Relay, server: Server) -> None:
    peers.need("ffmpeg")
    command = [*peers.ffmpeg_source(2, realtime=False), *peers.H264, *peers.AAC, "-f", "flv", url(server)]
    async with peers.run(*command) as ffmpeg:
        assert (await ffmpeg.finish())[0] == 0
    stream = relay.stream("key")
    await until(lambda: stream.sink.ends)
    metadata = amf0.decode(stream.sink.of_type(DATA)[0].payload)
    assert metadata[0] == "onMetaData"
    assert isinstance(metadata[1], dict)
    assert metadata[1]["width"] == 320.0
    frames = video_frames(stream)
    assert len(frames) == 50
    assert {parse_video(frame.payload).codec for frame in frames} == {VideoCodec.AVC}
    assert [parse_video(frame.payload).is_keyframe for frame in frames].count(True) == 2
    assert parse_audio(stream.sink.of_type(AUDIO)[0].payload).is_sequence_header
    assert stream.sink.ends == ["deleteStream"]


async def test_ffmpeg_shows_our_words_when_it_is_refused(relay: Relay, server: Server) -> None:
    peers.need("ffmpeg")
    command = [*peers.ffmpeg_source(2), *peers.H264, *peers.AAC, "-f", "flv", url(server, "bad")]
    async with peers.run(*command) as ffmpeg:
        code, said = await ffmpeg.finish()
    assert code != 0
    assert "no such stream key" in said


async def test_ffmpeg_plays(relay: Relay, server: Server, clip: list[MediaMessage], tmp_path: Path) -> None:
    out = tmp_path / "out.flv"
    async with peers.run("ffmpeg", "-v", "error", "-i", url(server), "-c", "copy", str(out)) as ffmpeg:
        await until(lambda: relay.stream("key").plays)
        await feed(f"rtmp://127.0.0.1:{server.port}/live", "key", clip)
        code, said = await ffmpeg.finish()
    assert code == 0, said
    assert (await probe(out))["video"] == 100


async def test_ffmpeg_reads_what_another_ffmpeg_publishes_over_tls(relay: Relay, tmp_path: Path) -> None:
    peers.need("ffmpeg")
    for_server, _ = certificates.contexts(tmp_path)
    server = await serve(relay.handler, "127.0.0.1", 0, ssl=for_server)
    secure = url(server).replace("rtmp:", "rtmps:")
    out = tmp_path / "out.flv"
    async with peers.run("ffmpeg", "-v", "error", "-i", secure, "-t", "1", "-c", "copy", str(out)) as player:
        await until(lambda: relay.stream("key").plays)
        command = [*peers.ffmpeg_source(5), *peers.H264, *peers.AAC, "-f", "flv", secure]
        async with peers.run(*command):
            code, said = await player.finish()
    assert code == 0, said
    assert (await probe(out))["video"] >= 20
    server.close()
    await server.wait_closed()


async def test_rtmpdump_plays(relay: Relay, server: Server, clip: list[MediaMessage], tmp_path: Path) -> None:
    peers.need("rtmpdump")
    out = tmp_path / "out.flv"
    command = [
        "rtmpdump",
        "-q",
        "--live",
        "-r",
        f"rtmp://127.0.0.1:{server.port}/live",
        "-y",
        "key",
        "-o",
        str(out),
    ]
    async with peers.run(*command) as rtmpdump:
        await until(lambda: relay.stream("key").plays)
        await feed(f"rtmp://127.0.0.1:{server.port}/live", "key", clip)
        await rtmpdump.finish()
    assert (await probe(out))["video"] == 100


@pytest.mark.parametrize("sink", ["rtmp2sink", "rtmpsink"])
async def test_gstreamer_publishes_by_itself_and_through_librtmp(relay: Relay, server: Server, sink: str) -> None:
    peers.need("gst-launch-1.0")
    pipeline = (
        "videotestsrc num-buffers=50 ! video/x-raw,width=320,height=180,framerate=25/1 ! x264enc tune=zerolatency"
        f" ! flvmux streamable=true ! {sink} location={url(server)}"
    )
    async with peers.run("gst-launch-1.0", "-q", *pipeline.split()) as gstreamer:
        code, said = await gstreamer.finish()
    assert code == 0, said
    stream = relay.stream("key")
    await until(lambda: stream.sink.ends)
    assert len(video_frames(stream)) == 50


async def test_gstreamer_plays(relay: Relay, server: Server, clip: list[MediaMessage], tmp_path: Path) -> None:
    peers.need("gst-launch-1.0")
    out = tmp_path / "out.flv"
    pipeline = f"rtmp2src location={url(server)} ! filesink location={out}"
    async with peers.run("gst-launch-1.0", "-q", *pipeline.split()) as gstreamer:
        await until(lambda: relay.stream("key").plays)
        await feed(f"rtmp://127.0.0.1:{server.port}/live", "key", clip)
        code, said = await gstreamer.finish()
    assert code == 0, said
    assert (await probe(out))["video"] == 100


async def test_nginx_pushes_to_us_what_we_publish_to_it(
    relay: Relay, server: Server, clip: list[MediaMessage], tmp_path: Path
) -> None:
    async with peers.nginx(tmp_path, push=f"rtmp://127.0.0.1:{server.port}/live") as port:
        await feed(f"rtmp://127.0.0.1:{port}/live", "key", clip)
        await until(lambda: relay.stream("key").sink.ends)
    frames = [message for message in clip if message.type is VIDEO and parse_video(message.payload).is_coded]
    # nginx may begin with the next key frame when its own push starts later than the stream.
    got = [message.payload for message in video_frames(relay.stream("key"))]
    assert got == [message.payload for message in frames][-len(got) :]
    assert len(got) >= 50


async def test_nginx_pulls_from_us_and_we_play_from_it(
    relay: Relay, server: Server, clip: list[MediaMessage], tmp_path: Path
) -> None:
    origin = f"rtmp://127.0.0.1:{server.port}/live"
    async with peers.nginx(tmp_path, pull=origin) as port:
        client = await connect(f"rtmp://127.0.0.1:{port}/live")
        sink = Sink()
        await client.play("key", sink)
        await until(lambda: relay.stream("key").plays)
        await feed(origin, "key", clip)
        frames = [message for message in clip if message.type is VIDEO and parse_video(message.payload).is_coded]
        await until(lambda: len(video_frames(sink)) == len(frames))
        assert [message.payload for message in video_frames(sink)] == [message.payload for message in frames]
        await client.close()


ENHANCED = {
    "HEVC": (VideoCodec.HEVC, "libx265", ["preset=ultrafast", "x265-params=log-level=none:bframes=0"]),
    "AV1": (VideoCodec.AV1, "libsvtav1", ["preset=12"]),
    "VP9": (VideoCodec.VP9, "libvpx-vp9", ["deadline=realtime", "cpu-used=8", "lag-in-frames=0"]),
}


async def pyav_publishes(address: str, name: str) -> None:
    """Thirty frames in this codec."""
    _, encoder, options = ENHANCED[name]
    await pyav_encodes(address, encoder, options)


async def pyav_encodes(address: str, encoder: str, options: list[str]) -> None:
    """Thirty frames in each of these encoders, joined by commas."""
    av = pytest.importorskip("av")
    missing = set(encoder.split(",")) - av.codecs_available
    if missing:
        peers.absent(f"in PyAV: {missing}")
    command = [sys.executable, "-m", "tests.aiortmp.pyav_peer", "publish", address, encoder, "30", *options]
    async with peers.run(*command) as publisher:
        code, said = await publisher.finish()
    assert code == 0, said


@pytest.mark.parametrize("name", ENHANCED)
async def test_ffmpegs_enhanced_rtmp_is_understood(relay: Relay, server: Server, name: str) -> None:
    await pyav_publishes(url(server), name)
    stream = relay.stream("key")
    await until(lambda: stream.sink.ends)
    tags = [parse_video(message.payload) for message in stream.sink.of_type(VIDEO)]
    assert {tag.codec for tag in tags} == {ENHANCED[name][0]}
    assert all(tag.is_enhanced for tag in tags)
    assert tags[0].is_sequence_header
    assert sum(tag.is_coded for tag in tags) == 30
    assert next(tag for tag in tags if tag.is_coded).is_keyframe


async def test_ffmpeg_plays_hevc_that_we_relay(relay: Relay, server: Server) -> None:
    await pyav_publishes(url(server), "HEVC")
    stream = relay.stream("key")
    await until(lambda: stream.sink.ends)
    command = [sys.executable, "-m", "tests.aiortmp.pyav_peer", "play", url(server, "again")]
    async with peers.run(*command) as player:
        await until(lambda: relay.stream("again").plays)
        await feed(f"rtmp://127.0.0.1:{server.port}/live", "again", stream.sink.messages)
        assert await player.finish() == (0, "hevc 30\n")


async def test_ffmpegs_opus_is_understood(relay: Relay, server: Server) -> None:
    await pyav_encodes(url(server), "libopus", [])
    stream = relay.stream("key")
    await until(lambda: stream.sink.ends)
    tags = [parse_audio(message.payload) for message in stream.sink.of_type(AUDIO)]
    assert {tag.codec for tag in tags} == {AudioCodec.OPUS}
    assert tags[0].is_sequence_header
    assert sum(tag.is_coded for tag in tags) >= 30


async def test_ffmpegs_multitrack_is_understood(relay: Relay, server: Server) -> None:
    await pyav_encodes(url(server), "libx264,libx265,aac,aac", ["preset=ultrafast"])
    stream = relay.stream("key")
    await until(lambda: stream.sink.ends)
    pictures = [parse_video(message.payload) for message in stream.sink.of_type(VIDEO)]
    frames = [(tag.track_id, tag.codec) for tag in pictures if tag.is_coded]
    assert frames.count((0, VideoCodec.AVC)) == frames.count((1, VideoCodec.HEVC)) == 30
    assert {tag.track_id for tag in pictures if tag.is_sequence_header} == {0, 1}
    sounds = [parse_audio(message.payload) for message in stream.sink.of_type(AUDIO)]
    assert {(tag.track_id, tag.codec) for tag in sounds} == {(0, AudioCodec.AAC), (1, AudioCodec.AAC)}
