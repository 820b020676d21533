"""Codecs of Enhanced RTMP, and clocks that misbehave: what is passed through still plays, frame by frame."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from aiortmp import MessageType
from app.domain.link import SourceDown
from tests.integration.gateway.material import messages_of, publisher, send, shifted
from tests.integration.gateway.rig import Rig, count_frames, get, plan

SourceFile = Callable[[str], Path]


async def publish_all(rig: Rig, *parts: list) -> None:  # type: ignore[type-arg]  # lists of MediaMessage
    """Publish `parts` one after the other on one connection, then end the stream."""
    await rig.open(plan())
    connection, publish = await publisher(rig)
    for part in parts:
        send(publish, part)
    await publish.drain()
    await publish.close()
    await connection.close()
    await rig.fact(SourceDown)
    await rig.close()


@pytest.mark.parametrize(("name", "codecs"), [("hevc", 'CODECS="hvc1.1.6.L60.'), ("av1", 'CODECS="av01.0.')])
async def test_enhanced_codecs_come_out_of_hls_with_every_frame(
    rig: Rig, source_file: SourceFile, name: str, codecs: str
) -> None:
    file = source_file(name)
    messages = messages_of(file)
    await publish_all(rig, messages)
    _, index = await get(rig.hls_url)
    assert codecs in index
    assert "RESOLUTION=322x182" in index
    kinds = [message.type for message in messages]
    sent = sorted(kinds.count(kind) - 1 for kind in (MessageType.VIDEO, MessageType.AUDIO))
    assert sorted((await count_frames(rig.hls_url)).values()) == sent


async def test_a_source_whose_clock_wraps_plays_through(rig: Rig, source_file: SourceFile) -> None:
    file = source_file("plain")
    await publish_all(rig, shifted(messages_of(file), 2**32 - 5_000))
    assert await count_frames(rig.hls_url) == await count_frames(str(file))


@pytest.mark.parametrize("step_ms", [24 * 86_400_000, -4_000])
async def test_a_source_whose_clock_jumps_plays_through(rig: Rig, source_file: SourceFile, step_ms: int) -> None:
    messages = messages_of(source_file("plain"))
    half = len(messages) // 2
    await publish_all(rig, messages[:half], shifted(messages[half:], step_ms))
    seen, sent = await count_frames(rig.hls_url), await count_frames(str(source_file("plain")))
    assert seen["h264"] == sent["h264"]
    assert seen["aac"] == sent["aac"]


async def test_a_source_whose_clock_stands_still_gives_a_list_that_runs_on(
    rig: Rig, source_file: SourceFile
) -> None:
    messages = [shifted([message], -message.timestamp)[0] for message in messages_of(source_file("plain"))]
    await publish_all(rig, messages)
    assert (await count_frames(rig.hls_url))["h264"] == 250
