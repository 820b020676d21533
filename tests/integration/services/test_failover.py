"""Standbys and switches over the real link and store: proved, given the stream, adopted, drilled."""

from __future__ import annotations

import asyncio
import dataclasses
from datetime import time

import pytest

from app.domain.drill import DrillKind
from app.domain.errors import Conflict, NoCapacity, NotFound, Unavailable
from app.domain.events import StreamErrorSeen, StreamFailedOver, WorkerReplaced
from app.domain.failover import DecidedBy, SwitchKind, SwitchReport
from app.domain.fleet import EncoderAction
from app.domain.link import (
    ChannelReading,
    ReserveStream,
    SourceUp,
    StartWorker,
    SwitchStream,
    TrackReading,
    WorkerDown,
    WorkerExited,
)
from app.domain.session import OpenedStream, StreamChange
from app.domain.stream import StandbyGrade, WorkerOrder
from app.policy import failover
from app.policy.drill_plan import DrillPlan
from app.services import drill, recovery, stream_watch
from app.services.drill_schedule import DrillSchedule

from .conftest import House
from .peers import ADMIN, OTHER, OWNER, REQUEST, at, until


async def opened(house: House, **changes: object) -> OpenedStream:
    request = dataclasses.replace(REQUEST, **changes)  # type: ignore[arg-type] # fields of the request
    stream = await house.control.services.streams.open(request, OWNER)
    house.gateway.tell(SourceUp(stream.record.stream_id, at(), "1.2.3.4", "obs", "avc1", "mp4a"))
    await until(lambda: is_protected(house, stream) and source_is_up(house, stream))
    return stream


def health(house: House, stream: OpenedStream):  # type: ignore[no-untyped-def] # StreamHealth or None
    every = house.control.services.streams.all_health(ADMIN)
    return next((h for h in every if h.stream_id == stream.record.stream_id), None)


def is_protected(house: House, stream: OpenedStream) -> bool:
    seen = health(house, stream)
    return seen is not None and seen.protected


def source_is_up(house: House, stream: OpenedStream) -> bool:
    seen = health(house, stream)
    return seen is not None and seen.source is not None


def grants(house: House, stream: OpenedStream):  # type: ignore[no-untyped-def] # active and standby grant
    plan = house.gateway.plans[stream.record.stream_id]
    assert plan.active is not None
    return plan.active, plan.standby


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
    await until(lambda: is_protected(house, stream))


async def test_a_cold_backup_is_only_kept_room(house: House) -> None:
    stream = await opened(house, standby=StandbyGrade.COLD)
    _, standby = grants(house, stream)
    assert standby is not None
    node = house.node(standby.encoder_id)
    assert (set(node.reserved), set(node.workers)) == ({stream.record.stream_id}, set())
    assert house.gateway.plans[stream.record.stream_id].grade is StandbyGrade.COLD


async def test_active_active_encodes_every_group_of_pictures_by_itself(house: House) -> None:
    stream = await opened(house, standby=StandbyGrade.ACTIVE_ACTIVE)
    for grant in grants(house, stream):
        assert house.node(grant.encoder_id).workers[grant.worker_id].encode.independent_gops


async def test_a_second_input_gets_a_key_of_its_own_of_which_only_the_digest_is_kept(house: House) -> None:
    stream = await opened(house, backup_input=True)
    plan = house.gateway.plans[stream.record.stream_id]
    assert stream.backup_stream_key is not None
    assert stream.backup_stream_key.reveal() != stream.stream_key.reveal()
    assert plan.backup_key_sha256 is not None
    assert plan.backup_key_sha256 != plan.key_sha256
    assert (await opened(house)).backup_stream_key is None


async def test_a_standby_that_does_not_prove_itself_makes_way_for_another_encoder(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failover, "PREPARE_S", 0.2)
    silent = house.nodes[1]
    silent.on_standby = lambda _: None
    stream = await house.control.services.streams.open(REQUEST, OWNER)
    if stream.record.backup_id != silent.info.encoder_id:
        pytest.fail("the balancer chose otherwise: this test needs another silent encoder")
    await until(lambda: is_protected(house, stream))
    _, standby = grants(house, stream)
    assert standby is not None
    assert standby.encoder_id != silent.info.encoder_id
    await until(lambda: not silent.workers)


