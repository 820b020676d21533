"""Streams that hardware encoders publish: simulated HELOs, each a process of its own, over their real interface."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from typing import Any

import pytest

from app.media.encoding.card import read_counter
from tests.e2e.capture import HlsCapture, each_picture
from tests.e2e.outside import LOGS
from tests.e2e.system import System, running_system
from tests.support.peers import wait_for

pytestmark = pytest.mark.e2e

SMALL = "320x180"
MARGIN_FRAMES = 3
"""Both devices film the same clock, and each sends what it sees with a delay of its own."""


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    with running_system(tmp_path_factory.mktemp("up") / "data", **LOGS) as running:
        yield running


@contextmanager
def helo() -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A simulated device, and the address of its web interface."""
    command = [sys.executable, "-m", "app", "simulate", "helo", "--json", "--quick", "--size", SMALL]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ) as process:
        try:
            assert process.stdout is not None
            yield process, json.loads(process.stdout.readline())["simulators"][0]["url"]
        finally:
            process.kill()


def entered(system: System, url: str, encoder_id: str) -> str:
    body = {"kind": "aja_helo", "url": url, "encoder_id": encoder_id}
    answer = system.call("POST", "/api/encoders", body)
    assert answer.status == 201, answer
    assert answer.body["kind"] == "aja_helo"
    return encoder_id


def inputs(system: System, stream_id: str) -> dict[str, dict[str, Any]]:
    return {each["input"]: each for each in system.health(stream_id)["inputs"]}


def test_a_stream_of_devices_outlives_the_loss_of_one_and_gets_a_third(system: System) -> None:
    with ExitStack() as devices:
        units = {name: devices.enter_context(helo()) for name in ("helo-a", "helo-b")}
        for name, (_, url) in units.items():
            entered(system, url, name)
        stream = system.open_stream(resolution=SMALL, bitrate=1_000_000, input="device", segment_ms=2_000)
        stream_id = stream["stream_id"]
        first = stream["primary_encoder"]["encoder_id"]
        second = stream["backup_encoder"]["encoder_id"]
        assert {first, second} == units.keys()
        capture = HlsCapture(stream["playback"]["hls"]).start()
        wait_for("pictures of the device", lambda: capture.segments_of_every_track() >= 2, within_s=30)
        system.until("both devices", lambda: system.health(stream_id)["protected"], within_s=30)
        assert inputs(system, stream_id)["main"]["on_air"]
        before = capture.segments_of_every_track()
        third = entered(system, devices.enter_context(helo())[1], "helo-c")

        units[first][0].kill()

        system.until("the second device on air", lambda: inputs(system, stream_id)["backup"]["on_air"])
        system.until("its report", lambda: _reports(system, stream_id))
        (report,) = _reports(system, stream_id)
        assert (report["kind"], report["from_encoder_id"], report["to_encoder_id"]) == ("input", first, second)
        wait_for("pictures after the loss", lambda: capture.segments_of_every_track() >= before + 4, within_s=30)

        def is_replaced() -> bool:
            health = system.health(stream_id)
            roles = health["primary_encoder_id"], health["backup_encoder_id"]
            return bool(health["protected"]) and roles == (second, third)

        system.until("the third device as backup", is_replaced, within_s=60)
        capture.stop()
        (lost,) = jumps(capture)
        assert abs(report["frames_missing"] - lost) <= MARGIN_FRAMES, (report, lost)
        system.end_stream(stream_id)


def test_another_picture_goes_on_air_by_a_change_to_the_other_device(system: System) -> None:
    with ExitStack() as devices:
        for name in ("helo-d", "helo-e"):
            entered(system, devices.enter_context(helo())[1], name)
        stream = system.open_stream(resolution=SMALL, bitrate=1_500_000, input="device", segment_ms=2_000)
        stream_id = stream["stream_id"]
        capture = HlsCapture(stream["playback"]["hls"]).start()
        wait_for("pictures of the device", lambda: capture.segments_of_every_track() >= 2, within_s=30)
        system.until("both devices", lambda: system.health(stream_id)["protected"], within_s=30)

        answer = system.call("PUT", f"/api/streams/{stream_id}/config", {"bitrate": 1_000_000})

        assert answer.status == 200, answer
        assert answer.body["change_class"] == "planned_switch"
        assert inputs(system, stream_id)["backup"]["on_air"]
        before = capture.segments_of_every_track()
        system.until("both devices again", lambda: system.health(stream_id)["protected"], within_s=30)
        wait_for("pictures after it", lambda: capture.segments_of_every_track() >= before + 3, within_s=30)
        capture.stop()
        (report,) = _reports(system, stream_id)
        assert report["decided_by"] == "operator"
        assert report["frames_missing"] <= MARGIN_FRAMES
        (jump,) = jumps(capture) or [0]
        assert abs(jump) <= MARGIN_FRAMES
        system.end_stream(stream_id)


def jumps(capture: HlsCapture) -> list[int]:
    """How many pictures are missing at each place where the count does not go on; below 0: some came twice."""
    (track,) = [track for name, track in capture.tracks.items() if name != "audio"]
    numbers = [read_counter(picture.frame) for picture in each_picture(track)]
    return [after - one - 1 for one, after in pairwise(numbers) if after - one != 1]


def _reports(system: System, stream_id: str) -> list[dict[str, Any]]:
    answer = system.call("GET", f"/api/streams/{stream_id}/failovers")
    assert answer.status == 200, answer
    return list(answer.body["failovers"])
