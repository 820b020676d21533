"""What readings of encoders and streams say that people may want to know. Pure: figures in, signs out.

A sign begins at its limit and ends a little below, so a figure at the edge is not told again and again. How long it
must last before anybody hears of it is `alert_rules.py`'s verdict. Heat, bitrates, pictures and prediction
have rules of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from app.domain.condition import Category
from app.domain.encoder import EncoderReading, EncoderState
from app.domain.session import StreamHealth
from app.domain.severity import Severity
from app.domain.stream import StreamState

CPU_HIGH_PERCENT: Final = 85.0
MEMORY_HIGH_PERCENT: Final = 90.0
STORAGE_HIGH_PERCENT: Final = 90.0
STORAGE_FULL_PERCENT: Final = 97.0
"""What is recorded there will fail within minutes."""
RELIEF: Final = 5.0
"""Percent below its limit a figure ends its sign."""
_NOT_PUSHED: Final = frozenset({"refused", "backing_off"})

Lasts = Callable[[str], bool]
"""Whether the sign of this name is on now."""


@dataclass(frozen=True, slots=True)
class Limits:
    cpu_percent: float = CPU_HIGH_PERCENT
    memory_percent: float = MEMORY_HIGH_PERCENT
    storage_percent: float = STORAGE_HIGH_PERCENT


@dataclass(frozen=True, slots=True)
class Sign:
    """`summary` is put behind the name of what it is about."""

    name: str
    is_active: bool
    severity: Severity
    category: Category
    summary: str
    value: float | None = None


def presence_sign(state: EncoderState, reason: str | None) -> Sign | None:
    """None: neither gone nor surely back. Stopped or drained by an operator is no trouble."""
    if state is EncoderState.SUSPECT:
        return None
    is_gone = state is EncoderState.OFFLINE
    text = f"is offline: {reason}" if reason else "is offline"
    return Sign("encoder_offline", is_gone, Severity.CRITICAL, Category.ENCODER_OFFLINE, text)


def encoder_signs(reading: EncoderReading, lasts: Lasts, limits: Limits = Limits()) -> Iterator[Sign]:
    """Of the figures that are known; what is not reported begins nothing and ends nothing."""
    for name, value, limit, category, what in (
        ("cpu_high", reading.cpu_percent, limits.cpu_percent, Category.CPU, "CPU"),
        ("memory_high", reading.memory_percent, limits.memory_percent, Category.MEMORY, "memory"),
        ("storage_high", reading.disk_percent, limits.storage_percent, Category.STORAGE, "disk"),
    ):
        if value is None:
            continue
        is_on = value >= (limit - RELIEF if lasts(name) else limit)
        is_full = name == "storage_high" and value >= STORAGE_FULL_PERCENT
        severity = Severity.CRITICAL if is_full else Severity.WARNING
        yield Sign(name, is_on, severity, category, f"uses {value:.0f} % of its {what}", value)


def stream_signs(health: StreamHealth) -> Iterator[Sign]:
    is_live = health.state is StreamState.LIVE
    lag = "the programme stands still or falls behind"
    is_degraded = health.state is StreamState.DEGRADED
    yield Sign("stream_degraded", is_degraded, Severity.WARNING, Category.STREAM_FAILED, lag)
    if health.standby is not None or not is_live:
        is_bare = is_live and not health.protected
        text = "has no backup that could take over"
        yield Sign("stream_unprotected", is_bare, Severity.WARNING, Category.FAILOVER, text)
    if health.quality is not None:
        step = health.quality.step
        text = f"has less than was asked for ({step} of {health.quality.steps} steps): its encoder cannot keep up"
        yield Sign("quality_lowered", step > 0, Severity.WARNING, Category.CPU, text, step)
    if health.channel is not None:
        states = [one.state for one in health.channel.destinations]
        failing = sum(state in _NOT_PUSHED for state in states)
        text = f"{failing} of {len(states)} destinations do not take the programme"
        yield Sign("destination_refused", failing > 0, Severity.WARNING, Category.BANDWIDTH, text, failing)
