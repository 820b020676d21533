"""Standbys and switches over the real link and store: proved, given the stream, adopted, drilled."""

from __future__ import annotations

import asyncio
import dataclasses
from datetime import time

import pytest

from app.domain.drill import DrillKind
from app.domain.errors import Conflict, NoCapacity, NotFound, Unavailable
from app.domain.events import StreamDrilled, StreamErrorSeen, StreamFailedOver, WorkerReplaced
from app.domain.failover import DecidedBy, SwitchKind, SwitchReport
from app.domain.link import (
    ReserveStream,
    StartWorker,
    SwitchMeasured,
    SwitchStream,
    WorkerDown,
    WorkerExited,
)
from app.domain.session import StreamChange
from app.domain.stream import StandbyGrade, WorkerOrder
from app.policy import failover
from app.policy.drill_plan import DrillPlan
from app.policy.failover_states import Phase
from app.services import drill, recovery, stream_watch
from app.services.drill_schedule import DrillSchedule

from .conftest import House
from .peers import OTHER, OWNER, REQUEST, at, until
from .scenes import grants, health, protected, published


async def test_a_standby_is_started_and_counts_only_when_the_gateway_has_proved_it(house: House) -> None:
    started: list[WorkerOrder] = []
    for node in house.nodes:
        node.on_standby = started.append
    stream = await house.control.services.streams.open(REQUEST, OWNER)
    assert stream.backup is not None
    assert [order.standby for order in started] == [True]
    seen = health(house, stream)
    assert not seen.protected
    assert any("being prepared" in reason for reason in seen.reasons)
    house.gateway.standby_came(started[0])
    await until(lambda: protected(house, stream))


async def test_a_cold_backup_is_only_kept_room(house: House) -> None:
    stream = await published(house, standby=StandbyGrade.COLD)
    _, standby = grants(house, stream)
    assert standby is not None
    node = house.node(standby.encoder_id)
    assert (set(node.reserved), set(node.workers)) == ({stream.record.stream_id}, set())
    assert house.gateway.plans[stream.record.stream_id].grade is StandbyGrade.COLD


async def test_active_active_encodes_every_group_of_pictures_by_itself(house: House) -> None:
    stream = await published(house, standby=StandbyGrade.ACTIVE_ACTIVE)
    for grant in grants(house, stream):
        assert house.node(grant.encoder_id).workers[grant.worker_id].encode.independent_gops


async def test_a_second_input_gets_a_key_of_its_own_of_which_only_the_digest_is_kept(house: House) -> None:
    stream = await published(house, backup_input=True)
    plan = house.gateway.plans[stream.record.stream_id]
    assert stream.backup_stream_key is not None
    assert stream.backup_stream_key.reveal() != stream.stream_key.reveal()
    assert plan.backup_key_sha256 is not None
    assert plan.backup_key_sha256 != plan.key_sha256
    assert (await published(house)).backup_stream_key is None


async def test_a_standby_that_does_not_prove_itself_makes_way_for_another_encoder(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failover, "PREPARE_S", 0.2)
    silent = house.nodes[1]
    silent.on_standby = lambda _: None
    stream = await house.control.services.streams.open(REQUEST, OWNER)
    if stream.record.backup_id != silent.info.encoder_id:
        pytest.fail("the balancer chose otherwise: this test needs another silent encoder")
    await until(lambda: protected(house, stream))
    _, standby = grants(house, stream)
    assert standby is not None
    assert standby.encoder_id != silent.info.encoder_id
    await until(lambda: not silent.workers)


