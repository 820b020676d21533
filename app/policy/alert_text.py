"""Alerts in words, for messages that people read. Pure; how a channel marks text up is the channel's business."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from app.domain.alert import Alert, AlertGroup, AlertState

MAX_LISTED: Final = 20
"""More alerts than these in one message nobody reads; the rest is counted."""
MAX_SUMMARY: Final = 300
MAX_TITLE: Final = 150


def title(alerts: Sequence[Alert], total: int) -> str:
    """One line: what it is, and how much goes with it. `alerts`: the cause first."""
    head = alerts[0]
    firing = sum(alert.state is AlertState.FIRING for alert in alerts)
    word = "RESOLVED" if firing == 0 else head.severity.value.upper()
    text = f"[{word}] {head.name}: {head.subject.id}"
    more = total - 1
    return cut(f"{text} and {more} more" if more else text, MAX_TITLE)


def lines(group: AlertGroup) -> tuple[str, ...]:
    """One line for each alert that is listed, and one that counts the others."""
    told = tuple(line(alert) for alert in group.alerts[:MAX_LISTED])
    left = group.total - len(told)
    return (*told, f"... and {left} more") if left > 0 else told


def line(alert: Alert) -> str:
    state = _state(alert)
    flapping = ", comes and goes" if alert.is_flapping else ""
    return f"{state}{flapping}: {clean(alert.summary, MAX_SUMMARY)} ({alert.name}, {clean(alert.subject.id, 80)})"


def _state(alert: Alert) -> str:
    if alert.ended_at is None:
        return f"{alert.severity.value} since {stamp(alert.started_at)}"
    lasted = span((alert.ended_at - alert.started_at).total_seconds())
    return f"resolved {stamp(alert.ended_at)}, {alert.severity.value} for {lasted} since {stamp(alert.started_at)}"


def stamp(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def span(seconds: float) -> str:
    """Such as 42 s, 7 min, 3.5 h. A clock that was set back makes no negative span."""
    seconds = max(0.0, seconds)
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7_200 else f"{seconds / 3_600:.1f} h"


def clean(text: str, most: int) -> str:
    """One line without what steers a terminal, a header or the direction of writing."""
    plain = "".join(c if unicodedata.category(c)[0] != "C" and c not in "\u2028\u2029" else " " for c in text)
    return cut(" ".join(plain.split()), most)


def cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
