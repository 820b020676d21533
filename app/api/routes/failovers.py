"""Failovers of a stream: what they cost, and drills that prove that the next one will hold."""

from __future__ import annotations

import asyncio
from typing import Final

from app.api.registry import Call, Endpoint, RateKind
from app.api.schemas.failovers import DrillAnswer, DrillBody, FailoverList, FailoversQuery
from app.api.services import DoorServices
from app.domain.access import Scope
from app.domain.errors import Conflict, DeviceError, InvalidRequest, NotFound, Unavailable
from app.domain.ids import StreamId

TAG = "failovers"
DRILL_WAIT_S: Final = 300.0
"""How long one request waits for its drills. What was measured by then is kept all the same."""


class FailoverRoutes:
    def __init__(self, services: DoorServices, *, drill_wait_s: float = DRILL_WAIT_S) -> None:
        self._services = services
        self._drill_wait_s = drill_wait_s

    def endpoints(self) -> tuple[Endpoint, ...]:
        return (
            Endpoint(
                name="list_failovers",
                method="GET",
                path="/streams/{stream_id}/failovers",
                handler=self.list_all,
                summary="What each switch of encoders cost one stream: times, frames missing and doubled, cause",
                scope=Scope.READ,
                tag=TAG,
                body=FailoversQuery,
                answer=FailoverList,
                errors=(NotFound, Unavailable),
            ),
            Endpoint(
                name="drill_stream",
                method="POST",
                path="/streams/{stream_id}/drill",
                handler=self.drill,
                summary="Break the active worker for real, or switch as planned, and answer what it cost",
                scope=Scope.STREAMS,
                tag=TAG,
                body=DrillBody,
                answer=DrillAnswer,
                rate=RateKind.WRITE,
                errors=(NotFound, InvalidRequest, Conflict, DeviceError, Unavailable),
                idempotent_by_key=True,
            ),
        )

    async def list_all(self, call: Call[FailoversQuery]) -> FailoverList:
        return FailoverList.of(await self._services.streams.failovers(_id(call), call.who, call.body.limit))

    async def drill(self, call: Call[DrillBody]) -> DrillAnswer:
        wanted = call.body
        try:
            async with asyncio.timeout(self._drill_wait_s):
                reports = await self._services.drills.drill(_id(call), wanted.kind, wanted.count, call.who)
        except TimeoutError:
            raise Unavailable(
                f"the drills were not over within {self._drill_wait_s:g} s",
                hint="GET /api/streams/{stream_id}/failovers shows those that were.",
            ) from None
        return DrillAnswer.of(reports)


def _id(call: Call[FailoversQuery] | Call[DrillBody]) -> StreamId:
    return StreamId(call.params["stream_id"])
