"""The store on SQLite and PostgreSQL. One file for both: only the upsert is the dialect's."""

from __future__ import annotations

import asyncio
import copy
from datetime import datetime
from typing import Any, Final, Self, TextIO

from sqlalchemy import Insert, Select, delete, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.adapters.store import devices, failovers
from app.adapters.store.alerts import SqlAlerts
from app.adapters.store.engine import open_engine, our_errors, own_file
from app.adapters.store.leases import LeaseRows, refuse_older
from app.adapters.store.migrate import upgrade
from app.adapters.store.remedies import SqlRemedies
from app.adapters.store.rows import key_of, key_row, note_of, note_row, stream_row, streams_of
from app.adapters.store.seal import Sealer
from app.adapters.store.tables import api_keys, encoder_wishes, notes, streams, to_us
from app.adapters.store.writer import Fence, GroupWriter, Work
from app.domain.access import ApiKey
from app.domain.device import KeptDevice
from app.domain.errors import Conflict
from app.domain.failover import SwitchReport
from app.domain.fleet import OperatorWish
from app.domain.ids import EncoderId, KeyId, StreamId
from app.domain.lease import Lease
from app.domain.note import Note
from app.domain.secret import Secret
from app.domain.session import StreamRecord

MAX_NOTES: Final = 20_000
MAX_ENDED_STREAMS: Final = 20_000
TRIM_EVERY: Final = 500
"""Writes between two trims of the log: the bound may be passed by this many lines."""


