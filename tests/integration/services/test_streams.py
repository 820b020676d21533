"""A stream's life over the real link and store: opened, lost, replaced, adopted, changed, ended."""

from __future__ import annotations

import asyncio
import dataclasses
import sqlite3
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from app.adapters.link import uplink
from app.adapters.store.sql_store import SqlStore
from app.domain.encoder import EncoderState
from app.domain.errors import Conflict, InvalidRequest, NoCapacity, NotFound, Unavailable
from app.domain.events import EncoderChanged, StreamChanged, StreamErrorSeen, StreamHealthRead, WorkerReplaced
from app.domain.fleet import EncoderAction
from app.domain.ids import EncoderId, HostId
from app.domain.link import (
    ChannelReading,
    OpenChannel,
    Order,
    ReconfigureWorker,
    SourceDown,
    SourceUp,
    StartWorker,
    SwitchStream,
    TrackReading,
    WorkerDown,
    WorkerExited,
)
from app.domain.secret import Secret
from app.domain.session import OpenedStream, StreamChange
from app.domain.stream import StandbyGrade, StreamMode, StreamState
from app.services import picture, recovery, stream_watch

from .conftest import House
from .peers import ADMIN, OTHER, OWNER, REQUEST, FakeNode, at, encoder, until


async def opened(house: House) -> OpenedStream:
    return await house.control.services.streams.open(REQUEST, OWNER)


def protected(house: House, stream: OpenedStream) -> bool:
    health = next(
        (h for h in house.control.services.streams.all_health(ADMIN) if h.stream_id == stream.record.stream_id),
        None,
    )
    return health is not None and health.protected


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


def lose_by_exit(house: House, stream: OpenedStream) -> EncoderId:
    """The node tells that the stream's worker ended; the encoder that lost it."""
    active = house.gateway.plans[stream.record.stream_id].active
    assert active is not None
    house.node(active.encoder_id).tell(
        WorkerExited(active.worker_id, stream.record.stream_id, active.generation, at(), 0, "the feed ended")
    )
    return active.encoder_id


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


def stream_state(house: House, stream: OpenedStream) -> StreamState:
    healths = house.control.services.streams.all_health(ADMIN)
    return next(h.state for h in healths if h.stream_id == stream.record.stream_id)


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


async def test_a_draining_backup_keeps_its_place_until_another_picture_needs_another_one(house: House) -> None:
    stream = await opened(house)
    stream_id, backup_id = stream.record.stream_id, stream.record.backup_id
    assert backup_id is not None
    services = house.control.services
    await services.encoders.control(backup_id, EncoderAction.DRAIN, ADMIN)
    assert protected(house, stream)
    await services.streams.change(stream_id, StreamChange(width=640, height=360), OWNER)
    await until(lambda: protected(house, stream))
    standby = house.gateway.plans[stream_id].standby
    assert standby is not None
    assert standby.encoder_id != backup_id
    await until(lambda: stream_id not in house.node(backup_id).reserved)
    await services.encoders.control(backup_id, EncoderAction.UNDRAIN, ADMIN)
    assert services.encoders.status(backup_id).state is EncoderState.ONLINE


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


async def test_a_backup_that_refuses_is_not_told_to_the_caller_as_one(house: House) -> None:
    for node in house.nodes:
        node.refuse = lambda order: (
            NoCapacity("full") if isinstance(order, StartWorker) and order.order.standby else None
        )
    stream = await opened(house)
    assert stream.primary is not None
    assert stream.backup is None
    assert any("unprotected" in warning for warning in stream.advice.warnings)


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


async def test_new_destinations_and_rates_change_in_place_in_both_workers(house: House) -> None:
    stream = await opened(house)
    stream_id, streams = stream.record.stream_id, house.control.services.streams
    before = house.gateway.plans[stream_id]
    outcome = await streams.change(stream_id, StreamChange(destinations=("rtmp://push.example/live/key",)), OWNER)
    plan = house.gateway.plans[stream_id]
    assert outcome.change_class == "in_place"
    assert [d.url.reveal() for d in plan.outputs.destinations] == ["rtmp://push.example/live/key"]
    assert (await streams.change(stream_id, StreamChange(), OWNER)).change_class == "none"
    outcome = await streams.change(stream_id, StreamChange(bitrate_bps=3_300_000), OWNER)
    plan = house.gateway.plans[stream_id]
    assert outcome.change_class == "in_place"
    assert plan.ladder.renditions[0].video_bps == 3_300_000
    assert (plan.active, plan.standby) == (before.active, before.standby)
    for grant in (plan.active, plan.standby):
        assert grant is not None
        assert house.node(grant.encoder_id).workers[grant.worker_id].encode.ladder == plan.ladder
    assert protected(house, stream)


