"""Rounds come, one at a time, whatever the wall clock does; at the end nothing is left."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

import pytest

from app.adapters.schedule import cron
from app.adapters.schedule.cron import CronSchedule, RegularWork
from app.runtime.tasks import OnCrash

YEARS = timedelta(days=3650)
Work = Callable[[], Coroutine[Any, Any, None]]


class Rounds:
    """A work that counts its rounds and those that are under way."""

    def __init__(self) -> None:
        self.begun = 0
        self.cancelled = 0
        self.most_at_once = 0
        self.hold = asyncio.Event()
        self.hold.set()
        self._now = 0
        self._came = asyncio.Condition()

    async def work(self) -> None:
        self.begun += 1
        self._now += 1
        self.most_at_once = max(self.most_at_once, self._now)
        try:
            async with self._came:
                self._came.notify_all()
            await self.hold.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self._now -= 1

    async def more(self, number: int) -> None:
        wanted = self.begun + number
        async with asyncio.timeout(15), self._came:
            await self._came.wait_for(lambda: self.begun >= wanted)


class WallClock:
    """Of the library and of the schedule: off by what the test says."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.off = timedelta(0)
        clock = self

        class Now(datetime):
            @classmethod
            def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override] # no need of its own class
                return datetime.now(tz) + clock.off

        monkeypatch.setattr("apscheduler.schedulers.base.datetime", Now)
        monkeypatch.setattr("apscheduler.executors.base.datetime", Now)
        monkeypatch.setattr(cron, "utc_now", lambda: Now.now(UTC))


@pytest.fixture
def rounds() -> Rounds:
    return Rounds()


@asynccontextmanager
async def running(work: Work, *, on_crash: OnCrash | None = None) -> AsyncIterator[None]:
    def failed(name: str, error: BaseException) -> None:
        raise AssertionError(f"{name}: {error}")

    regular = RegularWork(name="looks", work=work, second="*")
    task = asyncio.create_task(CronSchedule((regular,), on_crash=on_crash or failed).run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait((task,))
    assert task.cancelled()


async def test_rounds_come_again_and_again(rounds: Rounds) -> None:
    async with running(rounds.work):
        await rounds.more(2)


async def test_a_round_waits_for_the_one_before(rounds: Rounds) -> None:
    other = Rounds()
    rounds.hold.clear()
    long, short = (RegularWork(name=str(n), work=each.work, second="*") for n, each in enumerate((rounds, other)))
    task = asyncio.create_task(CronSchedule((long, short), on_crash=lambda _name, _error: None).run())
    await other.more(2)
    assert (rounds.begun, rounds.most_at_once) == (1, 1)
    rounds.hold.set()
    await rounds.more(1)
    task.cancel()
    await asyncio.wait((task,))
    assert rounds.most_at_once == 1


async def test_a_round_that_fails_is_told_and_the_next_one_comes(rounds: Rounds) -> None:
    told: list[str] = []

    async def fails_first() -> None:
        await rounds.work()
        if rounds.begun == 1:
            raise LookupError("nothing there")

    async with running(fails_first, on_crash=lambda name, error: told.append(f"{name}: {error}")):
        await rounds.more(2)
    assert told == ["looks: nothing there"]


async def test_at_the_end_the_round_under_way_is_cancelled_and_over(
    rounds: Rounds, caplog: pytest.LogCaptureFixture
) -> None:
    rounds.hold.clear()
    before = asyncio.all_tasks()
    async with running(rounds.work):
        await rounds.more(1)
    assert rounds.cancelled == 1
    assert asyncio.all_tasks() == before
    gc.collect()
    assert [line.message for line in caplog.records if line.levelname == "ERROR"] == []


async def test_a_clock_set_right_by_years_costs_no_round_for_each_second_that_was_missed(
    rounds: Rounds, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = WallClock(monkeypatch)
    async with running(rounds.work):
        await rounds.more(1)
        clock.off = YEARS
        await rounds.more(1)


async def test_a_clock_that_was_years_ahead_does_not_stop_the_rounds(
    rounds: Rounds, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cron, "LOOK_AGAIN_S", 0.05)
    clock = WallClock(monkeypatch)
    clock.off = YEARS
    async with running(rounds.work):
        await rounds.more(1)
        clock.off = timedelta(0)
        await rounds.more(2)


def test_times_that_are_none_are_refused_at_once(rounds: Rounds) -> None:
    work = RegularWork(name="looks", work=rounds.work, minute="61")
    with pytest.raises(ValueError):
        CronSchedule((work,), on_crash=lambda _name, _error: None)
