"""Sources with bytes knocked over at random: the pipeline always comes to its end, whatever is lost."""

from __future__ import annotations

import random

import pytest

from app.domain.ladder import AudioMode, AudioPlan
from app.media.encoding.packets import AudioConfig, AudioPacket, SourceItem, VideoConfig, VideoPacket
from tests.unit.media.encoding.clips import BIG, clip, run, settings, small

PLAN = settings(BIG, audio=AudioPlan(AudioMode.ENCODE))


def torn(item: SourceItem, chance: random.Random) -> SourceItem:
    """One in five packets and one in seven headers damaged; one in five of those cut short."""
    match item:
        case VideoPacket() if chance.random() < 0.2:
            return VideoPacket(item.dts_ms, item.pts_ms, damaged(item.data, chance), item.is_key)
        case AudioPacket() if chance.random() < 0.2:
            return AudioPacket(item.pts_ms, damaged(item.data, chance))
        case VideoConfig() | AudioConfig() if chance.random() < 0.15:
            return type(item)(item.codec, damaged(item.extradata, chance))
        case _:
            return item


def damaged(data: bytes, chance: random.Random) -> bytes:
    bad = bytearray(data)
    for _ in range(chance.randint(1, 20)):
        if bad:
            bad[chance.randrange(len(bad))] = chance.randrange(256)
    return bytes(bad[: chance.randrange(len(bad) + 1)] if chance.random() < 0.2 else bad)


@pytest.mark.parametrize("video", ["libx264", "libx265"])
@pytest.mark.parametrize("audio", ["aac", "libmp3lame"])
@pytest.mark.parametrize("seed", range(5))
def test_a_torn_source_is_survived(video: str, audio: str, seed: int) -> None:
    chance = random.Random(f"{video} {audio} {seed}")
    items = clip(small(video=video, audio=audio, b_frames=2))
    programme = run([torn(item, chance) for item in items], PLAN)
    times = programme.times("big")
    assert times == sorted(set(times))
