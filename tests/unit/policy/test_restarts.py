"""When a part that died is started again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from app.policy.restarts import FIRST_DELAY_S, HEALTHY_AFTER_S, LONGEST_DELAY_S, Restarts

LIVES = st.lists(st.floats(min_value=0, max_value=10_000), max_size=2000)


def test_the_first_restart_comes_almost_at_once() -> None:
    assert Restarts().after_death(0.0).delay_s == FIRST_DELAY_S


def test_a_part_that_never_died_waits_for_nothing() -> None:
    assert Restarts().delay_s == 0.0


def test_a_part_that_keeps_dying_waits_longer_each_time() -> None:
    history = Restarts()
    delays = []
    for _ in range(6):
        history = history.after_death(1.0)
        delays.append(history.delay_s)
    assert delays == sorted(delays)
    assert len(set(delays)) == len(delays)


def test_a_healthy_life_starts_the_count_of_the_row_over() -> None:
    history = Restarts()
    for _ in range(10):
        history = history.after_death(0.0)
    assert history.after_death(HEALTHY_AFTER_S).delay_s == FIRST_DELAY_S


@given(LIVES)
def test_every_death_is_counted_and_no_wait_is_longer_than_the_longest(lives: list[float]) -> None:
    history = Restarts()
    for lived_s in lives:
        history = history.after_death(lived_s)
        assert FIRST_DELAY_S <= history.delay_s <= LONGEST_DELAY_S
    assert history.count == len(lives)
