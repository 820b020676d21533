"""A running stream is changed: in place, by a planned switch, or not at all."""

from __future__ import annotations

import pytest

from app.domain.encoder import EncoderState
from app.domain.errors import Conflict, Unavailable
from app.domain.fleet import EncoderAction
from app.domain.ids import EncoderId, StreamId
from app.domain.link import (
    OpenChannel,
    ReconfigureWorker,
    SwitchStream,
)
from app.domain.session import QualityHealth, StreamChange
from app.domain.stream import StandbyGrade, WorkerGrant, WorkerOrder
from app.policy import quality_ladder
from app.services import picture

from .conftest import House
from .peers import ADMIN, OWNER, until
from .scenes import grants, opened, protected, published


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


class SwitchedMeanwhile:
    """An encoder's driver; while `during` is ordered of it, the gateway gives the stream to its standby."""

    def __init__(self, house: House, grant: WorkerGrant, stream_id: StreamId, during: str) -> None:
        self._house = house
        self._stream_id = stream_id
        self._during = during
        self._driver = house.control.services.fleet.driver(grant.encoder_id)

    async def _switch(self, *order: object) -> None:
        await getattr(self._driver, self._during)(*order)
        live = self._house.control.services.live.find(self._stream_id)
        assert live is not None
        standby = live.standby
        self._house.gateway.switch(self._stream_id)
        await until(lambda: live.active == standby)

    def __getattr__(self, name: str) -> object:
        return self._switch if name == self._during else getattr(self._driver, name)


