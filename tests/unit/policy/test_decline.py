"""A history that only gets worse is seen before a limit is crossed; work that came, and noise, are none."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable

import pytest

from app.domain.encoder import EncoderReading, WorkerReading
from app.domain.ids import StreamId, WorkerId
from app.policy.decline import HISTORY_LEAST_S, History, decline, feed
from app.policy.placement import judge
from tests.unit.policy.fleets import standing
from tests.unit.policy.test_ranking import NEED

STEP_S = 0.5


def reading(speed: float | None = None, cpu: float | None = None) -> EncoderReading:
    worker = WorkerReading(WorkerId("w"), StreamId("s"), 1, speed=speed)
    return EncoderReading(cpu_percent=cpu, workers=(worker,))


def after(
    seconds: float, speed: Callable[[float], float | None], cpu: Callable[[float], float | None] = lambda at_s: 50.0
) -> History:
    history, at_s = History(), 0.0
    while at_s <= seconds:
        history = feed(history, reading(speed(at_s), cpu(at_s)), 1000.0 + at_s)
        at_s += STEP_S
    return history


def test_speed_that_falls_is_a_decline_before_the_worker_is_too_slow() -> None:
    history = after(420.0, lambda at_s: 1.0 if at_s < 300 else 1.0 - 0.03 * (at_s - 300) / 120)
    assert history.speed is not None
    assert history.speed.lately > 0.97
    assert decline(history) > 0.1


def test_a_processor_that_fills_up_is_a_decline_and_work_with_plenty_left_is_none() -> None:
    assert decline(after(400.0, lambda at_s: 1.0, lambda at_s: 20.0 if at_s < 300 else 95.0)) > 0.5
    assert decline(after(400.0, lambda at_s: 1.0, lambda at_s: 5.0 if at_s < 300 else 65.0)) == 0.0


def test_steady_and_noisy_histories_do_not_decline_and_neither_do_short_ones() -> None:
    dice = random.Random(1)
    assert decline(after(600.0, lambda at_s: dice.gauss(1.0, 0.01), lambda at_s: dice.gauss(70.0, 8.0))) == 0.0
    assert decline(after(HISTORY_LEAST_S - 1, lambda at_s: 1.0 - at_s / 100)) == 0.0
    assert decline(after(600.0, lambda at_s: None, lambda at_s: None)) == 0.0


def test_a_worker_that_caught_up_with_its_source_and_keeps_pace_now_does_not_decline() -> None:
    for seconds in (70.0, 120.0, 300.0):
        assert decline(after(seconds, lambda at_s: 1.5 if at_s < 20 else 1.0)) == 0.0


def test_a_decline_is_over_when_things_are_well_again_or_nobody_works_there_any_more() -> None:
    def falls(at_s: float) -> float:
        return 1.0 if at_s < 300 else 0.93

    assert decline(after(380.0, falls)) > 0.7
    assert decline(after(600.0, lambda at_s: falls(at_s) if at_s < 380 else 1.0)) == 0.0
    assert decline(after(1500.0, lambda at_s: falls(at_s) if at_s < 380 else None)) < 0.2


@pytest.mark.parametrize("share", [0.2, 1.0])
def test_an_encoder_in_decline_comes_after_an_equal_one_and_is_not_barred(share: float) -> None:
    steady = standing("a")
    declining = dataclasses.replace(steady, decline=share)
    assert judge(declining, NEED).cost > judge(steady, NEED).cost
    assert not judge(declining, NEED).vetoes
