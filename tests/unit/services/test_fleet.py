"""The fleet as control knows it: whose link is whose, who came back, whose silence is nobody's fault."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from app.adapters.encoders.simulated import SimulatedEncoder
from app.adapters.link.server import LinkServer
from app.adapters.store.sql_store import SqlStore
from app.domain.encoder import Capabilities, EncoderInfo, EncoderKind, EncoderState
from app.domain.events import EncoderChanged, Event, StreamHealthRead
from app.domain.fleet import OperatorWish
from app.domain.ids import EncoderId, HostId, NodeId, StreamId
from app.domain.link import SourceUp
from app.domain.note import Note
from app.domain.secret import Secret
from app.domain.session import StreamRecord
from app.domain.stream import StreamState
from app.monitoring.thermal import ThermalMonitor
from app.policy.thermal_limits import ThermalLimits
from app.runtime.bus import Bus
from app.runtime.clock import monotonic, utc_now
from app.runtime.tasks import TaskGroupKeeper
from app.services import stream_watch
from app.services.ending import Ending
from app.services.fleet import Fleet
from app.services.gateways import Gateways
from app.services.ledger import Ledger
from app.services.live_streams import LiveStreams, live_stream
from app.services.load_balancer import LoadBalancer
from app.services.recovery import Recovery
from app.services.reports import Reports
from app.services.standbys import Standbys
from app.services.stream_watch import StreamWatch
from app.services.takeover import Takeover
from app.services.wellbeing import Wellbeing
from tests.contract.test_store import record

INFO = EncoderInfo(
    EncoderId("enc_a"), NodeId("node_a"), HostId("host_a"), EncoderKind.SIMULATED, "a",
    Capabilities(None, 8, 1 << 30, (), (), 8, 1e9, "1"),
)  # fmt: skip


class NeverWrites(SqlStore):
    """The real store whose writes of streams hang, as they do while a database is away."""

    hangs = False

    async def put_stream(self, record: StreamRecord, note: Note | None = None) -> None:
        if self.hangs:
            await asyncio.get_running_loop().create_future()
        await super().put_stream(record, note)


@dataclass
class Parts:
    store: NeverWrites
    fleet: Fleet
    streams: LiveStreams
    watch: StreamWatch
    told: list[Event]

    def states(self) -> list[EncoderState]:
        return [event.state for event in self.told if isinstance(event, EncoderChanged)]


def fail(*error: object) -> None:
    raise AssertionError(error)


@pytest.fixture
async def parts(tmp_path: Path) -> AsyncIterator[Parts]:
    store = await NeverWrites.open(f"sqlite+aiosqlite:///{tmp_path}/f.db", seal_key=Secret("seal-key-of-tests"))
    bus: Bus[Event] = Bus(fail)
    told: list[Event] = []
    bus.listen(told.append)
    keeper, ledger = TaskGroupKeeper(fail), Ledger()
    streams = LiveStreams(store=store, bus=bus)
    gateways = Gateways(downlink=LinkServer(token=Secret("token")), streams=streams)
    fleet = Fleet(driver_for=SimulatedEncoder, store=store, ledger=ledger, bus=bus)
    balancer = LoadBalancer(fleet=fleet, ledger=ledger)
    common = {"streams": streams, "gateways": gateways, "bus": bus, "keeper": keeper}
    standbys = Standbys(streams=streams, fleet=fleet, gateways=gateways, balancer=balancer, keeper=keeper)
    common |= {"balancer": balancer}
    takeover = Takeover(fleet=fleet, standbys=standbys, **common)  # type: ignore[arg-type] # one dict for three
    recovery = Recovery(takeover=takeover, standbys=standbys, **common)  # type: ignore[arg-type] # likewise
    ending = Ending(fleet=fleet, freed=lambda _: None, **common)  # type: ignore[arg-type] # likewise
    watch = StreamWatch(
        streams=streams,
        fleet=fleet,
        gateways=gateways,
        recovery=recovery,
        ending=ending,
        reports=Reports(store=store, bus=bus),
        wellbeing=Wellbeing(streams=streams, fleet=fleet, recovery=recovery),
        warmth=ThermalMonitor(limits=ThermalLimits(), info=fleet.info, promised=lambda _: None, bus=bus),
        bus=bus,
    )
    yield Parts(store, fleet, streams, watch, told)
    await keeper.close()
    await store.close()


async def test_an_encoder_that_an_operator_lets_work_again_counts_as_one_that_came(parts: Parts) -> None:
    parts.fleet.arrived(INFO)
    assert parts.fleet.tell_changes(monotonic()) == (INFO.encoder_id,)
    await parts.fleet.wish(INFO.encoder_id, OperatorWish.DRAINING)
    assert parts.fleet.tell_changes(monotonic()) == ()
    await parts.fleet.wish(INFO.encoder_id, OperatorWish.ACTIVE)
    assert parts.fleet.tell_changes(monotonic()) == (INFO.encoder_id,)
    assert parts.fleet.tell_changes(monotonic()) == ()


async def test_what_an_encoders_former_node_loses_is_not_its_present_link(parts: Parts) -> None:
    parts.fleet.arrived(INFO)
    parts.fleet.arrived(replace(INFO, node_id=NodeId("node_b")))
    assert parts.fleet.at_node("node_a") is None
    assert parts.fleet.at_node("node_b") == INFO.encoder_id


async def test_a_device_that_was_away_for_long_stays_a_member_until_it_is_taken_out(parts: Parts) -> None:
    device = replace(INFO, encoder_id=EncoderId("helo"), node_id=NodeId("d"), kind=EncoderKind.AJA_HELO)
    parts.fleet.arrived(INFO)
    parts.fleet.arrived(device, link_up=False)
    parts.fleet.forget_the_gone(monotonic() + 2 * 24 * 3600.0)
    assert [member.info for member in parts.fleet] == [device]
    parts.fleet.removed(device.encoder_id)
    assert list(parts.fleet) == []
    assert parts.fleet.at_node("d") is None


async def test_of_whoever_is_no_member_any_more_it_is_told_that_nobody_misses_it(parts: Parts) -> None:
    device = replace(INFO, encoder_id=EncoderId("helo"), node_id=NodeId("d"), kind=EncoderKind.AJA_HELO)
    parts.fleet.arrived(INFO)
    parts.fleet.arrived(device, link_up=False)
    parts.fleet.forget_the_gone(monotonic() + 2 * 24 * 3600.0)
    parts.fleet.removed(device.encoder_id)
    told = [event for event in parts.told if isinstance(event, EncoderChanged)]
    assert [(event.encoder_id, event.state) for event in told[-2:]] == [
        (INFO.encoder_id, EncoderState.STOPPED),
        (device.encoder_id, EncoderState.STOPPED),
    ]


async def test_after_control_stood_still_nobody_counts_as_silent_until_he_had_time_to_speak(parts: Parts) -> None:
    parts.fleet.arrived(INFO)
    now = monotonic()
    parts.watch.look(now)
    parts.watch.look(now + 20.0)
    assert parts.states() == [EncoderState.ONLINE]
    for beat in range(1, 20):
        parts.watch.look(now + 20.0 + beat * stream_watch.BEAT_S)
    assert parts.states()[-1] is EncoderState.OFFLINE


async def test_health_of_a_stream_that_nobody_publishes_is_told_at_a_slow_pace_and_when_it_changes(
    parts: Parts,
) -> None:
    stream = live_stream(replace(record(), state=StreamState.WAITING))
    parts.streams.add(stream)

    def told(now: float) -> list[StreamState]:
        parts.told.clear()
        parts.watch.tell_health(now)
        return [event.health.state for event in parts.told if isinstance(event, StreamHealthRead)]

    assert told(100.0) == [StreamState.WAITING]
    assert told(101.0) == []
    stream.record = replace(stream.record, state=StreamState.DEGRADED)
    assert told(102.0) == [StreamState.DEGRADED]
    assert told(106.0) == []
    assert told(107.0) == [StreamState.DEGRADED]
    stream.seen.source_up(SourceUp(stream.id, utc_now(), "1.2.3.4:5", None, None, None), 107.0)
    assert told(107.5) == told(108.0) == [StreamState.DEGRADED]


async def test_a_store_that_hangs_while_a_stream_is_ended_does_not_blind_the_watch(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_watch, "RETURN_S", 0.0)
    monkeypatch.setattr(stream_watch, "HEALTH_EVERY_S", 0.0)
    monkeypatch.setattr(stream_watch, "BEAT_S", 0.0)
    monkeypatch.setattr(Gateways, "is_connected", lambda gateways, gateway_id: True)
    forgotten = live_stream(record())
    forgotten.since -= 3600.0
    watched = live_stream(replace(record(), stream_id=StreamId("str_2")))
    watched.seen.source_up(SourceUp(watched.id, utc_now(), "1.2.3.4:5", None, None, None), monotonic())
    for stream in (forgotten, watched):
        parts.streams.add(stream)
    parts.store.hangs = True
    loops = [asyncio.create_task(loop()) for loop in (parts.watch.age, parts.watch.run)]
    async with asyncio.timeout(10):
        while not forgotten.lock.locked():  # noqa: ASYNC110 - nobody tells that an end began
            await asyncio.sleep(0)
        parts.told.clear()
        while not any(isinstance(event, StreamHealthRead) for event in parts.told):  # noqa: ASYNC110 - likewise
            await asyncio.sleep(0)
    assert forgotten.lock.locked()
    for loop in loops:
        loop.cancel()
    await asyncio.gather(*loops, return_exceptions=True)
