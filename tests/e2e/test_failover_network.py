"""The network between a gateway and the worker that encodes for it is cut, and nobody is told: no frame is lost."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.cable import Cable, cable
from tests.e2e.outside import LOGS, check_everything, check_report, show
from tests.e2e.source import Source
from tests.e2e.system import System, running_system

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

FAR, NEAR = "encoder-far", "encoder-1"


@pytest.fixture
def video(source_file: Callable[..., Path]) -> Path:
    return source_file(Source(seconds=120, width=640, height=360, marks=True, bit_rate=500_000))


@contextmanager
def far_node(system: System, link: Cable) -> Iterator[None]:
    """An encoder node at the far end of the cable."""
    environ = os.environ | LOGS
    environ |= {
        "ENCMAN_CONTROL_URL": system.facts["control_url"],
        "ENCMAN_ENCODER_ID": FAR,
        "ENCMAN_HOST_ID": "far",
        "ENCMAN_DATA_DIR": str(system.data_dir),
    }
    command = [*link.inside, sys.executable, "-m", "app", "encoder"]
    with (system.data_dir / "far.log").open("w") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=log, stderr=log, env=environ, cwd=system.data_dir
        )
    try:
        system.until("the far node", lambda: state(system, FAR) == "online", within_s=40)
        yield
    finally:
        process.terminate()
        process.communicate(timeout=30)


def state(system: System, encoder_id: str) -> str | None:
    encoders = system.call("GET", "/api/encoders").body["encoders"]
    return next((one["state"] for one in encoders if one["encoder_id"] == encoder_id), None)


def control(system: System, encoder_id: str, action: str) -> None:
    answer = system.call("POST", f"/api/encoders/{encoder_id}/control", {"action": action})
    assert answer.status == 200, answer


def test_no_frame_is_lost_when_the_network_to_the_worker_is_cut(tmp_path: Path, video: Path) -> None:
    with (
        cable() as link,
        running_system(tmp_path / "data", "--encoders", "1", "--host", link.here, **LOGS) as system,
        far_node(system, link),
    ):
        control(system, NEAR, "drain")  # so that the far one becomes the primary
        with show(system, video) as seen:
            control(system, NEAR, "undrain")
            before = seen.protected()
            assert before["primary_encoder_id"] == FAR
            link.cut()
            try:
                system.until("the other one to encode", lambda: seen.health()["primary_encoder_id"] == NEAR)
                seen.more_segments(2)
            finally:
                link.mend()
            after = seen.protected(above=before["generation"])
            assert after["backup_encoder_id"] == FAR
            report = seen.report_of(before["generation"])
            assert (report["kind"], report["cause"]) == ("reflex", "stalled")
            check_report(report)
            seen.more_segments(2)
            seen.check_publisher()
        check_everything(seen, video, seconds=5)
