"""What many tests of streams ask: open one, is it protected, what state is it in."""

from __future__ import annotations

import dataclasses

from app.domain.ids import EncoderId
from app.domain.link import SourceUp, WorkerExited
from app.domain.session import OpenedStream, StreamHealth
from app.domain.stream import StreamState, WorkerGrant

from .conftest import House
from .peers import ADMIN, OWNER, REQUEST, at, until


async def opened(house: House) -> OpenedStream:
    return await house.control.services.streams.open(REQUEST, OWNER)


def stream_state(house: House, stream: OpenedStream) -> StreamState:
    healths = house.control.services.streams.all_health(ADMIN)
    return next(h.state for h in healths if h.stream_id == stream.record.stream_id)


def lose_by_exit(house: House, stream: OpenedStream) -> EncoderId:
    """The node tells that the stream's worker ended; the encoder that lost it."""
    active = house.gateway.plans[stream.record.stream_id].active
    assert active is not None
    house.node(active.encoder_id).tell(
        WorkerExited(active.worker_id, stream.record.stream_id, active.generation, at(), 0, "the feed ended")
    )
    return active.encoder_id


async def published(house: House, **changes: object) -> OpenedStream:
    """A stream with a publisher and a ready standby."""
    request = dataclasses.replace(REQUEST, **changes)  # type: ignore[arg-type] # fields of the request
    stream = await house.control.services.streams.open(request, OWNER)
    house.gateway.tell(SourceUp(stream.record.stream_id, at(), "1.2.3.4", "obs", "avc1", "mp4a"))
    await until(lambda: protected(house, stream) and source_is_up(house, stream))
    return stream


def health(house: House, stream: OpenedStream) -> StreamHealth | None:
    every = house.control.services.streams.all_health(ADMIN)
    return next((h for h in every if h.stream_id == stream.record.stream_id), None)


def protected(house: House, stream: OpenedStream) -> bool:
    seen = health(house, stream)
    return seen is not None and seen.protected


def source_is_up(house: House, stream: OpenedStream) -> bool:
    seen = health(house, stream)
    return seen is not None and seen.source is not None


def grants(house: House, stream: OpenedStream) -> tuple[WorkerGrant, WorkerGrant | None]:
    """Active and standby, as the gateway knows them."""
    plan = house.gateway.plans[stream.record.stream_id]
    assert plan.active is not None
    return plan.active, plan.standby
