"""Alerts, the outbox and silences as rows of the one store."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar

import orjson
from sqlalchemy import Select, delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.adapters.store.tables import alerts, outbox, silences, to_us
from app.adapters.store.writer import Work
from app.domain.alert import Alert
from app.domain.notification import KeptAlert, OutMessage, Silence
from app.runtime.clock import utc_now
from app.runtime.records import from_plain, to_plain

MAX_ENDED: Final = 10_000
MAX_DEAD: Final = 1_000
TRIM_EACH: Final = 100
"""Trimmed each time that so many alerts are over: the bound may be passed by these."""
SILENCE_KEPT: Final = timedelta(days=7)

R = TypeVar("R", KeptAlert, OutMessage, Silence)


def _body(record: KeptAlert | OutMessage | Silence) -> str:
    return orjson.dumps(to_plain(record)).decode()


Write = Callable[[Work], Awaitable[Any]]
Rows = Callable[[Select[Any]], Awaitable[list[Any]]]


class SqlAlerts:
    """Implements `AlertStore` with the reading and the fenced writing of the store that it belongs to."""

    def __init__(self, dialect: Any, write: Write, rows: Rows) -> None:
        self._dialect = dialect
        self._write = write
        self._rows = rows
        # How many the process before had counted is not known: the first write trims.
        self._settled = TRIM_EACH

    async def keep_alerts(self, kept: Sequence[KeptAlert], messages: Sequence[OutMessage] = ()) -> None:
        self._settled += sum(one.is_settled for one in kept)
        is_trimmed = self._settled >= TRIM_EACH

        async def work(connection: AsyncConnection) -> None:
            await _keep(connection, self._dialect, kept, messages)
            if is_trimmed:
                await _trim(connection)

        await self._write(work)
        if is_trimmed:
            self._settled = 0

    async def open_alerts(self) -> tuple[KeptAlert, ...]:
        return await self._read(
            KeptAlert, select(alerts.c.body).where(~alerts.c.settled).order_by(alerts.c.started_us)
        )

    async def alert_history(self, *, limit: int = 100, before: datetime | None = None) -> tuple[Alert, ...]:
        query = select(alerts.c.body).order_by(alerts.c.started_us.desc(), alerts.c.fingerprint).limit(limit)
        wanted = query if before is None else query.where(alerts.c.started_us < to_us(before))
        return tuple(kept.alert for kept in await self._read(KeptAlert, wanted))

    async def waiting_messages(self) -> tuple[OutMessage, ...]:
        return await self._read(OutMessage, select(outbox.c.body).where(~outbox.c.dead).order_by(outbox.c.position))

    async def dead_letters(self, *, limit: int = 100) -> tuple[OutMessage, ...]:
        newest = select(outbox.c.body).where(outbox.c.dead).order_by(outbox.c.position.desc())
        return await self._read(OutMessage, newest.limit(limit))

    async def put_message(self, message: OutMessage) -> None:
        await self._write(lambda connection: _put_message(connection, message))

    async def message_sent(self, message_id: str) -> None:
        done = delete(outbox).where(outbox.c.message_id == message_id)
        await self._write(lambda connection: connection.execute(done))

    async def put_silence(self, silence: Silence) -> None:
        put = self._dialect.insert(silences).values(
            silence_id=silence.id, ends_us=to_us(silence.ends_at), body=_body(silence)
        )
        changed = {name: put.excluded[name] for name in ("ends_us", "body")}
        put = put.on_conflict_do_update(index_elements=["silence_id"], set_=changed)

        async def work(connection: AsyncConnection) -> None:
            await _trim_silences(connection)
            await connection.execute(put)

        await self._write(work)

    async def silences(self) -> tuple[Silence, ...]:
        kept_from = to_us(utc_now() - SILENCE_KEPT)
        kept = select(silences.c.body).where(silences.c.ends_us > kept_from).order_by(silences.c.ends_us)
        return await self._read(Silence, kept)

    async def drop_silence(self, silence_id: str) -> bool:
        gone = delete(silences).where(silences.c.silence_id == silence_id)

        async def work(connection: AsyncConnection) -> bool:
            return (await connection.execute(gone)).rowcount > 0

        return bool(await self._write(work))

    async def _read(self, kind: type[R], query: Select[Any]) -> tuple[R, ...]:
        return tuple(from_plain(kind, orjson.loads(row.body)) for row in await self._rows(query))


async def _keep(
    connection: AsyncConnection, dialect: Any, kept: Sequence[KeptAlert], messages: Sequence[OutMessage]
) -> None:
    put = dialect.insert(alerts)
    changed = {name: put.excluded[name] for name in ("ended_us", "settled", "body")}
    put = put.on_conflict_do_update(index_elements=["fingerprint", "started_us"], set_=changed)
    if kept:
        await connection.execute(put, [_alert_row(one) for one in kept])
    if messages:
        add = dialect.insert(outbox).on_conflict_do_nothing(index_elements=["message_id"])
        for message in messages:
            await connection.execute(add, _message_row(message))


async def _put_message(connection: AsyncConnection, message: OutMessage) -> None:
    row = _message_row(message)
    change = update(outbox).where(outbox.c.message_id == message.id)
    await connection.execute(change.values(dead=row["dead"], body=row["body"]))
    if message.is_dead:
        await connection.execute(_beyond(outbox.c.position, outbox.c.dead, MAX_DEAD))


async def _trim(connection: AsyncConnection) -> None:
    """The newest of what is over stay."""
    await connection.execute(_beyond(alerts.c.started_us, alerts.c.settled, MAX_ENDED))
    await _trim_silences(connection)


async def _trim_silences(connection: AsyncConnection) -> None:
    old = to_us(utc_now() - SILENCE_KEPT)
    await connection.execute(delete(silences).where(silences.c.ends_us <= old))


def _beyond(order: Any, wanted: Any, most: int) -> Any:
    oldest_kept = select(order).where(wanted).order_by(order.desc()).offset(most).limit(1).scalar_subquery()
    return delete(order.table).where(wanted & (order <= oldest_kept))


def _alert_row(kept: KeptAlert) -> dict[str, Any]:
    alert = kept.alert
    return {
        "fingerprint": alert.fingerprint,
        "started_us": to_us(alert.started_at),
        "ended_us": None if alert.ended_at is None else to_us(alert.ended_at),
        "settled": kept.is_settled,
        "body": _body(kept),
    }


def _message_row(message: OutMessage) -> dict[str, Any]:
    return {
        "message_id": message.id,
        "channel": message.channel,
        "created_us": to_us(message.created_at),
        "dead": message.is_dead,
        "body": _body(message),
    }
