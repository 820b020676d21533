"""A store in memory that outlives the control that uses it. Keeps what the port promises, and can be away."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any

from app.domain.device import KeptDevice
from app.domain.errors import Conflict, Unavailable
from app.domain.failover import SwitchReport
from app.domain.fleet import OperatorWish
from app.domain.ids import EncoderId, StreamId
from app.domain.note import Note
from app.domain.notification import KeptAlert, OutMessage, Silence
from app.domain.session import StreamRecord
from tests.support.remedy_rig import Knife, MemoryRemedies

WRITE_S = 0.003


class MemoryAlerts:
    """Implements what of `AlertStore` a fleet needs that tells nobody: alerts alone."""

    def __init__(self, turn: Callable[[], Awaitable[None]]) -> None:
        self._turn = turn
        self._kept: dict[tuple[str, datetime], KeptAlert] = {}

    async def keep_alerts(self, alerts: Sequence[KeptAlert], messages: Sequence[OutMessage] = ()) -> None:
        await self._turn()
        assert not messages, "no channel is set up here"
        self._kept.update({(kept.alert.fingerprint, kept.alert.started_at): kept for kept in alerts})

    async def open_alerts(self) -> tuple[KeptAlert, ...]:
        await self._turn()
        return tuple(kept for kept in self._kept.values() if not kept.is_settled)

    async def waiting_messages(self) -> tuple[OutMessage, ...]:
        await self._turn()
        return ()

    async def silences(self) -> tuple[Silence, ...]:
        await self._turn()
        return ()


class MemoryStore:
    """Implements what of `Store` a fleet without API needs."""

    def __init__(self) -> None:
        self.alerts = MemoryAlerts(self._turn)
        self.remedies = MemoryRemedies(Knife())
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

    async def devices(self) -> tuple[KeptDevice, ...]:
        await self._turn()
        return ()

    async def add_note(self, note: Note) -> None:
        await self._turn()

    async def notes(self, subject: str | None = None, *, limit: int = 100) -> tuple[Note, ...]:
        await self._turn()
        return ()

    async def ping(self) -> None:
        await self._turn()

    async def close(self) -> None:
        pass
