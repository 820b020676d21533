"""A planned switch costs nothing at all: no frame, and no time in which the picture stands still."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.outside import LOGS, check_everything, check_report, show
from tests.e2e.source import Source
from tests.e2e.system import System, running_system

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

PLANNED = 3
FRAME_MS = 1000 / 30


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    with running_system(tmp_path_factory.mktemp("up") / "data", **LOGS) as running:
        yield running


@pytest.fixture
def video(source_file: Callable[..., Path]) -> Path:
    return source_file(Source(seconds=120, width=640, height=360, marks=True, bit_rate=500_000))


def test_a_planned_switch_loses_no_frame_and_no_time(system: System, video: Path) -> None:
    more_ms: list[float] = []
    with show(system, video) as seen:
        for _ in range(PLANNED):
            before = seen.protected()["generation"]
            began = time.monotonic()
            time.sleep(3.0)  # what the picture's steadiness is compared with
            ordered = time.monotonic()
            answer = seen.system.call("POST", f"/api/streams/{seen.id}/drill", {"kind": "planned"})
            assert answer.status == 200, answer
            (report,) = answer.body["failovers"]
            check_report(report)
            assert (report["kind"], report["decided_by"], report["from_generation"]) == ("planned", "drill", before)
            usual = seen.viewer.longest_gap_s(began, ordered)
            over = seen.viewer.longest_gap_s(ordered, time.monotonic())
            assert usual is not None
            assert over is not None
            print(f"stall {report['stall_ms']:.0f} ms, seen {over * 1000:.0f} ms, before {usual * 1000:.0f} ms")
            more_ms.append((over - usual) * 1000)
        seen.more_segments(2)
        seen.check_publisher()
    check_everything(seen, video, seconds=5)
    assert statistics.median(more_ms) <= 1.5 * FRAME_MS, "the picture stood still over a planned switch"


def test_draining_an_encoder_moves_its_stream_without_a_lost_frame(system: System, video: Path) -> None:
    with show(system, video) as seen:
        before = seen.protected()
        encoder = before["primary_encoder_id"]
        operate(system, encoder, "drain")
        try:
            report = seen.report_of(before["generation"])
            assert (report["kind"], report["decided_by"]) == ("planned", "operator")
            assert seen.health()["primary_encoder_id"] != encoder
            check_report(report)
            seen.more_segments(2)
        finally:
            operate(system, encoder, "undrain")
        seen.protected(above=before["generation"])
        seen.check_publisher()
    check_everything(seen, video, seconds=5)


def operate(system: System, encoder_id: str, action: str) -> None:
    answer = system.call("POST", f"/api/encoders/{encoder_id}/control", {"action": action})
    assert answer.status == 200, answer