async def test_a_switch_of_the_gateway_is_followed_and_a_new_standby_started_on_another_host(house: House) -> None:
    stream = await published(house)
    old, standby = grants(house, stream)
    report = house.gateway.switch(stream.record.stream_id)
    await until(lambda: grants(house, stream)[0] == standby and protected(house, stream))
    active, backup = grants(house, stream)
    assert backup is not None
    assert backup.generation > active.generation > old.generation
    assert house.node(backup.encoder_id).info.host_id != house.node(active.encoder_id).info.host_id
    await until(lambda: old.worker_id not in house.node(old.encoder_id).workers)
    assert active.worker_id in house.node(active.encoder_id).workers
    assert len(house.control.told(WorkerReplaced)) == 1
    await until(lambda: bool(house.control.told(StreamFailedOver)))
    kept = await house.control.services.streams.failovers(stream.record.stream_id, OWNER)
    assert kept == (report,)
    with pytest.raises(NotFound):
        await house.control.services.streams.failovers(stream.record.stream_id, OTHER)


async def test_a_loss_told_by_the_node_first_is_left_to_the_gateways_reflex(house: House) -> None:
    stream = await published(house)
    old, standby = grants(house, stream)
    house.node(old.encoder_id).tell(
        WorkerExited(old.worker_id, stream.record.stream_id, old.generation, at(), -9, "killed")
    )
    live = house.control.services.live.find(stream.record.stream_id)
    await until(lambda: live is not None and live.machine.phase is Phase.REFLEX)
    house.gateway.switch(stream.record.stream_id)
    await until(lambda: grants(house, stream)[0] == standby and protected(house, stream))
    assert len(house.control.told(WorkerReplaced)) == 1


async def test_a_gateway_that_does_not_switch_is_given_the_standby_by_control(house: House) -> None:
    stream = await published(house)
    old, standby = grants(house, stream)
    house.node(old.encoder_id).tell(
        WorkerExited(old.worker_id, stream.record.stream_id, old.generation, at(), -9, "killed")
    )
    await until(lambda: grants(house, stream)[0] == standby)
    assert standby is not None
    assert standby.worker_id in house.node(standby.encoder_id).workers


async def test_a_switch_made_while_control_was_away_is_adopted_with_its_report(house: House) -> None:
    stream = await published(house)
    _, standby = grants(house, stream)
    await house.control.stop()
    report = house.gateway.switch(stream.record.stream_id)
    await house.control.start()
    await until(lambda: grants(house, stream)[0] == standby and protected(house, stream))
    active, backup = grants(house, stream)
    assert backup is not None
    assert backup.generation > active.generation
    assert len(house.control.told(WorkerReplaced)) == 1
    assert await house.control.services.streams.failovers(stream.record.stream_id, OWNER) == (report,)
    record = await house.control.services.streams.get(stream.record.stream_id, OWNER)
    assert record.primary_id == active.encoder_id


async def test_control_restarted_counts_on_the_standby_that_still_stands_ready(house: House) -> None:
    stream = await published(house)
    before = grants(house, stream)
    await house.control.stop()
    for node in house.nodes:
        node.orders.clear()
    await house.control.start()
    await until(lambda: protected(house, stream))
    assert grants(house, stream) == before
    assert all(not isinstance(order, StartWorker) for node in house.nodes for order in node.orders)


async def test_a_standby_that_its_node_lost_meanwhile_is_sought_anew(house: House) -> None:
    stream = await published(house)
    _, standby = grants(house, stream)
    assert standby is not None
    node = house.node(standby.encoder_id)
    await node.go()
    node.workers.clear()
    await node.come(house.control.port)
    await until(lambda: grants(house, stream)[1] not in (None, standby) and protected(house, stream))


