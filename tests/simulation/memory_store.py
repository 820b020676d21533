"""A store in memory that outlives the control that uses it. Keeps what the port promises, and can be away."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any

from app.domain.errors import Conflict, Unavailable
from app.domain.failover import SwitchReport
from app.domain.fleet import OperatorWish
from app.domain.ids import EncoderId, StreamId
from app.domain.note import Note
from app.domain.session import StreamRecord

WRITE_S = 0.003


class MemoryStore:
    """Implements what of `Store` a fleet without API needs."""

    def __init__(self) -> None:
        self._streams: dict[StreamId, StreamRecord] = {}
        self._reports: dict[tuple[StreamId, int], SwitchReport] = {}
        self._wishes: dict[EncoderId, OperatorWish] = {}
        self.away = False

    async def _turn(self) -> None:
        await asyncio.sleep(WRITE_S)
        if self.away:
            raise Unavailable("the store is away")

    async def put_stream(self, record: StreamRecord, note: Note | None = None, **_: Any) -> None:
        await self._turn()
        held = self._streams.get(record.stream_id)
        if held is not None and held.revision > record.revision:
            raise Conflict("the store holds a newer revision")
        self._streams[record.stream_id] = record

    async def stream(self, stream_id: StreamId) -> StreamRecord | None:
        await self._turn()
        return self._streams.get(stream_id)

    async def running_streams(self) -> tuple[StreamRecord, ...]:
        await self._turn()
        return tuple(record for record in self._streams.values() if record.ended_at is None)

    async def running_ids(self) -> frozenset[StreamId]:
        await self._turn()
        return frozenset(name for name, record in self._streams.items() if record.ended_at is None)

    async def ended_streams(self, tenant: str | None, *, limit: int = 100) -> tuple[StreamRecord, ...]:
        await self._turn()
        return tuple(record for record in self._streams.values() if record.ended_at is not None)[:limit]

    async def add_failover(self, report: SwitchReport) -> bool:
        await self._turn()
        name = report.stream_id, report.generation
        if name in self._reports:
            return False
        self._reports[name] = report
        return True

    async def failovers(self, stream_id: StreamId | None, *, limit: int = 100) -> tuple[SwitchReport, ...]:
        await self._turn()
        found = [report for report in self._reports.values() if stream_id in (None, report.stream_id)]
        return tuple(reversed(found))[:limit]

    async def wishes(self) -> dict[EncoderId, OperatorWish]:
        await self._turn()
        return dict(self._wishes)

    async def put_wish(self, encoder_id: EncoderId, wish: OperatorWish, at: datetime) -> None:
        await self._turn()
        self._wishes[encoder_id] = wish

    async def add_note(self, note: Note) -> None:
        await self._turn()

    async def notes(self, subject: str | None = None, *, limit: int = 100) -> tuple[Note, ...]:
        await self._turn()
        return ()

    async def ping(self) -> None:
        await self._turn()

    async def close(self) -> None:
        pass
