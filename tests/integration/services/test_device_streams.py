"""Streams that devices feed: opened, kept on two, moved, changed and ended, over the real store and link."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from app.adapters.encoders.simulated_device import SimulatedDevice
from app.domain.device import DeviceReading, EngineState, NewDevice, Reach
from app.domain.encoder import EncoderKind
from app.domain.errors import Conflict, DeviceError, InvalidRequest, NoCapacity, NotFound, Unavailable
from app.domain.events import StreamErrorSeen
from app.domain.failover import DecidedBy
from app.domain.fleet import EncoderAction, Role
from app.domain.ids import EncoderId
from app.domain.link import SwitchInput
from app.domain.session import StreamChange
from app.domain.stream import Input, StandbyGrade, StreamMode
from app.policy import device_feed, heat_turn, thermal

from .device_house import FED, DeviceHouse, device_house, fed
from .peers import ADMIN, OWNER, REQUEST, FakeNode, encoder, until


@pytest.fixture
async def house(database: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[DeviceHouse]:
    async with device_house(database, monkeypatch) as house:
        yield house


# --- entering


@pytest.mark.parametrize(
    ("reach", "error", "words"),
    [
        (Reach.UNREACHABLE, Unavailable, "cannot be asked"),
        (Reach.LOGGED_OUT, DeviceError, "wants another password"),
        (Reach.GARBLED, DeviceError, "no aja_helo as expected"),
    ],
)
async def test_a_device_that_cannot_be_entered_says_why_and_leaves_nothing_behind(
    house: DeviceHouse, reach: Reach, error: type[Exception], words: str
) -> None:
    house.devices["a"] = SimulatedDevice(EncoderId("a"))
    house.devices["a"].reach = reach
    with pytest.raises(error, match=words):
        await house.enter("a")
    house.devices["a"].reach = Reach.OK
    await house.enter("a")
    assert house.control.services.encoders.status(EncoderId("a")).url == "http://a"


async def test_one_address_and_one_id_are_entered_once(house: DeviceHouse) -> None:
    await house.enter("a")
    encoders = house.control.services.encoders
    with pytest.raises(Conflict, match="is in the fleet already"):
        await house.enter("a")
    house.devices["b"] = SimulatedDevice(EncoderId("b"))
    twin = NewDevice(EncoderKind.AJA_HELO, "http://a/", encoder_id=EncoderId("b"))
    with pytest.raises(Conflict, match="is a already"):
        await encoders.enter(twin, ADMIN)


@pytest.mark.parametrize("url", ["ftp://helo", "http://user:word@helo", "http://", "helo"])
async def test_what_is_no_address_of_a_device_is_refused(house: DeviceHouse, url: str) -> None:
    with pytest.raises(InvalidRequest):
        await house.control.services.encoders.enter(NewDevice(EncoderKind.AJA_HELO, url), ADMIN)


async def test_entered_devices_outlive_a_restart_and_are_removed_for_good(house: DeviceHouse) -> None:
    await house.enter("a")
    await house.control.stop()
    await house.control.start()
    encoders = house.control.services.encoders
    await until(lambda: encoders.status(EncoderId("a")).state == "online")
    await encoders.remove(EncoderId("a"), ADMIN)
    with pytest.raises(NotFound):
        encoders.status(EncoderId("a"))
    await house.control.stop()
    await house.control.start()
    assert house.control.services.encoders.list() == ()


async def test_a_device_that_is_away_when_control_starts_is_shown_as_offline(house: DeviceHouse) -> None:
    await house.enter("a")
    house.lose("a")
    await house.control.stop()
    await house.control.start()
    encoders = house.control.services.encoders
    await until(lambda: encoders.status(EncoderId("a")).state == "offline")
    house.comes_back("a")
    await until(lambda: encoders.status(EncoderId("a")).state == "online")


async def test_a_device_in_use_is_not_removed(house: DeviceHouse) -> None:
    await house.enter("a")
    await house.open()
    with pytest.raises(Conflict, match="serves a stream"):
        await house.control.services.encoders.remove(EncoderId("a"), ADMIN)


# --- opening


async def test_both_devices_are_set_up_from_the_request_each_with_a_key_of_its_own(house: DeviceHouse) -> None:
    await house.enter("a", "b")
    stream_id = await house.open()
    await house.protected(stream_id)
    assert house.streaming() == {"a", "b"}
    one, other = house.held("a"), house.held("b")
    assert one.stream_key != other.stream_key
    assert (one.width, one.height, one.video_bps, one.fps) == (1280, 720, 4_000_000, 30.0)
    assert replace(one, stream_key=other.stream_key) == other
    assert one.rtmp_url == "rtmp://127.0.0.1:19350/live"
    (decision,) = house.control.services.streams.placement(stream_id, OWNER)
    assert (decision.primary_id, decision.backup_id) == ("a", "b")
    encoders = house.control.services.encoders
    await until(lambda: [each.running for each in encoders.config(EncoderId("a")).streams] == [True])
    (does,) = encoders.config(EncoderId("a")).streams
    assert (does.stream_id, does.worker_id, does.role) == (stream_id, None, Role.PRIMARY)


async def test_a_device_that_refuses_at_the_opening_is_passed_over(house: DeviceHouse) -> None:
    await house.enter("a", "b", "c")
    house.devices["a"].refusal = "it does not want to"
    stream_id = await house.open()
    await house.protected(stream_id)
    assert house.streaming() == {"b", "c"}


async def test_where_only_the_backup_takes_the_stream_it_is_the_primary(house: DeviceHouse) -> None:
    await house.enter("a", "b")
    house.devices["a"].refusal = "it does not want to"
    stream_id = await house.open()
    assert house.roles(stream_id) == ("b", None)
    assert house.streaming() == {"b"}
    house.devices["a"].refusal = None
    await until(lambda: house.roles(stream_id) == ("b", "a"))
    await house.protected(stream_id)


async def test_where_every_device_refuses_the_stream_is_not_opened_and_all_are_free(house: DeviceHouse) -> None:
    await house.enter("a")
    house.devices["a"].refusal = "it does not want to"
    with pytest.raises(DeviceError, match="does not want to"):
        await house.open()
    house.devices["a"].refusal = None
    await house.open()


async def test_without_a_free_device_there_is_no_capacity_and_workers_never_go_to_devices(
    house: DeviceHouse,
) -> None:
    with pytest.raises(NoCapacity):
        await house.open()
    await house.enter("a")
    with pytest.raises(NoCapacity):
        await house.control.services.streams.open(REQUEST, OWNER)
    await house.open()
    with pytest.raises(NoCapacity):
        await house.open()


async def test_the_end_of_a_stream_stops_its_devices_and_frees_them(house: DeviceHouse) -> None:
    await house.enter("a", "b")
    stream_id = await house.open()
    await house.protected(stream_id)
    await house.control.services.streams.end(stream_id, OWNER)
    await until(lambda: house.streaming() == set())
    again = await house.open()
    await house.protected(again)


# --- losing


async def test_when_the_primary_is_lost_its_place_is_given_to_a_third(house: DeviceHouse) -> None:
    await house.enter("a", "b")
    stream_id = await house.open()
    await house.protected(stream_id)
    first, second = house.roles(stream_id)
    await house.enter("c")
    assert first is not None
    house.lose(first)
    await until(lambda: house.roles(stream_id) == (second, "c"))
    await house.protected(stream_id)
    assert house.gateway.on_air[stream_id] is Input.BACKUP
    house.comes_back(first)
    await house.control.services.encoders.remove(EncoderId(first), ADMIN)


async def test_one_that_was_given_up_and_comes_back_streaming_is_told_to_stop(house: DeviceHouse) -> None:
    await house.enter("a", "b")
    stream_id = await house.open()
    await house.protected(stream_id)
    first, _ = house.roles(stream_id)
    await house.enter("c")
    assert first is not None
    house.devices[first].reach = Reach.UNREACHABLE
    # Cut off from control and from the gateway alike, and streaming on into nowhere.
    house.devices[first].held = None
    await until(lambda: house.roles(stream_id)[1] == "c")
    await house.protected(stream_id)
    assert first in house.streaming()
    house.comes_back(first)
    await until(lambda: first not in house.streaming(), within_s=20.0)


async def test_a_device_whose_picture_comes_is_kept_though_control_cannot_reach_it(house: DeviceHouse) -> None:
    await house.enter("a", "b", "c")
    stream_id = await house.open()
    await house.protected(stream_id)
    roles = house.roles(stream_id)
    house.devices[str(roles[0])].reach = Reach.UNREACHABLE
    await until(lambda: house.control.services.encoders.status(EncoderId(str(roles[0]))).state == "offline")
    assert house.roles(stream_id) == roles


async def test_a_warm_backup_is_set_up_and_started_only_when_it_is_needed(
    house: DeviceHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device_feed, "LOST_S", 0.2)
    await house.enter("a", "b")
    stream_id = await house.open(replace(FED, devices=fed(StandbyGrade.WARM)))
    first, second = house.roles(stream_id)
    assert first is not None
    assert second is not None
    await until(lambda: house.devices[second].held is not None)
    assert house.streaming() == {first}
    house.lose(first)
    await until(lambda: house.streaming() == {second})
    await until(lambda: house.roles(stream_id)[0] == second)
    house.comes_back(first)
    await until(lambda: house.roles(stream_id) == (second, first))
    await house.protected(stream_id)
    assert house.streaming() == {second}


async def test_settings_of_a_standing_backup_that_somebody_changed_are_set_back(
    house: DeviceHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device_feed, "CHECK_S", 0.2)
    await house.enter("a", "b")
    stream_id = await house.open(replace(FED, devices=fed(StandbyGrade.WARM)))
    _, second = house.roles(stream_id)
    assert second is not None
    await until(lambda: house.devices[second].held is not None)
    wanted = house.held(second)
    house.devices[second].held = replace(wanted, video_bps=1_000_000)
    await until(lambda: house.held(second) == wanted)


async def test_a_restart_of_control_touches_no_device(house: DeviceHouse) -> None:
    await house.enter("a", "b")
    stream_id = await house.open()
    await house.protected(stream_id)
    orders, roles = {name: list(one.orders) for name, one in house.devices.items()}, house.roles(stream_id)
    await house.control.stop()
    await house.control.start()
    await house.protected(stream_id)
    assert house.roles(stream_id) == roles
    assert {name: one.orders for name, one in house.devices.items()} == orders
    with pytest.raises(NoCapacity):
        await house.open()


async def test_a_device_that_streams_for_a_stream_that_is_over_is_stopped_and_one_of_somebody_else_is_not(
    house: DeviceHouse,
) -> None:
    await house.enter("a", "b", "c", "d")
    ended, lives = await house.open(), await house.open()
    await house.protected(ended)
    await house.protected(lives)
    left = {str(name): house.held(str(name)) for name in house.roles(ended)}
    await house.control.services.streams.end(ended, OWNER)
    await until(lambda: house.streaming().isdisjoint(left))
    ours, elsewhere = left
    await house.control.stop()
    for name in left:
        house.devices[name].held = left[name]
        house.devices[name].tell(streaming=EngineState.RUNNING)
    house.devices[elsewhere].held = replace(left[elsewhere], rtmp_url="rtmp://somewhere.example/live")
    await house.control.start()
    await until(lambda: ours not in house.streaming())
    await house.protected(lives)
    assert elsewhere in house.streaming()


async def test_a_device_that_wants_another_password_is_no_fault_of_the_callers_key(house: DeviceHouse) -> None:
    await house.enter("a")
    house.devices["a"].reach = Reach.LOGGED_OUT
    with pytest.raises(DeviceError, match="refuses the password"):
        await house.open()
    with pytest.raises(DeviceError, match="refuses the password"):
        await house.control.services.encoders.control(EncoderId("a"), EncoderAction.REBOOT, ADMIN)


async def test_a_loss_while_control_was_away_is_made_good_when_it_is_back(house: DeviceHouse) -> None:
    await house.enter("a", "b", "c")
    stream_id = await house.open()
    await house.protected(stream_id)
    first, second = house.roles(stream_id)
    (third,) = {"a", "b", "c"} - {first, second}
    await house.control.stop()
    house.lose(str(first))
    await house.control.start()
    await until(lambda: house.roles(stream_id) == (second, third))
    await house.protected(stream_id)


# --- changing


async def test_another_picture_goes_over_the_other_device_and_then_to_both(house: DeviceHouse) -> None:
    await house.enter("a", "b")
    stream_id = await house.open()
    await house.protected(stream_id)
    outcome = await house.control.services.streams.change(
        stream_id, StreamChange(bitrate_bps=2_000_000, width=640, height=360), OWNER
    )
    assert outcome.change_class == "planned_switch"
    switched = [order for order in house.gateway.orders if isinstance(order, SwitchInput)]
    assert [order.input for order in switched] == [Input.BACKUP]
    await until(lambda: all(house.held(name).video_bps == 2_000_000 for name in ("a", "b")))
    assert {house.held(name).width for name in ("a", "b")} == {640}
    await house.protected(stream_id)


async def test_a_change_waits_for_what_is_being_done_with_a_device(
    house: DeviceHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    told, may_go_on = asyncio.Event(), asyncio.Event()
    start = SimulatedDevice.start_stream

    async def slowly(device: SimulatedDevice) -> None:
        """It streams, and says so only later."""
        await start(device)
        if device.encoder_id == "b":
            told.set()
            await may_go_on.wait()

    monkeypatch.setattr(SimulatedDevice, "start_stream", slowly)
    await house.enter("a", "b")
    stream_id = await house.open()
    await told.wait()
    await house.protected(stream_id)
    change = asyncio.create_task(
        house.control.services.streams.change(stream_id, StreamChange(bitrate_bps=2_000_000), OWNER)
    )
    finished, _ = await asyncio.wait({change}, timeout=0.3)
    assert not finished, "refused, where a moment of patience is enough"
    may_go_on.set()
    assert (await change).change_class == "planned_switch"
    await until(lambda: all(house.held(name).video_bps == 2_000_000 for name in ("a", "b")))


async def test_a_picture_that_the_other_device_does_not_take_changes_nothing(house: DeviceHouse) -> None:
    await house.enter("a", "b")
    stream_id = await house.open()
    await house.protected(stream_id)
    first, second = house.roles(stream_id)
    house.devices[str(second)].refusal = "it does not want to"
    with pytest.raises(DeviceError):
        await house.control.services.streams.change(stream_id, StreamChange(bitrate_bps=2_000_000), OWNER)
    house.devices[str(second)].refusal = None
    await house.protected(stream_id)
    assert {house.held(str(name)).video_bps for name in (first, second)} == {4_000_000}
    assert house.gateway.on_air[stream_id] is Input.MAIN


async def test_a_change_that_the_gateway_refuses_leaves_both_devices_with_the_old_picture(
    house: DeviceHouse,
) -> None:
    await house.enter("a", "b")
    stream_id = await house.open()
    await house.protected(stream_id)
    house.gateway.refuse = lambda order: Conflict("not now") if isinstance(order, SwitchInput) else None
    with pytest.raises(Conflict):
        await house.control.services.streams.change(stream_id, StreamChange(bitrate_bps=2_000_000), OWNER)
    await until(lambda: {house.held(name).video_bps for name in ("a", "b")} == {4_000_000})
    await house.protected(stream_id)
    assert house.gateway.on_air[stream_id] is Input.MAIN


async def test_settings_of_a_hot_backup_that_somebody_changed_are_set_back_off_the_air(
    house: DeviceHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device_feed, "CHECK_S", 0.2)
    await house.enter("a", "b")
    stream_id = await house.open()
    await house.protected(stream_id)
    _, second = house.roles(stream_id)
    wanted = house.held(str(second))
    house.devices[str(second)].held = replace(wanted, video_bps=1_000_000)
    await until(lambda: house.held(str(second)) == wanted)
    await house.protected(stream_id)
    assert house.gateway.on_air[stream_id] is Input.MAIN


async def test_with_one_device_alone_the_change_says_that_the_picture_stood_still(house: DeviceHouse) -> None:
    await house.enter("a")
    stream_id = await house.open()
    await until(lambda: stream_id in house.gateway.on_air)
    outcome = await house.control.services.streams.change(stream_id, StreamChange(bitrate_bps=2_000_000), OWNER)
    assert any("stood still" in warning for warning in outcome.advice.warnings)
    assert house.held("a").video_bps == 2_000_000


# --- operators


async def test_a_drained_device_goes_off_the_air_by_a_change_and_is_free(house: DeviceHouse) -> None:
    await house.enter("a", "b")
    stream_id = await house.open()
    await house.protected(stream_id)
    first, second = house.roles(stream_id)
    await house.enter("c")
    await house.control.services.encoders.control(EncoderId(str(first)), EncoderAction.DRAIN, ADMIN)
    await until(lambda: house.roles(stream_id) == (second, "c"))
    await house.protected(stream_id)
    assert any(isinstance(order, SwitchInput) for order in house.gateway.orders)
    await until(lambda: first not in house.streaming())


async def test_a_device_on_air_whose_cable_is_pulled_hands_the_stream_to_the_one_that_sees(
    house: DeviceHouse,
) -> None:
    await house.enter("a", "b")
    stream_id = await house.open()
    await house.protected(stream_id)
    first, second = house.roles(stream_id)
    house.devices[str(first)].tell(has_input=False, input_format=None)
    await until(lambda: house.roles(stream_id) == (second, first))
    assert house.streaming() == {"a", "b"}, "it stays ready, in case the other one is lost"


async def test_a_device_on_air_restarts_only_where_another_one_can_take_over(house: DeviceHouse) -> None:
    await house.enter("a")
    stream_id = await house.open()
    await until(lambda: any(each.on_air for each in house.health(stream_id).inputs))
    encoders = house.control.services.encoders
    for action in (EncoderAction.REBOOT, EncoderAction.RESTART):
        with pytest.raises(Conflict, match="is on air"):
            await encoders.control(EncoderId("a"), action, ADMIN)
    await house.enter("b")
    await house.protected(stream_id)
    await encoders.control(EncoderId("a"), EncoderAction.REBOOT, ADMIN)
    assert house.devices["a"].orders[-1] == "reboot"
    assert house.gateway.on_air[stream_id] is Input.BACKUP
    house.comes_back("a")
    await house.protected(stream_id)


# --- heat


def changes(house: DeviceHouse) -> list[SwitchInput]:
    return [order for order in house.gateway.orders if isinstance(order, SwitchInput)]


def told(house: DeviceHouse) -> list[StreamErrorSeen]:
    heard: list[StreamErrorSeen] = []
    house.control.services.bus.listen(
        lambda event: heard.append(event) if isinstance(event, StreamErrorSeen) else None
    )
    return heard


async def test_a_critical_device_leaves_the_air_and_its_seat_goes_to_a_cooler_one(
    house: DeviceHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(thermal, "CRITICAL_FOR_S", 0.2)
    await house.enter("a", "b")
    stream_id = await house.open()
    await house.protected(stream_id)
    first, second = house.roles(stream_id)
    await house.enter("c")
    house.devices[str(first)].tell(temperature_c=92.0)
    await until(lambda: house.roles(stream_id) == (second, "c"), within_s=20.0)
    await house.protected(stream_id)
    await until(lambda: first not in house.streaming())
    (order,) = changes(house)
    assert order.cause.startswith(f"{first} is to be left for heat: 92 °C")
    assert order.decided_by is DecidedBy.CONTROL


async def test_without_a_cooler_device_a_critical_one_keeps_its_seat_off_the_air(
    house: DeviceHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(thermal, "CRITICAL_FOR_S", 0.2)
    await house.enter("a", "b")
    stream_id = await house.open()
    await house.protected(stream_id)
    first, second = house.roles(stream_id)
    house.devices[str(first)].tell(temperature_c=92.0)
    await until(lambda: house.roles(stream_id) == (second, first))
    await house.protected(stream_id)
    assert len(changes(house)) == 1


async def test_a_device_that_is_to_cool_down_by_hand_goes_off_the_air(
    house: DeviceHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(thermal, "STEP_S", 0.1)
    await house.enter("a", "b")
    stream_id = await house.open()
    await house.protected(stream_id)
    first, second = house.roles(stream_id)
    house.control.services.thermal.cool_down(EncoderId(str(first)), by="key k")
    await until(lambda: house.roles(stream_id) == (second, first))
    (order,) = changes(house)
    assert "left for heat" in order.cause


async def test_the_only_device_stays_on_air_at_the_hard_stop_and_that_is_told_once(house: DeviceHouse) -> None:
    heard = told(house)
    await house.enter("a")
    stream_id = await house.open()
    await until(lambda: any(each.on_air for each in house.health(stream_id).inputs))
    house.devices["a"].tell(temperature_c=96.0)
    await until(lambda: any(each.cause == "heat of a device" for each in heard))
    (error,) = [each for each in heard if each.cause == "heat of a device"]
    assert "96 °C" in error.detail
    assert error.acted == "it stays on air: there is no other device"
    assert house.streaming() == {"a"}
    await house.enter("b")
    await until(lambda: house.gateway.on_air[stream_id] is Input.BACKUP)
    assert len([each for each in heard if each.cause == "heat of a device"]) == 1


async def test_for_heat_one_stream_of_devices_leaves_at_a_time_and_the_hard_stop_waits_for_none(
    house: DeviceHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(thermal, "CRITICAL_FOR_S", 0.2)
    monkeypatch.setattr(heat_turn, "SPACING_S", 1e6)
    await house.enter("a", "b", "c", "d")
    streams = [await house.open(), await house.open()]
    for stream_id in streams:
        await house.protected(stream_id)
    firsts = [str(house.roles(stream_id)[0]) for stream_id in streams]
    for name in firsts:
        house.devices[name].tell(temperature_c=92.0)
    await until(lambda: len(changes(house)) == 1)
    (left,) = changes(house)
    stays = next(stream_id for stream_id in streams if stream_id != left.stream_id)
    hot = firsts[streams.index(stays)]
    await until(lambda: house.control.services.thermal.leave(EncoderId(hot)) is not None)
    await beats(house, 5)
    assert house.roles(stays)[0] == hot
    house.devices[hot].tell(temperature_c=96.0)
    await until(lambda: house.roles(stays)[0] != hot)


async def beats(house: DeviceHouse, count: int) -> None:
    """So many readings of every device."""
    reading = house.control.services.devices.reading
    for _ in range(count):
        was = {EncoderId(name): reading(EncoderId(name)) for name in house.devices}

        def is_read(was: dict[EncoderId, DeviceReading | None] = was) -> bool:
            return all(reading(encoder_id) is not before for encoder_id, before in was.items())

        await until(is_read)


# --- mixed


async def test_devices_can_be_the_source_of_a_ladder_that_nodes_make(house: DeviceHouse) -> None:
    node = FakeNode(encoder("n"))
    node.on_standby = house.gateway.standby_came
    await node.come(house.control.port)
    await until(lambda: len(house.control.services.encoders.list()) == 1)
    await house.enter("a", "b")
    stream_id = await house.open(replace(FED, mode=StreamMode.TRANSCODE))
    await until(lambda: house.streaming() == {"a", "b"})
    health = house.health(stream_id)
    assert health.primary_id == "enc_n"
    assert {each.encoder_id for each in health.inputs} == {"a", "b"}
    await until(lambda: {each.input for each in house.health(stream_id).inputs if each.flows} == set(Input))
    await house.control.services.streams.end(stream_id, OWNER)
    await until(lambda: house.streaming() == set())
    await node.go()
