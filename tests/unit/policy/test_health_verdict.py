"""What a score and a declining history ask for, once they last."""

from __future__ import annotations

import pytest

from app.policy.health_verdict import HealthLimits, Place, Step, Watched, is_worth_leaving, judge, note

LIMITS = HealthLimits()


def after(
    score: float | None, for_s: int, *, decline: float | None = 0.0, watched: Watched | None = None
) -> Watched:
    watched = watched or Watched()
    for second in range(for_s):
        watched = note(watched, LIMITS, score=score, decline=decline, generation=1, now=float(second))
    return watched


@pytest.mark.parametrize(
    ("score", "step"),
    [
        (100.0, Step.WELL),
        (80.0, Step.WELL),
        (79.9, Step.PREVENTIVE),
        (70.0, Step.PREVENTIVE),
        (69.9, Step.DEGRADE),
        (50.0, Step.DEGRADE),
        (49.9, Step.RESET),
        (None, Step.WELL),
    ],
)
def test_the_contracts_limits_ask_for_the_contracts_steps(score: float | None, step: Step) -> None:
    assert judge(after(score, 10)) is step


def test_a_bad_moment_asks_for_nothing_and_the_verdict_stays_until_it_is_well_for_long() -> None:
    assert judge(after(40.0, 7)) is Step.WELL
    bad = after(40.0, 10)
    well = bad
    for second in range(10, 40):
        well = note(well, LIMITS, score=95.0, decline=0.0, generation=1, now=float(second))
        assert judge(well) is Step.RESET
    assert judge(note(well, LIMITS, score=95.0, decline=0.0, generation=1, now=41.0)) is Step.WELL


def test_a_declining_history_asks_for_prevention_while_every_limit_is_kept() -> None:
    assert judge(after(100.0, 20, decline=0.6)) is Step.PREVENTIVE
    assert judge(after(100.0, 20, decline=0.3)) is Step.WELL
    assert judge(after(100.0, 60, decline=None)) is Step.WELL


def test_another_worker_begins_without_a_history() -> None:
    assert judge(note(after(40.0, 10), LIMITS, score=40.0, decline=1.0, generation=2, now=11.0)) is Step.WELL


def test_limits_are_tunable_and_must_not_rise() -> None:
    strict = HealthLimits(95.0, 90.0, 85.0)
    watched = Watched()
    for second in range(10):
        watched = note(watched, strict, score=88.0, decline=None, generation=1, now=float(second))
    assert judge(watched) is Step.DEGRADE
    with pytest.raises(ValueError, match="health limits"):
        HealthLimits(70.0, 80.0, 50.0)


@pytest.mark.parametrize(
    ("here", "there", "is_worth"),
    [
        (Place(40.0, 0.0), Place(90.0, 0.0), True),
        (Place(40.0, 0.0), Place(49.0, 0.0), False),
        (Place(40.0, 0.0), Place(None, 0.0), False),
        (Place(None, 0.0), Place(90.0, 0.0), False),
    ],
)
def test_a_sick_place_is_left_only_for_one_that_is_measured_and_much_better(
    here: Place, there: Place, is_worth: bool
) -> None:
    assert is_worth_leaving(after(40.0, 10), here, there) is is_worth


@pytest.mark.parametrize(
    ("here", "there", "is_worth"),
    [
        (Place(100.0, 0.8), Place(100.0, 0.1), True),
        (Place(100.0, 0.8), Place(None, 0.1), True),
        (Place(100.0, 0.8), Place(100.0, 0.7), False),
        (Place(100.0, 0.8), Place(80.0, 0.0), False),
        (Place(100.0, 0.3), Place(100.0, 0.0), False),
    ],
)
def test_a_declining_place_is_left_for_one_that_does_not_decline_and_is_no_sicker(
    here: Place, there: Place, is_worth: bool
) -> None:
    assert is_worth_leaving(after(100.0, 20, decline=0.8), here, there) is is_worth


def test_a_place_that_is_well_is_never_left() -> None:
    assert not is_worth_leaving(after(100.0, 60), Place(100.0, 1.0), Place(100.0, 0.0))
