"""The pipeline: every frame of the source once in every rendition, at its own time, key frames on the grid."""

from __future__ import annotations

import itertools
from fractions import Fraction
from threading import Event

import pytest

from app.domain.errors import InvalidRequest
from app.domain.ladder import AUDIO_TRACK, FrameRate, Rendition
from app.domain.stream import EncodeSettings
from app.media.encoding.grid import FrameGate, Verdict
from app.media.encoding.packets import AudioConfig, AudioPacket, SourceItem, VideoConfig, VideoEnd, VideoPacket
from app.media.encoding.pipeline import Pipeline
from tests.unit.media.encoding.clips import (
    BIG,
    SMALL,
    audio_of,
    clip,
    encode_clip,
    from_key_at_or_before,
    run,
    settings,
    shifted,
    small,
    video_of,
    without_reorder_bound,
)


def first_and_crossings(times: list[int]) -> list[int]:
    """Where key frames belong with one second between grid lines."""
    return [times[0], *(b for a, b in itertools.pairwise(times) if b // 1000 > a // 1000)]


B_FRAMES = small(b_frames=2)


@pytest.mark.parametrize(
    "source",
    [
        small(),
        B_FRAMES,
        small(fps=Fraction(30_000, 1_001)),
        small(video="libx265", b_frames=3),
        small(keyframe_s=1, width=640, height=360),
    ],
    ids=["plain", "B-frames", "29.97 fps", "HEVC", "scaled down"],
)
def test_every_frame_of_the_source_comes_out_once_at_its_own_time(source: object) -> None:
    items = clip(source)  # type: ignore[arg-type]  # parametrize knows no types
    programme = run(items)
    shown = sorted(packet.pts_ms for packet in video_of(items))
    for track in ("big", "small"):
        assert programme.times(track) == shown
        assert programme.numbers(track) == list(range(len(shown)))
    assert programme.meter is not None
    assert (programme.meter.frames_encoded, programme.meter.frames_dropped) == (len(shown), 0)


@pytest.mark.parametrize("b_frames", [0, 1, 3])
def test_no_frame_is_lost_where_the_header_does_not_bound_reordering(b_frames: int) -> None:
    items = [
        without_reorder_bound(item) if isinstance(item, VideoConfig) else item
        for item in clip(small(b_frames=b_frames))
    ]
    assert run(items).numbers("big") == list(range(90))


@pytest.mark.parametrize(
    ("encoder", "options"),
    [("libvpx-vp9", {"deadline": "realtime", "cpu-used": "8"}), ("libsvtav1", {"preset": "9", "crf": "20"})],
)
def test_vp9_and_av1_sources_come_out_whole(encoder: str, options: dict[str, str]) -> None:
    programme = run(encode_clip(encoder, options))
    assert programme.numbers("big") == list(range(30))


def test_key_frames_lie_where_the_timeline_crosses_the_grid_whatever_the_source_does() -> None:
    items = shifted(clip(small(keyframe_s=3)), 12_345)
    programme = run(items)
    assert programme.keys("big") == first_and_crossings(programme.times("big"))
    assert programme.keys("small") == programme.keys("big")


def test_renditions_of_other_frame_rates_have_their_key_frames_at_the_same_times() -> None:
    half = Rendition("half", 256, 144, FrameRate(15), 200_000)
    third = Rendition("third", 256, 144, FrameRate(10), 200_000)
    programme = run(clip(small()), settings(BIG, half, third))
    assert programme.keys("big") == programme.keys("half") == programme.keys("third")
    assert len(programme.times("half")) == 45
    assert len(programme.times("third")) == 30
    assert set(programme.times("half")) < set(programme.times("big"))


def test_60_fps_become_30_by_leaving_out_every_second_frame() -> None:
    programme = run(clip(small(fps=Fraction(60))), settings(BIG))
    # The clip begins 21 ms after a grid line, late in a slot: its first frame is taken all the same.
    assert programme.numbers("big") == [0, *range(1, 180, 2)]


@pytest.mark.parametrize("phase_ms", [0, 3, 8, 12, 15, 21, 30])
def test_the_source_s_phase_makes_no_odd_step(phase_ms: int) -> None:
    gate = FrameGate(FrameRate(30), 1_000)
    times = [round(n * 1000 / 60) + phase_ms for n in range(600)]
    taken = [time for time in times if gate.judge(time) is not Verdict.SKIP][1:]
    assert {b - a for a, b in itertools.pairwise(taken)} <= {33, 34}


def test_a_source_with_a_rate_a_little_off_the_rendition_loses_nothing() -> None:
    programme = run(clip(small(fps=Fraction(30_000, 1_001))), settings(BIG))
    assert programme.numbers("big") == list(range(len(programme.times("big"))))


def test_two_renditions_of_one_size_are_two_encodings() -> None:
    cheap = Rendition("cheap", BIG.width, BIG.height, BIG.frame_rate, 100_000)
    programme = run(clip(small()), settings(BIG, cheap))
    assert programme.numbers("big") == programme.numbers("cheap") == list(range(90))


@pytest.mark.parametrize("source", [small(), B_FRAMES, small(fps=Fraction(60))], ids=["30", "B-frames", "60"])
@pytest.mark.parametrize("after_ms", [1_150, 1_500, 2_001])
def test_a_second_encoder_goes_on_exactly_after_the_last_frame_let_through(source: object, after_ms: int) -> None:
    items = clip(source)  # type: ignore[arg-type]  # parametrize knows no types
    half = Rendition("half", 256, 144, FrameRate(15), 200_000)
    plan = settings(BIG, half)
    whole = run(items, plan)
    last = {track: max(t for t in whole.times(track) if t <= after_ms) for track in ("big", "half", AUDIO_TRACK)}
    rest = run(from_key_at_or_before(items, min(last.values())), plan, start_after=last)
    for track, time_ms in last.items():
        assert rest.times(track) == [t for t in whole.times(track) if t > time_ms]
    for track in ("big", "half"):
        assert rest.packets[track][0].is_key
        assert rest.keys(track)[1:] == [t for t in whole.keys(track) if t > rest.keys(track)[0]]
        expected = whole.numbers(track)[-len(rest.times(track)) :]
        assert rest.numbers(track) == expected


def test_parameter_sets_are_the_same_in_every_run() -> None:
    first, second = run(clip(small())), run(from_key_at_or_before(clip(small()), 2_000))
    assert {t: h[0].extradata for t, h in first.videos.items()} == {
        t: h[0].extradata for t, h in second.videos.items()
    }


def test_hevc_can_be_the_programme() -> None:
    plan = settings(BIG)
    plan = EncodeSettings(plan.ladder, plan.keyframe_interval_ms, plan.preset, codec="libx265")
    programme = run(clip(small()), plan)
    assert programme.videos["big"][0].codec == "hevc"
    assert programme.numbers("big") == list(range(90))
    assert programme.keys("big") == first_and_crossings(programme.times("big"))


def test_aac_passes_through_untouched() -> None:
    items = clip(small(rate=44_100, channels=1))
    programme = run(items)
    assert [(p.pts_ms, p.data) for p in programme.packets[AUDIO_TRACK]] == [
        (p.pts_ms, p.data) for p in audio_of(items)
    ]
    config = next(item for item in items if isinstance(item, AudioConfig))
    assert [header.extradata for header in programme.audio] == [config.extradata]


def test_a_source_without_sound_and_one_without_picture_are_fine() -> None:
    assert run(clip(small(audio=None))).packets.keys() == {"big", "small"}
    assert run(clip(small(video=None))).packets.keys() == {AUDIO_TRACK}


def test_an_audio_only_ladder_leaves_the_picture_alone() -> None:
    plan = settings()
    plan = EncodeSettings(type(plan.ladder)(()), 1_000)
    programme = run(clip(small()), plan)
    assert programme.packets.keys() == {AUDIO_TRACK}
    assert programme.meter is not None
    assert programme.meter.frames_dropped == 0


def test_torn_packets_are_skipped_counted_and_survived() -> None:
    items = list(clip(small(keyframe_s=1)))
    torn = [n for n, item in enumerate(items) if isinstance(item, VideoPacket) and 300 < item.pts_ms < 600]
    for n in torn:
        item = items[n]
        assert isinstance(item, VideoPacket)
        items[n] = VideoPacket(item.dts_ms, item.pts_ms, b"\xff" * 40, item.is_key)
    programme = run(items)
    assert programme.meter is not None
    assert programme.meter.frames_dropped == len(torn)
    later = [t for t in programme.times("big") if t >= 1_000]
    assert later == [p.pts_ms for p in video_of(items) if p.pts_ms >= 1_000]


def test_a_header_that_cant_be_read_is_a_problem_not_the_end() -> None:
    good = clip(small())
    programme = run([VideoConfig("h264", b"\x01garbage"), VideoConfig("vc1", b""), *good])
    assert len(programme.problems) == 1
    assert "vc1" in programme.problems[0]
    assert programme.numbers("big") == list(range(90))


def test_pictures_before_any_header_are_counted() -> None:
    programme = run([VideoPacket(0, 0, b"\x00\x00\x00\x01\x65"), AudioPacket(0, b"\x00")])
    assert programme.meter is not None
    assert programme.meter.frames_dropped == 1


def test_a_new_header_with_another_size_goes_on_in_the_same_renditions() -> None:
    first, second = clip(small()), clip(small(width=640, height=360, seconds=2))
    end = max(packet.pts_ms for packet in video_of(first)) + 33
    programme = run([*first, *shifted(second, end)])
    assert programme.numbers("big") == [*range(90), *range(60)]
    assert len(programme.videos["big"]) == 1, "the parameter sets do not change"


def test_what_the_decoder_holds_back_comes_out_when_the_publisher_ends_its_picture() -> None:
    items = clip(B_FRAMES)
    programme = run([*items, VideoEnd(), *shifted(items, 5_000)])
    assert programme.numbers("big") == [*range(90), *range(90)]


def test_time_never_runs_backwards_in_the_programme() -> None:
    items = clip(small())
    programme = run([*items, *items])
    assert programme.times("big") == [packet.pts_ms for packet in video_of(items)]
    assert programme.meter is not None
    assert programme.meter.frames_dropped == 90


def test_a_portrait_picture_gets_black_borders_not_another_shape() -> None:
    programme = run(clip(small(width=180, height=320)), settings(BIG))
    frame = programme.frames("big")[5]
    row = memoryview(frame.planes[0])[90 * frame.planes[0].line_size :]
    assert [row[x] <= 24 for x in (5, 100, 160, 220, 315)] == [True, True, False, True, True]


def test_an_input_nobody_takes_from_is_held_back_and_let_go_on_abort() -> None:
    pipeline = Pipeline(settings(BIG, SMALL))
    items = clip(small())
    taken = 0
    for round_number in range(200):
        if not all(pipeline.try_put(item) for item in shifted(items, round_number * 3_000)):
            break
        taken += 1
    assert taken < 199, "somewhere the queues are full"
    pipeline.abort()
    pipeline.join()


@pytest.mark.parametrize("codec", ["mpeg1video", "libx264; rm", ""])
def test_an_unknown_encoder_is_refused_at_once(codec: str) -> None:
    with pytest.raises(InvalidRequest, match="unknown encoder"):
        Pipeline(EncodeSettings(settings().ladder, 1_000, codec=codec))


def test_an_encoder_that_refuses_is_told_as_the_failure() -> None:
    plan = EncodeSettings(settings().ladder, 1_000, preset="plaid")
    with pytest.raises(InvalidRequest, match="plaid"):
        run(clip(small()), plan)


def test_a_thread_that_hangs_is_not_waited_for_without_end() -> None:
    hung, go_on = Event(), Event()

    def hang(problem: str) -> None:
        hung.set()
        go_on.wait()

    pipeline = Pipeline(settings(), on_problem=hang)
    pipeline.put(VideoConfig("no codec", b""))
    hung.wait()
    pipeline.abort()
    pipeline.join(0.01)
    assert pipeline.outbox.is_over
    go_on.set()
    pipeline.join()


@pytest.mark.parametrize("audio", ["aac", "libmp3lame"])
def test_headers_that_are_said_again_change_nothing(audio: str) -> None:
    items = clip(small(b_frames=2, audio=audio))
    headers = [item for item in items if isinstance(item, VideoConfig | AudioConfig)]
    again: list[SourceItem] = []
    for place, item in enumerate(items):
        again += [*headers, item] if place > len(headers) and place % 7 == 0 else [item]
    programme, plain = run(again), run(items)
    assert programme.numbers("big") == list(range(90))
    assert programme.times("big") == plain.times("big")
    assert programme.times(AUDIO_TRACK) == plain.times(AUDIO_TRACK)
    assert len(programme.audio) == len(plain.audio)
