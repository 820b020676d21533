"""What readings of a channel say about its stream."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from app.domain.ids import StreamId
from app.domain.ladder import FrameRate, Ladder, Rendition
from app.domain.link import ChannelReading, SourceUp, TrackReading
from app.domain.stream import Input
from app.policy.stream_state import judge, programme_moves
from app.services.observation import Observation

AT = datetime(2030, 1, 1, tzinfo=UTC)
LADDER = Ladder((Rendition("720p", 1280, 720, FrameRate(30), 3_000_000),))


def reading(frames: int, *, source_frames: int | None = None, up: bool = True, bps: float = 3e6) -> ChannelReading:
    tracks = (
        TrackReading("audio", frames, 1, 128e3, None, None),
        TrackReading("360p", frames, 1, 1e6, 30.0, None),
        TrackReading("720p", frames, 1, bps, 30.0, None),
    )
    sent = frames if source_frames is None else source_frames
    return ChannelReading(StreamId("s"), AT, up, 4e6, 30.0, sent, 0, 0, 0.0, tracks, 0, 0, 40.0)


def state(seen: Observation, now: float) -> str:
    return judge(seen.signs(None), now).state.value


def test_a_publisher_comes_the_programme_follows_stands_still_and_goes() -> None:
    seen = Observation()
    assert state(seen, 0.0) == "waiting"
    seen.source_up(SourceUp(StreamId("s"), AT, "peer", None, "h264", None), 1.0)
    assert state(seen, 1.0) == "starting"
    seen.read(reading(0, source_frames=10), LADDER, 2.0)
    seen.read(reading(30, source_frames=40), LADDER, 3.0)
    assert state(seen, 3.0) == "live"
    for second in (4.0, 5.0, 6.0):
        seen.read(reading(30, source_frames=40 + 30 * int(second)), LADDER, second)
    assert state(seen, 6.0) == "degraded"
    seen.read(reading(30, up=False), LADDER, 7.0)
    assert state(seen, 7.0) == "waiting"


def test_after_a_restart_one_reading_tells_that_all_is_well() -> None:
    seen = Observation()
    seen.read(reading(5_000), LADDER, 1.0)
    assert seen.heard_at == 1.0
    assert seen.published
    assert state(seen, 1.0) == "live"
    assert programme_moves(seen.signs(None), 1.0)


def test_frames_of_an_earlier_publisher_do_not_make_a_new_one_live() -> None:
    seen = Observation()
    seen.read(reading(5_000), LADDER, 1.0)
    seen.source_down(4.0)
    seen.source_up(SourceUp(StreamId("s"), AT, "peer", None, "h264", None), 5.0)
    seen.read(reading(5_000, source_frames=5_010), LADDER, 6.0)
    assert state(seen, 6.0) == "starting"


def test_a_gateway_that_counts_from_nothing_again_is_understood() -> None:
    seen = Observation()
    seen.read(reading(5_000), LADDER, 1.0)
    seen.read(reading(10), LADDER, 2.0)
    seen.read(reading(40), LADDER, 3.0)
    assert seen.signs(None).progress_at == 3.0


def test_the_bitrate_is_the_highest_renditions_and_audios() -> None:
    seen = Observation()
    assert seen.bitrate(LADDER) is None
    seen.read(reading(1), LADDER, 1.0)
    assert seen.bitrate(LADDER) == pytest.approx(3.128e6)


def test_variance_is_known_only_after_some_readings() -> None:
    seen = Observation()
    for second, bps in enumerate((1e6, 5e6, 1e6, 5e6)):
        seen.read(reading(second + 1, bps=bps), LADDER, float(second))
    assert seen.bitrate_variance() is None
    seen.read(reading(9, bps=1e6), LADDER, 9.0)
    variance = seen.bitrate_variance()
    assert variance is not None
    assert variance > 0.2


def test_a_change_of_input_leaves_a_live_stream_live_and_another_publisher_begins_anew() -> None:
    seen = Observation()
    seen.source_up(SourceUp(StreamId("s"), AT, "peer", None, "h264", None), 1.0)
    seen.read(reading(0, source_frames=10), LADDER, 2.0)
    seen.read(reading(30, source_frames=40), LADDER, 3.0)
    seen.source_up(SourceUp(StreamId("s"), AT, "other", None, "h264", None, input=Input.BACKUP), 3.5)
    assert (state(seen, 3.5), seen.on_air) == ("live", Input.BACKUP)
    seen.source_up(SourceUp(StreamId("s"), AT, "third", None, "h264", None, input=Input.BACKUP), 4.0)
    assert state(seen, 4.0) == "starting"
