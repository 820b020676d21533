"""When a stream ends by itself. A publisher that is there is never cut by this verdict."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

NEVER_PUBLISHED_S: Final = 15 * 60
"""An opened stream keeps places on two encoders: nobody came, so they are given back."""


@dataclass(frozen=True, slots=True)
class Life:
    created_at: datetime
    key_expires_at: datetime | None
    published: bool
    """A publisher came at least once."""
    source_up: bool


def judge(life: Life, now: datetime) -> str | None:
    """Why the stream ends now, or None. A published one waits on until its key expires."""
    if life.source_up:
        return None
    if life.key_expires_at is not None and now >= life.key_expires_at:
        return "its key expired"
    if not life.published and now - life.created_at >= timedelta(seconds=NEVER_PUBLISHED_S):
        return f"nobody published for {NEVER_PUBLISHED_S // 60} minutes"
    return None
