"""When streams are drilled, and what an old or failed drill is worth."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from app.domain.drill import DrillKind, DrillOutcome
from app.policy.drill_plan import ALLOWED, APART_S, FAILED_SCORE, DrillPlan, readiness

NIGHT = DrillPlan.parse("02:00-04:30")
MIDNIGHT = DrillPlan.parse("23:00-01:00")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def drilled(text: str, fault: str | None = None) -> DrillOutcome:
    return DrillOutcome(at(text), DrillKind.KILL, fault)


@pytest.mark.parametrize(
    "window", ["2:00-04:00", "02:00", "02:00-02:00", "25:00-26:00", "night", "02:00+01:00-04:00"]
)
def test_a_window_is_two_different_times_of_day(window: str) -> None:
    with pytest.raises(ValueError):
        DrillPlan.parse(window)


@pytest.mark.parametrize(
    ("plan", "moment", "is_open"),
    [
        (NIGHT, "2026-03-01T01:59:59", False),
        (NIGHT, "2026-03-01T02:00:00", True),
        (NIGHT, "2026-03-01T04:30:00", False),
        (MIDNIGHT, "2026-03-01T23:30:00", True),
        (MIDNIGHT, "2026-03-02T00:59:59", True),
        (MIDNIGHT, "2026-03-02T12:00:00", False),
    ],
)
def test_a_window_is_open_from_its_first_moment_to_before_its_last(
    plan: DrillPlan, moment: str, is_open: bool
) -> None:
    assert plan.is_open(at(moment)) is is_open


def test_a_stream_is_drilled_once_in_each_window_whether_it_passed_or_failed() -> None:
    now = at("2026-03-02T03:00:00")
    assert NIGHT.is_due(None, now)
    assert NIGHT.is_due(drilled("2026-03-01T03:00:00"), now)
    assert not NIGHT.is_due(drilled("2026-03-02T02:10:00", "a frame missing"), now)
    assert not NIGHT.is_due(None, at("2026-03-02T05:00:00"))
    over = at("2026-03-02T00:30:00")
    assert not MIDNIGHT.is_due(drilled("2026-03-01T23:10:00"), over)
    assert MIDNIGHT.is_due(drilled("2026-03-01T22:10:00"), over)


def test_an_unprotected_stream_is_not_ready_and_a_failed_drill_counts_without_a_plan() -> None:
    now = at("2026-03-02T03:00:00")
    assert readiness(protected=False, last=None, since=now, plan=None, now=now).score == 0.0
    assert readiness(protected=True, last=None, since=now, plan=None, now=now).score == 1.0
    failed = readiness(protected=True, last=drilled("2026-03-02T02:00:00", "gap"), since=now, plan=None, now=now)
    assert failed.score == FAILED_SCORE
    assert "gap" in failed.reasons[0]


def test_readiness_decays_with_the_age_of_the_last_drill() -> None:
    last = drilled("2026-03-01T03:00:00")
    scores = [
        readiness(protected=True, last=last, since=last.at, plan=NIGHT, now=last.at + timedelta(hours=hours))
        for hours in range(0, 24 * 8, 6)
    ]
    values = [each.score for each in scores]
    assert values == sorted(values, reverse=True)
    assert values[0] == 1.0
    assert values[-1] == FAILED_SCORE
    assert all(bool(each.reasons) == (each.score < 1.0) for each in scores)
    never = readiness(
        protected=True, last=None, since=last.at, plan=NIGHT, now=last.at + ALLOWED + timedelta(hours=1)
    )
    assert never.score < 1.0
    assert "never drilled" in never.reasons[0]


def test_a_clock_that_jumps_from_window_to_window_gets_one_drill_an_hour() -> None:
    last = drilled("2026-03-01T03:00:00")
    now = at("2026-03-02T03:00:00")
    assert not NIGHT.is_due(last, now, rested_s=APART_S - 1.0)
    assert NIGHT.is_due(last, now, rested_s=APART_S)
    assert not NIGHT.is_due(drilled("2026-03-02T02:00:00"), now, rested_s=APART_S)


def test_a_clock_set_back_by_hours_drills_no_stream_twice() -> None:
    assert not NIGHT.is_due(drilled("2026-03-02T04:00:00"), at("2026-03-02T02:30:00"))
    assert not NIGHT.is_due(drilled("2026-03-03T02:10:00"), at("2026-03-02T02:30:00"))


def test_a_drill_made_years_ahead_by_a_wrong_clock_is_no_proof() -> None:
    now, ahead = at("2026-03-02T03:00:00"), drilled("2030-01-01T02:30:00")
    assert NIGHT.is_due(ahead, now)
    assert not NIGHT.is_due(ahead, at("2026-03-02T05:00:00"))
    old = now - ALLOWED - timedelta(hours=1)
    assert readiness(protected=True, last=ahead, since=old, plan=NIGHT, now=now).score < 1.0
    assert readiness(protected=True, last=ahead, since=now, plan=NIGHT, now=now).score == 1.0
