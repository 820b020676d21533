"""Encoders that come and go rest ever longer; good conduct is remembered too."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from app.domain.ids import EncoderId, StreamId
from app.policy.ejection import (
    FORGIVE_S,
    LOSSES_FOR_FAULT,
    LOSSES_WINDOW_S,
    REST_MAX_S,
    RISE_CHECKS,
    RISE_S,
    Conduct,
    departed,
    judge,
    losses_lately,
    lost_worker,
    new_conduct,
    rising,
    within_share,
)


def test_rest_grows_by_the_same_step_up_to_its_limit() -> None:
    conduct, rests = Conduct(), []
    for fault in range(14):
        now = 20.0 * fault
        conduct = departed(conduct, now)
        rests.append(conduct.rests_until - now)
    assert rests[:4] == [30.0, 60.0, 90.0, 120.0]
    assert rests[-1] == REST_MAX_S


def test_an_encoder_that_flaps_every_twenty_seconds_for_half_an_hour_is_trusted_once() -> None:
    conduct, trusted = Conduct(), 0
    for turn in range(90):
        back = 20.0 * turn
        trusted += judge(conduct, back) is None
        conduct = departed(conduct, back + 10.0)
    assert trusted == 1


def test_after_its_rest_it_is_trusted_again_and_quiet_time_takes_faults_back() -> None:
    conduct = departed(departed(Conduct(), 0.0), 10.0)
    assert judge(conduct, 69.0) is not None
    assert judge(conduct, 70.0) is None
    assert departed(conduct, 10.0 + FORGIVE_S).faults == 2
    assert departed(conduct, 10.0 + 5 * FORGIVE_S).faults == 1


def lost(conduct: Conduct, count: int, *, at: float = 0.0) -> Conduct:
    """`count` streams, each a worker."""
    for number in range(count):
        conduct = lost_worker(conduct, StreamId(f"s{number}"), at)
    return conduct


def test_a_few_lost_workers_are_counted_and_many_are_a_fault() -> None:
    conduct = lost(Conduct(), LOSSES_FOR_FAULT - 1)
    assert judge(conduct, 10.0) is None
    assert losses_lately(conduct, 10.0) == LOSSES_FOR_FAULT - 1
    assert losses_lately(conduct, LOSSES_WINDOW_S) == 0
    assert judge(lost_worker(conduct, StreamId("one more"), 10.0), 11.0) is not None
    later = LOSSES_WINDOW_S + 10.0
    assert judge(lost_worker(conduct, StreamId("one more"), later), later) is None


def test_one_stream_that_kills_every_worker_is_no_fault_of_the_encoder() -> None:
    conduct = Conduct()
    for second in range(100):
        conduct = lost_worker(conduct, StreamId("poison"), float(second))
    assert judge(conduct, 100.0) is None
    assert losses_lately(conduct, 100.0) == 1


# --- of the fleet


@given(st.integers(1, 60), st.floats(0.0, 1.0))
def test_a_third_of_the_fleet_rests_at_most_but_one_always_may(pool: int, share: float) -> None:
    rests = {EncoderId(f"e{number}"): 100.0 + number for number in range(int(pool * share))}
    ejected = within_share(rests, pool)
    assert len(ejected) == min(len(rests), max(1, int(0.34 * pool)))
    spared = rests.keys() - ejected
    assert all(rests[one] > rests[other] for one in ejected for other in spared)


def test_one_that_was_gone_is_trusted_after_two_good_checks_and_three_seconds() -> None:
    assert rising(RISE_CHECKS, RISE_S) is None
    assert "1 good checks" in str(rising(1, 60.0))
    assert rising(100, 2.9) is not None


def test_rests_of_encoders_that_fell_together_end_apart_and_the_same_way_each_time() -> None:
    rests = [departed(new_conduct(EncoderId(f"e{number}")), 0.0).rests_until for number in range(20)]
    assert len(set(rests)) > 15
    assert all(30.0 <= rest <= 33.0 for rest in rests)
    assert rests == [departed(new_conduct(EncoderId(f"e{number}")), 0.0).rests_until for number in range(20)]
