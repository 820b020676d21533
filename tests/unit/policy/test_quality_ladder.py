"""When quality is taken back and given again, in which order, and what is never a reason."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.ladder import FrameRate, Ladder, Rendition
from app.policy.default_ladder import default_ladder
from app.policy.quality_ladder import (
    DWELL_S,
    RELIEVED_S,
    Move,
    Quality,
    Sample,
    failed,
    feed,
    moved,
    pressure,
    step_of,
    steps,
)

FULL_HD = Ladder(default_ladder(width=1920, height=1080, rate=FrameRate(60), video_bps=8_000_000))
ONE = Ladder((Rendition("main", 1280, 720, FrameRate(30), 4_000_000),))
MOST = len(steps(FULL_HD)) - 1
WELL = Sample(generation=1, source_flows=True, speed=1.0, lag_ms=200.0, cpu_percent=40.0)
PRESSED = replace(WELL, speed=0.8, lag_ms=3_000.0, cpu_percent=100.0)
BUSY = replace(WELL, cpu_percent=85.0)


def live(quality: Quality, sample: Sample, for_s: int, *, start: int) -> tuple[Quality, list[tuple[int, int]]]:
    """Feeds a sample each second and makes every move at once; when each was made, and to which step."""
    made = []
    for now in range(start, start + for_s):
        quality, move = feed(quality, sample, float(now), most=MOST)
        if move is not None:
            quality = moved(quality, move.to_step, float(now))
            made.append((now, move.to_step))
    return quality, made


def test_the_bit_rate_goes_first_then_the_size_then_the_frame_rate() -> None:
    tops = [ladder.renditions[0] for ladder in steps(FULL_HD)]
    assert [top.video_bps for top in tops[:3]] == [8_000_000, 6_400_000, 4_800_000]
    assert {(top.height, top.frame_rate.fps) for top in tops[:3]} == {(1080, 60.0)}
    assert [top.height for top in tops[3:]] == [720, 480, 480]
    assert [top.frame_rate.fps for top in tops[3:]] == [60.0, 60.0, 30.0]


def test_a_ladder_of_one_is_made_smaller_by_the_next_standard_sizes() -> None:
    tops = [ladder.renditions[0] for ladder in steps(ONE)]
    assert [(top.width, top.height) for top in tops] == [(1280, 720)] * 3 + [(854, 480)] + [(640, 360)] * 2
    assert tops[-1].frame_rate == FrameRate(24)
    assert all(len(ladder.renditions) == 1 for ladder in steps(ONE))


@given(
    st.sampled_from([(1920, 1080), (1280, 720), (854, 480), (640, 360), (1080, 1920), (320, 180)]),
    st.sampled_from([FrameRate(24), FrameRate(25), FrameRate(30_000, 1001), FrameRate(50), FrameRate(60)]),
    st.integers(1_000_000, 20_000_000),
)
def test_every_step_asks_less_than_the_one_before_and_is_a_good_ladder(
    size: tuple[int, int], rate: FrameRate, bps: int
) -> None:
    ladders = steps(Ladder(default_ladder(width=size[0], height=size[1], rate=rate, video_bps=bps)))
    for ladder in ladders:
        names = [rendition.name for rendition in ladder.renditions]
        assert names
        assert len(set(names)) == len(names)
        assert all(r.width % 2 == 0 and r.height % 2 == 0 and r.video_bps >= 100_000 for r in ladder.renditions)
    asked = [sum(r.width * r.height * r.frame_rate.fps * r.video_bps for r in one.renditions) for one in ladders]
    assert asked == sorted(asked, reverse=True)
    assert len(set(ladders)) == len(ladders)


def test_what_an_earlier_control_took_back_is_known_again_by_the_ladder() -> None:
    assert [step_of(FULL_HD, ladder) for ladder in steps(FULL_HD)] == list(range(MOST + 1))
    assert step_of(FULL_HD, ONE) == 0


@pytest.mark.parametrize(
    "sample",
    [
        replace(PRESSED, lag_ms=200.0),  # the source comes slowly: the programme keeps up with it
        replace(PRESSED, lag_ms=None),
        replace(PRESSED, source_flows=False),
        replace(WELL, cpu_percent=100.0),
        replace(WELL, lag_ms=3_000.0),
        WELL,
    ],
)
def test_a_slow_source_a_busy_machine_that_keeps_up_and_what_is_not_known_are_no_pressure(sample: Sample) -> None:
    assert pressure(sample) is None
    assert live(Quality(), sample, 300, start=0)[1] == []


@pytest.mark.parametrize("sample", [PRESSED, replace(PRESSED, speed=None), replace(WELL, ailing="health 60")])
def test_pressure_that_lasts_takes_one_step_a_minute_and_no_more_than_there_are(sample: Sample) -> None:
    _, made = live(Quality(), sample, 900, start=0)
    assert [step for _, step in made] == list(range(1, MOST + 1))
    assert all(later[0] - one[0] >= DWELL_S for one, later in pairwise(made))
    assert made[0][0] < 20


def test_a_moment_of_pressure_changes_nothing() -> None:
    quality, made = live(Quality(), PRESSED, 10, start=0)
    assert made == []
    assert live(quality, WELL, 300, start=10)[1] == []


def test_without_pressure_it_comes_back_step_by_step() -> None:
    quality, _ = live(Quality(), PRESSED, 100, start=0)
    assert quality.step == 2
    quality, made = live(quality, WELL, 600, start=100)
    assert [step for _, step in made] == [1, 0]
    assert made[0][0] >= 100 + RELIEVED_S - 1
    assert made[1][0] - made[0][0] >= RELIEVED_S - 1


def test_between_pressure_and_room_nothing_changes() -> None:
    quality, _ = live(Quality(), PRESSED, 20, start=0)
    assert live(quality, BUSY, 2_000, start=20)[1] == []


def test_who_was_given_back_too_early_waits_longer_the_next_time() -> None:
    quality, _ = live(Quality(), PRESSED, 20, start=0)
    quality, (up, *_) = live(quality, WELL, 200, start=20)
    quality, (down, *_) = live(quality, PRESSED, 100, start=220)
    assert (up[1], down[1]) == (0, 1)
    assert quality.wait_s == 2 * RELIEVED_S
    _, again = live(quality, WELL, 500, start=320)
    assert again[0][0] - 320 >= 2 * RELIEVED_S - 1


def test_swings_between_pressure_and_room_make_few_changes() -> None:
    quality, made, now = Quality(), [], 0
    for _ in range(30):
        for sample, seconds in ((PRESSED, 30), (WELL, 130)):
            quality, more = live(quality, sample, seconds, start=now)
            made += more
            now += seconds
    assert len(made) <= 20  # eighty minutes; without memory it were sixty


@pytest.mark.parametrize("well_s", [310, 900, 1_700])
def test_pressure_that_comes_back_a_while_after_each_step_up_brings_to_rest(well_s: int) -> None:
    """The encoder has not enough for all that was asked: with less it is well, with all only for a while."""
    quality, made, asked_all_since = Quality(), [], 0
    for now in range(4 * 3_600):
        is_pressed = quality.step == 0 and now - asked_all_since >= well_s
        quality, move = feed(quality, PRESSED if is_pressed else WELL, float(now), most=MOST)
        if move is not None:
            quality = moved(quality, move.to_step, float(now))
            made.append(now)
            asked_all_since = now if move.to_step == 0 else asked_all_since
    assert sum(now >= 3 * 3_600 for now in made) <= 4


def test_another_worker_begins_without_a_history_and_keeps_what_was_taken_back() -> None:
    quality, _ = live(Quality(), PRESSED, 10, start=0)
    quality, move = feed(quality, replace(PRESSED, generation=2), 10.0, most=MOST)
    assert move is None
    assert sum(quality.pressure.looks) == 1
    lowered, _ = live(Quality(), PRESSED, 20, start=0)
    assert feed(lowered, replace(WELL, generation=2), 20.0, most=MOST)[0].step == 1


def test_a_step_that_failed_is_not_tried_again_at_once() -> None:
    quality = Quality()
    for now in range(12):
        quality, move = feed(quality, PRESSED, float(now), most=MOST)
    assert move == Move(1, pressure(PRESSED) or "")
    quality = failed(quality, 12.0)
    _, made = live(quality, PRESSED, 100, start=12)
    assert made[0] == (12 + int(DWELL_S), 1)
