"""A stream's life over the real link and store: opened, refused, seen by its owner, ended."""

from __future__ import annotations

import asyncio
import dataclasses

import pytest

from app.domain.errors import Conflict, InvalidRequest, NoCapacity, NotFound, Unavailable
from app.domain.events import StreamChanged, WorkerReplaced
from app.domain.link import (
    OpenChannel,
    SourceDown,
    SourceUp,
    StartWorker,
    WorkerDown,
)
from app.domain.stream import StreamMode, StreamState
from app.services import stream_watch

from .conftest import House
from .peers import ADMIN, OTHER, OWNER, REQUEST, at, until
from .scenes import opened, protected


async def test_an_init_gives_the_gateway_its_plan_the_primary_its_worker_and_the_backup_its_room(
    house: House,
) -> None:
    stream = await opened(house)
    record = stream.record
    plan = house.gateway.plans[record.stream_id]
    assert plan.active is not None
    assert plan.standby is not None
    assert (plan.active.encoder_id, plan.standby.encoder_id) == (record.primary_id, record.backup_id)
    assert house.node(record.primary_id).info.host_id != house.node(record.backup_id).info.host_id
    assert plan.active.worker_id in house.node(record.primary_id).workers
    waiting = house.node(record.backup_id).workers[plan.standby.worker_id]
    assert waiting.standby
    assert [r.name for r in plan.ladder.renditions] == ["720p", "480p"]
    assert stream.rtmp_url == "rtmp://127.0.0.1:19350/live"
    assert stream.stream_key.reveal() not in repr(stream)


async def test_what_happened_to_a_stream_is_told_to_its_owner_even_after_its_end(house: House) -> None:
    stream = await opened(house)
    stream_id, streams = stream.record.stream_id, house.control.services.streams
    active = house.gateway.plans[stream_id].active
    assert active is not None
    house.gateway.tell(WorkerDown(stream_id, active.worker_id, active.generation, at(), "connection reset"))
    await until(lambda: bool(house.control.told(WorkerReplaced)))
    await streams.end(stream_id, OWNER, "the show is over")
    told = [(note.kind, note.text) for note in reversed(await streams.events(stream_id, OWNER))]
    assert told[0] == ("stream opened", "")
    assert ("stream ended", "the show is over") in told
    assert any(kind == "worker replaced" and "connection reset" in text for kind, text in told)
    with pytest.raises(NotFound):
        await streams.events(stream_id, OTHER)


async def test_a_backup_that_refuses_is_not_told_to_the_caller_as_one(house: House) -> None:
    for node in house.nodes:
        node.refuse = lambda order: (
            NoCapacity("full") if isinstance(order, StartWorker) and order.order.standby else None
        )
    stream = await opened(house)
    assert stream.primary is not None
    assert stream.backup is None
    assert any("unprotected" in warning for warning in stream.advice.warnings)


async def test_a_primary_that_refuses_at_the_start_costs_the_caller_nothing(house: House) -> None:
    refused: list[str] = []

    def refuse(order: object) -> NoCapacity | None:
        if isinstance(order, StartWorker) and not refused:
            refused.append(order.order.worker_id)
            return NoCapacity("full of other things")
        return None

    for node in house.nodes:
        node.refuse = refuse
    stream = await opened(house)
    assert refused
    assert any(
        order.stream_id == stream.record.stream_id
        for order in house.node(stream.record.primary_id).workers.values()
    )
    await until(lambda: protected(house, stream))


async def test_an_init_that_fails_leaves_nothing_behind(house: House) -> None:
    house.gateway.refuse = lambda order: Conflict("no") if isinstance(order, OpenChannel) else None
    with pytest.raises(Conflict):
        await opened(house)
    services = house.control.services
    assert services.balancer.view().reserved == ()
    assert services.streams.all_health(ADMIN) == ()
    assert [r.state for r in await services.streams.list(ADMIN)] == [StreamState.ENDED]


