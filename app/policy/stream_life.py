"""When a stream ends by itself. A publisher that is there is never cut by this verdict."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

NEVER_PUBLISHED_S: Final = 15 * 60
"""An opened stream keeps places on two encoders: nobody came, so they are given back."""


@dataclass(frozen=True, slots=True)
class Life:
    """Times by a monotonic clock: a wall clock that is put right ends nobody's stream."""

    waited_s: float
    """Since the stream was opened, or taken up by a control that started."""
    key_left_s: float | None
    """To the end of its key; None: the key does not end."""
    published: bool
    """A publisher came at least once."""
    source_up: bool


def judge(life: Life) -> str | None:
    """Why the stream ends now, or None. A published one waits on until its key expires."""
    if life.source_up:
        return None
    if life.key_left_s is not None and life.key_left_s <= 0:
        return "its key expired"
    if not life.published and life.waited_s >= NEVER_PUBLISHED_S:
        return f"nobody published for {NEVER_PUBLISHED_S // 60} minutes"
    return None
