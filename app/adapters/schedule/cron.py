"""Control's regular work, called at times of the wall clock by APScheduler, for as long as `run` runs.

A round is a look: whether anything is due is the work's own rule, so a look too many or too few does no harm. One
round of a work at a time; what was missed is not made up for, the next round sees what is due.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import structlog
from apscheduler.events import EVENT_JOB_MISSED, JobExecutionEvent
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.cron import CronTrigger

from app.runtime.clock import utc_now
from app.runtime.tasks import OnCrash, TaskGroupKeeper

LOOK_AGAIN_S: Final = 30.0
"""How long a stepped clock or a machine that slept can hold up a round that is due."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class RegularWork:
    """`hour`, `minute` and `second` are fields of a cron expression, in UTC. A round that cannot begin within
    `late_s` is left out."""

    name: str
    work: Callable[[], Coroutine[Any, Any, None]]
    hour: str = "*"
    minute: str = "*"
    second: str = "0"
    late_s: int = 60


class CronSchedule:
    """Raises ValueError for times that are none. A round that fails is told to `on_crash`; the next one comes."""

    def __init__(self, works: Sequence[RegularWork], *, on_crash: OnCrash) -> None:
        self._works = tuple((work, _PresentCron.of(work)) for work in works)
        self._keeper = TaskGroupKeeper(on_crash)
        self._rounds: set[asyncio.Task[Any]] = set()

    async def run(self) -> None:
        """Runs until cancelled; rounds that are under way are cancelled with it."""
        scheduler = AsyncIOScheduler(timezone=UTC)
        scheduler.add_listener(_missed, EVENT_JOB_MISSED)
        for work, times in self._works:
            scheduler.add_job(
                self._round(work),
                times,
                id=work.name,
                coalesce=True,
                max_instances=1,
                misfire_grace_time=work.late_s,
            )
        scheduler.start()
        try:
            while True:
                await asyncio.sleep(LOOK_AGAIN_S)
                _look_again(scheduler)
        finally:
            await self._end(scheduler)

    def _round(self, work: RegularWork) -> Callable[[], Coroutine[Any, Any, None]]:
        async def one_round() -> None:
            # The library takes a cancelled job for a failed one, so what can be cancelled is a task of our own.
            here = asyncio.current_task()
            assert here is not None
            self._rounds.add(here)
            here.add_done_callback(self._rounds.discard)
            await asyncio.wait((self._keeper.start(work.work(), name=work.name),))

        return one_round

    async def _end(self, scheduler: AsyncIOScheduler) -> None:
        scheduler.pause()
        # A round that was handed to the loop just now begins in its next turn, and is then known here.
        await asyncio.sleep(0)
        await self._keeper.close()
        if self._rounds:
            await asyncio.wait(self._rounds)
        scheduler.shutdown(wait=False)


class _PresentCron(CronTrigger):  # type: ignore[misc] # the library has no types
    """Times from now on. The library's own goes through every one that was missed: a clock that is set right by
    years would stop the process for minutes."""

    @classmethod
    def of(cls, work: RegularWork) -> _PresentCron:
        return cls(hour=work.hour, minute=work.minute, second=work.second, timezone=UTC)

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime | None:
        after = now if previous_fire_time is None else max(now, previous_fire_time + timedelta(microseconds=1))
        following: datetime | None = super().get_next_fire_time(None, after)
        return following


def _look_again(scheduler: AsyncIOScheduler) -> None:
    """The library sleeps until a time that it worked out before. A machine asleep holds that timer up; a clock
    set back moves the time away, by as much as it was wrong."""
    now = utc_now()
    for job in scheduler.get_jobs():
        following = job.trigger.get_next_fire_time(None, now)
        if job.next_run_time - following > timedelta(seconds=LOOK_AGAIN_S):
            log.warning("the clock was set back", work=job.id, next_round=following.isoformat())
            job.modify(next_run_time=following)
    scheduler.wakeup()


def _missed(event: JobExecutionEvent) -> None:
    log.warning("round of regular work missed", work=event.job_id, planned=event.scheduled_run_time.isoformat())
