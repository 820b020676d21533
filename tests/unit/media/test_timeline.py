"""The timeline: every publisher's clock becomes one that only runs forward."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from app.media.timeline import AUDIO, VIDEO, Timeline

WALL_MS = 1_800_000_000_000


def place(timeline: Timeline, *frames: tuple[int, int], now_s: float = 0.0) -> list[int]:
    return timeline.place(frames, now_s=now_s, wall_ms=WALL_MS)


def test_the_first_publisher_keeps_its_timestamps() -> None:
    timeline = Timeline()
    frames = [(VIDEO, 100), (AUDIO, 95), (AUDIO, 118), (VIDEO, 140)]
    assert place(timeline, *frames) == [stamp for _, stamp in frames]
    assert timeline.corrected == 0


def test_the_32_bit_clock_may_wrap() -> None:
    timeline = Timeline()
    place(timeline, (VIDEO, 2**32 - 20))
    assert place(timeline, (VIDEO, 20), now_s=0.04) == [2**32 + 20]
    assert timeline.breaks == 0


def test_a_frame_from_before_the_wrap_may_come_after_it() -> None:
    timeline = Timeline()
    place(timeline, (VIDEO, 2**32 - 20), (VIDEO, 20))
    assert place(timeline, (AUDIO, 2**32 - 5)) == [2**32 - 5]


def test_a_returning_publisher_goes_on_after_the_length_of_the_outage() -> None:
    timeline = Timeline()
    place(timeline, (VIDEO, 0), now_s=0)
    place(timeline, (VIDEO, 5000), now_s=5)
    timeline.begin()
    assert place(timeline, (VIDEO, 0), (VIDEO, 40), now_s=15) == [15_000, 15_040]


def test_many_restarts_do_not_inflate_the_timeline() -> None:
    timeline = Timeline()
    for second in range(100):
        timeline.begin()
        placed = place(timeline, (VIDEO, 7_000_000 if second % 2 else 0), now_s=float(second))
    assert placed == [99_000]


def test_a_jump_of_24_days_is_no_media_time() -> None:
    timeline = Timeline()
    place(timeline, (VIDEO, 0), now_s=0)
    [after] = place(timeline, (VIDEO, 24 * 86_400_000), now_s=0.04)
    assert 0 < after <= 80
    assert timeline.breaks == 1


def test_a_backward_step_starts_anew_and_goes_on() -> None:
    timeline = Timeline()
    place(timeline, (VIDEO, 60_000), now_s=0)
    placed = place(timeline, (VIDEO, 0), (VIDEO, 40), now_s=0.04)
    assert placed == [60_040, 60_080]


def test_a_pause_that_the_clock_confirms_is_kept() -> None:
    timeline = Timeline()
    place(timeline, (VIDEO, 0), now_s=0)
    assert place(timeline, (VIDEO, 20_000), now_s=20) == [20_000]
    assert timeline.breaks == 0


def test_a_clock_that_stands_still_is_counted_on() -> None:
    timeline = Timeline()
    placed = place(timeline, *[(VIDEO, 0)] * 5)
    assert placed == [0, 1, 2, 3, 4]


def test_nothing_lies_before_the_beginning_of_the_timeline() -> None:
    assert place(Timeline(), (VIDEO, 0), (AUDIO, 2**32 - 20), (AUDIO, 5)) == [0, 0, 5]


def test_low_bits_from_a_worker_find_their_place() -> None:
    timeline = Timeline()
    place(timeline, (VIDEO, 2**32 - 20), (VIDEO, 20))
    assert timeline.around(10) == 2**32 + 10
    assert timeline.around(2**32 - 30) == 2**32 - 30


def test_tracks_whose_clocks_lie_hours_apart_run_no_faster_than_the_clock() -> None:
    timeline, placed = Timeline(), [0]
    for frame in range(500):
        now_s = frame * 0.02
        placed = place(timeline, (VIDEO, frame * 20), now_s=now_s)
        placed = place(timeline, (AUDIO, 36_000_000 + frame * 20), now_s=now_s + 0.005)
    assert 9_900 < placed[0] < 11_000


@given(
    st.lists(
        st.tuples(st.sampled_from([AUDIO, VIDEO]), st.integers(0, 2**32 - 1), st.floats(0, 30), st.booleans()),
        max_size=60,
    )
)
def test_whatever_comes_each_track_only_runs_forward_and_keeps_pace_with_the_clock(
    events: list[tuple[int, int, float, bool]],
) -> None:
    timeline, now_s, last = Timeline(), 0.0, dict[int, int]()
    first: int | None = None
    for kind, stamp, wait_s, restart in events:
        now_s += wait_s
        if restart:
            timeline.begin()
        [position] = place(timeline, (kind, stamp), now_s=now_s)
        first = position if first is None else first
        assert position > last.get(kind, -1)
        assert position - first <= now_s * 1000 + 5_100 * len(events)
        last[kind] = position
