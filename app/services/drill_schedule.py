"""Drills protected streams by themselves, one after the other, while the window is open."""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from app.domain.errors import ManagerError
from app.policy.drill_plan import DrillPlan
from app.runtime.clock import utc_now
from app.services.drill import DrillService
from app.services.live_streams import LiveStream, LiveStreams

LOOK_EVERY_S: Final = 10.0

log = structlog.get_logger()


class DrillSchedule:
    def __init__(self, *, streams: LiveStreams, drills: DrillService, plan: DrillPlan) -> None:
        self._streams = streams
        self._drills = drills
        self._plan = plan

    async def run(self) -> None:
        """Runs until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_EVERY_S)

    async def look(self) -> None:
        """Drill one stream that is due, if there is one: never two at once."""
        stream = next((stream for stream in self._streams if self._is_due(stream)), None)
        if stream is None:
            return
        try:
            await self._drills.run(stream, self._plan.kind)
        except ManagerError as error:
            log.warning("scheduled drill failed", stream_id=stream.id, reason=error.detail)

    def _is_due(self, stream: LiveStream) -> bool:
        if stream.proved_standby is None or stream.seen.source_since is None or stream.editing.locked():
            return False
        return self._plan.is_due(stream.record.last_drill, utc_now())
