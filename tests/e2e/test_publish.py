"""What real publishers send comes out as a ladder with every frame, aligned and in sync."""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import pytest

from tests.e2e.capture import HlsCapture, Track, packet_times_s, pictures
from tests.e2e.publishers import publish_with_ffmpeg, publish_with_libavformat
from tests.e2e.source import Source, beep_times_s, read_number
from tests.e2e.system import System
from tests.support.peers import wait_for

pytestmark = pytest.mark.e2e

SYNC_S = 0.040


def rung(name: str, resolution: str, bitrate: int, fps: Fraction) -> dict[str, object]:
    return {"name": name, "resolution": resolution, "bitrate": bitrate, "fps": float(fps)}


def small_ladder(fps: Fraction) -> list[dict[str, object]]:
    return [rung("360p", "640x360", 800_000, fps), rung("240p", "426x240", 400_000, fps)]


SOURCES = {
    "720p30 without B-frames": Source(seconds=9),
    "720p30 with B-frames": Source(seconds=9, b_frames=2),
    "1080p60": Source(seconds=8, width=1920, height=1080, fps=Fraction(60)),
    "29.97 fps": Source(seconds=8, width=640, height=360, fps=Fraction(30000, 1001)),
    "mono at 44.1 kHz": Source(seconds=9, width=640, height=360, rate=44_100, channels=1),
    "MP3 sound": Source(seconds=9, width=640, height=360, rate=44_100, audio="libmp3lame"),
    "video only": Source(seconds=9, width=640, height=360, audio=None),
}


def publish_and_capture(
    system: System, path: Path, source: Source, *, enhanced: bool = False, **request: object
) -> HlsCapture:
    """Open a session, publish the whole file, end the session, and give all that a viewer could get."""
    asked: dict[str, object] = {
        "resolution": f"{source.width}x{source.height}",
        "fps": float(source.fps),
        "bitrate": 2_500_000,
        "segment_ms": 2_000,
        "preset": "ultrafast",
    }
    stream = system.open_stream(**(asked | request))
    capture = HlsCapture(stream["playback"]["hls"]).start()
    publish = publish_with_libavformat if enhanced else publish_with_ffmpeg
    publish(path, system.publish_url(stream), within_s=source.seconds + 40)
    wait_until_encoded(system, stream["stream_id"], source)
    system.end_stream(stream["stream_id"])
    wait_for("the end of the playlists", capture.ended)
    capture.stop()
    assert not capture.errors
    return capture


def wait_until_encoded(system: System, stream_id: str, source: Source) -> None:
    """The programme has as many frames as the source, or, without a picture, stands still."""
    if source.video is None:
        return

    def every_frame() -> bool:
        counts = [t["frames"] for t in system.health(stream_id)["tracks"] if t["name"] != "audio"]
        return bool(counts) and min(counts) >= source.frames

    system.until("every frame of the programme", every_frame, within_s=40)


def renditions(capture: HlsCapture) -> dict[str, Track]:
    return {name: track for name, track in capture.tracks.items() if name != "audio"}


@pytest.mark.parametrize("name", SOURCES)
def test_every_frame_of_the_source_is_in_every_rendition(
    system: System, source_file: Callable[..., Path], name: str
) -> None:
    source = SOURCES[name]
    capture = publish_and_capture(system, source_file(source), source, renditions=small_ladder(source.fps))
    check_ladder(capture, source, expected={"360p", "240p"})


def test_hevc_by_enhanced_rtmp(system: System, source_file: Callable[..., Path]) -> None:
    source = Source(seconds=8, width=640, height=360, video="libx265")
    capture = publish_and_capture(
        system, source_file(source, ".mp4"), source, renditions=small_ladder(source.fps)[1:], enhanced=True
    )
    check_ladder(capture, source, expected={"240p"})


def test_the_ladder_that_nobody_asked_for_begins_with_the_asked_resolution(
    system: System, source_file: Callable[..., Path]
) -> None:
    source = SOURCES["29.97 fps"]
    capture = publish_and_capture(system, source_file(source), source, resolution="640x360")
    check_ladder(capture, source, expected={"360p"})
    assert "RESOLUTION=640x360" in capture.multivariant


def test_sound_alone_makes_a_programme(system: System, source_file: Callable[..., Path]) -> None:
    source = Source(seconds=9, video=None)
    capture = publish_and_capture(system, source_file(source), source)
    beeps = beeps_of(capture.tracks["audio"])
    assert len(beeps) >= source.seconds - 1
    assert [round(b - beeps[0]) for b in beeps] == list(range(len(beeps)))


def check_ladder(capture: HlsCapture, source: Source, *, expected: set[str]) -> None:
    tracks = renditions(capture)
    assert expected <= set(tracks)
    assert sum(track.discontinuities for track in capture.tracks.values()) == 0
    shown = {name: pictures(track) for name, track in tracks.items()}
    for name, seen in shown.items():
        assert [read_number(p.frame) for p in seen] == list(range(source.frames)), name
    times = [[p.time_s for p in seen] for seen in shown.values()]
    assert all(other == times[0] for other in times), "renditions are not aligned"
    assert all(set(track.segments) == set(next(iter(tracks.values())).segments) for track in tracks.values())
    if source.audio is not None:
        check_sound(capture.tracks["audio"], source, first_picture_s=times[0][0])


def check_sound(track: Track, source: Source, *, first_picture_s: float) -> None:
    """Beep k belongs to frame k * fps; the first may be cut by the encoder's priming."""
    beeps = beeps_of(track)
    assert len(beeps) >= source.seconds - 1
    for beep in beeps[1 if len(beeps) > source.seconds - 1 else 0 :]:
        offset = beep - first_picture_s
        assert abs(offset - round(offset)) <= SYNC_S, beeps
    starts = packet_times_s(track)
    frame_s = 1024 / source.rate
    steps = [later - earlier for earlier, later in itertools.pairwise(starts)]
    assert max(steps) <= 2 * frame_s, "a gap in the sound"
    assert min(steps) > 0, "sound overlaps"


def beeps_of(track: Track) -> list[float]:
    with av.open(io.BytesIO(track.data())) as container:
        return beep_times_s(container)