@pytest.mark.parametrize("whose", [0, 1], ids=["the active one", "the standby"])
async def test_rates_reach_the_worker_that_took_over_in_the_middle_of_their_change(
    house: House, whose: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = await published(house)
    stream_id, services = stream.record.stream_id, house.control.services
    grant = grants(house, stream)[whose]
    assert grant is not None
    driver = SwitchedMeanwhile(house, grant, stream_id, "reconfigure")
    monkeypatch.setattr(services.fleet.member(grant.encoder_id), "driver", driver)
    await services.streams.change(stream_id, StreamChange(bitrate_bps=3_300_000), OWNER)
    await until(lambda: protected(house, stream))
    plan = house.gateway.plans[stream_id]
    assert plan.ladder.renditions[0].video_bps == 3_300_000
    for grant in grants(house, stream):
        assert grant is not None
        assert house.node(grant.encoder_id).workers[grant.worker_id].encode.ladder == plan.ladder


async def test_a_new_picture_that_the_gateway_took_up_after_a_loss_is_there(house: House) -> None:
    stream = await published(house)
    stream_id, services = stream.record.stream_id, house.control.services

    lost: list[int] = []

    def lose_the_old_one(order: WorkerOrder) -> None:
        if order.encode.ladder.renditions[0].height == 360 and not lost:
            lost.append(order.generation)
            house.gateway.ready[stream_id] = order.generation
            house.gateway.switch(stream_id)
        else:
            house.gateway.standby_came(order)

    for node in house.nodes:
        node.on_standby = lose_the_old_one
    await services.streams.change(stream_id, StreamChange(width=640, height=360), OWNER)
    await until(lambda: protected(house, stream))
    assert house.gateway.plans[stream_id].ladder.renditions[0].height == 360
    assert [grants(house, stream)[0].generation] == lost


@pytest.mark.parametrize("change", [StreamChange(bitrate_bps=3_300_000), StreamChange(width=640, height=360)])
async def test_a_change_is_told_as_done_only_when_the_store_keeps_it(
    house: House, change: StreamChange, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = await published(house)
    stream_id, services = stream.record.stream_id, house.control.services

    async def away(*_: object) -> None:
        raise Unavailable("the database is away")

    with monkeypatch.context() as patched:
        patched.setattr(services.store, "put_stream", away)
        with pytest.raises(Unavailable):
            await services.streams.change(stream_id, change, OWNER)
    await services.streams.change(stream_id, change, OWNER)
    kept = await services.store.stream(stream_id)
    assert kept is not None
    assert kept.ladder == house.gateway.plans[stream_id].ladder != stream.record.ladder


async def test_a_stream_moves_to_the_encoder_that_is_asked_for_by_a_planned_switch(house: House) -> None:
    stream = await published(house)
    stream_id, streams = stream.record.stream_id, house.control.services.streams
    active, standby = grants(house, stream)
    assert standby is not None
    (third,) = [
        n.info.encoder_id for n in house.nodes if n.info.encoder_id not in (active.encoder_id, standby.encoder_id)
    ]
    for onto in (standby.encoder_id, active.encoder_id, third):
        outcome = await streams.change(stream_id, StreamChange(encoder_id=onto), OWNER)
        assert outcome.change_class == "planned_switch"
        assert outcome.record.primary_id == onto
        await until(lambda: protected(house, stream))
    again = await streams.change(stream_id, StreamChange(encoder_id=third), OWNER)
    assert again.change_class == "none"
    orders = [order for order in house.gateway.orders if isinstance(order, SwitchStream)]
    assert [order.cause for order in orders] == [picture.MOVED] * 3
    assert orders[0].generation == standby.generation


async def test_an_encoder_that_cannot_take_the_stream_is_not_moved_to(house: House) -> None:
    stream = await published(house)
    stream_id, services = stream.record.stream_id, house.control.services
    before = grants(house, stream)
    assert before[1] is not None
    await services.encoders.control(before[1].encoder_id, EncoderAction.DRAIN, ADMIN)
    for onto in (before[1].encoder_id, EncoderId("enc_unknown")):
        with pytest.raises(Conflict, match="cannot take the stream now"):
            await services.streams.change(stream_id, StreamChange(encoder_id=onto), OWNER)
    assert grants(house, stream) == before


async def test_a_cold_stream_moves_to_the_encoder_that_is_asked_for(house: House) -> None:
    stream = await published(house, standby=StandbyGrade.COLD)
    stream_id, services = stream.record.stream_id, house.control.services
    _, backup = grants(house, stream)
    assert backup is not None
    outcome = await services.streams.change(stream_id, StreamChange(encoder_id=backup.encoder_id), OWNER)
    assert outcome.record.primary_id == backup.encoder_id
    await until(lambda: protected(house, stream))
    active, _ = grants(house, stream)
    assert active.worker_id in house.node(backup.encoder_id).workers


async def test_a_change_is_made_of_what_was_asked_for_and_ends_what_was_taken_back(house: House) -> None:
    stream = await opened(house)
    stream_id, services = stream.record.stream_id, house.control.services
    live = services.live.find(stream_id)
    assert live is not None
    asked = live.record.ladder
    changing = services.streams._changing
    less = quality_ladder.steps(asked)
    await changing.adjust(live, less[3], asked=asked)
    await until(lambda: house.gateway.plans[stream_id].ladder == less[3])
    assert live.record.asked == asked
    assert services.streams._watch.health(live).quality == QualityHealth(True, 3, len(less) - 1)
    await until(lambda: protected(house, stream))
    outcome = await services.streams.change(stream_id, StreamChange(bitrate_bps=3_300_000), OWNER)
    top = outcome.record.ladder.renditions[0]
    assert (top.height, top.video_bps) == (asked.renditions[0].height, 3_300_000)
    assert outcome.record.asked is None
    assert services.streams._watch.health(live).quality == QualityHealth(True, 0, len(less) - 1)


async def test_quality_that_is_given_again_is_what_was_asked_for_and_nothing_is_remembered(house: House) -> None:
    stream = await opened(house)
    live = house.control.services.live.find(stream.record.stream_id)
    assert live is not None
    asked = live.record.ladder
    changing = house.control.services.streams._changing
    await changing.adjust(live, quality_ladder.steps(asked)[1], asked=asked)
    assert live.record.ladder != asked
    await changing.adjust(live, asked, asked=asked)
    assert (live.record.ladder, live.record.asked) == (asked, None)


async def test_without_a_backup_that_runs_quality_changes_in_place_only_for_all_else_would_make_a_pause(
    house: House,
) -> None:
    stream = await published(house, standby=StandbyGrade.COLD)
    live = house.control.services.live.find(stream.record.stream_id)
    assert live is not None
    before, asked = grants(house, stream), live.record.ladder
    changing, less = house.control.services.streams._changing, quality_ladder.steps(asked)
    with pytest.raises(Conflict, match="pause"):
        await changing.adjust(live, less[3], asked=asked)
    assert (live.record.ladder, live.record.asked, grants(house, stream)) == (asked, None, before)
    await changing.adjust(live, less[1], asked=asked)
    assert (live.record.ladder, live.record.asked, grants(house, stream)) == (less[1], asked, before)


async def test_a_quality_that_cannot_be_had_leaves_all_as_it_was(house: House) -> None:
    stream = await opened(house)
    live = house.control.services.live.find(stream.record.stream_id)
    assert live is not None
    asked = live.record.ladder
    async with live.editing:
        with pytest.raises(Conflict):
            await house.control.services.streams._changing.adjust(live, asked, asked=asked)
    for node in house.nodes:
        node.refuse = lambda order: Conflict("not now")
    with pytest.raises((Conflict, Unavailable)):
        await house.control.services.streams._changing.adjust(live, quality_ladder.steps(asked)[1], asked=asked)
    assert (live.record.ladder, live.record.asked) == (asked, None)


async def test_whether_quality_is_adjusted_is_changed_in_place_and_kept(house: House) -> None:
    stream = await opened(house)
    stream_id, streams = stream.record.stream_id, house.control.services.streams
    assert stream.record.auto_quality
    outcome = await streams.change(stream_id, StreamChange(auto_quality=False), OWNER)
    assert (outcome.change_class, outcome.record.auto_quality) == ("in_place", False)
