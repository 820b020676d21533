"""What is done when a worker, a node or a whole encoder is lost, or an operator takes it away."""

from __future__ import annotations

import dataclasses

import pytest

from app.domain.encoder import EncoderState
from app.domain.errors import Conflict, NoCapacity
from app.domain.events import StreamErrorSeen, StreamHealthRead, WorkerReplaced
from app.domain.fleet import EncoderAction
from app.domain.link import (
    ChannelReading,
    Order,
    SourceUp,
    StartWorker,
    TrackReading,
    WorkerDown,
    WorkerExited,
)
from app.domain.stream import StandbyGrade, StreamState
from app.services import recovery

from .conftest import House
from .peers import ADMIN, OWNER, REQUEST, FakeNode, at, encoder, until
from .scenes import lose_by_exit, opened, protected, stream_state


async def test_a_dead_worker_is_replaced_by_the_backup_and_a_new_backup_is_reserved(house: House) -> None:
    stream = await opened(house)
    stream_id, old = stream.record.stream_id, house.gateway.plans[stream.record.stream_id]
    assert old.active is not None
    house.gateway.tell(WorkerDown(stream_id, old.active.worker_id, old.active.generation, at(), "connection reset"))
    await until(lambda: bool(house.control.told(WorkerReplaced)))
    await until(lambda: protected(house, stream))
    new = house.gateway.plans[stream_id]
    assert new.active is not None
    assert new.standby is not None
    assert new.active.encoder_id == stream.record.backup_id
    assert new.active == old.standby
    assert new.active.worker_id in house.node(stream.record.backup_id).workers
    assert new.standby.generation > new.active.generation > old.active.generation
    assert new.standby.encoder_id != new.active.encoder_id
    await until(
        lambda: old.active is not None and old.active.worker_id not in house.node(old.active.encoder_id).workers
    )


async def test_only_what_took_over_while_somebody_published_counts_as_a_takeover(house: House) -> None:
    stream = await opened(house)
    stream_id = stream.record.stream_id

    async def lose_the_worker() -> int:
        active = house.gateway.plans[stream_id].active
        assert active is not None
        told = len(house.control.told(WorkerReplaced))
        house.gateway.tell(
            WorkerDown(stream_id, active.worker_id, active.generation, at(), "its node was restarted")
        )
        await until(lambda: len(house.control.told(WorkerReplaced)) > told and protected(house, stream))
        return house.control.services.streams.all_health(ADMIN)[0].restarts

    assert await lose_the_worker() == 0
    house.gateway.tell(SourceUp(stream_id, at(), "1.2.3.4", "obs", "avc1", "mp4a"))
    await until(lambda: house.control.services.streams.all_health(ADMIN)[0].source is not None)
    assert await lose_the_worker() == 1


async def test_no_worker_is_started_before_the_gateway_knows_it(house: House) -> None:
    unknown: list[Order] = []

    def look(order: Order) -> None:
        if isinstance(order, StartWorker):
            plan = house.gateway.plans.get(order.order.stream_id)
            grants = () if plan is None else (plan.active, plan.standby)
            if order.order.worker_id not in [grant.worker_id for grant in grants if grant is not None]:
                unknown.append(order)

    for node in house.nodes:
        node.refuse = look
    stream = await opened(house)
    active = house.gateway.plans[stream.record.stream_id].active
    assert active is not None
    house.gateway.tell(WorkerDown(stream.record.stream_id, active.worker_id, active.generation, at(), "reset"))
    await until(lambda: bool(house.control.told(WorkerReplaced)))
    assert unknown == []


async def test_an_encoder_is_blamed_for_a_lost_worker_unless_the_gateway_went_too(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recovery, "BLAME_AFTER_S", 0.0)
    first, second = await opened(house), await opened(house)
    fleet = house.control.services.fleet
    await house.gateway.go()
    await until(lambda: house.control.services.gateways.connected() == ())
    lose_by_exit(house, first)
    await until(lambda: any(getattr(e, "cause", "") == "no encoder" for e in house.control.told(StreamErrorSeen)))
    await house.gateway.come(house.control.port)
    await until(lambda: protected(house, first))
    blamed = lose_by_exit(house, second)
    await until(lambda: bool(fleet.member(blamed).conduct.losses))
    losers = {stream_id for member in fleet for stream_id, _ in member.conduct.losses}
    assert losers == {second.record.stream_id}


