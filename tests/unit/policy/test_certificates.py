"""When certificates are renewed, and what an authority is spared."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.certificate import CertificateFacts, OrderLog, RenewalWindow
from app.domain.severity import Severity
from app.policy import certificates as policy
from app.policy.certificates import clock_fault, limits, next_attempt, renew_at, urgency

BEGIN = datetime(2027, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


def leaf(days: float) -> CertificateFacts:
    return CertificateFacts(
        subject="live.example.org",
        issuer="Test",
        names=("live.example.org",),
        not_before=BEGIN,
        not_after=BEGIN + days * DAY,
        fingerprint="ab" * 32,
        serial="1",
        key="ec",
        key_bits=256,
        signature_hash="sha256",
        is_ca=False,
        is_for_servers=True,
        is_self_signed=False,
    )


@pytest.mark.parametrize(("days", "after_days"), [(6, 3), (45, 30), (90, 60)])
def test_without_advice_two_thirds_of_a_lifetime_pass_and_half_of_a_short_one(days: int, after_days: int) -> None:
    assert renew_at(leaf(days), None, 0.0) == BEGIN + after_days * DAY


def test_a_fleet_does_not_renew_at_one_moment() -> None:
    assert renew_at(leaf(90), None, 0.999) - renew_at(leaf(90), None, 0.0) > DAY


@given(st.floats(0, 1, exclude_max=True))
def test_the_authoritys_window_is_kept_to(chance: float) -> None:
    window = RenewalWindow(BEGIN + 3 * DAY, BEGIN + 5 * DAY, ask_again=BEGIN)
    assert window.start <= renew_at(leaf(90), window, chance) <= window.end


@pytest.mark.parametrize(
    ("left_days", "loud"),
    [
        (31, None),
        (16, None),
        (14, Severity.INFO),
        (7, Severity.WARNING),
        (3, Severity.CRITICAL),
        (-1, Severity.CRITICAL),
    ],
)
def test_an_end_is_announced_louder_at_a_half_a_quarter_and_an_eighth(
    left_days: int, loud: Severity | None
) -> None:
    one = leaf(90)
    assert urgency(one, renew_at(one, None, 0.0), one.not_after - left_days * DAY) is loud


def test_failures_are_answered_with_longer_and_longer_pauses() -> None:
    log, now, pauses = OrderLog(), BEGIN, []
    for _ in range(12):
        log = policy.failed(log, now, error="away", was_validation=False)
        later = next_attempt(log, due=BEGIN, not_after=None, now=now, chance=0.5).at
        pauses.append(later - now)
        now = later
    assert pauses == sorted(pauses)
    assert pauses[0] == timedelta(minutes=10)
    assert pauses[-1] == timedelta(hours=6)


def test_a_fourth_failed_validation_within_an_hour_is_not_risked_even_on_a_persons_wish() -> None:
    log = OrderLog()
    for minute in (0, 10, 20):
        log = policy.failed(log, BEGIN + timedelta(minutes=minute), error="no", was_validation=True)
    now = BEGIN + timedelta(minutes=30)
    assert [hold.at > BEGIN + HOUR for hold in limits(log, now)] == [True]
    assert limits(log, BEGIN + HOUR + timedelta(minutes=1)) == ()


def test_a_fifth_order_within_seven_days_is_not_placed() -> None:
    log = OrderLog()
    for day in range(4):
        log = policy.ordered(log, BEGIN + day * DAY)
    now = BEGIN + 4 * DAY
    assert next_attempt(log, due=BEGIN, not_after=None, now=now, chance=0).at > BEGIN + 7 * DAY
    assert next_attempt(log, due=BEGIN, not_after=None, is_open=True, now=now, chance=0).at == BEGIN


def test_the_last_orders_of_a_week_are_spread_over_the_time_that_is_left() -> None:
    log = OrderLog()
    for hour in (0, 1):
        log = policy.failed(
            policy.ordered(log, BEGIN + hour * HOUR), BEGIN + hour * HOUR, error="no", was_validation=True
        )
    attempt = next_attempt(log, due=BEGIN, not_after=BEGIN + 3 * DAY, now=BEGIN + 2 * HOUR, chance=0.5)
    assert attempt.at > BEGIN + 20 * HOUR


def test_a_server_that_says_when_to_come_again_is_heard() -> None:
    log = policy.failed(OrderLog(), BEGIN, error="busy", was_validation=False, retry_after=BEGIN + 2 * DAY)
    assert next_attempt(log, due=BEGIN, not_after=None, now=BEGIN + HOUR, chance=0).at == BEGIN + 2 * DAY


def test_what_a_clock_that_was_ahead_noted_holds_nothing_up() -> None:
    ahead = BEGIN + 700 * DAY
    log = policy.failed(policy.ordered(OrderLog(), ahead), ahead, error="no", was_validation=True)
    assert next_attempt(log, due=BEGIN, not_after=None, now=BEGIN, chance=0).at == BEGIN
    assert limits(log, BEGIN) == ()


@pytest.mark.parametrize("years", [-2, 2])
def test_a_clock_that_is_off_by_years_is_no_clock(years: int) -> None:
    assert clock_fault(BEGIN + years * 365 * DAY, floor=BEGIN, witness=BEGIN) is not None


def test_a_clock_is_believed_when_the_authority_agrees_whatever_was_noted() -> None:
    assert clock_fault(BEGIN, floor=BEGIN + 700 * DAY, witness=BEGIN + HOUR) is None
    assert clock_fault(BEGIN, floor=BEGIN + 700 * DAY, witness=None) is not None
