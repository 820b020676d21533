"""What an encoder's readings teach about its warmth, and what more work would make of it."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable

import pytest

from app.policy.heat import (
    DEGREES_PER_LOAD,
    ERROR_C,
    STALE_S,
    STUCK_S,
    Heat,
    HeatLearner,
    Sense,
    expected_c,
)

LIMIT_C = 80.0


def _device(degrees: float, constant_s: float, base_c: float = 35.0) -> Callable[[float], float]:
    """Each call is a second at that load; the answer the temperature after it."""
    celsius = base_c

    def second(load: float) -> float:
        nonlocal celsius
        celsius += (base_c + degrees * load - celsius) / constant_s
        return celsius

    return second


def _fed(readings: Iterable[tuple[float | None, float | None]]) -> tuple[HeatLearner, float]:
    learner, now = HeatLearner(), 0.0
    for celsius, load in readings:
        learner.feed(celsius, load, now)
        now += 1.0
    return learner, now - 1.0


def _heat(learner: HeatLearner, now: float) -> Heat:
    return learner.heat(now, limit_c=LIMIT_C)


def _stairs(second: int) -> float:
    return (0.2, 0.7, 0.4, 0.9)[second // 240 % 4]


@pytest.mark.parametrize(("degrees", "constant_s"), [(20.0, 30.0), (45.0, 120.0), (30.0, 240.0)])
def test_degrees_and_time_constant_are_learnt_from_work_that_changes(degrees: float, constant_s: float) -> None:
    dice, device = random.Random(7), _device(degrees, constant_s)
    learner, now = _fed((round(device(_stairs(s)) + dice.gauss(0.0, 0.5)), _stairs(s)) for s in range(1_500))
    heat = _heat(learner, now)
    assert heat.degrees_per_load == pytest.approx(degrees, rel=0.15)
    assert heat.time_constant_s == pytest.approx(constant_s, rel=0.5)


def test_a_few_wild_readings_do_not_turn_what_was_learnt() -> None:
    device = _device(30.0, 60.0)
    readings = [(device(_stairs(s)), _stairs(s)) for s in range(1_200)]
    for second in range(50, 1_200, 130):
        readings[second] = (140.0, readings[second][1])
    learner, now = _fed(readings)
    assert _heat(learner, now).degrees_per_load == pytest.approx(30.0, rel=0.1)


def test_steady_work_and_heat_from_elsewhere_teach_nothing() -> None:
    steady, now = _fed((50.0 + math.sin(s), 0.5) for s in range(1_000))
    assert _heat(steady, now).degrees_per_load is None
    dice = random.Random(3)
    elsewhere, now = _fed((dice.uniform(40.0, 70.0), _stairs(s)) for s in range(1_000))
    assert _heat(elsewhere, now).degrees_per_load is None


def test_expected_is_where_the_device_really_settles_with_the_added_work() -> None:
    device = _device(40.0, 60.0)
    learner, now = _fed((device(_stairs(s)), _stairs(s)) for s in range(1_205))
    # It just began to work at 0.4: that work's own heat is not to be counted twice, nor left out.
    expected = expected_c(_heat(learner, now), 0.3)
    settled = 35.0 + 40.0 * (_stairs(1_204) + 0.3)
    assert expected is not None
    assert settled <= expected <= max(settled, device(_stairs(1_204)) + 0.3 * 40.0) + 3.0


def test_an_encoder_that_was_never_measured_is_expected_to_heat_like_a_bad_one() -> None:
    assert expected_c(Heat(temperature_c=60.0), 0.25) == 60.0 + 0.25 * DEGREES_PER_LOAD + ERROR_C
    assert expected_c(Heat(), 0.25) is None


def test_promised_work_counts_before_it_heats() -> None:
    learner, now = _fed((50.0, 0.0) for _ in range(3))
    waiting = learner.heat(now, limit_c=LIMIT_C, waiting_load=0.5)
    assert expected_c(waiting, 0.0) == 50.0 + 0.5 * DEGREES_PER_LOAD + ERROR_C


def test_a_rising_room_counts_and_a_falling_one_is_no_credit() -> None:
    rising, now = _fed((50.0 + s / 30.0, 0.5) for s in range(300))
    heat = _heat(rising, now)
    assert heat.slope_c_per_min == pytest.approx(2.0, rel=0.1)
    expected = expected_c(heat, 0.0)
    assert expected is not None
    assert expected == pytest.approx(60.0 + 4.0 + ERROR_C, abs=0.7)
    falling, now = _fed((70.0 - s / 30.0, 0.5) for s in range(300))
    heat = _heat(falling, now)
    assert heat.slope_c_per_min == pytest.approx(-2.0, rel=0.1)
    assert expected_c(heat, 0.0) == pytest.approx(60.0 + ERROR_C, abs=0.1)


def test_swings_of_a_second_have_no_slope() -> None:
    learner, now = _fed((79.0 + 2.0 * (s % 2), 0.5) for s in range(600))
    slope = _heat(learner, now).slope_c_per_min
    assert slope is not None
    assert abs(slope) < 0.1


@pytest.mark.parametrize("celsius", [None, math.nan, math.inf, -273.0, 0.0, 65_535.0])
def test_a_sensor_that_tells_nonsense_after_it_told_a_temperature_is_lost(celsius: float | None) -> None:
    learner, now = _fed([(60.0, 0.5), (celsius, 0.5)])
    heat = _heat(learner, now)
    assert (heat.temperature_c, heat.sense) == (None, Sense.LOST)
    assert learner.last_c(now) == 60.0
    learner.feed(61.0, 0.5, now + 1.0)
    assert _heat(learner, now + 1.0).sense is Sense.WELL


def test_an_encoder_that_never_told_a_temperature_has_no_sensor() -> None:
    learner, now = _fed([(None, 0.5), (0.0, 0.5)])
    assert _heat(learner, now).sense is Sense.NONE
    assert learner.age_s(now) is None


def test_a_sensor_that_begins_with_nonsense_is_a_broken_one() -> None:
    learner, now = _fed([(-273.0, 0.5)])
    assert _heat(learner, now).sense is Sense.LOST


def test_a_temperature_of_long_ago_says_nothing_about_now() -> None:
    learner, now = _fed([(60.0, 0.5)])
    assert _heat(learner, now + STALE_S).temperature_c == 60.0
    assert _heat(learner, now + STALE_S + 0.1).sense is Sense.LOST


def test_a_figure_that_stands_still_while_the_work_changes_is_stuck_until_it_moves() -> None:
    learner, now = _fed((55.0, 0.1 if s < 60 else 0.9) for s in range(int(STUCK_S) + 120))
    assert _heat(learner, now).sense is Sense.LOST
    learner.feed(56.0, 0.9, now + 1.0)
    assert _heat(learner, now + 1.0).sense is Sense.WELL


def test_a_figure_that_stands_still_under_steady_work_is_believed() -> None:
    learner, now = _fed((55.0, 0.5) for _ in range(3 * int(STUCK_S)))
    assert _heat(learner, now).temperature_c == 55.0
