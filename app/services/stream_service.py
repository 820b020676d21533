"""Streams as their owners see them: open, look, change, end."""

from __future__ import annotations

from app.domain.access import Principal
from app.domain.fleet import PlacementDecision
from app.domain.ids import StreamId
from app.domain.session import ChangeOutcome, OpenedStream, StreamChange, StreamHealth, StreamRecord, StreamRequest


class StreamService:
    """Every call raises ManagerError; a stream of another tenant is NotFound, admins see all."""

    async def open(self, request: StreamRequest, owner: Principal) -> OpenedStream:
        raise NotImplementedError

    async def health(self, stream_id: StreamId, who: Principal) -> StreamHealth:
        raise NotImplementedError

    def all_health(self, who: Principal) -> tuple[StreamHealth, ...]:
        raise NotImplementedError

    async def get(self, stream_id: StreamId, who: Principal) -> StreamRecord:
        raise NotImplementedError

    async def list(self, who: Principal) -> tuple[StreamRecord, ...]:
        raise NotImplementedError

    async def change(self, stream_id: StreamId, change: StreamChange, who: Principal) -> ChangeOutcome:
        raise NotImplementedError

    async def end(self, stream_id: StreamId, who: Principal, reason: str = "ended by request") -> None:
        raise NotImplementedError

    def placement(self, stream_id: StreamId, who: Principal) -> tuple[PlacementDecision, ...]:
        """Why these encoders, newest decision first."""
        raise NotImplementedError
