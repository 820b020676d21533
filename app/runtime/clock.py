"""The only place that reads a clock. Deciders are handed `now` from here."""

from __future__ import annotations

import time
from datetime import UTC, datetime

monotonic = time.monotonic
"""Seconds from an arbitrary start; never steps. For every duration, deadline and lease."""


def utc_now() -> datetime:
    """Aware UTC time, for facts that people read."""
    return datetime.now(UTC)
