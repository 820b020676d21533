"""What a failover must not change, seen from outside: every picture once, every sound once, the same publisher.

`Show` is one running stream with its real publisher and two viewers; `check_*` judge what the viewers got.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import psutil

from tests.e2e import marks
from tests.e2e.capture import HlsCapture, Track, each_picture, packet_times_s
from tests.e2e.flv_viewer import FlvViewer
from tests.e2e.publishers import publishing
from tests.e2e.source import gaps, read_number
from tests.e2e.system import System
from tests.support.peers import wait_for

AAC_FRAME_S = 1024 / 48_000
LADDER = [
    {"name": "360p", "resolution": "640x360", "bitrate": 600_000, "fps": 30},
    {"name": "240p", "resolution": "426x240", "bitrate": 300_000, "fps": 30},
]
LOGS = {"ENCMAN_LOG_FORMAT": "json"}
"""What a system is started with, so that its log says which process is which worker."""


@dataclass
class Show:
    system: System
    stream: dict[str, Any]
    capture: HlsCapture
    viewer: FlvViewer
    publisher: psutil.Process
    door: tuple[str, int]
    """The publisher's own end of its connection."""

    @property
    def id(self) -> str:
        return str(self.stream["stream_id"])

    def health(self) -> dict[str, Any]:
        return self.system.health(self.id)

    def active(self) -> psutil.Process:
        """The process whose picture counts now."""
        return worker_process(self.system, self.id, self.health()["generation"])

    def protected(self, *, above: int = 0, within_s: float = 40.0) -> dict[str, Any]:
        """Its health once a generation above that one speaks and a backup stands ready."""

        def look() -> dict[str, Any] | None:
            health = self.health()
            ready = health["protected"] and health["state"] == "live" and health["generation"] > above
            return health if ready else None

        return wait_for(f"a backup after generation {above}", look, within_s=within_s, every_s=0.25)

    def more_segments(self, count: int) -> None:
        target = self.capture.segments_of_every_track() + count
        wait_for("more segments", lambda: self.capture.segments_of_every_track() >= target, within_s=45)

    def reports(self) -> list[dict[str, Any]]:
        """Of the switches that were measured, the oldest first."""
        answer = self.system.call("GET", f"/api/streams/{self.id}/failovers?limit=1000")
        assert answer.status == 200, answer
        return list(reversed(answer.body["failovers"]))

    def report_of(self, lost: int) -> dict[str, Any]:
        """Of the switch away from this generation."""
        return wait_for(
            f"the report of the switch from generation {lost}",
            lambda: next((one for one in self.reports() if one["from_generation"] == lost), None),
            within_s=30,
            every_s=0.5,
        )

    def check_publisher(self) -> None:
        """Still the same process on the same connection."""
        assert self.publisher.is_running()
        assert own_door(self.publisher) == self.door, "the publisher had to connect again"


@contextmanager
def show(system: System, video: Path, **request: object) -> Iterator[Show]:
    """A stream with its publisher and viewers, that has some segments already. Read what was captured after it."""
    asked: dict[str, object] = {"resolution": "640x360", "bitrate": 1_000_000, "segment_ms": 2_000}
    stream = system.open_stream(**(asked | {"renditions": LADDER} | request))
    capture = HlsCapture(stream["playback"]["hls"]).start()
    viewer = FlvViewer(stream["playback"]["http_flv"])
    try:
        with publishing(video, system.publish_url(stream)) as publisher:
            wait_for("the first segments", lambda: capture.segments_of_every_track() >= 1, within_s=40)
            viewer.start()
            process = psutil.Process(publisher.pid)
            yield Show(system, stream, capture, viewer, process, own_door(process))
            capture.stop()
            viewer.stop()
    finally:
        system.end_stream(stream["stream_id"])


def worker_process(system: System, stream_id: str, generation: int) -> psutil.Process:
    """As its node's log in the data directory says it; the node must have been started with LOGS."""

    def look() -> int | None:
        for log in system.data_dir.glob("*.log"):
            for line in log.read_text().splitlines():
                if '"worker started"' in line and stream_id in line:
                    told = json.loads(line)
                    if told["generation"] == generation:
                        return int(told["pid"])
        return None

    return psutil.Process(wait_for(f"the worker of generation {generation}", look))


def own_door(process: psutil.Process) -> tuple[str, int]:
    """Address and port of the one TCP connection that this process has."""
    (connection,) = [one for one in process.net_connections("tcp") if one.status == psutil.CONN_ESTABLISHED]
    return (connection.laddr.ip, connection.laddr.port)


def check_pictures(track: Track, *, at_least: int) -> None:
    """Every counter value once and in order, each at its place on the timeline, nobody told of a break."""
    seen = [(read_number(picture.frame), picture.time_s) for picture in each_picture(track)]
    assert len(seen) >= at_least
    assert not gaps([number for number, _ in seen]), "pictures were lost or doubled"
    steps = [(number, two - one) for (_, one), (number, two) in pairwise(seen)]
    uneven = [(number, step) for number, step in steps if not 0.031 <= step <= 0.036]
    assert not uneven, "the timeline jumps at these pictures"
    assert track.discontinuities == 0


def check_sound(track: Track, source: Path) -> None:
    """Every packet of the source once and in order from the first on, evenly in time, and every mark heard."""
    uneven = [two - one for one, two in pairwise(packet_times_s(track)) if abs(two - one - AAC_FRAME_S) > 0.002]
    assert not uneven, "sound has gaps or overlaps"
    with av.open(io.BytesIO(track.data())) as container:
        heard = list(marks.read_marks(container.decode(audio=0)))
    assert len(heard) >= 4 * 5
    assert not marks.breaks(heard, within_s=AAC_FRAME_S), "sound is out of step with its own marks"
    with av.open(str(source)) as container:
        sent = _payloads(container)
    with av.open(io.BytesIO(track.data())) as container:
        got = _payloads(container)
    starts = [i for i, payload in enumerate(sent) if payload == got[0]]
    assert any(sent[i : i + len(got)] == got for i in starts), "sound is not what was sent, packet for packet"
    assert track.discontinuities == 0


def _payloads(container: av.container.InputContainer) -> list[bytes]:
    return [bytes(packet) for packet in container.demux(audio=0) if packet.size]


def check_report(report: dict[str, Any]) -> None:
    """What an outside count has found: nothing is missing, nothing came twice."""
    assert report["complete"], report
    assert {track["name"] for track in report["tracks"]} >= {"360p", "240p", "audio"}, report
    assert all(track["missing"] == 0 and track["doubled"] == 0 for track in report["tracks"]), report
    assert not report["parameters_changed"], report


def check_everything(seen: Show, source: Path, *, seconds: float) -> None:
    """All tracks of the capture, after its show."""
    for name in ("360p", "240p"):
        check_pictures(seen.capture.tracks[name], at_least=int(seconds * 30))
    check_sound(seen.capture.tracks["audio"], source)
    assert not seen.capture.errors
    assert seen.viewer.ended is None, "the viewer was cut"
