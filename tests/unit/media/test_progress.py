"""Standing still is told from slow: half a second, more for the slow, much more at the start."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.media.progress import PROVED_START_S, STALL_MAX_S, START_S, WorkerProgress


def flowing(progress: WorkerProgress, begin_s: float, end_s: float, *, lag_ms: float | None = None) -> float:
    """Source frames 40 ms apart; programme frames too where a lag is given. The time of the last."""
    now_s = begin_s
    while now_s < end_s:
        progress.source(now_s)
        if lag_ms is not None:
            progress.programme(now_s, lag_ms)
        now_s += 0.04
    return now_s


def test_a_worker_without_a_source_is_idle_not_stalled() -> None:
    progress = WorkerProgress()
    assert progress.stalled(1_000) is None


def test_the_first_frame_may_take_its_time() -> None:
    progress = WorkerProgress()
    now_s = flowing(progress, 0, START_S - 0.1)
    assert progress.stalled(now_s) is None
    now_s = flowing(progress, now_s, START_S + 0.1)
    assert progress.stalled(now_s) is not None


def test_half_a_second_without_a_frame_is_a_stall() -> None:
    progress = WorkerProgress()
    now_s = flowing(progress, 0, 5, lag_ms=80)
    assert progress.stalled(now_s) is None
    later_s = flowing(progress, now_s, now_s + 0.6)
    silence_s = progress.stalled(later_s)
    assert silence_s is not None
    assert silence_s > 0.5


def test_a_slow_worker_is_given_twice_its_delay() -> None:
    progress = WorkerProgress()
    now_s = flowing(progress, 0, 5, lag_ms=1_000)
    assert progress.stalled(flowing(progress, now_s, now_s + 1.5)) is None
    assert progress.stalled(flowing(progress, now_s + 1.5, now_s + 2.5)) is not None


def test_a_source_that_pauses_is_no_stall_of_the_worker() -> None:
    progress = WorkerProgress()
    now_s = flowing(progress, 0, 5, lag_ms=80)
    assert progress.stalled(now_s + 30) is None
    progress.source(now_s + 30)
    assert progress.stalled(now_s + 30.1) is None


@given(st.lists(st.floats(0, 60_000), min_size=1, max_size=50))
def test_no_delay_however_long_makes_the_limit_endless(lags: list[float]) -> None:
    progress = WorkerProgress()
    for lag_ms in lags:
        progress.programme(0, lag_ms)
    assert 0.5 <= progress.limit_s <= STALL_MAX_S


def test_silence_is_due_when_it_becomes_too_long_and_not_before() -> None:
    progress = WorkerProgress()
    assert progress.due is None
    now_s = flowing(progress, 0, 5, lag_ms=80)
    assert progress.due is None
    flowing(progress, now_s, now_s + 0.6)
    due = progress.due
    assert due == pytest.approx(now_s + 0.5)
    assert due is not None
    assert progress.stalled(due - 0.001) is None
    assert progress.stalled(due + 0.001) is not None


def test_a_worker_that_has_caught_up_is_no_longer_judged_by_how_late_it_was() -> None:
    progress = WorkerProgress()
    now_s = flowing(progress, 0, 1, lag_ms=2_000)
    progress.programme(now_s, 40)
    assert progress.limit_s > 3
    progress.settle()
    assert progress.limit_s == 0.5


def test_a_worker_that_was_proved_begins_sooner() -> None:
    progress = WorkerProgress(start_s=PROVED_START_S)
    assert progress.stalled(flowing(progress, 0, PROVED_START_S + 0.2)) is not None


def test_a_hiccup_of_the_source_is_not_held_against_the_worker() -> None:
    progress = WorkerProgress()
    now_s = flowing(progress, 0, 5, lag_ms=80)
    progress.programme(now_s + 0.04, 80)
    resumes_s = now_s + 0.45
    for number in range(12):
        progress.source(resumes_s + number * 0.04)
        assert progress.stalled(resumes_s + number * 0.04) is None
    assert progress.stalled(resumes_s + 0.52) is not None


def test_a_stall_is_seen_however_slow_the_source_is() -> None:
    progress = WorkerProgress()
    for second in range(5):
        progress.source(second)
        progress.programme(second + 0.1, 100)
    progress.source(5)
    progress.source(6)
    assert progress.stalled(6.01) is not None
