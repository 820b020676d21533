"""The only place that reads a clock. Deciders are handed `now` from here."""

from __future__ import annotations

import time
from datetime import UTC, datetime


def monotonic() -> float:
    """Seconds from an arbitrary start; never steps. For every duration, deadline and lease."""
    return time.monotonic()


def utc_now() -> datetime:
    """Aware UTC time, for facts that people read."""
    return datetime.fromtimestamp(time.time(), UTC)


def sleepless() -> float:
    """Seconds like `monotonic`, those in which the machine slept included: what must end while nobody runs."""
    return time.clock_gettime(_SLEEPLESS)


_SLEEPLESS = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
