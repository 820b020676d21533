"""A pipeline that listens: keeps the last second, and goes on from it when it is told to speak."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import av
import pytest

from app.domain.ladder import AUDIO_TRACK, AudioMode, AudioPlan, FrameRate, Rendition
from app.domain.stream import EncodeSettings
from app.media.encoding import sharing
from app.media.encoding.meter import Meter
from app.media.encoding.packets import AudioPacket, SourceItem
from app.media.encoding.pipeline import Pipeline
from app.media.encoding.rungs import Picture
from app.media.encoding.sharing import Sharing
from app.media.encoding.words import StartAfter
from app.runtime.clock import monotonic
from tests.unit.media.encoding.clips import BIG, Programme, clip, collect, run, settings, small, until_ms, video_of

B_FRAMES = small(b_frames=2)


def listened(
    items: Sequence[SourceItem], plan: EncodeSettings, start_after: StartAfter, *, told_at_ms: int
) -> Programme:
    """What comes of a pipeline that hears `items` and is told to speak in the middle of them."""
    programme = Programme()
    pipeline = Pipeline(plan, listening=True, on_problem=programme.problems.append)
    told_at = until_ms(items, told_at_ms)

    def feed() -> None:
        for item in items[:told_at]:
            pipeline.put(item)
        while not pipeline.speak(start_after):
            pass
        for item in items[told_at:]:
            pipeline.put(item)
        pipeline.finish()

    return collect(pipeline, feed, programme)


@pytest.mark.parametrize("source", [small(), B_FRAMES, small(fps=Fraction(60))], ids=["30", "B-frames", "60"])
@pytest.mark.parametrize("after_ms", [1_150, 1_500, 2_001])
@pytest.mark.parametrize("lag_ms", [100, 700])
def test_it_goes_on_exactly_after_the_last_frame_let_through(source: object, after_ms: int, lag_ms: int) -> None:
    items = clip(source)  # type: ignore[arg-type]  # parametrize knows no types
    half = Rendition("half", 256, 144, FrameRate(15), 200_000)
    plan = settings(BIG, half)
    whole = run(items, plan)
    last = {track: max(t for t in whole.times(track) if t <= after_ms) for track in ("big", "half", AUDIO_TRACK)}
    rest = listened(items, plan, last, told_at_ms=after_ms + lag_ms)
    for track, time_ms in last.items():
        assert rest.times(track) == [t for t in whole.times(track) if t > time_ms]
    for track in ("big", "half"):
        assert rest.packets[track][0].is_key
        assert rest.keys(track)[1:] == [t for t in whole.keys(track) if t > rest.keys(track)[0]]
        assert rest.numbers(track) == whole.numbers(track)[-len(rest.times(track)) :]


def test_sound_that_is_encoded_goes_on_too() -> None:
    items = clip(small(audio="libmp3lame"))
    plan = settings(BIG, audio=AudioPlan(AudioMode.ENCODE))
    whole = run(items, plan)
    last = max(t for t in whole.times(AUDIO_TRACK) if t <= 1_500)
    rest = listened(items, plan, {"big": 1_500, AUDIO_TRACK: last}, told_at_ms=1_700)
    assert rest.times(AUDIO_TRACK) == [t for t in whole.times(AUDIO_TRACK) if t > last]


def test_no_more_than_the_last_second_is_kept() -> None:
    items = clip(small())
    rest = listened(items, settings(BIG), {}, told_at_ms=2_400)
    newest = max(packet.pts_ms for packet in video_of(items) if packet.dts_ms <= 2_400)
    assert rest.times("big")[0] == min(p.pts_ms for p in video_of(items) if p.pts_ms >= newest - sharing.KEEP_MS)
    sound = [item.pts_ms for item in items if isinstance(item, AudioPacket)]
    newest_sound = max(time for time in sound if time <= 2_400)
    assert rest.times(AUDIO_TRACK)[0] == min(time for time in sound if time >= newest_sound - sharing.KEEP_MS)


def test_large_pictures_are_kept_for_less_than_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    items = clip(small())
    one = 320 * 180 * 3 // 2
    monkeypatch.setattr(sharing, "KEEP_BYTES", 12 * one)
    rest = listened(items, settings(BIG), {}, told_at_ms=2_000)
    kept = [time for time in rest.times("big") if time <= 2_000]
    assert 6 <= len(kept) <= 12


@pytest.mark.parametrize(("keep_bytes", "reach_ms"), [(None, 1_100), (12 * 320 * 180 * 3 // 2, 200)])
def test_it_knows_how_far_back_it_reaches(
    monkeypatch: pytest.MonkeyPatch, keep_bytes: int | None, reach_ms: int
) -> None:
    if keep_bytes is not None:
        monkeypatch.setattr(sharing, "KEEP_BYTES", keep_bytes)
    pipeline = Pipeline(settings(BIG), listening=True)
    assert pipeline.reaches({"big": None}), "there is nothing it could have lost"
    for item in clip(small()):
        pipeline.put(item)
    newest = max(packet.pts_ms for packet in video_of(clip(small())))
    while pipeline.waiting:
        pass
    assert pipeline.reaches({"big": newest - reach_ms})
    assert not pipeline.reaches({"big": newest - 1_250})
    assert not pipeline.reaches({"big": None})
    if keep_bytes is not None:
        deadline = monotonic() + 10
        while pipeline.reaches({"big": newest - 600}):
            assert monotonic() < deadline
    pipeline.abort()
    pipeline.join()


def test_nothing_comes_out_before_it_speaks_and_all_of_it_ends_with_the_source() -> None:
    programme = Programme()
    pipeline = Pipeline(settings(), listening=True)

    def feed() -> None:
        for item in clip(small()):
            pipeline.put(item)
        pipeline.finish()

    collect(pipeline, feed, programme)
    assert programme.packets == {}


def test_a_picture_of_an_earlier_time_is_dropped_while_listening_too() -> None:
    meter = Meter()
    sharing_ = Sharing([], meter, listening=True)
    for time in (40, 40, 0, 80):
        frame = av.VideoFrame(16, 16, "yuv420p")
        frame.pts = time
        sharing_.take(Picture(frame, Fraction(1)))
    assert meter.read(0.0).frames_dropped == 2
