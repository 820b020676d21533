"""A report is kept once and told once, however often it is heard and whatever the store does meanwhile."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from app.adapters.store.sql_store import SqlStore
from app.domain.device_feed import DeviceFeed, DevicePicture, DeviceSeat
from app.domain.errors import Unavailable
from app.domain.events import Event
from app.domain.failover import SwitchKind, SwitchReport
from app.domain.ids import EncoderId
from app.domain.secret import Secret
from app.domain.stream import Input
from app.runtime.bus import Bus
from app.services import reports as reports_module
from app.services.reports import Reports, with_devices
from tests.contract.test_failover_reports import report
from tests.contract.test_store import record


class SometimesAway(SqlStore):
    away = False

    async def add_failover(self, report: SwitchReport) -> bool:
        if self.away:
            raise Unavailable("away")
        return await super().add_failover(report)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SometimesAway]:
    store = await SometimesAway.open(f"sqlite+aiosqlite:///{tmp_path}/r.db", seal_key=Secret("seal-key-of-tests"))
    yield store
    await store.close()


def fail(error: BaseException) -> None:
    raise error


@pytest.mark.parametrize("away_at", [(False, False), (False, True), (True, False), (True, True)])
async def test_a_report_that_is_heard_again_is_told_once(store: SometimesAway, away_at: tuple[bool, bool]) -> None:
    told: list[Event] = []
    bus: Bus[Event] = Bus(fail)
    bus.listen(told.append)
    reports = Reports(store=store, bus=bus)
    for store.away in away_at:
        await reports.take(report("str_1", 2), "acme")
    assert len(told) == 1
    store.away = False
    await reports.save_unsaved()
    assert await reports.of(report("str_1", 2).stream_id, limit=10) == (report("str_1", 2),)


async def test_what_is_remembered_of_reports_is_bounded(
    store: SometimesAway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reports_module, "MAX_REMEMBERED", 3)
    bus: Bus[Event] = Bus(fail)
    reports = Reports(store=store, bus=bus)
    for generation in range(2, 12):
        await reports.take(report("str_1", generation), "acme")
    assert len(reports._taken) == 3


def test_a_change_of_input_names_the_devices_that_publish_there_and_nothing_else_does() -> None:
    picture = DevicePicture(1280, 720, 30.0, 4_000_000, 128_000, 2_000)
    seats = (DeviceSeat(Secret("k"), EncoderId("helo-a")), DeviceSeat(Secret("l"), EncoderId("helo-b")))
    fed = replace(record("str_1"), feed=DeviceFeed(picture, *seats))
    switch = report("str_1", 2)
    change = replace(switch, kind=SwitchKind.INPUT, from_input=Input.BACKUP, to_input=Input.MAIN)
    named = with_devices(change, fed)
    assert (named.from_encoder_id, named.to_encoder_id) == ("helo-b", "helo-a")
    assert with_devices(change, record("str_1")) == change
    assert with_devices(switch, fed) == switch
