"""Records to rows and back. Secrets are sealed on the way in and opened on the way out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson
import structlog
from sqlalchemy import Row

from app.adapters.store.seal import Sealer
from app.adapters.store.tables import from_us, to_us
from app.domain.access import ApiKey, Scope
from app.domain.errors import InvalidSettings
from app.domain.ids import KeyId
from app.domain.note import Note
from app.domain.secret import Secret
from app.domain.session import StreamRecord
from app.runtime.records import TIMES, from_plain, to_plain

log = structlog.get_logger()


def stream_row(record: StreamRecord, sealer: Sealer) -> dict[str, Any]:
    leaves = {**TIMES, Secret: sealer.leaf(record.stream_id)}
    return {
        "stream_id": record.stream_id,
        "tenant": record.tenant,
        "running": record.ended_at is None,
        "revision": record.revision,
        "created_us": to_us(record.created_at),
        "ended_us": None if record.ended_at is None else to_us(record.ended_at),
        "body": orjson.dumps(to_plain(record, leaves)).decode(),
    }


def stream_of(stream_id: str, body: str, sealer: Sealer) -> StreamRecord:
    leaves = {**TIMES, Secret: sealer.leaf(stream_id)}
    return from_plain(StreamRecord, orjson.loads(body), leaves)


def streams_of(rows: Iterable[Row[Any]], sealer: Sealer) -> tuple[StreamRecord, ...]:
    """The records of all rows that can be read; of the others the log tells.

    Raises InvalidSettings when a secret does not open and none of another row does: the key is the wrong one.
    """
    found: list[StreamRecord] = []
    sealed: InvalidSettings | None = None
    for row in rows:
        try:
            found.append(stream_of(row.stream_id, row.body, sealer))
        except (ValueError, InvalidSettings) as error:
            sealed = error if isinstance(error, InvalidSettings) else sealed
            log.error("stream of the store cannot be read", stream_id=row.stream_id, reason=str(error))
    if sealed is not None and not any(record.destinations or record.feed for record in found):
        raise sealed
    return tuple(found)


def key_row(key: ApiKey) -> dict[str, Any]:
    return {
        "key_id": key.key_id,
        "digest": key.digest,
        "name": key.name,
        "tenant": key.tenant,
        "scopes": ",".join(sorted(key.scopes)),
        "last4": key.last4,
        "created_us": to_us(key.created_at),
        "expires_us": to_us(key.expires_at),
        "revoked_us": None if key.revoked_at is None else to_us(key.revoked_at),
    }


def key_of(row: Row[Any]) -> ApiKey:
    return ApiKey(
        key_id=KeyId(row.key_id),
        name=row.name,
        tenant=row.tenant,
        scopes=frozenset(Scope(scope) for scope in row.scopes.split(",") if scope),
        digest=row.digest,
        last4=row.last4,
        created_at=from_us(row.created_us),
        expires_at=from_us(row.expires_us),
        revoked_at=None if row.revoked_us is None else from_us(row.revoked_us),
    )


def note_row(note: Note) -> dict[str, Any]:
    return {"at_us": to_us(note.at), "subject": note.subject, "kind": note.kind, "text": note.text}


def note_of(row: Row[Any]) -> Note:
    return Note(from_us(row.at_us), row.subject, row.kind, row.text)