async def test_the_same_loss_told_twice_is_acted_on_once(house: House) -> None:
    stream = await opened(house)
    active = house.gateway.plans[stream.record.stream_id].active
    assert active is not None
    loss = WorkerDown(stream.record.stream_id, active.worker_id, active.generation, at(), "reset")
    house.gateway.tell(loss)
    house.node(active.encoder_id).tell(
        WorkerExited(active.worker_id, stream.record.stream_id, active.generation, at(), -9, "killed")
    )
    await until(lambda: bool(house.control.told(WorkerReplaced)))
    house.gateway.tell(loss)
    await until(lambda: protected(house, stream))
    assert len(house.control.told(WorkerReplaced)) == 1


async def test_a_node_that_leaves_for_good_loses_its_streams_to_their_backups(house: House) -> None:
    stream = await opened(house)
    await house.node(stream.record.primary_id).go()
    await until(lambda: bool(house.control.told(WorkerReplaced)))
    record = await house.control.services.streams.get(stream.record.stream_id, OWNER)
    assert record.primary_id == stream.record.backup_id


async def test_a_silent_node_keeps_a_cold_stream_while_the_gateway_sees_the_programme_move(
    house: House,
) -> None:
    request = dataclasses.replace(REQUEST, standby=StandbyGrade.COLD)
    stream = await house.control.services.streams.open(request, OWNER)
    stream_id = stream.record.stream_id
    house.gateway.tell(SourceUp(stream_id, at(), "1.2.3.4", "obs", "avc1", "mp4a"))
    house.node(stream.record.primary_id).silent = True
    frames = 0

    def moves() -> bool:
        nonlocal frames
        frames += 30
        track = TrackReading("720p", frames, frames * 1000, 4e6, 30.0, frames * 33)
        house.gateway.tell(
            ChannelReading(stream_id, at(), True, 4e6, 30.0, frames, 0, 0, 0.0, (track,), 0, 0, 50.0)
        )
        views = house.control.services.encoders.list()
        return any(view.state.value == "offline" for view in views)

    await until(moves)
    # Health is told once a second: several looks of control lie between two.
    told = len(house.control.told(StreamHealthRead))
    await until(lambda: moves() and len(house.control.told(StreamHealthRead)) >= told + 2)
    assert stream_state(house, stream) is StreamState.LIVE
    assert house.control.told(WorkerReplaced) == []
    # The frames end: now the node counts as gone.
    await until(lambda: bool(house.control.told(WorkerReplaced)))


async def test_primary_and_backup_gone_at_once_the_third_takes_over(house: House) -> None:
    stream = await opened(house)
    active = house.gateway.plans[stream.record.stream_id].active
    assert active is not None
    await house.node(stream.record.backup_id).go()
    await house.node(stream.record.primary_id).go()
    house.gateway.tell(WorkerDown(stream.record.stream_id, active.worker_id, active.generation, at(), "reset"))
    third = next(
        n for n in house.nodes if n.info.encoder_id not in (stream.record.primary_id, stream.record.backup_id)
    )
    await until(lambda: any(o.stream_id == stream.record.stream_id for o in third.workers.values()))


async def test_with_no_encoder_left_it_is_said_and_the_next_one_to_come_takes_the_stream(house: House) -> None:
    stream = await opened(house)
    active = house.gateway.plans[stream.record.stream_id].active
    assert active is not None
    house.gateway.tell(SourceUp(stream.record.stream_id, at(), "1.2.3.4", None, "avc1", None))
    for node in house.nodes:
        await node.go()
    house.gateway.tell(WorkerDown(stream.record.stream_id, active.worker_id, active.generation, at(), "reset"))
    await until(lambda: stream_state(house, stream) is StreamState.DEGRADED)
    seen = [e for e in house.control.told(StreamErrorSeen) if isinstance(e, StreamErrorSeen)]
    assert any(e.cause == "no encoder" for e in seen)
    late = FakeNode(encoder("late"))
    house.nodes.append(late)
    await late.come(house.control.port)
    await until(lambda: any(o.stream_id == stream.record.stream_id for o in late.workers.values()))


