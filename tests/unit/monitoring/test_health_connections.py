"""What is heard of connections on the bus, and what is answered about them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from app.domain.encoder import EncoderReading, EncoderState
from app.domain.events import EncoderChanged, EncoderRead
from app.domain.ids import EncoderId
from app.monitoring import health_connections
from app.monitoring.health_connections import HealthConnections

T0 = datetime(2026, 1, 1, tzinfo=UTC)
ENCODER, OTHER = EncoderId("enc-1"), EncoderId("enc-2")


class Room:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr(health_connections, "monotonic", lambda: self.now)
        self.connections = HealthConnections()

    def reads(self, encoder_id: EncoderId, for_s: int) -> None:
        for _ in range(for_s):
            self.now += 1.0
            self.connections.hear(EncoderRead(encoder_id, EncoderReading(), T0))

    def enters(self, state: EncoderState) -> None:
        self.connections.hear(EncoderChanged(ENCODER, state, T0))

    def score(self, encoder_id: EncoderId = ENCODER) -> float | None:
        found = self.connections.of(encoder_id)
        assert found is not None
        return found.score


@pytest.fixture
def room(monkeypatch: pytest.MonkeyPatch) -> Room:
    return Room(monkeypatch)


def test_an_encoder_that_was_never_met_has_no_connection(room: Room) -> None:
    room.reads(ENCODER, 5)
    assert room.connections.of(OTHER) is None


def test_one_that_goes_offline_is_worth_nothing_and_its_neighbour_is_not_touched(room: Room) -> None:
    room.reads(ENCODER, 30)
    room.reads(OTHER, 30)
    assert (room.score(), room.score(OTHER)) == (100.0, 100.0)
    room.enters(EncoderState.OFFLINE)
    assert (room.score(), room.score(OTHER)) == (0.0, 100.0)
    room.enters(EncoderState.ONLINE)
    assert room.score() == 88.0


@pytest.mark.parametrize("state", [EncoderState.STOPPED, EncoderState.SUSPECT, EncoderState.DRAINING])
def test_what_an_operator_wishes_and_a_moment_of_silence_are_no_drop(room: Room, state: EncoderState) -> None:
    room.reads(ENCODER, 30)
    room.enters(state)
    assert room.score() == 100.0


def test_the_book_of_encoders_is_bounded_and_takes_new_ones_for_those_long_gone(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health_connections, "MAX_ENCODERS", 1)
    room.reads(ENCODER, 2)
    room.reads(OTHER, 2)
    assert room.connections.of(OTHER) is None
    room.enters(EncoderState.OFFLINE)
    room.now += 25 * 3600.0
    room.reads(OTHER, 1)
    assert room.connections.of(ENCODER) is None
    assert room.score(OTHER) == 100.0
