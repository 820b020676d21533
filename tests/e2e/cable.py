"""A second machine as far as the network can tell: a namespace of its own at the other end of a cable we can cut.

Needs root. All traffic stays on this machine; both ends are gone when the block ends.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.support.peers import missing, program


@dataclass(frozen=True)
class Cable:
    """`here` and `there` are the addresses of its ends; a command that begins with `inside` runs at the far one."""

    here: str
    there: str
    inside: tuple[str, ...]
    _port: str

    def cut(self) -> None:
        """Nothing passes, and neither side is told: connections stay as they are."""
        _ip("link", "set", self._port, "down")

    def mend(self) -> None:
        _ip("link", "set", self._port, "up")


@contextmanager
def cable() -> Iterator[Cable]:
    """Skips the test, with the reason, where namespaces are not allowed; in CI it fails."""
    program("ip", package="iproute2")
    if os.geteuid() != 0:
        missing("a network namespace needs root")
    name = f"enc{os.getpid()}"
    net = f"10.213.{os.getpid() % 250}"
    try:
        _ip("netns", "add", name)
    except subprocess.CalledProcessError as error:
        missing(f"no network namespaces here: {error.stderr.strip()}")
    try:
        _ip("link", "add", f"{name}h", "type", "veth", "peer", "name", f"{name}n", "netns", name)
        _ip("address", "add", f"{net}.1/30", "dev", f"{name}h")
        _ip("link", "set", f"{name}h", "up")
        _ip("-n", name, "address", "add", f"{net}.2/30", "dev", f"{name}n")
        _ip("-n", name, "link", "set", f"{name}n", "up")
        _ip("-n", name, "link", "set", "lo", "up")
        yield Cable(f"{net}.1", f"{net}.2", ("ip", "netns", "exec", name), f"{name}h")
    finally:
        _ip("netns", "delete", name)
        subprocess.run(["ip", "link", "delete", f"{name}h"], capture_output=True, check=False)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True, timeout=20)