async def test_rates_that_a_worker_cannot_take_in_place_come_by_a_planned_switch(house: House) -> None:
    stream = await opened(house)
    stream_id, streams = stream.record.stream_id, house.control.services.streams
    before = house.gateway.plans[stream_id]
    for node in house.nodes:
        node.refuse = lambda order: Conflict("not this encoder") if isinstance(order, ReconfigureWorker) else None
    outcome = await streams.change(stream_id, StreamChange(bitrate_bps=3_300_000), OWNER)
    assert outcome.change_class == "planned_switch"
    await until(lambda: house.gateway.plans[stream_id].ladder.renditions[0].video_bps == 3_300_000)
    plan = house.gateway.plans[stream_id]
    assert before.active is not None
    assert plan.active is not None
    assert plan.active.generation > before.active.generation
    assert [order for order in house.gateway.orders if isinstance(order, SwitchStream)] != []
    await until(lambda: protected(house, stream))
    plan = house.gateway.plans[stream_id]
    assert plan.standby is not None
    assert plan.standby_ladder is None
    assert house.node(plan.standby.encoder_id).workers[plan.standby.worker_id].encode.ladder == plan.ladder


async def test_another_size_is_proved_by_a_standby_before_the_plan_names_it(house: House) -> None:
    stream = await opened(house)
    stream_id, streams = stream.record.stream_id, house.control.services.streams
    before = house.gateway.plans[stream_id]
    outcome = await streams.change(stream_id, StreamChange(width=640, height=360), OWNER)
    assert outcome.change_class == "planned_switch"
    await until(lambda: house.gateway.plans[stream_id].ladder.renditions[0].name == "360p")
    plan = house.gateway.plans[stream_id]
    assert plan.active is not None
    assert house.node(plan.active.encoder_id).workers[plan.active.worker_id].standby
    named = [
        o.plan for o in house.gateway.orders if isinstance(o, OpenChannel) and o.plan.standby_ladder is not None
    ]
    assert named
    assert all((p.active, p.ladder) == (before.active, before.ladder) for p in named)
    await until(lambda: protected(house, stream) and sum(len(node.workers) for node in house.nodes) == 2)


async def test_a_new_picture_that_nobody_can_prove_leaves_the_old_one_on_air(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(picture, "PREPARE_S", 0.2)
    stream = await opened(house)
    stream_id, streams = stream.record.stream_id, house.control.services.streams
    before = house.gateway.plans[stream_id]
    for node in house.nodes:
        node.on_standby = lambda _: None
    with pytest.raises(Unavailable, match="old one goes on"):
        await streams.change(stream_id, StreamChange(width=640, height=360), OWNER)
    plan = house.gateway.plans[stream_id]
    assert (plan.active, plan.ladder) == (before.active, before.ladder)
    assert (await streams.get(stream_id, OWNER)).ladder == before.ladder
    for node in house.nodes:
        node.on_standby = house.gateway.standby_came
    await until(lambda: protected(house, stream))
    assert house.gateway.plans[stream_id].standby_ladder is None


async def test_a_change_that_cannot_be_ordered_leaves_the_old_picture_running(house: House) -> None:
    stream = await opened(house)
    before = house.gateway.plans[stream.record.stream_id]
    await house.gateway.go()
    await until(lambda: house.control.services.gateways.connected() == ())
    streams = house.control.services.streams
    with pytest.raises(Unavailable):
        await streams.change(stream.record.stream_id, StreamChange(bitrate_bps=2_000_000), OWNER)
    await house.gateway.come(house.control.port)
    record = await streams.get(stream.record.stream_id, OWNER)
    assert record.ladder == before.ladder
    assert record.plan == before
    assert protected(house, stream)


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


async def test_a_passed_through_stream_needs_no_encoder(house: House) -> None:
    for node in house.nodes:
        await node.go()
    request = dataclasses.replace(REQUEST, mode=StreamMode.PASSTHROUGH)
    stream = await house.control.services.streams.open(request, OWNER)
    assert (stream.primary, stream.backup) == (None, None)
    plan = house.gateway.plans[stream.record.stream_id]
    assert (plan.active, plan.standby, plan.ladder.renditions) == (None, None, ())


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
