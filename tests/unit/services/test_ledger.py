"""Promises add up to exactly what was promised and not given back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.fleet import Role
from app.domain.ids import EncoderId, StreamId
from app.services.ledger import Ledger

ENCODERS = st.sampled_from([EncoderId("e1"), EncoderId("e2"), EncoderId("e3")])
STREAMS = st.sampled_from([StreamId("s1"), StreamId("s2"), StreamId("s3")])
PROMISE = st.tuples(st.just("promise"), ENCODERS, STREAMS, st.sampled_from(Role), st.floats(1.0, 1e9))
RELEASE = st.tuples(st.just("release"), ENCODERS, STREAMS, st.sampled_from(Role), st.just(0.0))


@given(st.lists(PROMISE | RELEASE, max_size=40))
def test_totals_are_the_sums_of_the_promises(story: list[tuple[str, EncoderId, StreamId, Role, float]]) -> None:
    ledger, expected = Ledger(), {}
    for word, encoder_id, stream_id, role, pixels in story:
        if word == "promise":
            ledger.promise(encoder_id, stream_id, role, pixels)
            expected[stream_id, role] = (encoder_id, pixels)
        else:
            ledger.release(stream_id, role)
            expected.pop((stream_id, role), None)
    for name in ("e1", "e2", "e3"):
        mine = [pixels for encoder_id, pixels in expected.values() if encoder_id == name]
        pixels, count = ledger.totals(EncoderId(name))
        assert count == len(mine)
        assert pixels == pytest.approx(sum(mine), abs=1e-3)
        if not mine:
            assert pixels == 0.0


def test_a_stream_that_lets_go_of_everything_leaves_nothing() -> None:
    ledger = Ledger()
    ledger.promise(EncoderId("e1"), StreamId("s"), Role.PRIMARY, 0.1)
    ledger.promise(EncoderId("e2"), StreamId("s"), Role.BACKUP, 0.2)
    assert ledger.promised(StreamId("s"), EncoderId("e2")) == (0.2, 1)
    assert ledger.count(EncoderId("e2"), Role.BACKUP) == 1
    ledger.release_all(StreamId("s"))
    assert tuple(ledger) == ()
    assert ledger.promised(StreamId("s"), EncoderId("e2")) == (0, 0)