async def test_a_switch_of_the_gateway_is_followed_and_a_new_standby_started_on_another_host(house: House) -> None:
    stream = await opened(house)
    old, standby = grants(house, stream)
    report = house.gateway.switch(stream.record.stream_id)
    await until(lambda: grants(house, stream)[0] == standby and is_protected(house, stream))
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
    stream = await opened(house)
    old, standby = grants(house, stream)
    house.node(old.encoder_id).tell(
        WorkerExited(old.worker_id, stream.record.stream_id, old.generation, at(), -9, "killed")
    )
    live = house.control.services.live.find(stream.record.stream_id)
    await until(lambda: live is not None and live.machine.phase is failover.Phase.REFLEX)
    house.gateway.switch(stream.record.stream_id)
    await until(lambda: grants(house, stream)[0] == standby and is_protected(house, stream))
    assert len(house.control.told(WorkerReplaced)) == 1


async def test_a_gateway_that_does_not_switch_is_given_the_standby_by_control(house: House) -> None:
    stream = await opened(house)
    old, standby = grants(house, stream)
    house.node(old.encoder_id).tell(
        WorkerExited(old.worker_id, stream.record.stream_id, old.generation, at(), -9, "killed")
    )
    await until(lambda: grants(house, stream)[0] == standby)
    assert standby is not None
    assert standby.worker_id in house.node(standby.encoder_id).workers


async def test_a_switch_made_while_control_was_away_is_adopted_with_its_report(house: House) -> None:
    stream = await opened(house)
    _, standby = grants(house, stream)
    await house.control.stop()
    report = house.gateway.switch(stream.record.stream_id)
    await house.control.start()
    await until(lambda: grants(house, stream)[0] == standby and is_protected(house, stream))
    active, backup = grants(house, stream)
    assert backup is not None
    assert backup.generation > active.generation
    assert len(house.control.told(WorkerReplaced)) == 1
    assert await house.control.services.streams.failovers(stream.record.stream_id, OWNER) == (report,)
    record = await house.control.services.streams.get(stream.record.stream_id, OWNER)
    assert record.primary_id == active.encoder_id


async def test_control_restarted_counts_on_the_standby_that_still_stands_ready(house: House) -> None:
    stream = await opened(house)
    before = grants(house, stream)
    await house.control.stop()
    for node in house.nodes:
        node.orders.clear()
    await house.control.start()
    await until(lambda: is_protected(house, stream))
    assert grants(house, stream) == before
    assert all(not isinstance(order, StartWorker) for node in house.nodes for order in node.orders)


async def test_a_standby_that_its_node_lost_meanwhile_is_sought_anew(house: House) -> None:
    stream = await opened(house)
    _, standby = grants(house, stream)
    assert standby is not None
    node = house.node(standby.encoder_id)
    await node.go()
    node.workers.clear()
    await node.come(house.control.port)
    await until(lambda: grants(house, stream)[1] not in (None, standby) and is_protected(house, stream))


async def test_draining_an_encoder_moves_its_stream_by_a_planned_switch(house: House) -> None:
    stream = await opened(house)
    old, standby = grants(house, stream)
    await house.control.services.encoders.control(old.encoder_id, EncoderAction.DRAIN, ADMIN)
    await until(lambda: grants(house, stream)[0] == standby and is_protected(house, stream))
    (order,) = [order for order in house.gateway.orders if isinstance(order, SwitchStream)]
    assert order.decided_by is DecidedBy.OPERATOR
    active, backup = grants(house, stream)
    assert backup is not None
    assert old.encoder_id not in (active.encoder_id, backup.encoder_id)
    assert not house.control.services.fleet.member(old.encoder_id).conduct.losses


async def test_an_unfit_standby_is_passed_over_for_another_and_the_reason_is_told(house: House) -> None:
    stream = await opened(house)
    old, standby = grants(house, stream)
    assert standby is not None
    house.node(standby.encoder_id).temperature_c = 85.0
    encoders = house.control.services.encoders
    await until(lambda: (r := encoders.status(standby.encoder_id).reading) is not None and r.temperature_c == 85.0)
    await encoders.control(old.encoder_id, EncoderAction.DRAIN, ADMIN)
    await until(lambda: grants(house, stream)[0] not in (old, standby))
    active, _ = grants(house, stream)
    assert active.encoder_id not in (old.encoder_id, standby.encoder_id)
    told = [event for event in house.control.told(StreamErrorSeen) if isinstance(event, StreamErrorSeen)]
    assert any(event.cause == "backup passed over" and "hot: 85" in event.detail for event in told)


