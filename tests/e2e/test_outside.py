"""The eyes of the failover tests see what they are there for: one frame lost, one packet gone, one step in time."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import av
import pytest

from tests.e2e.capture import Track
from tests.e2e.outside import check_pictures, check_sound
from tests.e2e.source import Source

pytestmark = pytest.mark.e2e


@pytest.fixture
def video(source_file: Callable[..., Path]) -> Path:
    return source_file(Source(seconds=10, width=640, height=360, marks=True))


def captured(video: Path, kind: str, *, without: int | None = None, later_ms: int = 0, after: int = 0) -> Track:
    """One track of the file as a viewer would hold it, without one packet, or with those after it moved."""
    memory = io.BytesIO()
    options = {"movflags": "frag_keyframe+empty_moov"}
    with av.open(str(video)) as source, av.open(memory, "w", format="mp4", options=options) as sink:
        stream = getattr(source.streams, kind)[0]
        copy = sink.add_stream_from_template(stream)
        packets = [packet for packet in source.demux(stream) if packet.dts is not None and packet.pts is not None]
        for number, packet in enumerate(packets):
            if number > after:
                packet.pts, packet.dts = packet.pts + later_ms, packet.dts + later_ms
            if number != without:
                packet.stream = copy
                sink.mux(packet)
    init = memory.getvalue()
    return Track("", init=init, inits={"init": init}, segments={0: b""}, init_of={0: "init"})


def test_nothing_is_found_where_nothing_is_wrong(video: Path) -> None:
    check_pictures(captured(video, "video"), at_least=290)
    check_sound(captured(video, "audio"), video)


def test_one_lost_picture_is_found(video: Path) -> None:
    with pytest.raises(AssertionError, match="lost or doubled"):
        check_pictures(captured(video, "video", without=100), at_least=290)


def test_a_step_in_the_pictures_time_is_found(video: Path) -> None:
    with pytest.raises(AssertionError, match="timeline"):
        check_pictures(captured(video, "video", later_ms=10, after=100), at_least=290)


def test_one_lost_packet_of_sound_is_found_even_where_the_rest_has_moved_up(video: Path) -> None:
    with pytest.raises(AssertionError, match="gaps"):
        check_sound(captured(video, "audio", without=200), video)
    with pytest.raises(AssertionError, match=r"marks|what was sent"):
        check_sound(captured(video, "audio", without=200, later_ms=-21, after=200), video)
