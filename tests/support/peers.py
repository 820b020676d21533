"""Real programs of other people that tests talk to: found, or the test is skipped; in CI it then fails."""

from __future__ import annotations

import os
import shutil
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn, TypeVar

import pytest

T = TypeVar("T")


def program(name: str, *, package: str, places: tuple[str, ...] = ()) -> str:
    """The program's path. Absent: the test is skipped, or fails where CI is set; `package` is what to install."""
    found = shutil.which(name) or next((place for place in places if Path(place).exists()), None)
    if found is None:
        missing(f"{name} is not installed (Debian package {package})")
    return found


def missing(reason: str) -> NoReturn:
    """Skips the test for want of something on this machine; fails it where CI is set."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def free_port() -> int:
    """A TCP port of the loopback that nobody listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(what: str, look: Callable[[], T | None], *, within_s: float = 20.0, every_s: float = 0.02) -> T:
    """Ask until the answer is true, or not empty; fails the test when the time is over."""
    end = time.monotonic() + within_s
    while True:
        seen = look()
        if seen:
            return seen
        if time.monotonic() >= end:
            pytest.fail(f"not within {within_s:.0f} s: {what}; last seen: {seen!r}")
        time.sleep(every_s)
