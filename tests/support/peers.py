"""Real programs of other people that tests talk to: found, or the test is skipped; in CI it then fails."""

from __future__ import annotations

import contextlib
import os
import random
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
    """A TCP port of the loopback that nobody listened on a moment ago.

    Below those that the system hands out by itself, so that no connection made meanwhile takes it.
    """
    for port in random.SystemRandom().sample(range(20_000, 30_000), 100):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no port is free")


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
