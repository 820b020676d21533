"""The one place that reads a clock."""

from __future__ import annotations

from datetime import timedelta

from app.runtime.clock import monotonic, sleepless, utc_now


def test_the_clock_for_durations_never_goes_back() -> None:
    readings = [monotonic() for _ in range(1000)]
    assert readings == sorted(readings)
    readings = [sleepless() for _ in range(1000)]
    assert readings == sorted(readings)


def test_the_clock_for_people_knows_its_zone() -> None:
    assert utc_now().utcoffset() == timedelta(0)
