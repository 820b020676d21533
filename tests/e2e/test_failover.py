"""A failover loses no frame, and its report is true: the active worker ends in every way, seen from outside.

Each test kills, freezes or cuts what encodes a running stream, then decodes all that a viewer got: every number
drawn into the picture is there exactly once, and so is every packet of sound.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.e2e.outside import LOGS, Show, check_everything, check_report, show
from tests.e2e.source import Source
from tests.e2e.system import System, running_system
from tests.support.peers import wait_for

COUNT = int(os.environ.get("FAILOVERS", "20"))
"""Failovers of the long test; 200 for a night."""
SEED = int(os.environ.get("FAILOVERS_SEED", random.randrange(1_000_000)))
EACH_S = 8
"""Most that one failover of the long test may take, with the wait for the next backup."""
VIDEO = Source(seconds=60 + COUNT * EACH_S, width=640, height=360, marks=True, bit_rate=500_000)

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    with running_system(tmp_path_factory.mktemp("up") / "data", **LOGS) as running:
        yield running


@pytest.fixture
def video(source_file: Callable[..., Path]) -> Path:
    return source_file(VIDEO)


@pytest.mark.timeout(120 + COUNT * (EACH_S + 2))
def test_no_frame_is_lost_when_the_worker_is_killed_at_random_moments(system: System, video: Path) -> None:
    print(f"FAILOVERS_SEED={SEED}")
    chance = random.Random(SEED)
    began = time.monotonic()
    apart_ms: list[float] = []
    with show(system, video) as seen:
        for _ in range(COUNT):
            before = seen.protected()["generation"]
            pause(chance.uniform(0.0, 2.0))
            killed_s = time.monotonic()
            kill(seen)
            seen.protected(above=before)
            report = seen.report_of(before)
            check_report(report)
            assert report["kind"] == "reflex", report
            assert report["proved"], report
            gap_s = seen.viewer.longest_gap_s(killed_s, time.monotonic())
            assert gap_s is not None
            apart_ms.append(gap_s * 1000 - report["stall_ms"])
            print(
                f"generation {report['generation']}: stall {report['stall_ms']:.0f} ms, seen {gap_s * 1000:.0f} ms"
            )
        seen.more_segments(2)
        seen.check_publisher()
        assert len(seen.reports()) == COUNT
    check_everything(seen, video, seconds=time.monotonic() - began - 15)
    # A busy machine lets the viewer see many of them late. Reports that were wrong would be so in every one.
    closest = sorted(abs(apart) for apart in apart_ms)[: max(1, COUNT // 4)]
    assert closest[-1] <= 20, ("the reports and the viewer disagree", apart_ms)


def test_no_frame_is_lost_when_the_worker_stands_still_and_wakes_up_replaced(system: System, video: Path) -> None:
    with show(system, video) as seen:
        before = seen.protected()
        frozen = seen.active()
        frozen.send_signal(signal.SIGSTOP)
        generation = before["generation"]
        wait_for("another generation", lambda: seen.health()["generation"] > generation, every_s=0.25)
        with contextlib.suppress(psutil.NoSuchProcess):
            frozen.send_signal(signal.SIGCONT)
        gone("the worker that was replaced", frozen)
        seen.protected(above=generation)
        check_report(seen.report_of(generation))
        seen.more_segments(2)
        seen.check_publisher()
    check_everything(seen, video, seconds=5)


def test_no_frame_is_lost_when_a_whole_node_is_killed(system: System, video: Path) -> None:
    with show(system, video) as seen:
        before = seen.protected()
        worker = seen.active()
        node = psutil.Process(worker.ppid())
        node.kill()
        gone("the worker of the killed node", worker)
        after = seen.protected(above=before["generation"])
        assert after["primary_encoder_id"] != before["primary_encoder_id"]
        check_report(seen.report_of(before["generation"]))
        seen.more_segments(2)
        seen.check_publisher()
    check_everything(seen, video, seconds=5)


def test_no_frame_is_lost_when_the_next_worker_is_killed_five_seconds_later(system: System, video: Path) -> None:
    with show(system, video) as seen:
        first = seen.protected()
        kill(seen)
        pause(5.0)
        wait_for("another worker", lambda: seen.health()["generation"] > first["generation"], every_s=0.25)
        second = seen.health()["generation"]
        kill(seen)
        seen.protected(above=second)
        seen.more_segments(2)
        seen.check_publisher()
    check_everything(seen, video, seconds=5)


@pytest.mark.parametrize("grade", ["cold", "hot", "active-active"])
def test_no_frame_is_lost_under_every_grade_of_standby(system: System, video: Path, grade: str) -> None:
    with show(system, video, standby=grade) as seen:
        for _ in range(2):
            before = seen.protected()["generation"]
            kill(seen)
            seen.protected(above=before)
            report = seen.report_of(before)
            check_report(report)
            assert report["grade"] == grade
        seen.more_segments(2)
        seen.check_publisher()
    check_everything(seen, video, seconds=5)


def test_no_frame_is_lost_when_active_and_standby_are_killed_at_once(system: System, video: Path) -> None:
    with show(system, video) as seen:
        before = seen.protected()["generation"]
        for worker in system.children("worker"):
            worker.kill()
        seen.protected(above=before)
        seen.more_segments(2)
        seen.check_publisher()
    check_everything(seen, video, seconds=5)


def test_no_frame_is_lost_when_control_dies_with_the_worker(system: System, video: Path) -> None:
    with show(system, video) as seen:
        before = seen.protected()["generation"]
        worker = seen.active()
        control = system.children("control")[0]
        control.kill()
        worker.kill()
        seen.more_segments(2)
        wait_for("control's return", lambda: ready(system), within_s=40, every_s=0.25)
        seen.protected(above=before)
        check_report(seen.report_of(before))
        seen.check_publisher()
    check_everything(seen, video, seconds=5)


def ready(system: System) -> bool:
    try:
        return system.call("GET", "/readyz").status == 200
    except OSError:
        return False


def kill(seen: Show) -> None:
    """The process whose picture counts, by SIGKILL."""
    seen.active().kill()


def gone(what: str, process: psutil.Process) -> None:
    _, alive = psutil.wait_procs([process], timeout=20)
    assert not alive, f"still running: {what}"


def pause(seconds: float) -> None:
    """So that what follows happens at a moment that nothing else chose."""
    time.sleep(seconds)