async def test_without_a_gateway_an_init_is_unavailable_and_a_wrong_request_is_told_every_fault(
    house: House,
) -> None:
    wrong = dataclasses.replace(REQUEST, bitrate_bps=5, fps=31.0)
    with pytest.raises(InvalidRequest, match=r"bitrate.*fps"):
        await house.control.services.streams.open(wrong, OWNER)
    await house.gateway.go()
    await until(lambda: house.control.services.gateways.connected() == ())
    with pytest.raises(Unavailable):
        await opened(house)


async def test_another_tenants_stream_does_not_exist(house: House) -> None:
    stream = await opened(house)
    streams, stream_id = house.control.services.streams, stream.record.stream_id
    for call in (streams.get(stream_id, OTHER), streams.health(stream_id, OTHER), streams.end(stream_id, OTHER)):
        with pytest.raises(NotFound):
            await call
    with pytest.raises(NotFound):
        streams.placement(stream_id, OTHER)
    assert await streams.list(OTHER) == ()
    assert (await streams.get(stream_id, ADMIN)).stream_id == stream_id


async def test_an_end_closes_the_channel_stops_the_worker_and_frees_the_places(house: House) -> None:
    stream = await opened(house)
    services = house.control.services
    await services.streams.end(stream.record.stream_id, OWNER)
    await services.streams.end(stream.record.stream_id, OWNER)
    await until(lambda: not house.gateway.plans)
    await until(lambda: all(not node.workers and not node.reserved for node in house.nodes))
    assert services.balancer.view().reserved == ()
    record = await services.streams.get(stream.record.stream_id, OWNER)
    assert (record.state, record.end_reason) == (StreamState.ENDED, "ended by request")
    states = [e.state for e in house.control.told(StreamChanged) if isinstance(e, StreamChanged)]
    assert states == [StreamState.WAITING, StreamState.ENDED]


async def test_a_hundred_inits_at_once_promise_no_place_twice(house: House) -> None:
    results = await asyncio.gather(*(opened(house) for _ in range(100)), return_exceptions=True)
    won = [r for r in results if not isinstance(r, BaseException)]
    assert {type(r) for r in results if isinstance(r, BaseException)} <= {NoCapacity}
    assert 12 <= len(won) <= 24
    for node in house.nodes:
        assert len(node.workers) + len(node.reserved) <= node.info.capabilities.max_streams


async def test_a_passed_through_stream_needs_no_encoder(house: House) -> None:
    for node in house.nodes:
        await node.go()
    request = dataclasses.replace(REQUEST, mode=StreamMode.PASSTHROUGH)
    stream = await house.control.services.streams.open(request, OWNER)
    assert (stream.primary, stream.backup) == (None, None)
    plan = house.gateway.plans[stream.record.stream_id]
    assert (plan.active, plan.standby, plan.ladder.renditions) == (None, None, ())
    health = await house.control.services.streams.health(stream.record.stream_id, OWNER)
    assert health.dropped_frames == 0, "no encoder drops what no encoder sees"


async def test_a_stream_that_nobody_published_gives_its_places_back_and_a_published_one_waits_on(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    unused, used = await opened(house), await opened(house)
    house.gateway.tell(SourceUp(used.record.stream_id, at(), "1.2.3.4", None, "h264", None))
    house.gateway.tell(SourceDown(used.record.stream_id, at(), "left"))
    services = house.control.services
    live = services.live.find(used.record.stream_id)
    await until(lambda: live is not None and live.record.first_published_at is not None)
    monkeypatch.setattr(stream_watch, "RETURN_S", 0.0)
    monkeypatch.setattr(stream_watch, "LIFE_EVERY_S", 0.1)
    for stream in services.live:
        stream.since -= 16 * 60
    await until(lambda: unused.record.stream_id not in house.gateway.plans)
    record = await services.streams.get(unused.record.stream_id, OWNER)
    assert record.end_reason == "nobody published for 15 minutes"
    assert {promise[1] for promise in services.balancer.view().reserved} == {used.record.stream_id}
    assert (await services.streams.get(used.record.stream_id, OWNER)).state is StreamState.WAITING
