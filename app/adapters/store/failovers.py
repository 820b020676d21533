"""Reports of failovers: kept once each, the last ones of every stream. A change of input has no generation that is
its own, so those are kept apart, by their time."""

from __future__ import annotations

from typing import Any, Final

import orjson
from sqlalchemy import Select, Table, delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.adapters.store.tables import failovers, input_changes, streams, to_us
from app.domain.failover import SwitchKind, SwitchReport
from app.domain.ids import StreamId
from app.runtime.records import from_plain, to_plain

MAX_OF_A_STREAM: Final = 1_000


async def add(connection: AsyncConnection, dialect: Any, report: SwitchReport) -> bool:
    """False when the report is there already; it stays as it was."""
    if report.kind is SwitchKind.INPUT:
        return await _add_change(connection, dialect, report)
    put = dialect.insert(failovers).on_conflict_do_nothing(index_elements=["stream_id", "generation"])
    row = {
        "stream_id": report.stream_id,
        "generation": report.generation,
        "at_us": to_us(report.at),
        "body": orjson.dumps(to_plain(report)).decode(),
    }
    if (await connection.execute(put, row)).rowcount == 0:
        return False
    await connection.execute(_beyond_the_last(failovers, failovers.c.generation, report.stream_id))
    return True


async def _add_change(connection: AsyncConnection, dialect: Any, report: SwitchReport) -> bool:
    put = dialect.insert(input_changes).on_conflict_do_nothing(index_elements=["stream_id", "at_us"])
    body = orjson.dumps(to_plain(report)).decode()
    row = {"stream_id": report.stream_id, "at_us": to_us(report.at), "body": body}
    if (await connection.execute(put, row)).rowcount == 0:
        return False
    await connection.execute(_beyond_the_last(input_changes, input_changes.c.at_us, report.stream_id))
    return True


def newest(stream_id: StreamId | None, limit: int) -> tuple[Select[Any], Select[Any]]:
    """Of both kinds, each newest first: together they hold the newest `limit`."""
    switches = select(failovers.c.body).order_by(failovers.c.at_us.desc(), failovers.c.generation.desc())
    changes = select(input_changes.c.body).order_by(input_changes.c.at_us.desc())
    if stream_id is not None:
        switches = switches.where(failovers.c.stream_id == stream_id)
        changes = changes.where(input_changes.c.stream_id == stream_id)
    return switches.limit(limit), changes.limit(limit)


def report_of(body: str) -> SwitchReport:
    return from_plain(SwitchReport, orjson.loads(body))


async def trim(connection: AsyncConnection) -> None:
    """Reports go with the stream that they are of."""
    kept = select(streams.c.stream_id)
    for table in (failovers, input_changes):
        await connection.execute(delete(table).where(table.c.stream_id.not_in(kept)))


def _beyond_the_last(table: Table, order: Any, stream_id: StreamId) -> Any:
    too_old = (
        select(order)
        .where(table.c.stream_id == stream_id)
        .order_by(order.desc())
        .offset(MAX_OF_A_STREAM)
        .limit(1)
        .scalar_subquery()
    )
    return delete(table).where(table.c.stream_id == stream_id, order <= too_old)
