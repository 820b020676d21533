"""Clocks of peers: what is told of one that is off, and what is forgotten."""

from __future__ import annotations

import pytest

from app.domain.condition import RETOLD_S, Category, Condition, Subject, SubjectKind
from app.domain.events import Event
from app.domain.ids import EncoderId
from app.monitoring import health_clocks
from app.monitoring.health_clocks import SILENT_S, HealthClocks
from app.runtime.bus import Bus


class Room:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr(health_clocks, "monotonic", lambda: self.now)
        errors: list[BaseException] = []
        bus: Bus[Event] = Bus(errors.append)
        self.told: list[Condition] = []
        bus.listen(lambda event: self.told.append(event) if isinstance(event, Condition) else None)
        self.clocks = HealthClocks(encoder_at={"node_1": EncoderId("enc_1")}.get, bus=bus)

    def metrics(self) -> dict[str, float]:
        return {
            sample.labels["peer"]: sample.value for family in self.clocks.collect() for sample in family.samples
        }


@pytest.fixture
def room(monkeypatch: pytest.MonkeyPatch) -> Room:
    return Room(monkeypatch)


def test_a_node_200_ms_ahead_is_told_as_its_encoders_and_again_while_it_lasts(room: Room) -> None:
    room.clocks.heard("node_1", 0.2, 0.004)
    (first,) = room.told
    assert (first.name, first.is_active, first.category) == ("clock_offset", True, Category.NTP)
    assert first.subject == Subject(SubjectKind.ENCODER, "enc_1")
    assert first.value == pytest.approx(200.0)
    assert "200 ms ahead, give or take 2" in first.summary
    for _ in range(3):
        room.now += RETOLD_S / 2
        room.clocks.heard("node_1", 0.2, 0.004)
        room.clocks.beat(room.now)
    assert len(room.told) == 4


def test_a_clock_that_is_right_again_ends_it(room: Room) -> None:
    room.clocks.heard("node_1", 0.2, 0.02)
    room.clocks.heard("node_1", 0.01, 0.004)
    assert [condition.is_active for condition in room.told] == [True, False]


def test_a_gateway_is_told_as_one_and_a_right_clock_not_at_all(room: Room) -> None:
    room.clocks.heard("gw-1", -0.3, 0.004)
    room.clocks.heard("node_1", 0.01, 0.004)
    (told,) = room.told
    assert told.subject == Subject(SubjectKind.GATEWAY, "gw-1")
    assert room.clocks.worst_ms() == pytest.approx(-300.0)
    assert room.metrics() == {"gw-1": pytest.approx(-0.3), "node_1": pytest.approx(0.01)}


def test_a_peer_that_is_gone_ends_it_and_its_clock_is_not_known(room: Room) -> None:
    room.clocks.heard("gw-1", -0.3, 0.004)
    room.now += SILENT_S + 1.0
    room.clocks.beat(room.now)
    assert [condition.is_active for condition in room.told] == [True, False]
    assert room.clocks.offset_of("gw-1") is None
    assert room.clocks.worst_ms() is None
