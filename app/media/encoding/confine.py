"""Bounds on a worker child, set by itself before it touches foreign media (Linux; elsewhere what exists is set).

It dies with its node, gains no privileges, writes no core, yields to the gateway and can't eat all memory.
Leaves to others: the watch over resident memory (`children`).
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
from typing import Final

MAX_RSS_BYTES: Final = 2 * 1024**3
_MAX_DATA_BYTES: Final = 4 * 1024**3
"""Private memory that may be asked for, stacks of threads included: the last fence behind the watch over RSS."""
_NICENESS: Final = 5
_PR_SET_PDEATHSIG: Final = 1
_PR_SET_NO_NEW_PRIVS: Final = 38


def confine(parent_pid: int) -> None:
    """Call first thing in the child. Ends the process at once when its parent has gone already."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _limit_data(_MAX_DATA_BYTES)
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    # The parent may have died between fork and prctl, and then no signal comes.
    if os.getppid() != parent_pid:
        os._exit(os.EX_UNAVAILABLE)
    os.nice(_NICENESS)


def _limit_data(limit_bytes: int) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if hard == resource.RLIM_INFINITY or hard > limit_bytes:
        resource.setrlimit(resource.RLIMIT_DATA, (limit_bytes, limit_bytes))
