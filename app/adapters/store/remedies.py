"""The journal of remedies and the breakers as rows of the one store."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, Final

import orjson
from sqlalchemy import Delete, Select, delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.adapters.store.tables import remedy_breakers, remedy_runs, to_us
from app.adapters.store.writer import Work
from app.domain.remediation import RemedyBreaker, RemedyRun
from app.runtime.records import from_plain, to_plain

MAX_RUNS: Final = 10_000

Write = Callable[[Work], Awaitable[Any]]
Rows = Callable[[Select[Any]], Awaitable[list[Any]]]


class SqlRemedies:
    """Implements `RemedyStore` with the reading and the fenced writing of the store that it belongs to."""

    def __init__(self, dialect: Any, write: Write, rows: Rows) -> None:
        self._dialect = dialect
        self._write = write
        self._rows = rows

    async def put_run(self, run: RemedyRun) -> None:
        row = {"began_us": to_us(run.began_at), "is_over": run.is_over, "body": _body(run)}
        put = self._dialect.insert(remedy_runs).values(run_id=run.id, **row)
        put = put.on_conflict_do_update(index_elements=["run_id"], set_={name: put.excluded[name] for name in row})

        async def work(connection: AsyncConnection) -> None:
            await connection.execute(put)
            if run.is_over:
                await connection.execute(_too_old())

        await self._write(work)

    async def open_runs(self) -> tuple[RemedyRun, ...]:
        wanted = select(remedy_runs.c.body).where(~remedy_runs.c.is_over).order_by(remedy_runs.c.began_us)
        return tuple(from_plain(RemedyRun, orjson.loads(row.body)) for row in await self._rows(wanted))

    async def remedy_runs(self, *, limit: int = 100, since: datetime | None = None) -> tuple[RemedyRun, ...]:
        wanted = select(remedy_runs.c.body).order_by(remedy_runs.c.began_us.desc(), remedy_runs.c.run_id)
        if since is not None:
            wanted = wanted.where(remedy_runs.c.began_us >= to_us(since))
        return tuple(from_plain(RemedyRun, orjson.loads(row.body)) for row in await self._rows(wanted.limit(limit)))

    async def put_breaker(self, breaker: RemedyBreaker) -> None:
        put = self._dialect.insert(remedy_breakers).values(encoder_id=breaker.encoder_id, body=_body(breaker))
        put = put.on_conflict_do_update(index_elements=["encoder_id"], set_={"body": put.excluded["body"]})
        await self._write(lambda connection: connection.execute(put))

    async def breakers(self) -> tuple[RemedyBreaker, ...]:
        wanted = select(remedy_breakers.c.body).order_by(remedy_breakers.c.encoder_id)
        return tuple(from_plain(RemedyBreaker, orjson.loads(row.body)) for row in await self._rows(wanted))


def _too_old() -> Delete:
    """Older than the newest MAX_RUNS that are over."""
    newest = select(remedy_runs.c.began_us).where(remedy_runs.c.is_over).order_by(remedy_runs.c.began_us.desc())
    oldest_kept = newest.offset(MAX_RUNS - 1).limit(1).scalar_subquery()
    return delete(remedy_runs).where(remedy_runs.c.is_over, remedy_runs.c.began_us < oldest_kept)


def _body(record: RemedyRun | RemedyBreaker) -> str:
    return orjson.dumps(to_plain(record)).decode()
