"""Encoders that still work are left: too hot, too slow, silent, or by an operator's wish."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from app.domain.events import StreamErrorSeen
from app.domain.failover import DecidedBy
from app.domain.fleet import EncoderAction
from app.domain.ids import EncoderId
from app.domain.link import ChannelReading, SwitchStream, TrackReading
from app.domain.stream import StandbyGrade
from app.policy import slow_evidence, thermal
from app.policy.failover_states import Phase
from app.services import stream_watch
from app.services.fleet import Fleet
from app.services.load_balancer import LoadBalancer
from app.services.stream_watch import StreamWatch

from .conftest import House
from .peers import ADMIN, at, until
from .scenes import grants, protected, published


class Counted:
    """A method of which the calls are counted."""

    def __init__(self, function: Callable[..., object]) -> None:
        self._function = function
        self.calls = 0

    def method(self) -> Callable[..., object]:
        def counting(*arguments: object) -> object:
            self.calls += 1
            return self._function(*arguments)

        return counting


def _is_known_hot(fleet: Fleet, encoder_id: EncoderId) -> bool:
    reading = fleet.reading(encoder_id)
    return reading is not None and reading.temperature_c is not None and reading.temperature_c > 80.0


async def test_draining_an_encoder_moves_its_stream_by_a_planned_switch(house: House) -> None:
    stream = await published(house)
    old, standby = grants(house, stream)
    await house.control.services.encoders.control(old.encoder_id, EncoderAction.DRAIN, ADMIN)
    await until(lambda: grants(house, stream)[0] == standby and protected(house, stream))
    (order,) = [order for order in house.gateway.orders if isinstance(order, SwitchStream)]
    assert order.decided_by is DecidedBy.OPERATOR
    active, backup = grants(house, stream)
    assert backup is not None
    assert old.encoder_id not in (active.encoder_id, backup.encoder_id)
    assert not house.control.services.fleet.member(old.encoder_id).conduct.losses
    assert not house.control.told(StreamErrorSeen)


async def test_an_unfit_standby_is_passed_over_for_another_and_the_reason_is_told(house: House) -> None:
    stream = await published(house)
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


async def test_a_silent_node_is_left_by_a_planned_switch_while_its_picture_still_comes(house: House) -> None:
    stream = await published(house)
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
    stream = await published(house)
    old, standby = grants(house, stream)
    house.node(old.encoder_id).temperature_c = 96.0
    await until(lambda: grants(house, stream)[0] == standby)
    (order,) = [order for order in house.gateway.orders if isinstance(order, SwitchStream)]
    assert "96 °C" in order.cause


async def test_a_hard_stop_does_not_wait_for_the_rest_after_an_earlier_switch(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(thermal, "CRITICAL_FOR_S", 0.2)
    stream = await published(house)
    first, second = grants(house, stream)
    assert second is not None
    house.node(first.encoder_id).temperature_c = 92.0
    await until(lambda: grants(house, stream)[0] == second and protected(house, stream))
    live = house.control.services.live.find(stream.record.stream_id)
    assert live is not None
    house.node(second.encoder_id).temperature_c = 92.0
    await until(lambda: live.machine.phase is Phase.SUSPECT)
    house.node(second.encoder_id).temperature_c = 96.0
    await until(lambda: grants(house, stream)[0].encoder_id not in (first.encoder_id, second.encoder_id))


async def test_a_fleet_that_is_hot_all_over_is_not_searched_for_a_better_standby_at_every_beat(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_watch, "BETTER_STANDBY_EVERY_S", 1e6)
    stream = await published(house)
    beats, searches = Counted(StreamWatch.look), Counted(LoadBalancer.has_other)
    monkeypatch.setattr(StreamWatch, "look", beats.method())
    monkeypatch.setattr(LoadBalancer, "has_other", searches.method())
    before, fleet = grants(house, stream), house.control.services.fleet
    standby = house.node(None if before[1] is None else before[1].encoder_id)
    # The standby's last, or it would find another one.
    for node in (*(node for node in house.nodes if node is not standby), standby):
        node.temperature_c = 85.0
        await until(partial(_is_known_hot, fleet, node.info.encoder_id))
    await until(lambda: searches.calls > 0)
    seen = beats.calls
    await until(lambda: beats.calls > seen + 3)
    assert searches.calls == 1
    assert grants(house, stream) == before


async def test_who_falls_behind_is_relieved_of_hot_standbys_before_the_stream_is_moved(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slow_evidence, "SLOW_FOR_S", 0.5)
    streams = [await published(house, standby=StandbyGrade.HOT) for _ in range(3)]

    def backups_at(encoder_id: EncoderId) -> int:
        standbys = [grants(house, stream)[1] for stream in streams]
        return sum(standby is not None and standby.encoder_id == encoder_id for standby in standbys)

    busy = next(active for stream in streams if backups_at(active := grants(house, stream)[0].encoder_id))
    house.node(busy).speed = 0.5
    await until(lambda: backups_at(busy) == 0)
    told = [event for event in house.control.told(StreamErrorSeen) if isinstance(event, StreamErrorSeen)]
    assert any("relieved" in event.detail for event in told)
    assert [order for order in house.gateway.orders if isinstance(order, SwitchStream)] == []


async def test_a_worker_that_falls_behind_for_long_is_left(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slow_evidence, "SLOW_FOR_S", 0.5)
    stream = await published(house)
    old, standby = grants(house, stream)
    house.node(old.encoder_id).speed = 0.5
    await until(lambda: grants(house, stream)[0] == standby)
    (order,) = [order for order in house.gateway.orders if isinstance(order, SwitchStream)]
    assert order.decided_by is DecidedBy.CONTROL
    assert "speed 0.50" in order.cause


async def test_a_cold_stream_leaves_a_hot_encoder_and_stays_where_nobody_else_can_take_it(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(thermal, "CRITICAL_FOR_S", 0.2)
    stream = await published(house, standby=StandbyGrade.COLD)
    for node in house.nodes:
        node.temperature_c = 96.0 if node.info.encoder_id != grants(house, stream)[0].encoder_id else 92.0
    old, _ = grants(house, stream)
    live = house.control.services.live.find(stream.record.stream_id)
    assert live is not None
    await until(lambda: old.encoder_id in live.failed_on and live.machine.phase is Phase.STEADY)
    assert grants(house, stream)[0] == old
    assert old.worker_id in house.node(old.encoder_id).workers
    assert live.without_encoder is None


async def test_a_hard_stop_that_nobody_can_relieve_restarts_nothing_where_the_worker_goes_on(house: House) -> None:
    stream = await published(house)
    old, _ = grants(house, stream)
    live = house.control.services.live.find(stream.record.stream_id)
    assert live is not None
    for node in house.nodes:
        if node.info.encoder_id != old.encoder_id:
            await node.go()
    await until(lambda: grants(house, stream)[1] is None)
    alone = house.node(old.encoder_id)
    alone.temperature_c = 96.0
    await until(lambda: live.machine.phase is Phase.HELD)
    assert live.without_encoder is not None
    alone.temperature_c = 50.0
    await until(lambda: live.machine.phase is Phase.STEADY)
    assert (grants(house, stream)[0], live.without_encoder) == (old, None)
    assert old.worker_id in alone.workers
    await house.nodes[0 if alone is not house.nodes[0] else 1].come(house.control.port)
    await until(lambda: protected(house, stream))
    assert grants(house, stream)[0] == old
