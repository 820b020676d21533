"""All writes of the store, one after the other on one connection, committed in groups.

Under load several callers share one commit, so one sync to disk; alone, a write pays for itself only.
A write that is refused or crashes takes no other one with it: its group is run again one by one. A database that is
away fails the whole group at once, so nobody waits for several time-outs. A control that leads no more writes
nothing: each transaction begins with the fences of its writes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.adapters.store.engine import our_errors
from app.domain.errors import NotLeading, Unavailable

MAX_WAITING: Final = 2_048
MAX_GROUP: Final = 64

Work = Callable[[AsyncConnection], Awaitable[Any]]
Fence = Callable[[AsyncConnection], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class _Job:
    work: Work
    fence: Fence | None
    result: asyncio.Future[Any]


class GroupWriter:
    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._jobs: asyncio.Queue[_Job] = asyncio.Queue(MAX_WAITING)
        self._task = asyncio.create_task(self._run(), name="store-writer")

    async def write(self, work: Work, fence: Fence | None = None) -> Any:
        """`work`'s result, once it is committed. `fence` raises NotLeading when it must not happen any more.

        Raises Unavailable, NotLeading, or what `work` raised.
        """
        if self._task.done():
            raise Unavailable("the store is closed")
        job = _Job(work, fence, asyncio.get_running_loop().create_future())
        try:
            self._jobs.put_nowait(job)
        except asyncio.QueueFull:
            raise Unavailable("the database is behind", retry_after_s=2.0) from None
        return await job.result

    async def close(self) -> None:
        """Writes that wait are still carried out."""
        await self._jobs.join()
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            group = [await self._jobs.get()]
            while len(group) < MAX_GROUP and not self._jobs.empty():
                group.append(self._jobs.get_nowait())
            # A caller that is gone before its turn wants nothing any more.
            alive = [job for job in group if not job.result.done()]
            if not await self._commit(alive):
                for job in alive:
                    await self._commit([job])
            for _ in group:
                self._jobs.task_done()

    async def _commit(self, group: list[_Job]) -> bool:
        """Carry the group out in one transaction and answer its callers; False: one was refused, no answers."""
        if not group:
            return True
        try:
            with our_errors():
                async with self._engine.begin() as connection:
                    for fence in {job.fence for job in group if job.fence is not None}:
                        await fence(connection)
                    results = [await job.work(connection) for job in group]
        except Exception as error:  # supervises foreign work: one bad write must not end all later ones
            is_away = isinstance(error, Unavailable) and not isinstance(error, NotLeading)
            if len(group) > 1 and not is_away:
                return False
            for job in group:
                if not job.result.done():
                    job.result.set_exception(error)
            return True
        for job, result in zip(group, results, strict=True):
            if not job.result.done():
                job.result.set_result(result)
        return True
