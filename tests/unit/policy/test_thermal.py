"""Thermal control of one encoder, from readings each second."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.policy.heat import Sense
from app.policy.thermal import BURST_MOST, COOLING_PERIOD_S, DWELL_S, STEP_S, ThermalController
from app.policy.thermal_limits import ThermalLimits
from app.policy.thermal_words import Came, CoolDown, Moved, Placed, Sample, ThermalState, Verdict

Reading = float | None | Sample


class Story:
    """A controller that is told a reading each second; every change of its state is kept."""

    def __init__(self, limits: ThermalLimits | None = None) -> None:
        self.controller = ThermalController(limits)
        self.now = 0.0
        self.moves: list[Moved] = []
        self.allowances: list[float] = []

    def reads(self, readings: Iterable[Reading]) -> Verdict:
        for reading in readings:
            sample = reading if isinstance(reading, Sample) else Sample(reading, 0.5)
            self.moves.extend(self.controller.feed(sample, self.now))
            self.allowances.append(self.verdict.allowance)
            self.now += 1.0
        return self.verdict

    def hears_nothing(self, for_s: float) -> Verdict:
        until = self.now + for_s
        while (due := self.controller.due) is not None and due <= until:
            self.moves.extend(self.controller.tick(due))
            self.now = due
        self.now = until
        return self.verdict

    @property
    def verdict(self) -> Verdict:
        return self.controller.verdict(self.now)

    @property
    def states(self) -> list[ThermalState]:
        return [move.after for move in self.moves]


def ramp(start: float, end: float, seconds: int) -> list[float]:
    return [start + (end - start) * second / seconds for second in range(seconds + 1)]


def names(verdict: Verdict) -> set[str]:
    return {finding.name for finding in verdict.findings}


@pytest.mark.parametrize("shape", [lambda s: 79.0 + 2.0 * (s % 2), lambda s: 80.0 + math.sin(math.tau * s / 7)])
def test_fo_13_a_temperature_that_swings_about_the_limit_for_ten_minutes_changes_the_state_once(
    shape: Callable[[int], float],
) -> None:
    story = Story()
    story.reads(shape(second) for second in range(600))
    assert story.states == [ThermalState.HOT] or (not story.moves and story.verdict.state is ThermalState.HOT)
    assert story.verdict.leave is None


def test_it_is_well_again_only_after_a_dwell_below_cool_and_takes_work_again_in_steps() -> None:
    story = Story()
    story.reads([81.0] * 10)
    assert (story.verdict.state, story.verdict.allowance) == (ThermalState.HOT, 0.0)
    story.reads([73.0] * 600)
    assert story.verdict.state is ThermalState.HOT
    story.reads([71.0] * int(DWELL_S))
    story.reads([72.5])
    assert story.verdict.state is ThermalState.HOT, "the dwell begins anew"
    began = len(story.allowances)
    story.reads([70.0] * int(DWELL_S + COOLING_PERIOD_S + 2))
    assert story.states == [ThermalState.WARMING_UP, ThermalState.COOL]
    steps = list(dict.fromkeys(story.allowances[began:]))
    assert steps == [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    assert story.allowances.count(0.4) == STEP_S


def test_fo_14_on_a_ramp_the_allowance_falls_in_five_steps_and_never_comes_back() -> None:
    story = Story()
    story.reads(ramp(60.0, 90.0, 300))
    assert list(dict.fromkeys(story.allowances)) == [1.0, 0.8, 0.6, 0.4, 0.2, 0.0]
    assert story.allowances == sorted(story.allowances, reverse=True)
    assert story.states == [ThermalState.WARM, ThermalState.HOT]


def test_what_runs_stays_while_the_encoder_is_only_hot_and_leaves_when_it_was_critical_for_a_while() -> None:
    story = Story()
    assert story.reads([86.0] * 120).leave is None
    assert story.reads([90.5] * 4).leave is None
    leave = story.reads([90.5]).leave
    assert leave is not None
    assert not leave.must
    assert story.reads([90.5]).state is ThermalState.CRITICAL


def test_a_hot_encoder_that_rises_steadily_is_left_before_it_is_critical() -> None:
    story = Story()
    left_at = next(celsius for celsius in ramp(70.0, 95.0, 250) if story.reads([celsius]).leave is not None)
    assert 80.0 <= left_at < 88.0
    assert story.verdict.leave is not None
    assert "rising" in story.verdict.leave.cause


def test_a_jump_that_is_over_is_no_rise() -> None:
    story = Story()
    story.reads([60.0] * 120)
    leaves = [story.reads([85.0]).leave for _ in range(300)]
    assert not any(leaves[60:])


def test_at_the_hard_stop_what_runs_leaves_at_once_and_at_any_cost() -> None:
    story = Story()
    leave = story.reads([70.0, 95.0]).leave
    assert leave is not None
    assert leave.must
    assert story.verdict.shun is not None
    assert story.verdict.shun.must


def test_a_critical_encoder_that_cools_already_keeps_the_rest_and_is_hot_until_it_was_cool() -> None:
    story = Story()
    assert story.reads([92.0] * 200).leave is not None
    assert story.reads(ramp(92.0, 90.0, 60)).leave is None
    story.reads([84.0] * 62)
    assert story.states == [ThermalState.CRITICAL, ThermalState.HOT]


@pytest.mark.parametrize("reading", [None, math.nan, -273.0, 0.0])
def test_fo_16_from_the_first_unusable_reading_nothing_new_and_after_fifteen_seconds_it_is_told(
    reading: float | None,
) -> None:
    story = Story()
    assert story.reads([60.0] * 30).allowance == 1.0
    verdict = story.reads([reading])
    assert (verdict.allowance, verdict.state) == (0.0, ThermalState.COOL)
    verdict = story.reads([reading] * 16)
    assert (verdict.allowance, verdict.state) == (0.0, ThermalState.UNKNOWN)
    assert names(verdict) == {"sensor_lost"}
    assert verdict.score is None
    assert verdict.leave is None


def test_fo_16_silence_of_fifteen_seconds_is_unknown_and_a_stuck_sensor_too() -> None:
    silent = Story()
    silent.reads([60.0] * 5)
    assert silent.hears_nothing(20.0).state is ThermalState.UNKNOWN
    stuck = Story()
    stuck.reads(Sample(60.0, 0.1 if s < 60 else 0.9) for s in range(500))
    assert (stuck.verdict.state, stuck.verdict.allowance) == (ThermalState.UNKNOWN, 0.0)


def test_a_sensor_that_comes_back_brings_work_back_in_steps() -> None:
    story = Story()
    story.reads([60.0] * 5 + [None] * 20 + [61.0])
    assert (story.verdict.state, story.verdict.allowance) == (ThermalState.WARMING_UP, 0.2)
    story.reads([61.0] * 60)
    assert (story.verdict.state, story.verdict.allowance) == (ThermalState.COOL, 1.0)


def test_an_encoder_without_a_sensor_is_without_since_it_was_first_heard() -> None:
    controller = ThermalController()
    controller.feed(Sample(), 500.0)
    controller.feed(Sample(), 530.0)
    assert controller.verdict(530.0).since == 500.0


def test_an_encoder_that_never_had_a_sensor_works() -> None:
    verdict = Story().reads([None] * 100)
    assert (verdict.state, verdict.allowance, verdict.score) == (ThermalState.NO_SENSOR, 1.0, None)
    assert verdict.heat.sense is Sense.NONE
    assert not verdict.findings


@pytest.mark.parametrize("celsius", [60.0, None])
def test_a_cool_down_by_hand_takes_all_work_in_five_steps_and_gives_it_back(celsius: float | None) -> None:
    story = Story()
    story.reads([celsius] * 10)
    story.moves += story.controller.feed(CoolDown("an operator"), story.now)
    began = len(story.allowances)
    assert story.reads([celsius]).leave is None, "half its load is within what it may keep"
    story.reads([celsius] * int(COOLING_PERIOD_S))
    assert story.verdict.leave is not None
    assert not story.verdict.leave.must
    assert "an operator" in story.verdict.leave.cause
    story.reads([celsius] * 180)
    steps = list(dict.fromkeys(story.allowances[began:]))
    assert steps == [0.8, 0.6, 0.4, 0.2, 0.0, 1.0]
    assert story.states[:2] == [ThermalState.COOLING, ThermalState.WARMING_UP]
    assert story.verdict.state in (ThermalState.COOL, ThermalState.NO_SENSOR)


def test_a_cool_down_that_is_ordered_again_and_again_goes_on_all_the_same() -> None:
    story = Story()
    story.reads([60.0])
    for _ in range(20):
        story.controller.feed(CoolDown("a script"), story.now)
        story.reads([60.0] * 5)
    assert story.verdict.allowance == 0.0


def test_a_cool_down_by_hand_in_a_warm_room_ends_all_the_same() -> None:
    story = Story()
    story.reads([76.0])
    story.controller.feed(CoolDown("an operator"), story.now)
    story.reads([76.0] * 2_000)
    assert story.verdict.state is ThermalState.WARM


def test_a_high_load_costs_one_step_until_it_was_low_for_a_while() -> None:
    story = Story()
    story.reads([Sample(50.0, 0.8)] * 50)
    assert story.verdict.allowance == 1.0
    assert story.reads([Sample(50.0, 0.8)] * 20).allowance == 0.8
    assert story.reads([Sample(50.0, 0.7)] * 100).allowance == 0.8
    assert story.reads([Sample(50.0, 0.6)] * 70).allowance == 1.0


def test_a_burst_of_placements_is_bounded_for_each_cooling_period() -> None:
    story = Story()
    story.reads([50.0])
    for _ in range(BURST_MOST):
        assert story.verdict.allowance == 1.0
        story.controller.feed(Placed(), story.now)
    assert story.verdict.allowance == 0.0
    assert story.reads([50.0] * int(COOLING_PERIOD_S)).allowance == 1.0


def test_a_step_that_the_temperature_took_comes_back_well_below_it_only() -> None:
    story = Story()
    assert story.reads([76.0] * 10).allowance == 0.6
    assert story.reads([74.0] * 300).allowance == 0.6
    assert story.reads([71.0] * 200).allowance == 1.0


def test_where_a_device_slows_itself_down_earlier_all_limits_are_lower() -> None:
    story = Story()
    verdict = story.reads([Sample(78.0, 0.5, slowdown_c=87.0)])
    assert verdict.state is ThermalState.HOT
    assert verdict.heat.limit_c == 77.0
    assert ThermalLimits().lowered(93.0) == ThermalLimits()


@pytest.mark.parametrize("slowdown_c", [0.0, -273.0, 12.0, 400.0, math.nan])
def test_what_is_no_limit_of_any_device_moves_none(slowdown_c: float) -> None:
    assert ThermalLimits().lowered(slowdown_c) == ThermalLimits()


def test_a_slowdown_limit_counts_until_another_one_is_told() -> None:
    story = Story()
    story.reads([Sample(70.0, 0.5, slowdown_c=87.0)])
    assert story.reads([Sample(70.0, 0.5)]).limits.hot_c == 77.0
    assert story.reads([Sample(70.0, 0.5, slowdown_c=88.0)]).limits.hot_c == 78.0


def test_a_device_that_slows_itself_down_is_left_whatever_its_thermometer_says() -> None:
    story = Story()
    verdict = story.reads([Sample(78.0, 0.5, is_throttled=True)] * 8)
    assert verdict.state is ThermalState.CRITICAL
    assert verdict.leave is not None
    assert verdict.score is not None
    assert verdict.score <= 15.0


def test_a_rise_towards_hot_is_foretold_with_time_and_confidence() -> None:
    story = Story()
    verdict = story.reads(ramp(60.0, 72.0, 360))
    assert verdict.forecast is not None
    assert verdict.forecast.in_s == pytest.approx(240.0, rel=0.15)
    assert verdict.forecast.confidence > 0.8
    assert "heat_forecast" in names(verdict)
    assert story.reads([72.0] * 300).forecast is None
    assert "heat_forecast" not in names(story.verdict)


def test_the_score_falls_from_hundred_to_nothing_at_the_hard_stop() -> None:
    scores = [Story().reads([celsius]).score for celsius in (40.0, 60.0, 72.0, 80.0, 90.0, 95.0, 99.0)]
    assert scores == [100.0, 100.0, 80.0, 50.0, 15.0, 0.0, 0.0]


def test_another_hot_limit_moves_the_others_but_no_device_is_worked_above_the_hard_stop() -> None:
    assert ThermalLimits.of(80.0) == ThermalLimits(72.0, 80.0, 90.0, 95.0)
    assert ThermalLimits.of(70.0) == ThermalLimits(62.0, 70.0, 80.0, 85.0)
    assert ThermalLimits.of(85.0) == ThermalLimits(77.0, 85.0, 90.0, 95.0)


def test_placement_is_told_the_same_limits() -> None:
    controller = ThermalController(ThermalLimits.of(70.0))
    for sample in (Sample(65.0), Sample(None)):
        controller.feed(sample, 1.0)
        heat = controller.heat(1.0)
        assert (heat.limit_c, heat.stop_c) == (70.0, 85.0)


@given(st.lists(st.floats(60.0, 79.9), min_size=1, max_size=60))
def test_below_the_hot_limit_nothing_that_runs_is_moved_whatever_the_temperature_does(heats: list[float]) -> None:
    story = Story()
    for celsius in heats:
        verdict = story.reads([celsius])
        assert (verdict.leave, verdict.shun) == (None, None)


@pytest.mark.parametrize("celsius", [None, 20.0, 79.0])
def test_a_standby_stays_on_an_encoder_that_is_not_hot_or_has_no_sensor(celsius: float | None) -> None:
    assert Story().reads([celsius] * 10).shun is None


def test_a_standby_on_a_hot_encoder_makes_way_for_another() -> None:
    shun = Story().reads([80.0]).shun
    assert shun is not None
    assert not shun.must


def test_an_encoder_that_comes_back_is_given_a_little_before_its_first_reading_and_nothing_if_none_comes() -> None:
    story = Story()
    story.reads([60.0] * 5)
    assert story.hears_nothing(60.0).state is ThermalState.UNKNOWN
    story.moves += story.controller.feed(Came(), story.now)
    assert (story.verdict.state, story.verdict.allowance) == (ThermalState.WARMING_UP, 0.2)
    assert story.verdict.heat.sense is Sense.NONE
    verdict = story.hears_nothing(20.0)
    assert (verdict.state, verdict.allowance) == (ThermalState.UNKNOWN, 0.0)


def test_an_encoder_that_comes_back_and_tells_nonsense_is_given_nothing() -> None:
    story = Story()
    story.reads([60.0] * 5)
    story.hears_nothing(60.0)
    story.controller.feed(Came(), story.now)
    story.now += 1.0
    assert story.reads([math.nan]).allowance == 0.0
