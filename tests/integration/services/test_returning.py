"""Control, gateways and nodes come back: what runs is adopted, what should not run is stopped."""

from __future__ import annotations

import asyncio
import dataclasses
import sqlite3
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from app.adapters.link import uplink
from app.adapters.store.sql_store import SqlStore
from app.domain.errors import Unavailable
from app.domain.events import EncoderChanged, StreamErrorSeen, WorkerReplaced
from app.domain.ids import HostId, WorkerId
from app.domain.link import (
    SourceUp,
    StartWorker,
    WorkerDown,
)
from app.domain.secret import Secret
from app.domain.severity import Severity

from .conftest import House
from .peers import ADMIN, OWNER, FakeNode, at, until
from .scenes import opened, protected


async def test_control_restarted_adopts_what_runs_and_touches_nothing(house: House) -> None:
    stream = await opened(house)
    before = house.gateway.plans[stream.record.stream_id]
    assert before.active is not None
    await house.control.stop()
    for node in house.nodes:
        node.orders.clear()
    await house.control.start()
    await until(lambda: len(house.control.services.encoders.list()) == 3)
    await until(
        lambda: protected(house, stream) and not house.control.services.streams.all_health(ADMIN)[0].restarts
    )
    after = house.gateway.plans[stream.record.stream_id]
    assert after.active == before.active
    assert all(not isinstance(order, StartWorker) for node in house.nodes for order in node.orders)
    assert before.active.worker_id in house.node(before.active.encoder_id).workers


async def test_control_restarted_knows_who_publishes(house: House) -> None:
    stream_id = (await opened(house)).record.stream_id
    publisher = SourceUp(stream_id, at(), "1.2.3.4", "obs", "h264", "aac")
    house.gateway.sources[stream_id] = publisher
    await house.control.stop()
    await house.control.start()
    await until(lambda: house.control.services.streams.all_health(ADMIN)[0].source == publisher)


async def test_what_ended_while_a_peer_was_away_is_stopped_at_its_return(house: House) -> None:
    stream = await opened(house)
    primary = house.node(stream.record.primary_id)
    await primary.go()
    await house.gateway.go()
    await house.control.services.streams.end(stream.record.stream_id, OWNER)
    await primary.come(house.control.port)
    await house.gateway.come(house.control.port)
    await until(lambda: not primary.workers and not house.gateway.plans)


async def test_a_gateway_that_restarted_empty_is_given_its_channels_again(house: House) -> None:
    stream = await opened(house)
    await house.gateway.go()
    house.gateway.plans.clear()
    await house.gateway.come(house.control.port)
    await until(lambda: stream.record.stream_id in house.gateway.plans)


async def test_a_gateway_ahead_of_the_store_gets_a_plan_above_its_own_and_a_new_worker(house: House) -> None:
    stream = await opened(house)
    stream_id = stream.record.stream_id
    await house.gateway.go()
    held = house.gateway.plans[stream_id]
    assert held.active is not None
    unknown = dataclasses.replace(held.active, generation=40)
    house.gateway.plans[stream_id] = dataclasses.replace(held, revision=held.revision + 7, active=unknown)
    await house.gateway.come(house.control.port)
    await until(lambda: bool(house.control.told(WorkerReplaced)))
    plan = house.gateway.plans[stream_id]
    assert plan.active is not None
    assert plan.revision > held.revision + 7
    assert plan.active.generation > 40
    assert plan.active.worker_id in house.node(plan.active.encoder_id).workers


async def test_a_node_that_came_back_empty_is_noticed_though_its_stream_is_busy(house: House) -> None:
    stream = await opened(house)
    live = house.control.services.live.find(stream.record.stream_id)
    primary = house.node(stream.record.primary_id)
    assert live is not None
    async with live.lock:
        await primary.go()
        primary.workers.clear()
        hellos = len(house.control.told(EncoderChanged))
        await primary.come(house.control.port)
        await until(lambda: len(house.control.told(EncoderChanged)) >= hellos + 1)
    await until(lambda: bool(house.control.told(WorkerReplaced)))


