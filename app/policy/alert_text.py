"""Alerts in words, for messages that people read. Pure; how a channel marks text up is the channel's business."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from app.domain.alert import Alert, AlertGroup, AlertState
from app.policy.alert_advice import advice_for

MAX_LISTED: Final = 20
"""More alerts than these in one message nobody reads; the rest is counted."""
MAX_SUMMARY: Final = 300
MAX_TITLE: Final = 150


def title(alerts: Sequence[Alert], total: int) -> str:
    """One line: what it is, and how much goes with it. `alerts`: the news first, of those the cause."""
    head = alerts[0]
    is_over = head.state is AlertState.RESOLVED
    firing = sum(alert.state is AlertState.FIRING for alert in alerts)
    text = f"[{'RESOLVED' if is_over else head.severity.value.upper()}] {head.name}: {head.subject.id}"
    if is_over and firing:
        text += f"; {firing} still firing"
    elif total > 1:
        text += f" and {total - 1} more"
    return clean(text, MAX_TITLE)


def lines(group: AlertGroup) -> tuple[str, ...]:
    """One line for each alert that is listed, what to do about the first one, and one that counts the others."""
    listed = group.alerts[:MAX_LISTED]
    told = [line(alert) for alert in listed]
    advice = advice_for(listed[0].name)
    if advice is not None and listed[0].state is AlertState.FIRING:
        told.insert(1, f"To do: {advice}")
    left = group.total - len(listed)
    return (*told, f"... and {left} more") if left > 0 else tuple(told)


def line(alert: Alert) -> str:
    """What is wrong, of what, and then since when: a phone shows the first words."""
    text, about = clean(alert.summary, MAX_SUMMARY), clean(alert.subject.id, 80)
    if about not in text:
        text = f"{about}: {text}"
    flapping = ", comes and goes" if alert.is_flapping else ""
    resolved = "" if alert.ended_at is None else "resolved: "
    return f"{resolved}{text} ({alert.name}, {_time(alert)}{flapping})"


def _time(alert: Alert) -> str:
    if alert.ended_at is None:
        return f"{alert.severity.value} since {stamp(alert.started_at)}"
    lasted = span((alert.ended_at - alert.started_at).total_seconds())
    return f"{alert.severity.value} for {lasted} until {stamp(alert.ended_at)}"


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
