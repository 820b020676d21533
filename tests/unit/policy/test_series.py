"""Seconds of minutes and minutes of a day, bounded, with holes where nothing was known."""

from __future__ import annotations

from app.policy.series import MINUTES_KEPT, SECONDS_KEPT, Series, Span


def filled(values: list[float | None], start: float = 1_000.0) -> Series:
    series = Series()
    for second, value in enumerate(values):
        series.add(value, start + second)
    return series


def test_seconds_are_kept_as_they_were_and_holes_stay_holes() -> None:
    series = filled([1.0, None, 3.0])
    assert series.seconds() == ((1_000.0, 1.0), (1_002.0, 3.0))
    assert series.newest == 3.0
    assert filled([1.0, None]).newest is None


def test_full_minutes_are_put_together_and_one_without_a_value_is_left_out() -> None:
    values: list[float | None] = [float(n) for n in range(60)]
    series = filled([*values, *[None] * 60, 7.0, *[7.0] * 60])
    assert series.minutes() == (Span(1_000.0, 29.5, 0.0, 59.0, 60), Span(1_120.0, 7.0, 7.0, 7.0, 60))


def test_the_last_minute_is_asked_for_by_time() -> None:
    series = filled([100.0] * 30 + [10.0, 20.0])
    assert series.since(1_030.0) == Span(1_030.0, 15.0, 10.0, 20.0, 2)
    assert series.since(2_000.0) is None


def test_a_day_and_ten_minutes_are_kept_and_no_more() -> None:
    series = Series()
    for minute in range(MINUTES_KEPT + 5):
        series.add(1.0, minute * 60.0)
    for second in range(SECONDS_KEPT + 5):
        series.add(1.0, 1e6 + second)
    assert len(series.minutes()) == MINUTES_KEPT
    assert len(series.seconds()) == SECONDS_KEPT
