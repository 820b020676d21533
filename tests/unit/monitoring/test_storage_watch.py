"""People hear early that media fill up."""

from __future__ import annotations

from app.domain.condition import Condition
from app.domain.device import DeviceReading, Medium
from app.domain.events import DeviceRead
from app.domain.ids import EncoderId
from app.domain.severity import Severity
from app.monitoring.storage_watch import StorageWatch
from app.runtime.clock import utc_now

ME = EncoderId("helo-1")


def told_of(*frees: float | None) -> list[Condition]:
    told: list[Condition] = []
    watch = StorageWatch(tell=told.append, knows=lambda _: True)
    for free in frees:
        media = () if free is None else (Medium("primary", is_mounted=True, free_percent=free),)
        watch.hear(DeviceRead(ME, DeviceReading(at=utc_now(), media=media)))
    return told


def test_a_medium_that_fills_is_told_once_then_as_more_urgent_then_as_over() -> None:
    told = told_of(80.0, 24.0, 23.0, 5.0, 90.0)
    assert [(one.is_active, one.severity) for one in told] == [
        (True, Severity.INFO),
        (True, Severity.WARNING),
        (False, Severity.INFO),
    ]
    assert "have another medium at hand" in told[0].summary


def test_a_device_that_tells_nothing_of_its_media_any_more_ends_nothing() -> None:
    assert [one.is_active for one in told_of(5.0, None)] == [True]
