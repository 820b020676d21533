"""What makes a worker that still works be left, and what does not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.failover import DecidedBy
from app.policy.placement import TEMPERATURE_HOT_C, TEMPERATURE_STOP_C
from app.policy.slow_evidence import (
    HOT_FOR_S,
    SLOW_FOR_S,
    TEMPERATURE_CRITICAL_C,
    Since,
    Symptoms,
    judge,
    judge_standby,
    note,
    spacing_s,
)

WELL = Symptoms(temperature_c=60.0, speed=1.0, source_flows=True)
HOT = Symptoms(temperature_c=TEMPERATURE_CRITICAL_C + 1, speed=1.0, source_flows=True)
SLOW = Symptoms(temperature_c=60.0, speed=0.8, source_flows=True)


def seen(symptoms: Symptoms, for_s: float) -> Since:
    return note(note(Since(), symptoms, generation=1, now=0.0), symptoms, generation=1, now=for_s)


def test_a_well_worker_and_one_of_which_nothing_is_known_stay() -> None:
    for symptoms in (WELL, Symptoms(), Symptoms(speed=0.5)):
        assert judge(seen(symptoms, 100.0), symptoms, 100.0) is None


@pytest.mark.parametrize(("symptoms", "for_s"), [(HOT, HOT_FOR_S), (SLOW, SLOW_FOR_S)])
def test_evidence_counts_when_it_has_lasted(symptoms: Symptoms, for_s: float) -> None:
    assert judge(seen(symptoms, for_s - 0.1), symptoms, for_s - 0.1) is None
    wish = judge(seen(symptoms, for_s), symptoms, for_s)
    assert wish is not None
    assert (wish.by, wish.must) == (DecidedBy.CONTROL, False)


def test_evidence_that_was_gone_for_a_moment_begins_anew_and_so_does_another_worker() -> None:
    since = note(seen(HOT, 4.0), WELL, generation=1, now=4.5)
    assert note(since, HOT, generation=1, now=5.0).hot == 5.0
    assert note(seen(HOT, 4.0), HOT, generation=2, now=6.0).hot == 6.0


def test_at_the_hard_stop_a_stream_leaves_at_once_with_a_standby_or_without() -> None:
    wish = judge(Since(), Symptoms(temperature_c=TEMPERATURE_STOP_C), 0.0)
    assert wish is not None
    assert wish.must


def test_an_operators_wish_counts_as_his_and_needs_no_time() -> None:
    stop = judge(Since(), Symptoms(stopped="stopped by an operator"), 0.0)
    drain = judge(Since(), Symptoms(draining="draining"), 0.0)
    assert stop is not None
    assert drain is not None
    assert (stop.by, stop.must) == (DecidedBy.OPERATOR, True)
    assert (drain.by, drain.must) == (DecidedBy.OPERATOR, False)
    silent = judge(Since(), Symptoms(silent="offline"), 0.0)
    assert silent is not None
    assert spacing_s(drain) < spacing_s(silent)


@given(st.lists(st.floats(60.0, TEMPERATURE_CRITICAL_C - 0.1), max_size=30))
def test_heat_below_the_critical_one_never_moves_a_stream(readings: list[float]) -> None:
    since = Since()
    for second, celsius in enumerate(readings):
        symptoms = Symptoms(temperature_c=celsius, speed=1.0, source_flows=True)
        since = note(since, symptoms, generation=1, now=float(second))
        assert judge(since, symptoms, float(second)) is None


@pytest.mark.parametrize("celsius", [None, 20.0, TEMPERATURE_HOT_C - 1])
def test_a_standby_on_an_encoder_that_is_not_hot_or_of_unknown_heat_stays(celsius: float | None) -> None:
    assert judge_standby(celsius) is None


def test_a_standby_on_a_hot_encoder_makes_way_for_another_and_at_the_hard_stop_in_any_case() -> None:
    wishes = [judge_standby(TEMPERATURE_HOT_C), judge_standby(TEMPERATURE_STOP_C)]
    assert [wish is not None and wish.must for wish in wishes] == [False, True]
    assert None not in wishes
