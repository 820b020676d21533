"""The journal of remedies on every database."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from app.adapters.store import remedies
from app.adapters.store.sql_store import SqlStore
from app.domain.ids import EncoderId
from app.domain.remediation import Outcome, Phase, Remedy, RemedyBreaker, RemedyRun

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)


def run(number: int = 1, *, at: datetime = NOON) -> RemedyRun:
    return RemedyRun(
        id=f"rem_{number:04d}",
        encoder_id=EncoderId("helo-1"),
        remedy=Remedy.REBOOT,
        cause="device_unwell",
        evidence=("it is not fully up",),
        command="restart the device",
        asked_by="automation",
        began_at=at,
        is_disruptive=True,
    )


def over(one: RemedyRun) -> RemedyRun:
    return replace(one, phase=Phase.DONE, outcome=Outcome.KEPT, ended_at=one.began_at, result="it is well")


async def test_a_run_is_open_until_it_is_kept_as_over(store: SqlStore) -> None:
    journal = store.remedies
    await journal.put_run(run())
    assert await journal.open_runs() == (run(),)
    await journal.put_run(over(run()))
    assert await journal.open_runs() == ()
    assert await journal.remedy_runs() == (over(run()),)


async def test_runs_are_read_newest_first_from_a_moment_on(store: SqlStore) -> None:
    journal = store.remedies
    for number in range(4):
        await journal.put_run(run(number, at=NOON + timedelta(minutes=number)))
    found = await journal.remedy_runs(limit=2, since=NOON + timedelta(minutes=1))
    assert [one.id for one in found] == ["rem_0003", "rem_0002"]


async def test_of_runs_that_are_over_only_the_newest_are_kept(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remedies, "MAX_RUNS", 2)
    journal = store.remedies
    await journal.put_run(run(0, at=NOON - timedelta(hours=1)))
    for number in range(1, 5):
        await journal.put_run(over(run(number, at=NOON + timedelta(minutes=number))))
    assert [one.id for one in await journal.remedy_runs()] == ["rem_0004", "rem_0003", "rem_0000"]


async def test_a_breaker_is_kept_for_each_encoder(store: SqlStore) -> None:
    breaker = RemedyBreaker(EncoderId("helo-1"), NOON, "three restarts did not help", is_drained=True)
    await store.remedies.put_breaker(breaker)
    cleared = replace(breaker, cleared_at=NOON + timedelta(hours=1), cleared_by="key_1")
    await store.remedies.put_breaker(cleared)
    assert await store.remedies.breakers() == (cleared,)
