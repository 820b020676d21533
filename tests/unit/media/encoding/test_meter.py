"""Figures of the work, with time handed in."""

from __future__ import annotations

from app.media.encoding.meter import Meter


def test_speed_is_timeline_per_time_since_the_reading_before() -> None:
    meter = Meter()
    meter.arrived(0, 10.0)
    meter.encoded(0, 10.2)
    assert meter.read(11.0).speed is None, "one reading is no interval"
    meter.encoded(500, 11.5)
    assert meter.read(12.0).speed == 0.5
    assert meter.read(13.0).speed is None, "no frame: not known, not zero"


def test_latency_is_the_worst_since_the_reading_before() -> None:
    meter = Meter()
    for time, arrived, encoded in ((0, 1.0, 1.1), (33, 1.0, 1.4), (66, 1.2, 1.3)):
        meter.arrived(time, arrived)
        meter.encoded(time, encoded)
    latency_ms = meter.read(2.0).latency_ms
    assert latency_ms is not None
    assert round(latency_ms) == 400
    assert meter.read(3.0).latency_ms is None


def test_arrivals_that_never_come_out_are_forgotten() -> None:
    meter = Meter()
    for time in range(10_000):
        meter.arrived(time, 0.0)
    meter.encoded(0, 1.0)
    assert meter.read(2.0).latency_ms is None
