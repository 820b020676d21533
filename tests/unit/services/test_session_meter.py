"""What workers show of their cost is learned from the one that encodes for the programme, and from nobody else."""

from __future__ import annotations

import dataclasses
from typing import cast

import pytest

from app.adapters.encoders.simulated import SimulatedEncoder
from app.domain.encoder import EncoderReading, WorkerReading
from app.domain.events import Event
from app.domain.ids import StreamId, WorkerId
from app.domain.link import SourceUp
from app.policy.session_cost import READINGS_LEAST, SessionCosts, shape_of
from app.ports.store import Store
from app.runtime.bus import Bus
from app.runtime.clock import monotonic, utc_now
from app.services.fleet import Fleet
from app.services.ledger import Ledger
from app.services.live_streams import LiveStream, LiveStreams, live_stream
from app.services.session_meter import SessionMeter
from tests.contract.test_store import record
from tests.unit.policy.test_session_cost import WORKER
from tests.unit.services.test_load_balancer import fail, info

ENCODER = info(1)


class House:
    def __init__(self) -> None:
        bus: Bus[Event] = Bus(fail)
        # Nothing is stored here.
        store = cast(Store, None)
        streams = LiveStreams(store=store, bus=bus)
        self.costs = SessionCosts()
        self.fleet = Fleet(driver_for=SimulatedEncoder, store=store, ledger=Ledger(), bus=bus)
        bus.listen(SessionMeter(streams=streams, fleet=self.fleet, costs=self.costs).hear)
        self.fleet.arrived(ENCODER)
        self.stream: LiveStream = live_stream(record())
        streams.add(self.stream)

    def beat(self, worker: WorkerReading) -> None:
        for _ in range(READINGS_LEAST):
            self.fleet.heard(ENCODER.encoder_id, EncoderReading(workers=(worker,)))

    def publish(self) -> None:
        self.stream.seen.source_up(SourceUp(self.stream.id, utc_now(), "1.2.3.4:5", None, None, None), monotonic())

    def active(self, **changes: object) -> WorkerReading:
        grant = self.stream.active
        assert grant is not None
        named = dataclasses.replace(WORKER, stream_id=self.stream.id, worker_id=grant.worker_id)
        return dataclasses.replace(named, **changes)  # type: ignore[arg-type] # the tests give what fits

    def known(self) -> bool:
        assert self.stream.record.encode is not None
        return bool(self.costs.cores(shape_of(self.stream.record.encode)))


def test_the_worker_that_encodes_for_the_programme_teaches_what_its_session_costs() -> None:
    house = House()
    house.publish()
    house.beat(house.active())
    assert house.known()


@pytest.mark.parametrize("other", [{"worker_id": WorkerId("standby")}, {"stream_id": StreamId("unknown")}])
def test_standbys_and_workers_of_nobodys_streams_teach_nothing(other: dict[str, object]) -> None:
    house = House()
    house.publish()
    house.beat(house.active(**other))
    assert not house.known()


def test_without_a_publisher_nothing_is_learned() -> None:
    house = House()
    house.beat(house.active())
    assert not house.known()
