"""Streams go where the temperature to expect with them stays below hot; sensors that fell silent are not cold."""

from __future__ import annotations

import pytest

from app.domain.encoder import EncoderReading
from app.policy.heat import Heat, Sense
from app.policy.placement import Need, Panic, Standing, VetoCode, judge
from app.policy.ranking import Caution, Question, Seek, answer, rank
from tests.unit.policy.fleets import standing

NEED = Need(60e6, "auto")
"""A fifth of an encoder."""


def warm(name: str, celsius: float, **changes: object) -> Standing:
    """30 °C from idle to full, so a fifth of it brings 6 °C."""
    heat = Heat(celsius, None, 30.0, sense=Sense.WELL, error_c=0.0)
    return standing(name, heat=heat, **changes)


def chosen(*standings: Standing, panic: Panic = Panic.LEAST_BAD) -> tuple[str | None, tuple[Caution, ...]]:
    choice = answer(Question(Seek.BOTH, NEED, panic), rank(standings, NEED))
    return None if choice.primary is None else choice.primary.encoder_id, choice.cautions


def test_the_idle_encoder_that_would_become_hot_is_passed_over_for_a_busier_cool_one() -> None:
    nearly_hot, busy = warm("a", 75.0), warm("b", 50.0, promised_pixels_per_s=200e6)
    assert chosen(nearly_hot, busy)[0] == "b"
    assert judge(nearly_hot, NEED).vetoes[0].text == "would be hot: 81 °C are to be expected with it"
    assert not judge(warm("a", 73.0), NEED).vetoes


def test_when_all_would_become_hot_the_one_that_stays_coolest_takes_it_or_none_as_set() -> None:
    fleet = (warm("a", 78.0), warm("b", 76.0), warm("c", 83.0))
    assert chosen(*fleet) == ("b", (Caution.HOT,))
    assert chosen(*fleet, panic=Panic.REFUSE) == (None, ())


def test_a_rise_that_goes_on_counts_before_it_has_happened() -> None:
    rising = standing("a", heat=Heat(70.0, 3.0, 30.0, sense=Sense.WELL, error_c=0.0, time_constant_s=120.0))
    assert judge(rising, NEED).vetoes[0].code is VetoCode.HOT
    assert chosen(rising, warm("b", 71.0))[0] == "b"


@pytest.mark.parametrize("panic", Panic)
def test_a_sensor_that_was_lost_bars_an_encoder_in_any_need_and_one_that_never_was_does_not(panic: Panic) -> None:
    lost, none = standing("a", heat=Heat(sense=Sense.LOST)), standing("b", reading=None, heat=Heat())
    assert chosen(lost, none, panic=panic)[0] == "b"
    assert chosen(lost, panic=panic) == (None, ())


def test_nobody_is_placed_above_its_own_hard_stop_in_any_need() -> None:
    """What runs there leaves at any cost: it would only come back."""
    strict = [
        standing(name, heat=Heat(celsius, limit_c=70.0, stop_c=85.0, sense=Sense.WELL, error_c=0.0))
        for name, celsius in (("a", 86.0), ("b", 90.0))
    ]
    assert chosen(*strict) == (None, ())
    assert chosen(*strict, warm("c", 84.0))[0] == "c"


def test_an_encoder_without_a_sensor_that_is_to_rest_is_better_than_none_too() -> None:
    resting = standing("a", reading=None, heat=Heat(), allowance=0.0)
    assert chosen(resting)[0] == "a"
    assert chosen(resting, panic=Panic.REFUSE)[0] is None
    assert chosen(resting, warm("b", 79.0))[0] == "a", "that it is hot too is not known of it"
    assert chosen(resting, warm("b", 70.0))[0] == "b"


@pytest.mark.parametrize("told_c", [0.0, float("nan")])
@pytest.mark.parametrize("heat", [None, Heat()])
def test_a_figure_that_is_no_temperature_makes_nobody_cold(told_c: float, heat: Heat | None) -> None:
    """Many machines without a sensor tell zero."""
    odd = standing("a", reading=EncoderReading(temperature_c=told_c), heat=heat)
    none = standing("a", reading=EncoderReading(), heat=heat)
    assert judge(odd, NEED).cost == judge(none, NEED).cost
    assert not judge(odd, NEED).vetoes


def test_an_encoder_that_cools_down_weighs_less_step_by_step_and_nothing_at_the_end() -> None:
    costs = [judge(warm("a", 60.0, allowance=share), NEED).cost for share in (1.0, 0.8, 0.6, 0.4, 0.2)]
    assert costs == sorted(costs)
    assert len(set(costs)) == 5
    assert "cools down" in judge(warm("a", 60.0, allowance=0.0), NEED).vetoes[0].text
    assert chosen(warm("a", 60.0, allowance=0.0))[0] == "a", "better than none"