async def test_after_a_restart_of_everything_a_node_that_is_back_before_its_gateway_is_no_alarm(
    house: House,
) -> None:
    stream = await opened(house)
    primary = house.node(stream.record.primary_id)
    await house.gateway.go()
    await primary.go()
    await house.control.stop()
    primary.workers.clear()
    house.gateway.plans.clear()
    await house.control.start()
    await primary.come(house.control.port)
    await until(lambda: any(one.encoder_id == stream.record.primary_id for one in _changed(house)))
    await house.gateway.come(house.control.port)
    await until(lambda: bool(house.control.told(WorkerReplaced)))
    errors = [one for one in house.control.told(StreamErrorSeen) if isinstance(one, StreamErrorSeen)]
    assert [one for one in errors if one.severity is Severity.CRITICAL] == []


def _changed(house: House) -> list[EncoderChanged]:
    return [one for one in house.control.told(EncoderChanged) if isinstance(one, EncoderChanged)]


async def test_another_machine_under_an_encoders_id_is_refused_until_that_encoder_is_gone(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uplink, "REFUSED_S", 0.1)
    stream = await opened(house)
    primary = house.node(stream.record.primary_id)
    twin = FakeNode(dataclasses.replace(primary.info, host_id=HostId("another-host")))
    with capture_logs() as logs:
        coming = asyncio.create_task(twin.come(house.control.port))
        await until(lambda: any(line["event"] == "peer refused" for line in logs))
    services = house.control.services
    assert services.encoders.status(primary.info.encoder_id).info.host_id == primary.info.host_id
    assert [order.stream_id for order in primary.workers.values()] == [stream.record.stream_id]
    assert house.control.told(WorkerReplaced) == []
    await primary.go()
    await until(lambda: services.encoders.status(primary.info.encoder_id).info.host_id == "another-host")
    await coming
    await twin.go()


async def test_with_the_database_blocked_failover_goes_on_inits_are_refused_and_what_happened_is_kept_later(
    house: House, database: Path
) -> None:
    stream = await opened(house)
    active = house.gateway.plans[stream.record.stream_id].active
    assert active is not None
    blocker = sqlite3.connect(database, isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    house.gateway.tell(WorkerDown(stream.record.stream_id, active.worker_id, active.generation, at(), "reset"))
    await until(lambda: bool(house.control.told(WorkerReplaced)))
    with pytest.raises(Unavailable):
        await opened(house)
    assert len(house.control.services.streams.all_health(ADMIN)) == 1
    await until(lambda: protected(house, stream))
    assert {promise[1] for promise in house.control.services.balancer.view().reserved} == {stream.record.stream_id}
    blocker.execute("ROLLBACK")
    newest = house.gateway.plans[stream.record.stream_id].revision
    query = "SELECT max(revision) FROM streams"
    await until(lambda: blocker.execute(query).fetchone()[0] == newest)
    blocker.close()
    await house.control.stop()
    again = await SqlStore.open(f"sqlite+aiosqlite:///{database}", seal_key=Secret("seal-key-of-these-tests"))
    kept = await again.stream(stream.record.stream_id)
    await again.close()
    assert kept is not None
    assert kept.primary_id == stream.record.backup_id


async def test_a_gateway_ahead_of_the_store_keeps_a_worker_that_both_know(house: House) -> None:
    stream = await opened(house)
    stream_id = stream.record.stream_id
    await until(lambda: protected(house, stream))
    await house.gateway.go()
    held = house.gateway.plans[stream_id]
    assert held.standby is not None
    unknown = dataclasses.replace(held.standby, generation=3, worker_id=WorkerId("wrk_unknown"))
    house.gateway.plans[stream_id] = dataclasses.replace(held, revision=held.revision + 2, standby=unknown)
    house.gateway.ready[stream_id] = 3
    await house.gateway.come(house.control.port)
    await until(lambda: house.gateway.plans[stream_id].standby not in (None, unknown) and protected(house, stream))
    plan = house.gateway.plans[stream_id]
    assert plan.active == held.active
    assert plan.standby is not None
    assert plan.standby.generation > 3
    assert plan.revision > held.revision + 2
    assert house.control.told(WorkerReplaced) == []
