"""Devices that operators entered: one row each, the password sealed for its device alone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import orjson
import structlog
from sqlalchemy import Row, delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.adapters.store.seal import Sealer
from app.adapters.store.tables import devices, to_us
from app.domain.device import KeptDevice
from app.domain.errors import InvalidSettings
from app.domain.ids import EncoderId
from app.domain.secret import Secret
from app.runtime.records import TIMES, Leaves, from_plain, to_plain

ALL: Final = select(devices.c.encoder_id, devices.c.body).order_by(devices.c.added_us, devices.c.encoder_id)

log = structlog.get_logger()


async def put(connection: AsyncConnection, dialect: Any, device: KeptDevice, sealer: Sealer) -> None:
    entry = device.entry
    body = orjson.dumps(to_plain(device, _leaves(sealer, entry.encoder_id))).decode()
    row = {"encoder_id": entry.encoder_id, "added_us": to_us(entry.added_at), "body": body}
    insert = dialect.insert(devices)
    changed = {name: insert.excluded[name] for name in ("added_us", "body")}
    await connection.execute(insert.on_conflict_do_update(index_elements=["encoder_id"], set_=changed), row)


async def remove(connection: AsyncConnection, encoder_id: EncoderId) -> bool:
    return (await connection.execute(delete(devices).where(devices.c.encoder_id == encoder_id))).rowcount > 0


def devices_of(rows: Iterable[Row[Any]], sealer: Sealer) -> tuple[KeptDevice, ...]:
    """Of all rows that can be read; of the others the log tells."""
    found: list[KeptDevice] = []
    for row in rows:
        try:
            found.append(from_plain(KeptDevice, orjson.loads(row.body), _leaves(sealer, row.encoder_id)))
        except (ValueError, InvalidSettings) as error:
            log.error("device of the store cannot be read", encoder_id=row.encoder_id, reason=str(error))
    return tuple(found)


def _leaves(sealer: Sealer, encoder_id: str) -> Leaves:
    return {**TIMES, Secret: sealer.leaf(f"device {encoder_id}")}
