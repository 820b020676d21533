"""Who may publish: keys, second publishers, half-dead ones, and those that come back."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from aiortmp import Rejected
from aiortmp.aio import connect
from app.domain.link import PublishRefused, SourceDown, SourceUp
from app.media.admission import EXPIRED, MALFORMED, NO_SUCH_KEY, TOO_MANY
from app.media.channel import LIVE_IN_USE
from app.media.doors.doorman import Doorman
from app.runtime.clock import utc_now
from tests.integration.gateway.material import messages_of, publisher, send
from tests.integration.gateway.rig import KEY, PLAYBACK, Rig, count_frames, get, plan, publish, until

SourceFile = Callable[[str], Path]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("wrong_key_0123456789abcd", NO_SUCH_KEY),
        (KEY.upper(), NO_SUCH_KEY),
        ("short", MALFORMED),
        ("../../etc/passwd_0123456789", MALFORMED),
        ("testkey_0123456789abcd\u0435f", MALFORMED),
        ("x" * 5_000, MALFORMED),
    ],
)
async def test_a_key_that_opens_nothing_is_refused_with_a_reason(rig: Rig, name: str, reason: str) -> None:
    await rig.open(plan())
    with pytest.raises(Rejected) as refused:
        await publisher(rig, name)
    assert refused.value.code == "NetStream.Publish.BadName"
    assert refused.value.description == reason
    told = await rig.fact(PublishRefused)
    assert told.reason == reason
    assert name not in repr(rig.uplink.facts)


async def test_ffmpeg_prints_the_reason(rig: Rig, source_file: SourceFile) -> None:
    await rig.open(plan())
    refused = await publish(source_file("plain"), f"{rig.rtmp}/live/wrong_key_0123456789abcd")
    assert NO_SUCH_KEY in await refused.done()


async def test_an_expired_key_is_refused(rig: Rig) -> None:
    await rig.open(plan(expires_at=utc_now() - timedelta(seconds=1)))
    with pytest.raises(Rejected, match=re.escape(EXPIRED)):
        await publisher(rig)


async def test_the_key_of_an_ended_stream_is_refused(rig: Rig) -> None:
    await rig.open(plan())
    await rig.close()
    with pytest.raises(Rejected, match=re.escape(NO_SUCH_KEY)):
        await publisher(rig)


async def test_the_key_may_come_in_the_query(rig: Rig) -> None:
    await rig.open(plan())
    connection, _ = await publisher(rig, f"anything?key={KEY}")
    await connection.close()


async def test_a_key_opens_no_other_application(rig: Rig) -> None:
    await rig.open(plan())
    connection = await connect(f"{rig.rtmp}/play")
    with pytest.raises(Rejected):
        await connection.publish(KEY)
    with pytest.raises(Rejected):
        await connect(f"{rig.rtmp}/other")
    await connection.close()


async def test_who_guesses_is_shut_out_but_a_right_key_of_the_same_address_is_not(rig: Rig) -> None:
    await rig.open(plan())
    for guess in range(5):
        with pytest.raises(Rejected, match=re.escape(NO_SUCH_KEY)):
            await publisher(rig, f"wrong_key_0123456789_{guess}")
    with pytest.raises(Rejected, match=re.escape(TOO_MANY)):
        await publisher(rig, "wrong_key_0123456789_again")
    connection, _ = await publisher(rig)
    await connection.close()


async def test_a_second_publisher_is_refused_while_the_first_one_lives(rig: Rig, source_file: SourceFile) -> None:
    await rig.open(plan())
    connection, _ = await publisher(rig)
    with pytest.raises(Rejected, match=re.escape(LIVE_IN_USE)):
        await publisher(rig)
    await connection.close()


async def test_a_half_dead_publisher_yields_to_its_own_return(rig: Rig, source_file: SourceFile) -> None:
    messages = messages_of(source_file("plain"))
    await rig.open(plan())
    old, publish_old = await publisher(rig)
    send(publish_old, messages[:50])
    channel = rig.running.gateway.by_playback(PLAYBACK)
    assert channel is not None
    await until("frames", lambda: channel.source.meter.frames > 0)
    channel.source.last_data_s -= 10  # as if it had sent nothing for ten seconds
    new, publish_new = await publisher(rig)
    assert "closed" in str(await old.wait_closed())
    send(publish_new, messages[:50])
    await rig.fact(SourceUp, 2)
    assert len(rig.uplink.seen(SourceDown)) == 1
    await new.close()


async def test_a_publisher_that_comes_back_goes_on_in_the_same_playlist(rig: Rig, source_file: SourceFile) -> None:
    await rig.open(plan())
    for turn in (1, 2):
        publisher_program = await publish(source_file("plain"), rig.live_url, rate=8)
        await publisher_program.done()
        await rig.fact(SourceDown, turn)
    await rig.close()
    status, text = await get(f"{rig.http}/hls/{PLAYBACK}/source/index.m3u8")
    assert status == 200
    assert "DISCONTINUITY" not in text
    numbers = [int(number) for number in re.findall(r"(\d+)\.m4s", text)]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert len(rig.uplink.seen(SourceUp)) == 2
    frames = await count_frames(rig.hls_url)
    assert frames["h264"] == 6 * 50


async def test_a_crowd_that_never_speaks_is_turned_away_before_the_handshake(rig: Rig) -> None:
    doorman = rig.running.rtmp_door.doorman = Doorman(total=2)
    crowd = [await asyncio.open_connection("127.0.0.1", rig.running.rtmp_port) for _ in range(3)]
    async with asyncio.timeout(10):
        with contextlib.suppress(ConnectionResetError):
            assert await crowd[-1][0].read() == b""
    assert (doorman.connections, doorman.turned_away) == (2, 1)
    for _, writer in crowd:
        writer.close()
    await until("the crowd to be counted out", lambda: doorman.connections == 0)
