"""Keeps the reports of failovers: in the store, once each, and told on the bus when they are new."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace
from datetime import datetime
from typing import Final

import structlog

from app.domain.errors import Unavailable
from app.domain.events import Event, StreamFailedOver
from app.domain.failover import SwitchReport
from app.domain.ids import StreamId
from app.domain.session import StreamRecord
from app.ports.store import Store
from app.runtime.bus import Bus

ReportName = tuple[StreamId, int, datetime | None]

MAX_UNSAVED: Final = 1_000
"""Reports that wait for a store that is away; the oldest are lost first."""
MAX_REMEMBERED: Final = 32_000
"""Reports that are known to be taken: a gateway tells the last 16 of every stream again with each hello."""

log = structlog.get_logger()


def with_devices(report: SwitchReport, record: StreamRecord) -> SwitchReport:
    """A change of input with the devices that publish there; the gateway knows inputs only."""
    feed = record.feed
    if feed is None or report.from_input is None or report.to_input is None:
        return report
    was, now = feed.seat(report.from_input).encoder_id, feed.seat(report.to_input).encoder_id
    return replace(report, from_encoder_id=was, to_encoder_id=now)


class Reports:
    """Every report has a name, so what is heard twice (by a fact and by a hello) is kept once."""

    def __init__(self, *, store: Store, bus: Bus[Event]) -> None:
        self._store = store
        self._bus = bus
        self._unsaved: OrderedDict[ReportName, SwitchReport] = OrderedDict()
        self._taken: OrderedDict[ReportName, None] = OrderedDict()

    async def take(self, report: SwitchReport, tenant: str | None) -> None:
        """Never raises: while the store is away the report waits in memory, and is told all the same.

        `tenant` is None for a stream that has ended meanwhile: then it is only kept.
        """
        key = report.name
        if key in self._taken:
            return
        self._taken[key] = None
        while len(self._taken) > MAX_REMEMBERED:
            self._taken.popitem(last=False)
        try:
            is_new = await self._store.add_failover(report)
        except Unavailable as error:
            log.warning("report kept in memory", stream_id=report.stream_id, reason=error.detail)
            is_new = True
            self._unsaved[key] = report
            while len(self._unsaved) > MAX_UNSAVED:
                self._unsaved.popitem(last=False)
        if is_new and tenant is not None:
            self._bus.tell(StreamFailedOver(report.stream_id, tenant, report))

    async def save_unsaved(self) -> None:
        """Raises Unavailable when the store is still away; what is written by then stays written."""
        for key, report in tuple(self._unsaved.items()):
            await self._store.add_failover(report)
            self._unsaved.pop(key, None)

    async def of(self, stream_id: StreamId, *, limit: int) -> tuple[SwitchReport, ...]:
        """Newest first. Raises Unavailable."""
        kept = await self._store.failovers(stream_id, limit=limit)
        waiting = [report for key, report in self._unsaved.items() if key[0] == stream_id]
        every = {report.name: report for report in (*kept, *waiting)}
        newest = sorted(every.values(), key=lambda report: (report.at, report.generation), reverse=True)
        return tuple(newest[:limit])
