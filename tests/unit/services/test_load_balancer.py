"""The balancer over a real fleet and ledger: what it promises, refuses, explains and learns."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.adapters.encoders.simulated import SimulatedEncoder
from app.domain.encoder import Capabilities, CodecProbe, EncoderInfo, EncoderKind, EncoderReading
from app.domain.errors import NoCapacity
from app.domain.events import EncoderRead, Event
from app.domain.fleet import Role
from app.domain.ids import EncoderId, HostId, NodeId, StreamId
from app.monitoring.thermal import ThermalMonitor
from app.policy.candidates import Obstacle
from app.policy.heat import Heat, Sense
from app.policy.placement import Need
from app.policy.reserve import Reserve
from app.policy.session_cost import SessionCosts, SessionShape
from app.policy.thermal import BURST_MOST
from app.policy.thermal_limits import ThermalLimits
from app.ports.store import Store
from app.runtime import clock
from app.runtime.bus import Bus
from app.services.fleet import Fleet
from app.services.ledger import Ledger
from app.services.load_balancer import LoadBalancer
from tests.unit.policy.test_session_cost import WORKER

SHAPE = SessionShape("auto", "veryfast", ((1280, 720, 30.0),))
NEED = Need(100e6, "auto", shape=SHAPE, shares_reserve=True)
CAPACITY = 400e6
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


class Still:
    """Stands in for the module `time` where clocks are read: nobody falls silent while a test computes."""

    def monotonic(self) -> float:
        return 10_000.0

    def time(self) -> float:
        return 1_700_000_000.0


@pytest.fixture(autouse=True, scope="module")
def _time_stands_still() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clock, "time", Still())
        yield


def fail(error: BaseException) -> None:
    raise error


def info(number: int, **changes: object) -> EncoderInfo:
    able = Capabilities("cpu", 8, 1 << 33, (), (CodecProbe("libx264", True),), 8, CAPACITY, "1")
    name = f"e{number}"
    plain = EncoderInfo(EncoderId(name), NodeId(name), HostId(f"h{number}"), EncoderKind.SIMULATED, name, able)
    return dataclasses.replace(plain, **changes)  # type: ignore[arg-type] # the tests give what fits


class House:
    """Encoders that are here for an hour and well."""

    def __init__(self, encoders: int, **settings: object) -> None:
        self.ledger = Ledger()
        # The store keeps operators' wishes, which nobody has here.
        store = cast(Store, None)
        self.fleet = Fleet(driver_for=SimulatedEncoder, store=store, ledger=self.ledger, bus=Bus(fail))
        self.balancer = LoadBalancer(fleet=self.fleet, ledger=self.ledger, **settings)  # type: ignore[arg-type]
        for number in range(encoders):
            self.come(info(number))

    def come(self, one: EncoderInfo, reading: EncoderReading | None = None) -> None:
        self.fleet.arrived(one)
        self.fleet.member(one.encoder_id).arrived -= 3600.0
        self.fleet.heard(one.encoder_id, reading or EncoderReading(20.0, 20.0, 50.0))

    def place(self, name: str, need: Need = NEED) -> tuple[str | None, str | None]:
        decision = self.balancer.place(StreamId(name), need)
        return decision.primary_id, decision.backup_id


def test_a_burst_of_new_streams_is_bounded_on_each_encoder_whose_heat_is_not_seen_yet() -> None:
    house = House(2)
    bus: Bus[Event] = Bus(fail)
    monitor = ThermalMonitor(limits=ThermalLimits(), info=house.fleet.info, promised=lambda _: None, bus=bus)
    house.fleet.heat_of, house.fleet.allowance = monitor.heat_of, monitor.allowance
    house.balancer.opened = monitor.placed
    for number in range(2):
        monitor.hear(EncoderRead(EncoderId(f"e{number}"), EncoderReading(20.0, 20.0, 50.0), BEGIN))
    chosen = []
    for number in range(BURST_MOST + 1):
        chosen.append(house.place(f"s{number}")[0])
        house.balancer.release(StreamId(f"s{number}"))
    assert chosen == ["e0"] * BURST_MOST + ["e1"]


def test_ld_05_a_hundred_inits_on_four_encoders_promise_nothing_beyond_capacity() -> None:
    house, won, refused = House(4), 0, list[NoCapacity]()
    for number in range(100):
        try:
            house.place(f"s{number}")
            won += 1
        except NoCapacity as error:
            refused.append(error)
    assert won >= 8, "as many as fit when every backup weighs in full"
    assert {(error.reason, error.retry_after_s) for error in refused} == {("full", 5.0)}
    for number in range(4):
        pixels, streams = house.ledger.totals(EncoderId(f"e{number}"))
        assert pixels <= CAPACITY
        assert streams <= 8


def test_after_a_restart_of_control_backups_share_their_room_again_once_their_encoders_are_back() -> None:
    house, again = House(4), House(0)
    for number in range(8):
        house.place(f"s{number}")
    for encoder_id, stream_id, role, _ in house.ledger:
        again.balancer.adopt(stream_id, encoder_id, role, NEED)
    for number in reversed(range(4)):
        again.come(info(number))
    for number in range(4):
        encoder_id = EncoderId(f"e{number}")
        assert again.ledger.totals(encoder_id) == house.ledger.totals(encoder_id)
        assert again.ledger.if_lost(encoder_id) == house.ledger.if_lost(encoder_id)
        standing = again.fleet.standing(encoder_id)
        assert standing is not None
        assert standing.promised_pixels_per_s == house.ledger.totals(encoder_id)[0]


def test_after_a_restart_of_control_a_backup_on_the_primary_s_own_host_counts_as_none() -> None:
    house, stream_id = House(0), StreamId("s")
    for number, role in enumerate(Role):
        house.balancer.adopt(stream_id, EncoderId(f"e{number}"), role, NEED)
        house.come(info(number, host_id=HostId("one")))
    assert house.ledger.without_second_place() == (stream_id,)


@given(st.integers(2, 5), st.lists(st.sampled_from([40e6, 100e6, 150e6]), max_size=20), st.integers(0, 4))
def test_after_the_loss_of_any_one_node_every_protected_stream_takes_its_place_and_no_other_is_over_full(
    encoders: int, sizes: list[float], dead: int
) -> None:
    house, placed = House(encoders), dict[str, tuple[float, str | None, str | None]]()
    for number, pixels in enumerate(sizes):
        try:
            placed[f"s{number}"] = (
                pixels,
                *house.place(f"s{number}", dataclasses.replace(NEED, pixels_per_s=pixels)),
            )
        except NoCapacity:
            continue
    lost = EncoderId(f"e{dead % encoders}")
    for name, (pixels, primary, backup) in placed.items():
        if primary == lost and backup is not None:
            need = dataclasses.replace(NEED, pixels_per_s=pixels)
            assert house.balancer.faults(EncoderId(backup), StreamId(name), need) == ()
            house.balancer.promote_backup(StreamId(name), EncoderId(backup), need)
    for number in range(encoders):
        assert house.ledger.firm(EncoderId(f"e{number}")) <= CAPACITY + 1.0
    assert house.balancer.view().reserve.without_place_count == len(house.ledger.without_second_place())


@pytest.mark.parametrize(("shares", "protected"), [(True, 57), (False, 40)])
def test_backups_of_streams_on_different_hosts_share_their_room(shares: bool, protected: int) -> None:
    """Twenty encoders for four such streams each; every stream taken twice leaves room for forty."""
    house, taken = House(20), 0
    while house.place(f"s{taken}", dataclasses.replace(NEED, shares_reserve=shares))[1] is not None:
        taken += 1
        assert house.balancer.view().reserve.holds
        if house.balancer.consider(NEED).primary_id is None:
            break
    assert taken == protected


def test_a_backup_that_works_along_shares_nothing() -> None:
    house = House(3)
    busy = dataclasses.replace(NEED, shares_reserve=False)
    for number in range(6):
        house.place(f"s{number}", busy)
    with pytest.raises(NoCapacity):
        house.place("one more", busy)


@pytest.mark.parametrize("keep", Reserve)
def test_a_stream_without_a_second_place_is_taken_with_a_caution_or_refused_as_set(keep: Reserve) -> None:
    house = House(1, keep_reserve=keep)
    if keep is Reserve.WARN:
        assert house.place("s") == ("e0", None)
        view = house.balancer.view()
        assert view.decisions[0].cautions == ("unprotected",)
        assert (view.reserve.holds, view.reserve.without_place) == (False, ("s",))
    else:
        with pytest.raises(NoCapacity, match="no second encoder has room") as refused:
            house.place("s")
        assert refused.value.reason == Obstacle.NO_RESERVE
        assert tuple(house.ledger) == ()


@pytest.mark.parametrize(
    ("reading", "able", "reason", "retry_s"),
    [
        (EncoderReading(20.0, 20.0, 96.0), {}, Obstacle.HOT, 60.0),
        (EncoderReading(20.0, 20.0, 50.0), {"probes": ()}, Obstacle.UNABLE, 60.0),
        (EncoderReading(20.0, 99.0, 50.0), {}, Obstacle.FULL, 5.0),
    ],
)
def test_a_refusal_says_for_machines_what_is_missing_and_when_to_ask_again(
    reading: EncoderReading, able: dict[str, object], reason: Obstacle, retry_s: float
) -> None:
    house = House(0)
    with pytest.raises(NoCapacity) as refused:
        house.place("s")
    assert refused.value.reason == Obstacle.NO_ENCODER
    plain = info(0)
    able_so = dataclasses.replace(plain.capabilities, **able)  # type: ignore[arg-type] # the tests give what fits
    house.come(dataclasses.replace(plain, capabilities=able_so), reading)
    with pytest.raises(NoCapacity) as refused:
        house.place("s")
    assert (refused.value.reason, refused.value.retry_after_s) == (reason, retry_s)


def test_what_if_gives_the_decision_of_an_init_and_reserves_nothing() -> None:
    house = House(3)
    considered = house.balancer.consider(NEED)
    assert tuple(house.ledger) == ()
    assert house.balancer.view().decisions == ()
    assert considered.candidates
    assert house.place("s") == (considered.primary_id, considered.backup_id)
    refused = house.balancer.consider(dataclasses.replace(NEED, pixels_per_s=1e12))
    assert refused.primary_id is None
    assert "are needed" in refused.reasons[0]


@pytest.mark.parametrize("keep", Reserve)
@pytest.mark.parametrize("celsius", [50.0, 85.0])
def test_every_kept_decision_replays_to_the_same_choice_and_tells_its_candidates(
    keep: Reserve, celsius: float
) -> None:
    house = House(0, keep_reserve=keep)
    for number in range(30):
        place = info(number, host_id=HostId(f"h{number // 3}"), rack=f"r{number // 9}")
        house.come(place, EncoderReading(20.0 + number % 7, 20.0, celsius + number % 5))
    doubtful = (EncoderId("e1"), EncoderId("e2"))
    for number in range(100):
        stream_id = StreamId(f"s{number}")
        with contextlib.suppress(NoCapacity):
            primary, _ = house.place(stream_id)
            known = house.fleet.info(EncoderId(str(primary)))
            assert known is not None
            house.balancer.place_backup(stream_id, NEED, primary=known, avoid=doubtful)
            house.balancer.place_primary(stream_id, NEED, avoid=(known.encoder_id, *doubtful))
    decisions = [one for number in range(100) for one in house.balancer.decisions(StreamId(f"s{number}"))]
    assert len(decisions) >= 100
    assert {decision.replays for decision in decisions} == {True}
    assert all(decision.candidates for decision in decisions)


def test_a_learned_cost_is_what_is_promised_and_told() -> None:
    costs = SessionCosts()
    house = House(2, costs=costs)
    for _ in range(30):
        costs.feed(SHAPE, "cpu", dataclasses.replace(WORKER, cpu_percent=80.0))
    house.place("s")
    pixels, _ = house.ledger.totals(EncoderId("e0"))
    assert pixels == pytest.approx(0.8 * 1.15 / (8 * 0.8) * CAPACITY)
    (cost,) = house.balancer.view().costs
    assert (cost.cpu_model, cost.cores) == ("cpu", pytest.approx(0.92))


def test_the_next_stream_goes_where_it_stays_cool_though_the_load_is_higher() -> None:
    house = House(3)
    celsius = {"e0": 76.0, "e1": 76.0, "e2": 40.0}
    house.fleet.heat_of = lambda encoder_id: Heat(celsius[encoder_id], None, 30.0, sense=Sense.WELL)
    for number in range(3):
        house.fleet.heard(EncoderId(f"e{number}"), EncoderReading(20.0, 20.0, celsius[f"e{number}"]))
    house.balancer.adopt(
        StreamId("old"), EncoderId("e2"), Role.PRIMARY, dataclasses.replace(NEED, pixels_per_s=2e8)
    )
    assert house.place("s")[0] == "e2"


def test_many_that_went_together_do_not_all_rest() -> None:
    house = House(6)
    for number in range(6):
        for stream in range(5):
            house.fleet.failed(EncoderId(f"e{number}"), StreamId(f"s{stream}"))
    house.fleet.tell_changes(clock.monotonic())
    parts = [{part.name: part.value for part in candidate.parts} for candidate in house.balancer.view().candidates]
    assert sum(one["ejected"] == 1.0 for one in parts) == 2
    assert house.balancer.has_other(StreamId("s"), NEED, besides=())


def test_an_encoder_that_left_the_fleet_is_chosen_no_more() -> None:
    house = House(2)
    house.fleet.removed(EncoderId("e0"))
    assert house.place("s") == ("e1", None)
