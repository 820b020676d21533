"""Slopes, forecasts and crossings of measured series, and of which nothing is said."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.policy.trend import LEAST_POINTS, MOST_POINTS, Point, crossing, forecast, trend

SLOPES = st.floats(-5.0, 5.0)
STARTS = st.floats(-100.0, 100.0)


def line(slope: float, start: float = 0.0, *, count: int = 60, noise: float = 0.0, seed: int = 1) -> list[Point]:
    dice = random.Random(seed)
    return [(float(at), start + slope * at + dice.gauss(0.0, noise)) for at in range(count)]


@given(SLOPES, STARTS)
def test_a_straight_line_is_found_as_it_is(slope: float, start: float) -> None:
    found = trend(line(slope, start))
    assert found is not None
    assert found.slope == pytest.approx(slope, abs=1e-6)
    assert found.level == pytest.approx(start + slope * 59, abs=1e-4)
    assert found.spread == pytest.approx(0.0, abs=1e-4)


@given(SLOPES, st.integers(0, 50))
def test_a_fifth_of_wild_values_does_not_bend_it(slope: float, seed: int) -> None:
    series = line(slope)
    for place in random.Random(seed).sample(range(60), 12):
        series[place] = (series[place][0], 1e6)
    found = trend(series)
    assert found is not None
    assert abs(found.slope - slope) < 0.5


def test_the_bounds_hold_the_true_slope_about_nine_times_of_ten() -> None:
    held = 0
    for seed in range(200):
        found = trend(line(0.1, noise=2.0, count=40, seed=seed))
        assert found is not None
        held += found.slope_low <= 0.1 <= found.slope_high
    assert 165 <= held <= 197


def test_noise_without_a_direction_is_not_sure_and_a_clear_rise_is() -> None:
    unsure = sum(not found.is_sure for seed in range(50) if (found := trend(line(0.0, noise=2.0, seed=seed))))
    rising = trend(line(0.2, noise=0.5))
    assert unsure >= 40
    assert rising is not None
    assert rising.is_sure


def test_the_forecast_is_wider_the_further_it_looks_and_ends_where_the_series_is_as_long() -> None:
    found = trend(line(0.2, noise=0.5))
    assert found is not None
    near, far = forecast(found, 10.0), forecast(found, 59.0)
    assert near is not None
    assert far is not None
    assert near.low < near.value < near.high
    assert far.high - far.low > near.high - near.low
    assert forecast(found, 60.0) is None


def test_it_says_when_a_limit_is_crossed_with_its_bounds() -> None:
    found = trend(line(0.5, 50.0, noise=0.2))
    assert found is not None
    when = crossing(found, found.level + 10.0)
    assert when is not None
    assert when.likely_s == pytest.approx(20.0, rel=0.1)
    assert when.latest_s is not None
    assert when.earliest_s <= when.likely_s <= when.latest_s


@pytest.mark.parametrize("limit", [0.0, 1e4])
def test_a_limit_that_is_passed_or_too_far_away_is_not_foretold(limit: float) -> None:
    found = trend(line(0.5, 50.0))
    assert found is not None
    assert crossing(found, limit) is None


def test_what_does_not_surely_rise_crosses_nothing() -> None:
    for slope in (0.0, -0.5):
        found = trend(line(slope, 50.0, noise=1.0))
        assert found is not None
        assert crossing(found, 60.0) is None


def test_of_too_few_values_one_moment_or_none_that_is_finite_nothing_is_said() -> None:
    assert trend(line(1.0, count=LEAST_POINTS - 1)) is None
    assert trend([(1.0, float(value)) for value in range(20)]) is None
    assert trend([(float(at), math.nan) for at in range(20)]) is None


def test_of_a_long_series_the_ends_count_and_no_more_points_than_can_be_afforded() -> None:
    found = trend(line(0.3, count=5_000))
    assert found is not None
    assert found.points == MOST_POINTS
    assert found.span_s == pytest.approx(4_999.0)
    assert found.slope == pytest.approx(0.3)
