"""A publisher's packets are the programme: every frame of them comes out of HLS, RTMP and HTTP-FLV."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from app.domain.link import ProgrammeUp, SourceDown, SourceUp
from tests.integration.gateway.rig import (
    PLAYBACK,
    Rig,
    count_frames,
    get,
    plan,
    probe,
    publish,
    until,
)

SourceFile = Callable[[str], Path]
# Of the sources of `conftest.py`.
GOP_FRAMES = 50
AAC_FRAMES_A_PICTURE = 44_100 / 1_024 / 25


async def play_through(rig: Rig, file: Path, *, segment_ms: int = 2_000) -> None:
    """Publish all of `file`, end the stream; its ended playlists stay for a while."""
    await rig.open(plan(segment_ms=segment_ms))
    publisher = await publish(file, rig.live_url)
    assert await publisher.done() == ""
    await rig.fact(SourceDown)
    await rig.close()


@pytest.mark.parametrize("name", ["plain", "b-frames", "picture", "sound"])
async def test_every_frame_published_is_decoded_from_hls(rig: Rig, source_file: SourceFile, name: str) -> None:
    file = source_file(name)
    await play_through(rig, file)
    assert await count_frames(rig.hls_url) == await count_frames(str(file))


async def test_picture_and_sound_keep_their_distance(rig: Rig, source_file: SourceFile) -> None:
    file = source_file("b-frames")
    await play_through(rig, file)
    sent = {stream["codec_name"]: float(stream["start_time"]) for stream in await probe(str(file))}
    seen = {stream["codec_name"]: float(stream["start_time"]) for stream in await probe(rig.hls_url)}
    assert seen["h264"] - seen["aac"] == pytest.approx(sent["h264"] - sent["aac"], abs=0.002)


async def test_the_multivariant_playlist_says_what_there_is(rig: Rig, source_file: SourceFile) -> None:
    await play_through(rig, source_file("b-frames"))
    status, text = await get(rig.hls_url)
    assert status == 200
    assert 'CODECS="avc1.' in text
    assert 'mp4a.40.2"' in text
    assert "RESOLUTION=320x180" in text
    assert "FRAME-RATE=25.000" in text
    assert 'TYPE=AUDIO,GROUP-ID="audio"' in text
    [bandwidth] = re.findall(r"[:,]BANDWIDTH=(\d+)", text)
    [average] = re.findall(r"AVERAGE-BANDWIDTH=(\d+)", text)
    assert 10_000 < int(average) <= int(bandwidth)


async def test_picture_and_sound_are_cut_at_the_same_numbers_and_the_list_ends(
    rig: Rig, source_file: SourceFile
) -> None:
    await play_through(rig, source_file("plain"))
    numbers = []
    for track in ("source", "audio"):
        status, text = await get(f"{rig.http}/hls/{PLAYBACK}/{track}/index.m3u8")
        assert status == 200
        assert text.endswith("#EXT-X-ENDLIST\n")
        assert "#EXT-X-DISCONTINUITY" not in text
        assert "#EXT-X-INDEPENDENT-SEGMENTS" in text
        numbers.append(re.findall(r"(\d+)\.m4s", text))
    assert len(numbers[0]) == 5
    assert numbers[0] == numbers[1]


async def test_a_playlist_is_served_while_the_stream_runs_and_pages_may_read_it(
    rig: Rig, source_file: SourceFile
) -> None:
    await rig.open(plan())
    status, _ = await get(rig.hls_url)
    assert status == 404
    publisher = await publish(source_file("plain"), rig.live_url, rate=2)
    channel = rig.running.gateway.by_playback(PLAYBACK)
    assert channel is not None
    await until("a playlist", lambda: channel.programme.packager and channel.programme.packager.is_ready)
    status, text = await get(f"{rig.http}/hls/{PLAYBACK}/source/index.m3u8")
    assert status == 200
    assert "ENDLIST" not in text
    await publisher.stop()


async def test_viewers_over_rtmp_and_http_flv_see_every_frame(rig: Rig, source_file: SourceFile) -> None:
    file = source_file("b-frames")
    await rig.open(plan())
    channel = rig.running.gateway.by_playback(PLAYBACK)
    assert channel is not None
    publisher = await publish(file, rig.live_url)
    await rig.fact(ProgrammeUp)
    viewers = [
        asyncio.ensure_future(count_frames(f"{rig.rtmp}/play/{PLAYBACK}")),
        asyncio.ensure_future(count_frames(f"{rig.http}/flv/{PLAYBACK}_source.flv")),
    ]
    await until("two viewers", lambda: channel.programme.viewers == 2)
    cached = channel.programme.muxes["source"].cached_bytes
    assert cached > 0
    await publisher.done()
    await rig.fact(SourceDown)
    await rig.close()
    seen = await asyncio.gather(*viewers)
    sent = await count_frames(str(file))
    for frames in seen:
        # Each began with the key frame of the group of pictures in which it came, on a busy machine not the first.
        late = sent["h264"] - frames["h264"]
        assert late % GOP_FRAMES == 0
        assert frames["h264"] > 0
        assert sent["aac"] - frames["aac"] <= 2 + late * AAC_FRAMES_A_PICTURE


async def test_control_is_told_what_publishes(rig: Rig, source_file: SourceFile) -> None:
    await play_through(rig, source_file("plain"))
    up = await rig.fact(SourceUp)
    assert (up.video_codec, up.audio_codec, up.width, up.height) == ("h264", "aac", 320, 180)
    assert up.software is not None
    assert up.peer.startswith("127.0.0.1:")
    programme = await rig.fact(ProgrammeUp)
    assert programme.stall_ms is None
