"""Promises add up to exactly what was promised and not given back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.fleet import Role
from app.domain.ids import EncoderId, HostId, StreamId
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


# --- backups that share room

HOSTS = {EncoderId("e1"): HostId("h1"), EncoderId("e2"): HostId("h2"), EncoderId("e3"): HostId("h3")}
E1, E2, E3 = HOSTS
CAPACITY = 1e9


def both(ledger: Ledger, name: str, primary: EncoderId, backup: EncoderId, pixels: float = 100.0) -> None:
    stream_id = StreamId(name)
    ledger.promise(primary, stream_id, Role.PRIMARY, pixels, host_id=HOSTS[primary], shares=True)
    ledger.promise(backup, stream_id, Role.BACKUP, pixels, host_id=HOSTS[backup], shares=True)


def test_an_encoder_keeps_free_what_the_largest_loss_of_one_host_brings_it() -> None:
    ledger = Ledger()
    both(ledger, "a", E1, E3)
    both(ledger, "b", E2, E3, 60.0)
    both(ledger, "c", E2, E3, 70.0)
    assert ledger.totals(E3) == (130.0, 3)
    assert ledger.if_lost(E3) == {"h1": 100.0, "h2": 130.0}
    assert ledger.totals(E1) == (100.0, 1)


def test_a_backup_beside_its_primary_or_without_one_or_that_works_along_weighs_in_full() -> None:
    ledger = Ledger()
    both(ledger, "a", E1, E3)
    both(ledger, "beside", E3, E3, 10.0)
    ledger.promise(E3, StreamId("alone"), Role.BACKUP, 20.0, host_id=HOSTS[E3], shares=True)
    ledger.promise(E2, StreamId("busy"), Role.PRIMARY, 30.0, host_id=HOSTS[E2])
    ledger.promise(E3, StreamId("busy"), Role.BACKUP, 30.0, host_id=HOSTS[E3])
    assert ledger.totals(E3) == (100.0 + 10.0 + 10.0 + 20.0 + 30.0, 5)
    assert ledger.firm(E3) == 70.0


def test_a_primary_that_moves_takes_its_backups_weight_along() -> None:
    ledger, told = Ledger(), list[EncoderId]()
    both(ledger, "a", E1, E3)
    both(ledger, "b", E2, E3)
    ledger.changed = told.append
    ledger.promise(E2, StreamId("a"), Role.PRIMARY, 100.0, host_id=HOSTS[E2], shares=True)
    assert ledger.totals(E3) == (200.0, 2)
    assert set(told) == {E1, E2, E3}


def test_who_comes_along_with_a_stream_counts_where_its_place_is_kept_and_who_may_come_later_does_not() -> None:
    ledger = Ledger()
    both(ledger, "a", E1, E3, 10.0)
    both(ledger, "a2", E1, E3, 20.0)
    both(ledger, "b", E2, E3, 500.0)
    assert ledger.totals_without(E3, StreamId("a")) == (20.0, 2)
    assert ledger.totals_without(E1, StreamId("a")) == (20.0, 1)
    assert ledger.totals_without(E3, StreamId("nobody")) == ledger.totals(E3)


STREAM = st.tuples(st.sampled_from([E1, E2, E3]), st.sampled_from([E1, E2, E3]), st.floats(1e6, 3e8))


@given(st.lists(STREAM, max_size=30), st.sampled_from([E1, E2, E3]))
def test_after_the_loss_of_any_host_every_stream_that_was_taken_fits(
    wanted: list[tuple[EncoderId, EncoderId, float]], dead: EncoderId
) -> None:
    """Taken as the balancer does: whoever has no room beside all that is promised is passed over."""
    ledger, taken = Ledger(), dict[StreamId, tuple[EncoderId, EncoderId, float]]()
    for number, (primary, backup, pixels) in enumerate(wanted):
        if primary == backup or any(ledger.totals(e)[0] + pixels > CAPACITY for e in (primary, backup)):
            continue
        taken[StreamId(f"s{number}")] = (primary, backup, pixels)
        both(ledger, f"s{number}", primary, backup, pixels)
    for stream_id, (primary, backup, pixels) in taken.items():
        if primary == dead:
            assert ledger.totals_without(backup, stream_id)[0] + pixels <= CAPACITY + 1.0
            ledger.release_all(stream_id)
            ledger.promise(backup, stream_id, Role.PRIMARY, pixels, host_id=HOSTS[backup], shares=True)
    for encoder_id in {E1, E2, E3} - {dead}:
        assert ledger.firm(encoder_id) <= CAPACITY + 1.0


def test_streams_without_a_second_place_on_another_host_are_known() -> None:
    ledger = Ledger()
    both(ledger, "safe", E1, E2)
    both(ledger, "beside", E1, E1)
    ledger.promise(E1, StreamId("alone"), Role.PRIMARY, 1.0, host_id=HOSTS[E1])
    assert set(ledger.without_second_place()) == {"beside", "alone"}
