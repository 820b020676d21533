"""The journal of remedies and the breakers, in memory and in the store behind it.

An intent is stored before it counts; what comes after is stored as soon as the store takes it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

import structlog

from app.domain.errors import ManagerError
from app.domain.ids import EncoderId
from app.domain.remediation import RemedyBreaker, RemedyRun
from app.policy.remediation import DAY_S
from app.ports.remedy_store import RemedyStore
from app.runtime.clock import utc_now

MAX_RUNS: Final = 5_000
"""Of the last day, in memory: 500 devices with their most tries."""

log = structlog.get_logger()


class RemedyBook:
    def __init__(self, store: RemedyStore) -> None:
        self._store = store
        self._runs: dict[str, RemedyRun] = {}
        self._breakers: dict[EncoderId, RemedyBreaker] = {}
        self._unsaved: dict[str, RemedyRun] = {}

    async def load(self) -> None:
        """Raises Unavailable."""
        since = utc_now() - timedelta(seconds=DAY_S)
        recent = await self._store.remedy_runs(limit=MAX_RUNS, since=since)
        self._runs = {run.id: run for run in (*await self._store.open_runs(), *reversed(recent))}
        self._breakers = {breaker.encoder_id: breaker for breaker in await self._store.breakers()}

    def runs(self) -> Collection[RemedyRun]:
        return self._runs.values()

    def of(self, encoder_id: EncoderId) -> tuple[RemedyRun, ...]:
        return tuple(run for run in self._runs.values() if run.encoder_id == encoder_id)

    def run(self, run_id: str) -> RemedyRun | None:
        return self._runs.get(run_id)

    async def intend(self, run: RemedyRun) -> None:
        """It counts from now on. Raises Unavailable: then it does not, and nothing may be done."""
        self._forget_old()
        self._runs[run.id] = run
        try:
            await self._store.put_run(run)
        except ManagerError:
            del self._runs[run.id]
            raise

    async def keep(self, run: RemedyRun) -> None:
        """It goes on; a store that is away gets it later."""
        self._runs[run.id] = self._unsaved[run.id] = run
        await self.save_behind()

    async def save_behind(self) -> None:
        for run_id, run in tuple(self._unsaved.items()):
            try:
                await self._store.put_run(run)
            except ManagerError as error:
                log.warning("journal of remedies waits", reason=error.detail)
                return
            if self._unsaved.get(run_id) is run:
                del self._unsaved[run_id]

    async def history(self, *, limit: int) -> tuple[RemedyRun, ...]:
        """Newest first. Raises Unavailable."""
        return await self._store.remedy_runs(limit=limit)

    def breakers(self) -> tuple[RemedyBreaker, ...]:
        return tuple(breaker for breaker in self._breakers.values() if breaker.is_open)

    def breaker(self, encoder_id: EncoderId) -> RemedyBreaker | None:
        """As it was last, open or cleared."""
        return self._breakers.get(encoder_id)

    async def open(self, breaker: RemedyBreaker) -> None:
        """It holds at once, whatever the store says. Raises Unavailable."""
        self._breakers[breaker.encoder_id] = breaker
        await self._store.put_breaker(breaker)

    async def clear(self, breaker: RemedyBreaker, by: str) -> None:
        """Raises Unavailable: then it holds still."""
        cleared = replace(breaker, cleared_at=utc_now(), cleared_by=by)
        await self._store.put_breaker(cleared)
        self._breakers[breaker.encoder_id] = cleared

    def _forget_old(self) -> None:
        oldest: datetime = utc_now() - timedelta(seconds=DAY_S)
        if len(self._runs) >= MAX_RUNS:
            # Time may have been set: what is over and old goes, what is under way stays.
            self._runs = {key: run for key, run in self._runs.items() if not run.is_over or run.began_at > oldest}
