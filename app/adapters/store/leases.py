"""Leases as rows. Taking one over is one statement, so of several that try it one succeeds.

Writes that carry an epoch look at the row and hold it until they are committed: a claim that comes meanwhile waits
for them, and whoever got the lease reads what they wrote.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import ColumnElement, Select, and_, case, literal_column, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.adapters.store.tables import leases
from app.domain.errors import NotLeading
from app.domain.lease import Lease

_NOW_US: Final = {
    "sqlite": "CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)",
    "postgresql": "CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT)",
}
_US: Final = 1_000_000
GIVEN_BACK: Final = 0


class LeaseRows:
    """`backend`: name of the dialect; `dialect`: SQLAlchemy's module of it."""

    def __init__(self, backend: str, dialect: Any, *, exclusive: bool) -> None:
        self._dialect = dialect
        self._exclusive = exclusive
        self._now: ColumnElement[int] = literal_column(_NOW_US[backend])
        # Peers remember epochs; those of a database that was made anew or restored must be above the old one's.
        self._second: ColumnElement[int] = literal_column(f"{_NOW_US[backend]} / {_US}")
        self._next = case((leases.c.epoch >= self._second, leases.c.epoch + 1), else_=self._second)

    async def claim(
        self, connection: AsyncConnection, name: str, holder: str, *, length_s: float, over: Lease | None
    ) -> Lease:
        length_us = round(length_s * _US)
        new = {"holder": holder, "expires_us": self._now + length_us, "length_us": length_us}
        put = self._dialect.insert(leases).values(name=name, epoch=self._second, **new)
        take = put.on_conflict_do_update(
            index_elements=["name"],
            set_={**new, "epoch": self._next},
            where=None if self._exclusive else _is_free_for(holder, over),
        )
        await connection.execute(take)
        return await self._read(connection, name)

    async def renew(self, connection: AsyncConnection, name: str, lease: Lease) -> Lease:
        change = update(leases).where(_is(name, lease)).values(expires_us=self._now + leases.c.length_us)
        await connection.execute(change)
        return await self._read(connection, name)

    async def give_back(self, connection: AsyncConnection, name: str, lease: Lease) -> None:
        await connection.execute(update(leases).where(_is(name, lease)).values(expires_us=GIVEN_BACK))

    async def _read(self, connection: AsyncConnection, name: str) -> Lease:
        row = (
            await connection.execute(select(leases, self._now.label("now_us")).where(leases.c.name == name))
        ).one()
        left_s = (row.expires_us - row.now_us) / _US
        return Lease(row.holder, row.epoch, row.expires_us, left_s, row.length_us / _US)


async def refuse_older(connection: AsyncConnection, name: str, epoch: int) -> None:
    """Raises NotLeading when the lease has another epoch; else it stays as it is until the transaction ends."""
    held: Select[Any] = (
        select(leases.c.epoch, leases.c.holder).where(leases.c.name == name).with_for_update(read=True)
    )
    row = (await connection.execute(held)).one_or_none()
    if row is None or row.epoch != epoch:
        raise NotLeading("this control does not lead any more" if row is None else f"{row.holder} leads now")


def _is(name: str, lease: Lease) -> ColumnElement[bool]:
    return and_(leases.c.name == name, leases.c.holder == lease.holder, leases.c.epoch == lease.epoch)


def _is_free_for(holder: str, over: Lease | None) -> ColumnElement[bool]:
    free = or_(leases.c.expires_us == GIVEN_BACK, leases.c.holder == holder)
    if over is None:
        return free
    return or_(free, and_(leases.c.epoch == over.epoch, leases.c.expires_us == over.expires_us))
