"""A running stream is changed: destinations in place, the picture by a new worker, and nobody loses a frame."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from tests.e2e.capture import pictures
from tests.e2e.flv_viewer import FlvViewer
from tests.e2e.source import Source, gaps, read_number
from tests.e2e.system import System
from tests.e2e.test_survival import LADDER, more_segments, numbers, watched
from tests.support.peers import wait_for

pytestmark = pytest.mark.e2e


@pytest.fixture
def video(source_file: Callable[..., Path]) -> Path:
    return source_file(Source(seconds=60, width=640, height=360))


def test_a_new_bitrate_takes_effect_without_a_lost_frame(system: System, video: Path) -> None:
    with watched(system, video, renditions=LADDER) as (stream, capture, publisher):
        path = f"/api/streams/{stream['stream_id']}"
        before = system.health(stream["stream_id"])
        changed = system.call("PUT", f"{path}/config", {"bitrate": 2_000_000})
        assert changed.status == 200, changed
        assert changed.body["change"] == "in_place"
        more_segments(capture, 3)
        after = system.health(stream["stream_id"])
        assert after["generation"] == before["generation"]
        assert after["state"] == "live"
        assert publisher.poll() is None
    assert not gaps(numbers(capture.tracks["240p"])), "frames were lost or doubled"


def test_an_end_and_a_beginning_of_recording_change_nothing_else(system: System, video: Path) -> None:
    with watched(system, video, mode="passthrough") as (stream, capture, publisher):
        path = f"/api/streams/{stream['stream_id']}"
        for record in (True, False):
            changed = system.call("PUT", f"{path}/config", {"record": record})
            assert (changed.status, changed.body["change"]) == (200, "in_place"), changed
            more_segments(capture, 1)
        assert publisher.poll() is None
    assert list(system.data_dir.glob(f"recordings/{stream['stream_id']}/part-*.mp4"))
    assert not gaps(numbers(capture.tracks["source"])), "frames were lost or doubled"


def test_another_size_takes_effect_without_a_lost_frame_and_no_viewer_has_to_reconnect(
    system: System, video: Path
) -> None:
    with watched(system, video, resolution="854x480", bitrate=1_500_000) as (stream, capture, publisher):
        assert set(capture.tracks) >= {"480p", "360p"}
        wait_for("protected", lambda: system.health(stream["stream_id"])["protected"], within_s=40)
        viewer = FlvViewer(stream["playback"]["http_flv"]).start()
        wait_for("pictures over HTTP-FLV", lambda: viewer.pictures, within_s=20)
        changed = system.call(
            "PUT", f"/api/streams/{stream['stream_id']}/config", {"resolution": "640x360", "bitrate": 1_000_000}
        )
        assert changed.status == 200, changed
        assert changed.body["change"] == "planned_switch"
        left = capture.tracks["480p"]
        wait_for("the other size", lambda: len(left.inits) == 2, within_s=45)
        more_segments(capture, 2)
        viewer.stop()
        assert publisher.poll() is None
        assert "480p" not in capture.multivariant
    assert not gaps(numbers(capture.tracks["360p"])), "frames were lost or doubled"
    seen = pictures(left)
    assert not gaps([read_number(picture.frame) for picture in seen]), "frames were lost or doubled"
    assert {picture.frame.height for picture in seen} == {480, 360}
    assert not capture.errors
    assert viewer.ended is None
    steps = [later.dts_ms - earlier.dts_ms for earlier, later in pairwise(viewer.pictures)]
    assert {*steps} <= {33, 34}, "frames were lost or doubled over HTTP-FLV"
