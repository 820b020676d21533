"""Drills protected streams by themselves, one after the other, while the window is open.

When to look is told from outside; when a stream is due is decided in `app/policy/drill_plan.py`.
"""

from __future__ import annotations

import structlog

from app.domain.errors import Conflict, ManagerError
from app.policy.drill_plan import DrillPlan
from app.runtime.clock import monotonic, utc_now
from app.services.drill import DrillService
from app.services.live_streams import LiveStream, LiveStreams

log = structlog.get_logger()


class DrillSchedule:
    def __init__(self, *, streams: LiveStreams, drills: DrillService, plan: DrillPlan) -> None:
        self._streams = streams
        self._drills = drills
        self._plan = plan

    async def look(self) -> None:
        """Drill one stream that is due, if there is one: never two at once."""
        for stream in [stream for stream in self._streams if self._is_due(stream)]:
            if await self._drilled(stream):
                return

    async def _drilled(self, stream: LiveStream) -> bool:
        """False when nothing was broken; then the stream stays due."""
        before, stream.drilled_at = stream.drilled_at, monotonic()
        try:
            await self._drills.run(stream, self._plan.kind)
        except Conflict as error:
            stream.drilled_at = before
            log.info("scheduled drill put off", stream_id=stream.id, reason=error.detail)
            return False
        except ManagerError as error:
            log.warning("scheduled drill failed", stream_id=stream.id, reason=error.detail)
        return True

    def _is_due(self, stream: LiveStream) -> bool:
        if stream.proved_standby is None or stream.seen.source_since is None or stream.editing.locked():
            return False
        rested_s = None if stream.drilled_at is None else monotonic() - stream.drilled_at
        return self._plan.is_due(stream.record.last_drill, utc_now(), rested_s=rested_s)
