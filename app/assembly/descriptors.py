"""How many connections the doors of a process may hold, so that its files never run out.

A process without a descriptor left can neither take a worker back nor write a recording, and asyncio's own loop
answers every accept that fails by a line of log and another try. So the doors turn a crowd away before that, and
accept no more at once than is kept free for it.
"""

from __future__ import annotations

import resource
from dataclasses import dataclass
from typing import Final

from app.media.doors.doorman import MAX_CONNECTIONS

WANTED: Final = 16_384
"""Twice what full doors, pushes and recordings of a large gateway need."""
KEPT_LEAST: Final = 64
"""For listeners, logs, the link, recordings and pushes; and for who is only let in to be turned away."""
KEPT_SHARE: Final = 4
BACKLOG_MAX: Final = 512


@dataclass(frozen=True, slots=True)
class Places:
    """`connections` is what each door may hold, `backlog` how many one listener takes at once."""

    connections: int = MAX_CONNECTIONS
    backlog: int = BACKLOG_MAX


def places(limit: int, *, doors: int) -> Places:
    """What `limit` open files are enough for."""
    kept = max(KEPT_LEAST, limit // KEPT_SHARE)
    connections = max(1, (limit - kept) // doors)
    # A door may have a second listener; half of what is kept is not for crowds.
    return Places(min(MAX_CONNECTIONS, connections), min(BACKLOG_MAX, max(1, kept // (doors * 4))))


def raise_limit() -> int:
    """Let this process open as many files as it may, up to WANTED; how many those are."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    best = WANTED if hard == resource.RLIM_INFINITY else min(WANTED, hard)
    if soft == resource.RLIM_INFINITY or soft >= best:
        return WANTED if soft == resource.RLIM_INFINITY else soft
    resource.setrlimit(resource.RLIMIT_NOFILE, (best, hard))
    return best
