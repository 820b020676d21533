"""When a device that does not answer is left in peace, and when it is tried again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from app.policy.breaker import FIRST_REST_S, JITTER, LONGEST_REST_S, OPENS_AFTER, PROBE_S, Breaker


def failed(times: int, *, at: float = 0.0, dice: float = 0.0) -> Breaker:
    breaker = Breaker()
    for _ in range(times):
        breaker = breaker.failed(at, dice)
    return breaker


def test_it_stays_closed_for_four_failures_and_opens_with_the_fifth() -> None:
    assert failed(OPENS_AFTER - 1).wait_s(0.0) == 0.0
    assert not failed(OPENS_AFTER - 1).is_open
    assert failed(OPENS_AFTER).is_open
    assert failed(OPENS_AFTER).wait_s(0.0) == FIRST_REST_S


def test_a_success_between_failures_starts_the_count_anew() -> None:
    assert not failed(OPENS_AFTER - 1).succeeded().failed(0.0, 0.0).is_open


def test_after_the_rest_one_probe_goes_and_only_one() -> None:
    resting = failed(OPENS_AFTER)
    assert resting.wait_s(FIRST_REST_S) == 0.0
    probing = resting.began(FIRST_REST_S)
    assert probing.wait_s(FIRST_REST_S) > 0.0
    assert probing.wait_s(FIRST_REST_S + PROBE_S) == 0.0


def test_a_probe_that_was_given_up_lets_the_next_one_go_at_once() -> None:
    given_up = failed(OPENS_AFTER).began(FIRST_REST_S).abandoned()
    assert given_up.wait_s(FIRST_REST_S) == 0.0
    assert given_up.is_open


def test_a_probe_that_succeeds_closes_it_and_one_that_fails_makes_the_next_rest_twice_as_long() -> None:
    probing = failed(OPENS_AFTER).began(FIRST_REST_S)
    assert probing.succeeded() == Breaker()
    again = probing.failed(FIRST_REST_S, 0.0)
    assert again.wait_s(FIRST_REST_S) == 2 * FIRST_REST_S


@given(st.integers(min_value=OPENS_AFTER, max_value=3_000), st.floats(min_value=0.0, max_value=1.0))
def test_no_rest_is_ever_longer_than_the_longest_and_its_jitter(failures: int, dice: float) -> None:
    rest_s = failed(failures, dice=dice).wait_s(0.0)
    assert FIRST_REST_S <= rest_s <= LONGEST_REST_S * (1.0 + JITTER)


def test_dice_spread_the_returns_of_devices_that_left_together() -> None:
    assert failed(OPENS_AFTER, dice=1.0).wait_s(0.0) > failed(OPENS_AFTER, dice=0.0).wait_s(0.0)