async def test_a_drill_breaks_the_worker_for_real_and_returns_the_report_without_blame(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recovery, "BLAME_AFTER_S", 0.0)
    stream = await published(house)
    stream_id, drills = stream.record.stream_id, house.control.services.drills
    broken: list[str] = []

    def on_break(order: WorkerOrder, how: str) -> None:
        broken.append(how)
        house.gateway.switch(stream_id)

    for node in house.nodes:
        node.on_break = on_break
    reports = await drills.drill(stream_id, DrillKind.KILL, 2, OWNER)
    assert broken == ["kill", "kill"]
    assert [report.kind for report in reports] == [SwitchKind.REFLEX] * 2
    assert reports[1].from_generation == reports[0].generation
    await until(lambda: protected(house, stream))
    (planned,) = await drills.drill(stream_id, DrillKind.PLANNED, 1, OWNER)
    assert (planned.kind, planned.decided_by) == (SwitchKind.PLANNED, DecidedBy.DRILL)
    await until(lambda: protected(house, stream))
    assert not any(member.conduct.losses for member in house.control.services.fleet)
    record = await house.control.services.streams.get(stream_id, OWNER)
    assert record.last_drill is not None
    assert (record.last_drill.kind, record.last_drill.fault) == (DrillKind.PLANNED, None)


async def test_a_drill_is_told_as_one_and_raises_no_alarm(house: House) -> None:
    stream = await published(house)
    stream_id = stream.record.stream_id
    for node in house.nodes:
        node.on_break = lambda _, __: house.gateway.switch(stream_id)
    for kind in (DrillKind.KILL, DrillKind.PLANNED):
        await house.control.services.drills.drill(stream_id, kind, 1, OWNER)
        await until(lambda: protected(house, stream))
    assert len(house.control.told(WorkerReplaced)) == 2
    assert house.control.told(StreamErrorSeen) == []
    outcomes = [event.outcome for event in house.control.told(StreamDrilled) if isinstance(event, StreamDrilled)]
    assert [(outcome.kind, outcome.fault) for outcome in outcomes] == [
        (DrillKind.KILL, None),
        (DrillKind.PLANNED, None),
    ]


async def test_after_a_drill_that_switched_nothing_a_loss_raises_an_alarm(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drill, "REPORT_S", 0.1)
    stream = await published(house)
    with pytest.raises(Unavailable):
        await house.control.services.drills.drill(stream.record.stream_id, DrillKind.STALL, 1, OWNER)
    house.gateway.switch(stream.record.stream_id)
    await until(lambda: house.control.told(WorkerReplaced))
    await until(lambda: house.control.told(StreamErrorSeen))


async def test_a_drill_that_would_hurt_is_refused(house: House) -> None:
    drills = house.control.services.drills
    unpublished = await house.control.services.streams.open(REQUEST, OWNER)
    with pytest.raises(Conflict, match="nobody publishes"):
        await drills.drill(unpublished.record.stream_id, DrillKind.KILL, 1, OWNER)
    cold = await published(house, standby=StandbyGrade.COLD)
    with pytest.raises(Conflict, match="no worker of its backup runs") as refused:
        await drills.drill(cold.record.stream_id, DrillKind.KILL, 1, OWNER)
    assert refused.value.hint is not None
    assert "warm" in refused.value.hint
    with pytest.raises(NotFound):
        await drills.drill(cold.record.stream_id, DrillKind.KILL, 1, OTHER)


async def test_a_drill_without_a_report_fails_and_is_remembered(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drill, "REPORT_S", 0.1)
    stream = await published(house)
    with pytest.raises(Unavailable):
        await house.control.services.drills.drill(stream.record.stream_id, DrillKind.STALL, 1, OWNER)
    record = await house.control.services.streams.get(stream.record.stream_id, OWNER)
    assert record.last_drill is not None
    assert record.last_drill.fault is not None


async def test_a_loss_in_the_middle_of_a_change_is_answered_at_once(house: House) -> None:
    stream = await published(house)
    stream_id = stream.record.stream_id
    for node in house.nodes:
        node.on_standby = lambda _: None
    changing = asyncio.create_task(
        house.control.services.streams.change(stream_id, StreamChange(width=640, height=360), OWNER)
    )
    await until(lambda: house.gateway.plans[stream_id].standby_ladder is not None)
    old, _ = grants(house, stream)
    house.gateway.tell(WorkerDown(stream_id, old.worker_id, old.generation, at(), "reset"))
    await until(lambda: grants(house, stream)[0] != old)
    active, _ = grants(house, stream)
    assert house.node(active.encoder_id).workers[active.worker_id].encode.ladder == stream.record.ladder
    with pytest.raises(Unavailable):
        await changing
    assert house.gateway.plans[stream_id].ladder == stream.record.ladder


