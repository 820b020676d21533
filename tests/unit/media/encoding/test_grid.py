"""The gate: decided by the timeline alone, so where an encoder began makes no difference."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from app.domain.ladder import FrameRate
from app.media.encoding.grid import FrameGate, Verdict

RATES = st.sampled_from(
    [
        FrameRate(10),
        FrameRate(15),
        FrameRate(24),
        FrameRate(25),
        FrameRate(30_000, 1_001),
        FrameRate(30),
        FrameRate(60),
    ]
)


@st.composite
def source_times(draw: st.DrawFn) -> list[int]:
    """Frame times of a constant rate from any beginning, rounded to milliseconds."""
    rate = draw(RATES)
    start = draw(st.integers(0, 2**40))
    count = draw(st.integers(2, 200))
    return [start + round(n * 1000 * rate.den / rate.num) for n in range(count)]


def judged(times: list[int], rate: FrameRate, after: int | None = None) -> list[tuple[int, Verdict]]:
    gate = FrameGate(rate, 1_000, after)
    return [(time, verdict) for time in times if (verdict := gate.judge(time)) is not Verdict.SKIP]


@given(source_times(), RATES)
def test_the_first_frame_and_every_crossing_of_the_grid_are_key_frames(times: list[int], rate: FrameRate) -> None:
    keys = [time for time, verdict in judged(times, rate) if verdict is Verdict.KEY]
    assert keys == [times[0], *(b for a, b in pairwise(times) if b // 1000 > a // 1000)]


@given(source_times())
def test_a_rendition_as_fast_as_the_fastest_source_takes_every_frame(times: list[int]) -> None:
    assert [time for time, _ in judged(times, FrameRate(60))] == times


@given(source_times(), RATES)
def test_no_more_frames_than_the_rate_allows_are_taken(times: list[int], rate: FrameRate) -> None:
    taken = judged(times, rate)
    span_s = (times[-1] - times[0]) / 1000
    # One more per grid interval where both ends fall into it, one for the first frame; 12 % is the tolerance of
    # what counts as an equal rate.
    assert len(taken) <= span_s * rate.fps * 1.12 + span_s + 3


@given(source_times(), RATES, st.data())
def test_an_encoder_that_joins_later_takes_the_same_frames_after_the_splice(
    times: list[int], rate: FrameRate, data: st.DataObject
) -> None:
    whole = judged(times, rate)
    splice = data.draw(st.sampled_from([time for time, _ in whole]))
    joined_at = data.draw(st.sampled_from([time for time in times if time <= splice]))
    rest = judged([time for time in times if time >= joined_at], rate, splice)
    assert [time for time, _ in rest] == [time for time, _ in whole if time > splice]
    if rest:
        assert rest[0][1] is Verdict.KEY
        assert rest[1:] == [entry for entry in whole if entry[0] > splice][1:]


def test_jitter_at_an_equal_rate_costs_no_frame() -> None:
    times = [0, 30, 68, 99, 135, 165, 201, 232, 268, 299]
    assert [time for time, _ in judged(times, FrameRate(30))] == times


def test_frames_passed_over_choose_the_same_ones_afterwards() -> None:
    times = [round(n * 1000 / 60) for n in range(240)]
    whole = FrameGate(FrameRate(30), 1_000)
    taken = [time for time in times if whole.judge(time) is not Verdict.SKIP and time > 1_234]
    waiting = FrameGate(FrameRate(30), 1_000, 10_000)
    assert all(waiting.judge(time) is Verdict.SKIP for time in times if time <= 1_000)
    waiting.begin_after(1_234)
    assert [time for time in times if time > 1_000 and waiting.judge(time) is not Verdict.SKIP] == taken
