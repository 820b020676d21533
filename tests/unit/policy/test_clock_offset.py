"""How far a clock is off, from answers that take their time."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from app.policy.clock_offset import ANSWERS_KEPT, Answer, Offset, is_off, note, offset

SECONDS = st.floats(0.0, 2.0)


def asked(true_s: float, there_s: float, back_s: float) -> Answer:
    """What is measured when the ways take so long: half of the whole is taken for the way there."""
    took = there_s + back_s
    return Answer(true_s + there_s - took / 2.0, took)


@given(st.floats(-5.0, 5.0), st.lists(st.tuples(SECONDS, SECONDS), min_size=1, max_size=30))
def test_the_true_offset_always_lies_within_the_error(true_s: float, ways: list[tuple[float, float]]) -> None:
    answers: tuple[Answer, ...] = ()
    for there_s, back_s in ways:
        answers = note(answers, asked(true_s, there_s, back_s))
    found = offset(answers)
    assert found is not None
    assert abs(found.offset_s - true_s) <= found.error_s + 1e-9
    assert len(answers) <= ANSWERS_KEPT
    assert found.error_s == min(answer.took_s for answer in answers) / 2.0


def test_of_no_answer_and_of_nonsense_nothing_is_known() -> None:
    assert offset(()) is None
    assert note((), Answer(math.nan, 0.1)) == ()
    assert note((), Answer(0.0, -1.0)) == ()


def test_a_clock_that_is_200_ms_off_is_found_and_a_slow_way_is_no_fault_of_a_clock() -> None:
    assert is_off(Offset(0.2, 0.01), was_off=False)
    assert is_off(Offset(-0.2, 0.01), was_off=False)
    assert not is_off(Offset(0.2, 0.2), was_off=False)
    assert not is_off(Offset(0.05, 0.0), was_off=False)


def test_at_the_limit_it_does_not_come_and_go() -> None:
    assert is_off(Offset(0.045, 0.001), was_off=True)
    assert not is_off(Offset(0.039, 0.001), was_off=True)
