"""One running installation per grade, whose active worker ends in every way that was asked for."""

from __future__ import annotations

import random
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from benchmarks.failover.figures import Cell, Event
from benchmarks.failover.viewer import Viewer
from tests.e2e.outside import LOGS, worker_process
from tests.e2e.publishers import publishing
from tests.e2e.system import System, running_system
from tests.support.peers import wait_for

LOOPED = ("-stream_loop", "-1")
LADDER = [{"name": "720p", "resolution": "1280x720", "bitrate": 2_500_000, "fps": 30}]
WATCH_S = 4.0
"""After the other worker's first picture: by then it has caught up."""
CPU_S = 10.0
PROTECTED_S = 90.0
LOG_TAIL = 8_000
COLD_REST_S = 31.0
"""A cold stream that loses workers in a row, each younger than half a minute, waits longer each time: a source that
kills every encoder must not use up the fleet. Here it is to be seen what one loss costs."""


@dataclass
class Show:
    system: System
    stream: dict[str, Any]
    viewer: Viewer

    @property
    def id(self) -> str:
        return str(self.stream["stream_id"])

    def protected(self, above: int = 0) -> dict[str, Any]:
        def look() -> dict[str, Any] | None:
            health = self.system.health(self.id)
            ready = health["protected"] and health["state"] == "live" and health["generation"] > above
            return health if ready else None

        return wait_for("protection", look, within_s=PROTECTED_S, every_s=0.3)

    def generation(self) -> int:
        return int(self.system.health(self.id)["generation"])

    def worker(self, generation: int) -> psutil.Process:
        return worker_process(self.system, self.id, generation)

    def reports(self) -> dict[int, dict[str, Any]]:
        """By the generation that took over."""
        answer = self.system.call("GET", f"/api/streams/{self.id}/failovers?limit=100")
        return {one["generation"]: one for one in answer.body["failovers"]} if answer.status == 200 else {}


def measure(grade: str, kinds: list[str], *, video: Path, count: int, chance: random.Random) -> list[Cell]:
    happened: dict[str, list[tuple[float, float, int]]] = {kind: [] for kind in kinds}
    with _show(grade, video) as show:
        show.protected()
        cpu = _cpu(show)
        for kind in kinds:
            for _ in range(count):
                if grade == "cold":
                    time.sleep(COLD_REST_S)
                happened[kind].append(_once(show, kind, chance))
        show.viewer.stop()
        reports = show.reports()
    return [
        Cell(grade, kind, [_event(show.viewer, reports, *one) for one in events], cpu)
        for kind, events in happened.items()
    ]


def _once(show: Show, kind: str, chance: random.Random) -> tuple[float, float, int]:
    """From when until when to look, and the generation that was lost."""
    before = show.protected()
    time.sleep(chance.uniform(0.5, 2.5))
    generation = int(before["generation"])
    at_s = time.monotonic()
    stopped = None
    if kind == "planned":
        answer = show.system.call("POST", f"/api/streams/{show.id}/drill", {"kind": "planned"})
        if answer.status != 200:
            raise SystemExit(f"the planned switch was refused: {answer}")
        if not answer.body["failovers"][0]["complete"]:
            # The old worker went on, as it should when the new one is late.
            print(f"a planned switch did not come to its end: {answer.body['failovers'][0]}")
            return at_s, time.monotonic(), generation
    elif kind == "node":
        psutil.Process(show.worker(generation).ppid()).kill()
    elif kind == "stall":
        stopped = show.worker(generation)
        stopped.send_signal(signal.SIGSTOP)
    else:
        show.worker(generation).kill()
    wait_for("another generation", lambda: show.generation() > generation, within_s=60, every_s=0.2)
    time.sleep(WATCH_S)
    if stopped is not None and stopped.is_running():
        stopped.send_signal(signal.SIGCONT)
    return at_s, time.monotonic(), generation


def _event(viewer: Viewer, reports: dict[int, dict[str, Any]], since: float, until: float, lost: int) -> Event:
    report = next((one for _, one in sorted(reports.items()) if one["from_generation"] == lost), None)
    return Event(viewer.usual(since), viewer.window(since, until), report)


def _cpu(show: Show) -> dict[str, float | None]:
    """Percent of one core over ten seconds: the active worker, and the one that stands by, if one runs."""
    generation = show.generation()
    active = show.worker(generation)
    others = [one for one in show.system.children("worker") if one.pid != active.pid]
    watched = [active, *others[:1]]
    for one in watched:
        one.cpu_percent()
    time.sleep(CPU_S)
    figures: list[float | None] = [one.cpu_percent() for one in watched]
    return dict(zip(("active", "standby"), [*figures, None], strict=False))


@contextmanager
def _show(grade: str, video: Path) -> Iterator[Show]:
    with (
        tempfile.TemporaryDirectory() as folder,
        running_system(Path(folder) / "data", "--encoders", "3", **LOGS) as system,
    ):
        asked: dict[str, object] = {"renditions": LADDER, "segment_ms": 2_000}
        if grade != "default":
            asked["standby"] = grade
        stream = system.open_stream(**asked)
        with publishing(video, system.publish_url(stream), *LOOPED):
            system.until("the stream", lambda: system.health(stream["stream_id"])["state"] == "live", within_s=40)
            try:
                yield Show(system, stream, Viewer(stream["playback"]["rtmp"]).start())
            except BaseException:  # as it was found, since the log goes with the folder
                print(system.log.read_text()[-LOG_TAIL:], file=sys.stderr)
                raise
