"""Groups of pictures that depend on nothing before them, and rates that change between two of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from app.domain.ladder import FrameRate, Rendition
from app.domain.stream import EncodeSettings
from app.media.encoding.packets import SourceItem, TrackPacket
from app.media.encoding.pipeline import Pipeline
from tests.e2e.source import Source
from tests.unit.media.encoding.clips import (
    BIG,
    Programme,
    clip,
    collect,
    from_key_at_or_before,
    run,
    settings,
    small,
    until_ms,
    video_of,
)

NOISY = small(seconds=8, noisy=True, keyframe_s=2)
MIDDLE = Rendition("middle", 640, 360, FrameRate(30), 400_000)
HALF = Rendition("half", 256, 144, FrameRate(15), 200_000)


def groups(programme: Programme, track: str) -> dict[int, list[TrackPacket]]:
    """The frames of each group of pictures, by the time of its key frame."""
    out: dict[int, list[TrackPacket]] = {}
    for packet in programme.packets[track]:
        if packet.is_key:
            out[packet.pts_ms] = []
        out[max(out)].append(packet)
    return out


@pytest.mark.parametrize("preset", ["ultrafast", "veryfast"])
@pytest.mark.parametrize("source", [NOISY, replace(NOISY, b_frames=2)], ids=["plain", "B-frames"])
def test_two_encoders_that_began_at_different_times_make_the_same_bytes(source: Source, preset: str) -> None:
    plan = replace(settings(BIG, HALF), independent_gops=True, preset=preset)
    items = clip(source)
    first = run(items, plan)
    second = run(from_key_at_or_before(items, 3_000), plan, start_after={"big": 3_100, "half": 3_100})
    for track in ("big", "half"):
        assert first.videos[track] == second.videos[track]
        ours, others = groups(first, track), groups(second, track)
        shared = [key for key in others if key > 3_200]
        assert len(shared) >= 4
        assert all(ours[key] == others[key] for key in shared)


def test_a_picture_that_takes_several_threads_otherwise_is_the_same_each_time_too() -> None:
    large = Rendition("large", 1920, 1080, FrameRate(30), 3_000_000)
    plan = replace(settings(large), independent_gops=True)
    items = clip(small(noisy=True, seconds=2))
    first, second = run(items, plan), run(items, plan)
    assert first.packets["large"] == second.packets["large"]


def test_encoders_that_remember_do_not() -> None:
    items = clip(NOISY)
    first = run(items, settings(BIG))
    second = run(from_key_at_or_before(items, 3_000), settings(BIG), start_after={"big": 3_100})
    shared = [key for key in groups(second, "big") if key > 3_200]
    assert any(groups(first, "big")[key] != groups(second, "big")[key] for key in shared)


def test_independent_groups_lose_nothing() -> None:
    items = clip(NOISY)
    programme = run(items, replace(settings(BIG, HALF), independent_gops=True))
    assert programme.numbers("big") == list(range(240))
    assert len(programme.videos["big"]) == 1
    assert programme.keys("big") == run(items, settings(BIG, HALF)).keys("big")


@pytest.mark.parametrize(
    ("codec", "rendition", "before_bps", "after_bps"),
    [
        ("libx264", MIDDLE, 1_600_000, 400_000),
        ("libx264", MIDDLE, 400_000, 1_600_000),
        ("libx265", BIG, 1_200_000, 300_000),
    ],
)
def test_rates_change_at_the_next_key_frame_and_nothing_else_does(
    codec: str, rendition: Rendition, before_bps: int, after_bps: int
) -> None:
    items = clip(NOISY)
    before = replace(settings(replace(rendition, video_bps=before_bps)), codec=codec)
    after = replace(settings(replace(rendition, video_bps=after_bps)), codec=codec)
    programme = rates_changed(items, before, after, at_ms=3_500)
    assert programme.numbers(rendition.name) == list(range(240))
    assert len(programme.videos[rendition.name]) == 1, "the parameter sets are the same"
    assert programme.keys(rendition.name) == [packet.pts_ms for packet in video_of(items)][::30], "one each second"
    old, new = rate_bps(programme, rendition, 1_000, 3_000), rate_bps(programme, rendition, 5_000, 8_000)
    assert 0.6 < old / before_bps < 1.5
    assert 0.6 < new / after_bps < 1.5


def rates_changed(
    items: Sequence[SourceItem], before: EncodeSettings, after: EncodeSettings, *, at_ms: int
) -> Programme:
    programme = Programme()
    pipeline = Pipeline(before)
    place = until_ms(items, at_ms)

    def feed() -> None:
        for item in items[:place]:
            pipeline.put(item)
        while pipeline.waiting:
            pass
        pipeline.set_rates(after)
        for item in items[place:]:
            pipeline.put(item)
        pipeline.finish()

    return collect(pipeline, feed, programme)


def rate_bps(programme: Programme, rendition: Rendition, from_ms: int, to_ms: int) -> float:
    packets = [p for p in programme.packets[rendition.name] if from_ms <= p.pts_ms < to_ms]
    return sum(len(p.data) for p in packets) * 8_000 / (to_ms - from_ms)