class SqlStore:
    """Implements `Store` and `LeaseBook`. Made by `open`, which brings the database to this version first."""

    def __init__(self, engine: AsyncEngine, sealer: Sealer, lock: TextIO | None) -> None:
        self._engine = engine
        self._sealer = sealer
        self._lock = lock
        self._writer = GroupWriter(engine)
        self._fence: Fence | None = None
        self._since_trim = 0
        self._dialect: Any = sqlite if engine.dialect.name == "sqlite" else postgresql
        self._leases = LeaseRows(engine.dialect.name, self._dialect, exclusive=self.exclusive)
        self._put_stream = _upsert_stream(self._dialect)
        self._put_wish = _upsert_wish(self._dialect)

    @classmethod
    async def open(cls, database_url: str, *, seal_key: Secret) -> Self:
        """Raises InvalidSettings for settings that can never work, Unavailable while the database is away."""
        sealer = Sealer(seal_key)
        engine = open_engine(database_url)
        lock = await asyncio.to_thread(own_file, engine)
        try:
            with our_errors():
                await upgrade(engine)
        except BaseException:
            await engine.dispose()
            if lock is not None:
                lock.close()
            raise
        return cls(engine, sealer, lock)

    async def close(self) -> None:
        await self._writer.close()
        await self._engine.dispose()
        if self._lock is not None:
            self._lock.close()

    async def ping(self) -> None:
        await self._rows(select(func.count()).select_from(encoder_wishes))

    # --- the lease

    @property
    def exclusive(self) -> bool:
        return self._lock is not None

    async def claim(self, name: str, holder: str, *, length_s: float, over: Lease | None) -> Lease:
        with our_errors():
            async with self._engine.begin() as connection:
                return await self._leases.claim(connection, name, holder, length_s=length_s, over=over)

    async def renew(self, name: str, lease: Lease) -> Lease:
        with our_errors():
            async with self._engine.begin() as connection:
                return await self._leases.renew(connection, name, lease)

    async def give_back(self, name: str, lease: Lease) -> None:
        with our_errors():
            async with self._engine.begin() as connection:
                await self._leases.give_back(connection, name, lease)

    def write_under(self, name: str, epoch: int) -> None:
        self._fence = lambda connection: refuse_older(connection, name, epoch)

    def for_a_reign(self) -> SqlStore:
        """The same store for other hands: `write_under` counts for those alone. Only the first one is closed."""
        return copy.copy(self)

    @property
    def alerts(self) -> SqlAlerts:
        """What people are told; its writes are under the same fence."""
        return SqlAlerts(self._dialect, self._write, self._rows)

    @property
    def remedies(self) -> SqlRemedies:
        """How devices were mended; its writes are under the same fence."""
        return SqlRemedies(self._dialect, self._write, self._rows)

    async def _write(self, work: Work) -> Any:
        return await self._writer.write(work, self._fence)

    # --- streams

    async def put_stream(self, record: StreamRecord, note: Note | None = None) -> None:
        row = stream_row(record, self._sealer)

        async def work(connection: AsyncConnection) -> None:
            done = await connection.execute(self._put_stream, row)
            if done.rowcount == 0:
                raise Conflict(f"the store holds a newer revision of {record.stream_id} than {record.revision}")
            if note is not None:
                await self._note(connection, note)

        await self._write(work)

    async def stream(self, stream_id: StreamId) -> StreamRecord | None:
        found = await self._streams(streams.c.stream_id == stream_id, limit=1)
        return found[0] if found else None

    async def running_streams(self) -> tuple[StreamRecord, ...]:
        return await self._streams(streams.c.running, order=streams.c.created_us)

    async def running_ids(self) -> frozenset[StreamId]:
        rows = await self._rows(select(streams.c.stream_id).where(streams.c.running))
        return frozenset(StreamId(row.stream_id) for row in rows)

    async def ended_streams(self, tenant: str | None, *, limit: int = 100) -> tuple[StreamRecord, ...]:
        ended = ~streams.c.running
        wanted = ended if tenant is None else ended & (streams.c.tenant == tenant)
        return await self._streams(wanted, order=streams.c.ended_us.desc(), limit=limit)

    async def _streams(
        self, wanted: Any, *, order: Any = None, limit: int | None = None
    ) -> tuple[StreamRecord, ...]:
        query = select(streams.c.stream_id, streams.c.body).where(wanted).limit(limit)
        rows = await self._rows(query if order is None else query.order_by(order))
        return streams_of(rows, self._sealer)

    # --- failovers

    async def add_failover(self, report: SwitchReport) -> bool:
        return bool(await self._write(lambda connection: failovers.add(connection, self._dialect, report)))

    async def failovers(self, stream_id: StreamId | None, *, limit: int = 100) -> tuple[SwitchReport, ...]:
        rows = [row for query in failovers.newest(stream_id, limit) for row in await self._rows(query)]
        found = sorted((failovers.report_of(row.body) for row in rows), key=lambda report: report.generation)
        return tuple(sorted(found, key=lambda report: report.at)[::-1][:limit])

    # --- devices

    async def put_device(self, device: KeptDevice) -> None:
        await self._write(lambda connection: devices.put(connection, self._dialect, device, self._sealer))

    async def remove_device(self, encoder_id: EncoderId) -> bool:
        return bool(await self._write(lambda connection: devices.remove(connection, encoder_id)))

    async def devices(self) -> tuple[KeptDevice, ...]:
        return devices.devices_of(await self._rows(devices.ALL), self._sealer)

    # --- keys

    async def add_key(self, key: ApiKey) -> None:
        async def work(connection: AsyncConnection) -> None:
            try:
                await connection.execute(insert(api_keys), key_row(key))
            except IntegrityError as error:
                raise Conflict("this key is there already") from error

        await self._write(work)

    async def key_by_digest(self, digest: str) -> ApiKey | None:
        rows = await self._rows(select(api_keys).where(api_keys.c.digest == digest))
        return key_of(rows[0]) if rows else None

    async def keys(self) -> tuple[ApiKey, ...]:
        rows = await self._rows(select(api_keys).order_by(api_keys.c.created_us, api_keys.c.key_id))
        return tuple(key_of(row) for row in rows)

    async def revoke_key(self, key_id: KeyId, at: datetime) -> bool:
        change = (
            update(api_keys)
            .where(api_keys.c.key_id == key_id)
            .values(revoked_us=func.coalesce(api_keys.c.revoked_us, to_us(at)))
        )

        async def work(connection: AsyncConnection) -> bool:
            return (await connection.execute(change)).rowcount > 0

        return bool(await self._write(work))

    # --- operators' wishes, notes

    async def wishes(self) -> dict[EncoderId, OperatorWish]:
        rows = await self._rows(select(encoder_wishes))
        return {EncoderId(row.encoder_id): OperatorWish(row.wish) for row in rows}

    async def put_wish(self, encoder_id: EncoderId, wish: OperatorWish, at: datetime) -> None:
        row = {"encoder_id": encoder_id, "wish": wish.value, "changed_us": to_us(at)}
        await self._write(lambda connection: connection.execute(self._put_wish, row))

    async def add_note(self, note: Note) -> None:
        await self._write(lambda connection: self._note(connection, note))

    async def notes(self, subject: str | None = None, *, limit: int = 100) -> tuple[Note, ...]:
        query = select(notes).order_by(notes.c.note_id.desc()).limit(limit)
        rows = await self._rows(query if subject is None else query.where(notes.c.subject == subject))
        return tuple(note_of(row) for row in rows)

    async def _note(self, connection: AsyncConnection, note: Note) -> None:
        await connection.execute(insert(notes), note_row(note))
        self._since_trim += 1
        if self._since_trim >= TRIM_EVERY:
            self._since_trim = 0
            await _trim(connection)

    async def _rows(self, query: Select[Any]) -> list[Any]:
        with our_errors():
            async with self._engine.connect() as connection:
                return list(await connection.execute(query))


def _upsert_stream(dialect: Any) -> Insert:
    put = dialect.insert(streams)
    changed = {name: put.excluded[name] for name in ("running", "revision", "ended_us", "body")}
    statement: Insert = put.on_conflict_do_update(
        index_elements=["stream_id"], set_=changed, where=streams.c.revision <= put.excluded.revision
    )
    return statement


def _upsert_wish(dialect: Any) -> Insert:
    put = dialect.insert(encoder_wishes)
    changed = {name: put.excluded[name] for name in ("wish", "changed_us")}
    statement: Insert = put.on_conflict_do_update(index_elements=["encoder_id"], set_=changed)
    return statement


async def _trim(connection: AsyncConnection) -> None:
    """The log and the ended streams keep their newest rows."""
    newest = select(func.max(notes.c.note_id)).scalar_subquery()
    await connection.execute(delete(notes).where(notes.c.note_id <= newest - MAX_NOTES))
    oldest_kept = (
        select(streams.c.ended_us)
        .where(~streams.c.running)
        .order_by(streams.c.ended_us.desc())
        .offset(MAX_ENDED_STREAMS)
        .limit(1)
        .scalar_subquery()
    )
    await connection.execute(delete(streams).where(~streams.c.running & (streams.c.ended_us <= oldest_kept)))
    await failovers.trim(connection)
