"""What people read first: the news, how much goes with it, and what they can do."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from app.domain.alert import Alert, AlertState
from app.policy.alert_advice import ADVICE
from app.policy.alert_rules import TIMINGS
from app.policy.alert_text import MAX_TITLE, line, lines, title
from tests.support.alerts import T0, alert, group

FIRING = alert(summary="encoder enc_a is offline: no word for 6 s")
OVER = replace(FIRING, fingerprint="f2", state=AlertState.RESOLVED, ended_at=T0 + timedelta(minutes=5))
ON_WINDOWS_OF_THEIR_OWN = {"stream_failed", "encoder_ejected", "drill_failed", "encoder_hot", "encoder_critical"}


@pytest.mark.parametrize(
    ("alerts", "said"),
    [
        ((FIRING,), "[CRITICAL] encoder_offline: enc_a"),
        ((FIRING, OVER), "[CRITICAL] encoder_offline: enc_a and 1 more"),
        ((OVER,), "[RESOLVED] encoder_offline: enc_a"),
        ((OVER, OVER), "[RESOLVED] encoder_offline: enc_a and 1 more"),
        ((OVER, FIRING, FIRING), "[RESOLVED] encoder_offline: enc_a; 2 still firing"),
        ((alert(subject="a\r\nb\u202ec"),), "[CRITICAL] encoder_offline: a b c"),
    ],
)
def test_the_title_is_the_news_and_counts_the_rest(alerts: tuple[Alert, ...], said: str) -> None:
    assert title(alerts, len(alerts)) == said


def test_a_title_is_cut() -> None:
    assert len(title((alert(subject="x" * 500),), 9)) == MAX_TITLE


def test_a_line_says_first_what_is_wrong() -> None:
    began = "2026-11-20 12:00:00 UTC"
    assert line(FIRING) == f"encoder enc_a is offline: no word for 6 s (encoder_offline, critical since {began})"
    assert line(replace(FIRING, is_flapping=True)).endswith(f"critical since {began}, comes and goes)")
    assert line(OVER) == (
        "resolved: encoder enc_a is offline: no word for 6 s (encoder_offline, critical for 5 min until "
        "2026-11-20 12:05:00 UTC)"
    )
    assert line(alert(summary="is too hot")).startswith("enc_a: is too hot (")


def test_what_can_be_done_stands_under_the_first_one_while_it_lasts() -> None:
    told = lines(group(FIRING, alert("f3", subject="enc_b")))
    assert told[1] == f"To do: {ADVICE['encoder_offline']}"
    assert len(told) == 3
    assert len(lines(group(OVER, FIRING))) == 2
    assert len(lines(group(replace(FIRING, name="something_else")))) == 1


def test_there_is_advice_for_what_this_system_tells() -> None:
    assert set(TIMINGS) | ON_WINDOWS_OF_THEIR_OWN <= set(ADVICE)
    assert max(len(text) for text in ADVICE.values()) <= 160