async def test_backups_that_refuse_leave_the_stream_unprotected_until_one_takes_it(house: House) -> None:
    for node in house.nodes:
        node.refuse = lambda order: (
            NoCapacity("full")
            if isinstance(order, ReserveStream) or (isinstance(order, StartWorker) and order.order.standby)
            else None
        )
    stream = await house.control.services.streams.open(REQUEST, OWNER)
    assert not protected(house, stream)
    for node in house.nodes:
        node.refuse = lambda _: None
    await until(lambda: protected(house, stream))


async def test_a_schedule_drills_each_protected_stream_once_and_keeps_the_outcome(house: House) -> None:
    drilled, unpublished = await published(house), await house.control.services.streams.open(REQUEST, OWNER)
    services = house.control.services
    schedule = DrillSchedule(
        streams=services.live,
        drills=services.drills,
        plan=DrillPlan(time(0, 0), time(23, 59, 59, 999_999), DrillKind.PLANNED),
    )
    await schedule.look()
    live = services.live.find(drilled.record.stream_id)
    assert live is not None
    assert live.record.last_drill is not None
    assert (live.record.last_drill.kind, live.record.last_drill.fault) == (DrillKind.PLANNED, None)
    await until(lambda: protected(house, drilled))
    await schedule.look()
    assert len([order for order in house.gateway.orders if isinstance(order, SwitchStream)]) == 1
    other = services.live.find(unpublished.record.stream_id)
    assert other is not None
    assert other.record.last_drill is None
    assert health(house, drilled).readiness == 1.0


async def test_a_report_that_the_store_could_not_take_is_told_and_kept_later(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = await published(house)
    store = house.control.services.store
    add = store.add_failover

    async def away(report: SwitchReport) -> bool:
        raise Unavailable("the database is away")

    monkeypatch.setattr(stream_watch, "LIFE_EVERY_S", 0.1)
    monkeypatch.setattr(store, "add_failover", away)
    report = house.gateway.switch(stream.record.stream_id)
    await until(lambda: bool(house.control.told(StreamFailedOver)))
    assert await house.control.services.streams.failovers(stream.record.stream_id, OWNER) == (report,)
    monkeypatch.setattr(store, "add_failover", add)
    async with asyncio.timeout(15):
        while await store.failovers(stream.record.stream_id) != (report,):  # noqa: ASYNC110 - the store tells nobody
            await asyncio.sleep(0.05)
    assert len(house.control.told(StreamFailedOver)) == 1


async def test_a_gateway_that_lost_its_standby_unnoticed_ends_the_protection(house: House) -> None:
    stream = await published(house)
    await house.gateway.go()
    house.gateway.ready.clear()
    await house.gateway.come(house.control.port)
    await until(lambda: not protected(house, stream))
    _, standby = grants(house, stream)
    assert standby is not None
    house.gateway.standby_came(house.node(standby.encoder_id).workers[standby.worker_id])
    await until(lambda: protected(house, stream))


async def test_a_report_that_comes_after_the_end_of_its_stream_is_kept(house: House) -> None:
    stream = await published(house)
    stream_id, streams = stream.record.stream_id, house.control.services.streams
    report = house.gateway.switch(stream_id)
    await until(lambda: bool(house.control.told(StreamFailedOver)))
    await streams.end(stream_id, OWNER)
    late = dataclasses.replace(report, generation=report.generation + 7, complete=False)
    house.gateway.tell(SwitchMeasured(stream_id, late))
    async with asyncio.timeout(15):
        while len(await streams.failovers(stream_id, OWNER)) < 2:  # noqa: ASYNC110 - nobody tells of it any more
            await asyncio.sleep(0.05)
