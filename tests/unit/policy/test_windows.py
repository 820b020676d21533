"""What k of n looks and a clear time make of looks that come and go."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.policy.windows import Rule, Window, look

RULE = Rule(bad=3, of=5, clear_s=10.0)
LOOKS = st.lists(st.sampled_from([True, False, None]), max_size=80)
RULES = st.integers(1, 8).flatmap(
    lambda of: st.builds(Rule, bad=st.integers(1, of), of=st.just(of), clear_s=st.integers(0, 20).map(float))
)


def after(looks: list[bool | None], rule: Rule = RULE, *, start: float = 0.0) -> Window:
    window = Window()
    for second, is_bad in enumerate(looks):
        window = look(window, rule, is_bad, start + second)
    return window


def test_so_many_bad_ones_of_the_last_turn_it_on_and_one_less_does_not() -> None:
    assert after([True, False, True, False, True]).is_on
    assert not after([True, False, True, False, False]).is_on
    assert not after([True, False, False, True, False, False, True]).is_on


def test_it_stays_on_until_none_was_bad_for_the_clear_time() -> None:
    on = [True, True, True]
    assert after([*on, *[False] * 10]).is_on
    assert not after([*on, *[False] * 11]).is_on
    assert after([*on, *[False] * 9, True, *[False] * 9]).is_on


def test_what_is_over_must_come_again_as_a_whole() -> None:
    over = [True, True, True, *[False] * 11]
    assert not after([*over, True, True]).is_on
    assert after([*over, True, True, True]).is_on


@given(LOOKS, RULES)
def test_a_look_that_cannot_tell_changes_nothing(looks: list[bool | None], rule: Rule) -> None:
    window = after(looks, rule)
    assert look(window, rule, None, 1e6) == window


@given(LOOKS, RULES)
def test_it_keeps_no_more_looks_than_it_needs_and_is_on_only_after_enough_bad_ones(
    looks: list[bool | None], rule: Rule
) -> None:
    window = after(looks, rule)
    assert len(window.looks) <= rule.of
    assert not window.is_on or looks.count(True) >= rule.bad


@given(LOOKS, RULES)
def test_enough_bad_ones_in_a_row_always_turn_it_on_and_a_long_quiet_time_off(
    looks: list[bool | None], rule: Rule
) -> None:
    window = after(looks, rule)
    for number in range(rule.bad):
        window = look(window, rule, True, 100.0 + number)
    assert window.is_on
    window = look(window, rule, False, 200.0)
    assert not look(window, rule, False, 200.0 + rule.clear_s).is_on


@pytest.mark.parametrize(("bad", "of", "clear_s"), [(0, 5, 1.0), (6, 5, 1.0), (1, 1, -1.0)])
def test_a_rule_that_makes_no_sense_is_refused(bad: int, of: int, clear_s: float) -> None:
    with pytest.raises(ValueError, match="window"):
        Rule(bad, of, clear_s)
