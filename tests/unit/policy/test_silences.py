"""Silences keep alerts from people exactly as long as they say, by the clocks on the wall."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from app.domain.alert import Alert
from app.domain.errors import InvalidRequest
from app.domain.notification import Matcher, Silence, Window
from app.domain.severity import Severity
from app.policy.silences import Hush, check, is_within, like
from tests.support.alerts import T0, alert

BERLIN = "Europe/Berlin"


def silence(*matchers: Matcher, window: Window | None = None, hours: float = 2.0) -> Silence:
    return Silence("sil_1", matchers, "work", "key_1", T0, T0, T0 + timedelta(hours=hours), window)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def silencing(one: Alert, silences: tuple[Silence, ...], at: datetime) -> str | None:
    hush = Hush()
    hush.look(silences, at)
    return hush.by(one)


def test_a_silence_begins_and_ends_on_time() -> None:
    one = silence(Matcher("subject", "enc_*"))
    moments = (T0 - timedelta(seconds=1), T0, T0 + timedelta(hours=2, seconds=-1), T0 + timedelta(hours=2))
    assert [silencing(alert(), (one,), at) for at in moments] == [None, "sil_1", "sil_1", None]


def test_all_matchers_must_fit() -> None:
    fits = (Matcher("name", "encoder_offline"), Matcher("severity", "critical"), Matcher("rack", "r9", True))
    assert silencing(alert(), (silence(*fits),), T0) == "sil_1"
    assert silencing(alert(), (silence(*fits, Matcher("subject", "enc_b")),), T0) is None
    assert silencing(alert(), (silence(Matcher("rack", "r1")),), T0) is None


def test_a_tenants_silence_keeps_quiet_what_that_tenant_sees() -> None:
    acmes = replace(silence(Matcher("severity", "critical")), tenant="acme")
    tenants = (None, "acme", "rival", "")
    assert [silencing(replace(alert(), tenant=tenant), (acmes,), T0) for tenant in tenants] == [
        "sil_1",
        "sil_1",
        None,
        None,
    ]


def test_a_verdict_lasts_as_long_as_the_same_silences_are_open() -> None:
    hush, one = Hush(), silence(Matcher("severity", "critical"))
    verdicts = []
    for silences, at, severity in (
        ((one,), T0, Severity.WARNING),
        ((one,), T0, Severity.CRITICAL),
        ((), T0, Severity.CRITICAL),
        ((one,), T0, Severity.CRITICAL),
        ((one,), T0 + timedelta(hours=2), Severity.CRITICAL),
    ):
        hush.look(silences, at)
        verdicts.append(hush.by(replace(alert(), severity=severity)))
    assert verdicts == [None, "sil_1", None, "sil_1", None]


@pytest.mark.parametrize(
    ("pattern", "text", "fits"),
    [
        ("", "", True),
        ("enc", "enc_a", False),
        ("enc*", "enc_a", True),
        ("*_a", "enc_a", True),
        ("e*c*a", "enc_a", True),
        ("*a*a", "a", False),
        ("ab*ba", "aba", False),
        ("*", "", True),
        ("e**a", "enc_a", True),
        ("enc.a", "enc_a", False),
    ],
)
def test_a_star_stands_for_any_text(pattern: str, text: str, fits: bool) -> None:
    assert like(text, pattern) is fits


def test_a_pattern_of_many_stars_is_looked_for_in_no_time() -> None:
    assert not like("a" * 50_000, "*a" * 100 + "b")


@pytest.mark.parametrize(
    ("at", "is_in"),
    [
        # Winter: 02:00 to 04:00 in Berlin is 01:00 to 03:00 UTC.
        ("2026-11-20 00:59:59", False),
        ("2026-11-20 01:00:00", True),
        ("2026-11-20 02:59:59", True),
        ("2026-11-20 03:00:00", False),
        # 29 March 2026: at 01:00 UTC the clocks jump from 02:00 to 03:00. The window is what is left of it.
        ("2026-03-29 00:59:59", False),
        ("2026-03-29 01:00:00", True),
        ("2026-03-29 01:59:59", True),
        ("2026-03-29 02:00:00", False),
        # 25 October 2026: 02:00 to 03:00 comes twice, at 00:00 and at 01:00 UTC. The window is an hour longer.
        ("2026-10-24 23:59:59", False),
        ("2026-10-25 00:00:00", True),
        ("2026-10-25 01:30:00", True),
        ("2026-10-25 02:59:59", True),
        ("2026-10-25 03:00:00", False),
    ],
)
def test_a_window_follows_the_clocks_of_its_place(at: str, is_in: bool) -> None:
    assert is_within(Window("02:00", "04:00", BERLIN), utc(at)) is is_in


@pytest.mark.parametrize(
    ("at", "is_in"),
    [
        # 02:30 does not exist on 29 March: the window begins where the clock jumps.
        ("2026-03-29 00:59:59", False),
        ("2026-03-29 01:00:00", True),
        ("2026-03-29 01:29:59", True),
        ("2026-03-29 01:30:00", False),
        # 02:30 comes twice on 25 October: from the first one on.
        ("2026-10-25 00:29:59", False),
        ("2026-10-25 00:30:00", True),
        ("2026-10-25 01:15:00", True),
        ("2026-10-25 02:29:59", True),
        ("2026-10-25 02:30:00", False),
    ],
)
def test_a_window_whose_border_is_skipped_or_comes_twice_leaks_nothing(at: str, is_in: bool) -> None:
    assert is_within(Window("02:30", "03:30", BERLIN), utc(at)) is is_in


def test_a_window_over_midnight_belongs_to_the_day_it_begins_on() -> None:
    friday_night = Window("22:00", "06:00", "UTC", (4,))
    inside = ("2026-11-20 22:00:00", "2026-11-21 05:59:59")
    outside = ("2026-11-20 21:59:59", "2026-11-21 06:00:00", "2026-11-20 05:00:00", "2026-11-21 23:00:00")
    assert all(is_within(friday_night, utc(at)) for at in inside)
    assert not any(is_within(friday_night, utc(at)) for at in outside)


@pytest.mark.parametrize(
    "bad",
    [
        silence(),
        silence(Matcher("name", "*")),
        silence(Matcher("name", "x", is_negated=True)),
        silence(Matcher("name", "x"), hours=-1),
        silence(Matcher("name", "x"), hours=24 * 800),
        silence(Matcher("name", "x"), window=Window("24:00", "03:00", BERLIN)),
        silence(Matcher("name", "x"), window=Window("02:00", "03:00", "../../etc/passwd")),
        silence(Matcher("name", "x"), window=Window("02:00", "03:00", BERLIN, (7,))),
    ],
)
def test_what_can_never_work_or_silences_everything_is_refused(bad: Silence) -> None:
    with pytest.raises(InvalidRequest):
        check(bad)
