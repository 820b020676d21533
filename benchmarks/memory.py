"""Memory of each process of one installation: idle, and with one stream of 720p30 encoded to its ladder.

Prints resident bytes against the limits the project set itself. The gateway's limit is without its replay rings.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from tests.e2e.publishers import publishing
from tests.e2e.source import Source, make_source
from tests.e2e.system import System, running_system
from tests.support.peers import wait_for

IDLE_LIMITS_MB = {"control": 150, "gateway": 80}
PARTS = ("control", "gateway", "encoder", "worker")
SETTLE_S = 10


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        path = make_source(home / "source.flv", Source(seconds=30))
        with running_system(home / "data") as system:
            time.sleep(SETTLE_S)
            report("idle", system)
            stream = system.open_stream()
            with publishing(path, system.publish_url(stream)):
                wait_for("live", lambda: system.health(stream["stream_id"])["state"] == "live", every_s=0.25)
                time.sleep(SETTLE_S)
                report("one stream", system)


def report(when: str, system: System) -> None:
    for part in PARTS:
        for process in system.children(part):
            megabytes = process.memory_info().rss / 1e6
            limit = IDLE_LIMITS_MB.get(part) if when == "idle" else None
            verdict = "" if limit is None else f"  limit {limit}: {'met' if megabytes <= limit else 'MISSED'}"
            print(f"{when:12} {part:8} {megabytes:7.1f} MB{verdict}")


if __name__ == "__main__":
    main()
