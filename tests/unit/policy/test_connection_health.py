"""The history of a connection: what it is worth, what repeats in it, when it may drop again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.connection import ConnectionHealth
from app.policy.connection_health import (
    MOST_DROPS,
    MOST_GAPS,
    History,
    came,
    heard,
    judge,
    lost,
)


def steady(for_s: int, *, history: History | None = None, start: int = 0) -> History:
    history = history or History()
    for second in range(start, start + for_s):
        history = heard(history, float(second))
    return history


def dropping_each(period_s: int, times: int) -> tuple[History, float]:
    history, now = steady(5), 5
    for _ in range(times):
        history = steady(period_s - 5, history=history, start=now)
        now += period_s - 5
        history = came(lost(history, float(now)), now + 5.0)
        now += 5
    return history, float(now)


def names(health: ConnectionHealth) -> set[str]:
    return {pattern.name for pattern in health.patterns}


def test_of_a_connection_that_was_never_heard_nothing_is_known() -> None:
    for history in (History(), lost(History(), 5.0)):
        health = judge(history, 10.0)
        assert (health.score, health.is_up, health.up_share, health.prediction) == (None, None, None, None)


def test_a_steady_one_is_worth_everything_and_foretells_no_drop() -> None:
    health = judge(steady(1_000), 1_000.0)
    assert (health.score, health.up_share, health.patterns, health.reasons) == (100.0, 1.0, (), ())
    assert health.usual_gap_s == 1.0
    assert health.prediction is not None
    assert health.prediction.likelihood == 0.0


def test_one_that_is_away_is_worth_nothing_until_it_is_back() -> None:
    away = lost(steady(100), 100.0)
    assert judge(away, 101.0).score == 0.0
    assert judge(away, 101.0).is_up is False
    back = judge(heard(away, 110.0), 110.0)
    assert back.is_up
    assert back.score is not None
    assert 50.0 < back.score < 90.0
    assert back.reasons == ("dropped 1 time(s) within the last hour",)


def test_a_moment_away_soon_after_the_first_word_is_no_half_of_its_life() -> None:
    health = judge(heard(lost(steady(10), 10.0), 20.0), 20.0)
    assert health.up_share == 0.5
    assert health.score is not None
    assert health.score > 80.0


def test_an_old_drop_is_forgotten() -> None:
    history = heard(lost(steady(100), 100.0), 110.0)
    assert judge(history, 110.0 + 3_701.0).score == 100.0


def test_drops_that_come_like_a_clock_are_seen_and_the_next_one_is_foretold() -> None:
    history, now = dropping_each(300, 5)
    health = judge(history, now)
    assert "periodic_drops" in names(health)
    assert health.prediction is not None
    assert health.prediction.in_s == pytest.approx(295.0)
    assert health.prediction.likelihood >= 0.8


def test_drops_without_a_rhythm_have_no_period_but_make_the_next_one_likely() -> None:
    history, now = steady(700), 700
    for pause in (40, 400, 90, 700):
        history = came(lost(steady(pause, history=history, start=now), float(now + pause)), now + pause + 2.0)
        now += pause + 2
    health = judge(history, float(now))
    assert "periodic_drops" not in names(health)
    assert health.prediction is not None
    assert health.prediction.in_s is None
    assert health.prediction.likelihood > 0.9


def test_a_period_that_ended_long_ago_foretells_nothing() -> None:
    history, now = dropping_each(300, 5)
    late = judge(history, now + 700.0)
    assert late.prediction is None or late.prediction.in_s is None


def test_several_drops_within_moments_are_a_burst() -> None:
    history = steady(10)
    for at in (10.0, 20.0, 33.0):
        history = came(lost(history, at), at + 2.0)
    assert "burst_of_drops" in names(judge(history, 40.0))


def test_words_that_come_unevenly_cost_points_and_are_told() -> None:
    history, now = History(), 0.0
    for number in range(60):
        now += 4.0 if number % 5 == 0 else 0.5
        history = heard(history, now)
    health = judge(history, now)
    assert names(health) == {"late_words"}
    assert health.score is not None
    assert 90.0 < health.score < 100.0


def test_a_pause_for_a_drop_is_no_late_word() -> None:
    history = heard(lost(steady(30), 30.0), 500.0)
    assert max(steady(20, history=history, start=501).gaps) == 1.0


@given(st.lists(st.tuples(st.sampled_from([heard, lost, came]), st.floats(0.0, 500.0)), max_size=300))
def test_whatever_happens_it_stays_bounded_and_its_score_in_range(steps: list[tuple[object, float]]) -> None:
    history, now = History(), 0.0
    for step, pause_s in steps:
        now += pause_s
        history = step(history, now)  # type: ignore[operator] # hypothesis gives the three functions as objects
        health = judge(history, now)
        assert health.score is None or 0.0 <= health.score <= 100.0
        assert health.up_share is None or 0.0 <= health.up_share <= 1.0
        assert health.prediction is None or 0.0 <= health.prediction.likelihood <= 1.0
    assert len(history.drops) <= MOST_DROPS
    assert len(history.gaps) <= MOST_GAPS