async def test_a_backup_that_refuses_when_it_is_needed_is_passed_over_and_let_go(house: House) -> None:
    stream = await opened(house)
    stream_id = stream.record.stream_id
    active = house.gateway.plans[stream_id].active
    assert active is not None
    backup = house.node(stream.record.backup_id)
    backup.refuse = lambda order: NoCapacity("no") if isinstance(order, StartWorker) else None
    house.gateway.tell(WorkerDown(stream_id, active.worker_id, active.generation, at(), "reset"))
    await until(lambda: bool(house.control.told(WorkerReplaced)) and protected(house, stream))
    plan = house.gateway.plans[stream_id]
    assert plan.active is not None
    assert plan.standby is not None
    assert plan.active.encoder_id not in (stream.record.primary_id, stream.record.backup_id)
    assert plan.standby.encoder_id == stream.record.primary_id
    await until(lambda: stream_id not in backup.reserved)


async def test_a_hot_backup_is_not_promoted_and_the_reason_is_kept(house: House) -> None:
    stream = await opened(house)
    stream_id, backup_id = stream.record.stream_id, stream.record.backup_id
    active = house.gateway.plans[stream_id].active
    assert active is not None
    assert backup_id is not None
    house.node(backup_id).temperature_c = 85.0
    encoders = house.control.services.encoders
    await until(lambda: (r := encoders.status(backup_id).reading) is not None and r.temperature_c == 85.0)
    house.gateway.tell(WorkerDown(stream_id, active.worker_id, active.generation, at(), "reset"))
    await until(lambda: bool(house.control.told(WorkerReplaced)))
    record = await house.control.services.streams.get(stream_id, OWNER)
    assert record.primary_id not in (stream.record.primary_id, backup_id)
    decisions = house.control.services.streams.placement(stream_id, OWNER)
    refused = {c.encoder_id: c.vetoes for d in decisions for c in d.candidates if c.vetoes}
    assert "hot" in refused[backup_id][0]


async def test_a_draining_backup_that_is_hot_is_passed_over_like_any_hot_one(house: House) -> None:
    stream = await opened(house)
    stream_id, backup_id = stream.record.stream_id, stream.record.backup_id
    active = house.gateway.plans[stream_id].active
    assert active is not None
    assert backup_id is not None
    encoders = house.control.services.encoders
    await encoders.control(backup_id, EncoderAction.DRAIN, ADMIN)
    house.node(backup_id).temperature_c = 85.0
    await until(lambda: (r := encoders.status(backup_id).reading) is not None and r.temperature_c == 85.0)
    house.gateway.tell(WorkerDown(stream_id, active.worker_id, active.generation, at(), "reset"))
    await until(lambda: bool(house.control.told(WorkerReplaced)))
    record = await house.control.services.streams.get(stream_id, OWNER)
    assert record.primary_id not in (stream.record.primary_id, backup_id)


async def test_an_operators_stop_that_nobody_can_relieve_leaves_the_worker_at_work(house: House) -> None:
    stream = await opened(house)
    primary = house.node(stream.record.primary_id)
    for node in house.nodes:
        if node is not primary:
            await node.go()
    services = house.control.services
    await until(lambda: sum(v.state is EncoderState.ONLINE for v in services.encoders.list()) == 1)
    await services.encoders.control(primary.info.encoder_id, EncoderAction.STOP, ADMIN)
    await until(lambda: any(getattr(e, "cause", "") == "no encoder" for e in house.control.told(StreamErrorSeen)))
    assert [order.stream_id for order in primary.workers.values()] == [stream.record.stream_id]


async def test_an_encoder_stopped_by_its_operator_gives_its_streams_away_and_takes_none(house: House) -> None:
    stream = await opened(house)
    services, primary = house.control.services, stream.record.primary_id
    assert primary is not None
    await services.encoders.control(primary, EncoderAction.STOP, ADMIN)
    await until(lambda: bool(house.control.told(WorkerReplaced)))
    again = await opened(house)
    assert primary not in (again.record.primary_id, again.record.backup_id)
    with pytest.raises(Conflict):
        await services.encoders.control(primary, EncoderAction.REBOOT, ADMIN)
    await house.control.stop()
    await house.control.start()
    await until(lambda: len(house.control.services.encoders.list()) == 3)
    assert house.control.services.encoders.status(primary).state.value == "stopped"
