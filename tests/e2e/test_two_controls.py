"""Two controls on one PostgreSQL over real media: the one that leads stands still, and the picture never does."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from dotenv import dotenv_values

from tests.contract.conftest import new_database
from tests.e2e.outside import LOGS, check_everything, check_report, show
from tests.e2e.source import Source
from tests.e2e.system import System, running_system
from tests.support.peers import free_port
from tests.support.servers import postgres

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

VIDEO = Source(seconds=150, width=640, height=360, marks=True, bit_rate=500_000)
LEASE_S = 5


@dataclass
class Pair:
    """`system` with its control, gateway and nodes, and a second control. Whom `system` asks is told by `ask`."""

    system: System
    urls: tuple[str, str]

    def leader(self) -> psutil.Process:
        return self.system.children("control")[0]

    def ask(self, number: int) -> None:
        self.system.facts["control_url"] = self.urls[number]

    def until_it_stands_by(self) -> None:
        self.system.until("it stands by", lambda: self._says(503, "standby: control-"), within_s=60)

    def until_it_leads(self) -> None:
        self.system.until("it leads", lambda: self._says(200, "ready"), within_s=60)

    def until_one_leads(self) -> None:
        """Whichever it is; that one is asked from then on."""

        def look() -> bool:
            self.ask(1 if self.system.facts["control_url"] == self.urls[0] else 0)
            return self._says(200, "ready")

        self.system.until("one leads", look, within_s=60)

    def until_nobody_leads(self) -> None:
        self.system.until("nobody leads", lambda: self._says(503, "nobody is known to lead"), within_s=60)

    def _says(self, status: int, words: str) -> bool:
        try:
            answer = self.system.call("GET", "/readyz")
        except OSError:
            return False
        return answer.status == status and words in str(answer.body)


@contextmanager
def second_control(system: System, environ: dict[str, str], folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    folder.mkdir()
    secrets = {name: value for name, value in dotenv_values(system.data_dir / "secrets.env").items() if value}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "app", "control"],
            env=os.environ | secrets | environ | {"ENCMAN_DATA_DIR": str(folder)},
            stdout=log,
            stderr=log,
            cwd=folder,
        )
        try:
            yield process
        finally:
            process.terminate()
            process.wait(timeout=30)


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    ports = (free_port(), free_port())
    urls = (f"http://127.0.0.1:{ports[0]}", f"http://127.0.0.1:{ports[1]}")
    with postgres() as base:
        shared = {
            "ENCMAN_DATABASE_URL": asyncio.run(new_database(base)),
            "ENCMAN_CONTROL_URL": ",".join(urls),
            "ENCMAN_LEADER_LEASE_S": str(LEASE_S),
            "PYTHONPATH": str(Path.cwd()),
            **LOGS,
        }
        options = ("--control-port", str(ports[0]))
        with running_system(tmp_path / "data", *options, **shared) as system:
            other = shared | {"ENCMAN_CONTROL_PORT": str(ports[1])}
            with second_control(system, other, tmp_path / "second"):
                pair = Pair(system, urls)
                pair.ask(1)
                pair.until_it_stands_by()
                pair.ask(0)
                yield pair


def test_no_frame_is_lost_when_the_leader_and_the_worker_fail_in_one_moment(
    pair: Pair, source_file: Callable[..., Path]
) -> None:
    video = source_file(VIDEO)
    began = time.monotonic()
    with show(pair.system, video) as seen:
        before = seen.protected()["generation"]
        active, leader = seen.active(), pair.leader()
        leader.send_signal(signal.SIGSTOP)
        active.kill()
        pair.ask(1)
        pair.until_it_leads()
        health = seen.protected(above=before)
        check_report(seen.report_of(before))
        leader.send_signal(signal.SIGCONT)
        pair.ask(0)
        pair.until_it_stands_by()
        pair.ask(1)
        seen.more_segments(3)
        after = seen.health()
        assert (after["generation"], after["state"]) == (health["generation"], "live")
        assert leader.is_running()
        seen.check_publisher()
    check_everything(seen, video, seconds=time.monotonic() - began - 20)


def test_streams_go_on_and_fail_over_while_the_database_stands_still(
    pair: Pair, source_file: Callable[..., Path]
) -> None:
    video = source_file(VIDEO)
    began = time.monotonic()
    with show(pair.system, video) as seen:
        before = seen.protected()["generation"]
        active = seen.active()
        pids = [child.pid for child in pair.system.children("control")]
        with standing_still("postgres"):
            pair.until_nobody_leads()
            refused = pair.system.call("POST", "/api/streams/init", {"resolution": "640x360", "bitrate": 1_000_000})
            assert refused.status == 503
            assert pair.system.call("GET", "/livez").status == 200
            active.kill()
            seen.more_segments(2)
        pair.until_one_leads()
        after = seen.protected(above=before)
        assert after["generation"] > before
        check_report(seen.report_of(before))
        assert [child.pid for child in pair.system.children("control")] == pids
        seen.check_publisher()
    check_everything(seen, video, seconds=time.monotonic() - began - 20)


@contextmanager
def standing_still(name: str) -> Iterator[None]:
    """All processes of that name that this test started."""
    found = [child for child in psutil.Process().children(recursive=True) if child.name() == name]
    assert found
    for process in found:
        process.suspend()
    try:
        yield
    finally:
        for process in found:
            process.resume()
