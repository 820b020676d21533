"""Reports of failovers: kept once each, the last ones of every stream."""

from __future__ import annotations

from typing import Any, Final

import orjson
from sqlalchemy import Select, delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.adapters.store.tables import failovers, streams, to_us
from app.domain.failover import SwitchReport
from app.domain.ids import StreamId
from app.runtime.records import from_plain, to_plain

MAX_OF_A_STREAM: Final = 1_000


async def add(connection: AsyncConnection, dialect: Any, report: SwitchReport) -> bool:
    """False when the report of this stream and generation is there already; it stays as it was."""
    put = dialect.insert(failovers).on_conflict_do_nothing(index_elements=["stream_id", "generation"])
    row = {
        "stream_id": report.stream_id,
        "generation": report.generation,
        "at_us": to_us(report.at),
        "body": orjson.dumps(to_plain(report)).decode(),
    }
    if (await connection.execute(put, row)).rowcount == 0:
        return False
    await connection.execute(_beyond_the_last(report.stream_id))
    return True


def newest(stream_id: StreamId | None, limit: int) -> Select[Any]:
    query = select(failovers.c.body).order_by(failovers.c.at_us.desc(), failovers.c.generation.desc()).limit(limit)
    return query if stream_id is None else query.where(failovers.c.stream_id == stream_id)


def report_of(body: str) -> SwitchReport:
    return from_plain(SwitchReport, orjson.loads(body))


async def trim(connection: AsyncConnection) -> None:
    """Reports go with the stream that they are of."""
    kept = select(streams.c.stream_id)
    await connection.execute(delete(failovers).where(failovers.c.stream_id.not_in(kept)))


def _beyond_the_last(stream_id: StreamId) -> Any:
    too_old = (
        select(failovers.c.generation)
        .where(failovers.c.stream_id == stream_id)
        .order_by(failovers.c.generation.desc())
        .offset(MAX_OF_A_STREAM)
        .limit(1)
        .scalar_subquery()
    )
    return delete(failovers).where(failovers.c.stream_id == stream_id, failovers.c.generation <= too_old)
