"""The same with nginx-rtmp: `exec_push` runs an ffmpeg that transcodes into another application; it is killed."""

from __future__ import annotations

import random
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from benchmarks.failover.figures import Cell, Event
from benchmarks.failover.viewer import Viewer
from tests.e2e.publishers import publishing
from tests.support.peers import wait_for
from tests.support.servers import nginx_rtmp

LOOPED = ("-stream_loop", "-1")
SETTLE_S = 6.0


def measure(name: str, respawn: str | None, *, video: Path, count: int, chance: random.Random) -> Cell:
    """`respawn`: how long nginx waits before it starts the program again; None: its default."""
    events: list[tuple[float, float]] = []
    with _served(respawn) as (port, nginx), publishing(video, f"rtmp://127.0.0.1:{port}/live/show", *LOOPED):
        viewer = Viewer(f"rtmp://127.0.0.1:{port}/out/show").start()
        wait_for("the peer's picture", lambda: viewer.last_at_s, within_s=60)
        for _ in range(count):
            time.sleep(SETTLE_S + chance.uniform(0.0, 2.0))
            at_s = time.monotonic()
            _encoder(nginx).kill()
            wait_for("the peer's picture again", lambda at_s=at_s: _flows(viewer, at_s), within_s=60)
            events.append((at_s, time.monotonic() + 2.0))
        time.sleep(2.5)
        viewer.stop()
    seen = [Event(viewer.usual(since), viewer.window(since, until), None) for since, until in events]
    return Cell(name, "kill", seen)


def _flows(viewer: Viewer, since_s: float) -> bool:
    """A picture came after the longest that one in flight can take."""
    return viewer.last_at_s is not None and viewer.last_at_s > since_s + 0.5


def _encoder(nginx: psutil.Process) -> psutil.Process:
    return wait_for(
        "the peer's ffmpeg",
        lambda: next((one for one in nginx.children(recursive=True) if one.name() == "ffmpeg"), None),
    )


@contextmanager
def _served(respawn: str | None) -> Iterator[tuple[int, psutil.Process]]:
    ffmpeg = (
        f"{shutil.which('ffmpeg')} -loglevel quiet -fflags nobuffer -i rtmp://127.0.0.1:{{port}}/live/$name"
        " -c:v libx264 -preset veryfast -tune zerolatency -s 1280x720 -b:v 2500k -maxrate 2500k -bufsize 2500k"
        " -g 60 -sc_threshold 0 -c:a copy -f flv rtmp://127.0.0.1:{port}/out/$name"
    )
    applications = "application live { live on; exec_push " + ffmpeg + "; } application out { live on; }"
    options = {} if respawn is None else {"respawn_timeout": respawn}
    with nginx_rtmp(applications, **options) as port:
        (nginx,) = [one for one in psutil.Process().children() if one.name() == "nginx"]
        yield port, nginx