async def test_a_drill_breaks_the_worker_for_real_and_returns_the_report_without_blame(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recovery, "BLAME_AFTER_S", 0.0)
    stream = await opened(house)
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
    await until(lambda: is_protected(house, stream))
    (planned,) = await drills.drill(stream_id, DrillKind.PLANNED, 1, OWNER)
    assert (planned.kind, planned.decided_by) == (SwitchKind.PLANNED, DecidedBy.DRILL)
    await until(lambda: is_protected(house, stream))
    assert not any(member.conduct.losses for member in house.control.services.fleet)
    record = await house.control.services.streams.get(stream_id, OWNER)
    assert record.last_drill is not None
    assert (record.last_drill.kind, record.last_drill.fault) == (DrillKind.PLANNED, None)


async def test_a_drill_that_would_hurt_is_refused(house: House) -> None:
    drills = house.control.services.drills
    unpublished = await house.control.services.streams.open(REQUEST, OWNER)
    with pytest.raises(Conflict, match="nobody publishes"):
        await drills.drill(unpublished.record.stream_id, DrillKind.KILL, 1, OWNER)
    cold = await opened(house, standby=StandbyGrade.COLD)
    with pytest.raises(Conflict, match="no standby"):
        await drills.drill(cold.record.stream_id, DrillKind.KILL, 1, OWNER)
    with pytest.raises(NotFound):
        await drills.drill(cold.record.stream_id, DrillKind.KILL, 1, OTHER)


async def test_a_drill_without_a_report_fails_and_is_remembered(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drill, "REPORT_S", 0.1)
    stream = await opened(house)
    with pytest.raises(Unavailable):
        await house.control.services.drills.drill(stream.record.stream_id, DrillKind.STALL, 1, OWNER)
    record = await house.control.services.streams.get(stream.record.stream_id, OWNER)
    assert record.last_drill is not None
    assert record.last_drill.fault is not None


async def test_a_loss_in_the_middle_of_a_change_is_answered_at_once(house: House) -> None:
    stream = await opened(house)
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
    assert not is_protected(house, stream)
    for node in house.nodes:
        node.refuse = lambda _: None
    await until(lambda: is_protected(house, stream))


async def test_a_silent_node_is_left_by_a_planned_switch_while_its_picture_still_comes(house: House) -> None:
    stream = await opened(house)
    stream_id = stream.record.stream_id
    old, standby = grants(house, stream)
    house.node(old.encoder_id).silent = True
    frames = 0

    def left() -> bool:
        nonlocal frames
        frames += 30
        track = TrackReading("720p", frames, frames * 1000, 4e6, 30.0, frames * 33)
        house.gateway.tell(
            ChannelReading(stream_id, at(), True, 4e6, 30.0, frames, 0, 0, 0.0, (track,), 0, 0, 50.0)
        )
        return bool(grants(house, stream)[0] == standby)

    await until(left)
    (order,) = [order for order in house.gateway.orders if isinstance(order, SwitchStream)]
    assert order.decided_by is DecidedBy.CONTROL
    assert "offline" in order.cause


async def test_an_encoder_at_its_hard_stop_is_left(house: House) -> None:
    stream = await opened(house)
    old, standby = grants(house, stream)
    house.node(old.encoder_id).temperature_c = 96.0
    await until(lambda: grants(house, stream)[0] == standby)
    (order,) = [order for order in house.gateway.orders if isinstance(order, SwitchStream)]
    assert "96 °C" in order.cause


async def test_a_schedule_drills_each_protected_stream_once_and_keeps_the_outcome(house: House) -> None:
    drilled, unpublished = await opened(house), await house.control.services.streams.open(REQUEST, OWNER)
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
    await until(lambda: is_protected(house, drilled))
    await schedule.look()
    assert len([order for order in house.gateway.orders if isinstance(order, SwitchStream)]) == 1
    other = services.live.find(unpublished.record.stream_id)
    assert other is not None
    assert other.record.last_drill is None
    assert health(house, drilled).readiness == 1.0


async def test_a_report_that_the_store_could_not_take_is_told_and_kept_later(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = await opened(house)
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
