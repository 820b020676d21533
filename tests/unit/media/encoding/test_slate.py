"""Slates: pictures and silence in real time while the publisher is away, then the source again."""

from __future__ import annotations

import itertools
from array import array
from collections.abc import Sequence
from fractions import Fraction
from threading import Event

import av
import pytest

from app.domain.ladder import AUDIO_TRACK, AudioMode, AudioPlan, FrameRate, Ladder, Rendition
from app.domain.stream import EncodeSettings, SlateMode
from app.media.encoding.packets import AudioConfig, SourceItem, TrackPacket
from app.media.encoding.pipeline import Pipeline
from app.media.encoding.silence import Silence
from app.media.encoding.slate import SlateTimes, still_picture
from tests.unit.media.encoding.clips import (
    BIG,
    Programme,
    audio_of,
    clip,
    collect,
    settings,
    shifted,
    small,
    until_ms,
    video_of,
)

GONE_MS = 10_000
BACK_MS = 20_000


def with_slate(
    items: Sequence[SourceItem],
    plan: EncodeSettings,
    mode: SlateMode,
    *,
    from_ms: int | None = GONE_MS,
    track: str = "small",
    packets: int = 12,
    back: Sequence[SourceItem] = (),
) -> Programme:
    """The source, a slate until so many of its packets have come out of a track, then what comes `back`."""
    programme = Programme()
    shown = Event()
    pipeline = Pipeline(plan, idle_flush_s=0.5)

    def watch(packet: TrackPacket) -> None:
        of_slate = [time for time in programme.times(track) if time >= (from_ms or 3_000)]
        if len(of_slate) >= packets:
            shown.set()

    def feed() -> None:
        for item in items:
            pipeline.put(item)
        assert pipeline.slate(mode, from_ms)
        assert shown.wait(20)
        for item in back:
            pipeline.put(item)
        pipeline.finish()

    return collect(pipeline, feed, programme, watch)


def rising(times: Sequence[int]) -> bool:
    return all(b > a for a, b in itertools.pairwise(times))


def test_the_last_picture_is_repeated_until_the_source_is_back() -> None:
    items = clip(small())
    programme = with_slate(items, settings(), SlateMode.LAST_FRAME, back=shifted(items, BACK_MS))
    for track in ("big", "small"):
        times = programme.times(track)
        assert rising(times)
        slate = [time for time in times if GONE_MS <= time < BACK_MS]
        assert slate[:4] == [GONE_MS, GONE_MS + 33, GONE_MS + 67, GONE_MS + 100]
        numbers = programme.numbers(track)
        assert numbers == [*range(90), *[89] * len(slate), *range(90)]
    assert len(programme.videos["big"]) == 1, "players need not begin anew"
    grid = [time for time in programme.keys("big") if time % 1_000 < 34]
    assert GONE_MS in grid


def test_a_still_card_is_shown_at_each_rendition_s_own_rate() -> None:
    half = Rendition("half", 256, 144, FrameRate(15), 200_000)
    programme = with_slate(clip(small()), settings(BIG, half), SlateMode.STILL, track="half", packets=6)
    slate = [time for time in programme.times("half") if time >= GONE_MS]
    assert slate[:4] == [GONE_MS, GONE_MS + 67, GONE_MS + 133, GONE_MS + 200]
    card = still_picture(BIG).frame
    shown = programme.frames("big")[-1]
    difference = [abs(a - b) for a, b in zip(luma(card), luma(shown), strict=True)]
    assert sum(difference) / len(difference) < 8


def test_silence_goes_with_the_pictures_in_the_format_of_the_sound() -> None:
    items = clip(small(rate=44_100, channels=1))
    back = shifted(items, BACK_MS)
    programme = with_slate(items, settings(), SlateMode.LAST_FRAME, packets=20, back=back)
    assert rising(programme.times(AUDIO_TRACK))
    assert len(programme.audio) == 1
    silent = [p for p in programme.packets[AUDIO_TRACK] if GONE_MS <= p.pts_ms < BACK_MS]
    assert [p.pts_ms - GONE_MS for p in silent[:4]] == [0, 23, 46, 70]
    pictures = [time for time in programme.times("big") if GONE_MS <= time < BACK_MS]
    assert abs(silent[-1].pts_ms - pictures[-1]) < 60
    assert [p.data for p in programme.packets[AUDIO_TRACK] if p.pts_ms >= BACK_MS] == [
        p.data for p in audio_of(items)
    ]


def test_sound_that_is_encoded_goes_on_after_the_silence() -> None:
    items = clip(small(audio="libmp3lame"))
    plan = settings(audio=AudioPlan(AudioMode.ENCODE))
    programme = with_slate(items, plan, SlateMode.LAST_FRAME, back=shifted(items, BACK_MS))
    times = programme.times(AUDIO_TRACK)
    assert rising(times)
    assert len(programme.audio) == 1
    assert len([time for time in times if GONE_MS <= time < BACK_MS]) > 3
    assert len([time for time in times if time >= BACK_MS]) > 100


def test_a_source_that_was_only_late_goes_on_in_the_middle_of_its_group() -> None:
    items = clip(small(keyframe_s=3))
    place = until_ms(items, 1_500)
    late = shifted(items, BACK_MS)[place:]
    programme = with_slate(items[:place], settings(), SlateMode.LAST_FRAME, back=late)
    before = sum(time < GONE_MS for time in programme.times("big"))
    slate = sum(GONE_MS <= time < BACK_MS for time in programme.times("big"))
    assert programme.numbers("big") == [*range(before), *[before - 1] * slate, *range(before, 90)]


def test_without_any_picture_before_the_slate_is_a_card_right_after_the_start() -> None:
    programme = with_slate([], settings(), SlateMode.LAST_FRAME, from_ms=None, packets=1)
    assert programme.times("big")[0] == 33


def test_a_slate_never_goes_back_in_time() -> None:
    items = clip(small())
    newest = max(packet.pts_ms for packet in video_of(items))
    programme = with_slate(items, settings(), SlateMode.LAST_FRAME, from_ms=1_000, packets=80)
    slate = [time for time in programme.times("big") if time > newest]
    assert slate[0] == newest + 33
    assert rising(programme.times("big"))
    assert rising(programme.times(AUDIO_TRACK))


def test_an_audio_only_programme_has_silence() -> None:
    plan = EncodeSettings(Ladder(()), 1_000)
    programme = with_slate(clip(small()), plan, SlateMode.STILL, track=AUDIO_TRACK)
    assert programme.packets.keys() == {AUDIO_TRACK}
    assert rising(programme.times(AUDIO_TRACK))


def test_pictures_are_due_in_real_time_and_late_ones_are_left_out() -> None:
    times = SlateTimes(5_000, FrameRate(30), 100.0)
    assert (times.wait_s(100.0), times.next_ms(100.0)) == (0.0, 5_000)
    assert times.wait_s(100.01) == pytest.approx(0.0233, abs=0.001)
    assert times.next_ms(100.034) == 5_033
    assert times.wait_s(103.0) == 0.0
    assert times.next_ms(103.0) == 8_000, "a thread that stood still does not make up for it"
    assert times.next_ms(103.0) == 8_033


@pytest.mark.parametrize(("width", "height"), [(1920, 1080), (320, 180), (64, 36), (426, 240)])
def test_a_card_of_any_size_has_something_on_it(width: int, height: int) -> None:
    frame = still_picture(Rendition("r", width, height, FrameRate(30), 1)).frame
    assert (frame.width, frame.height) == (width, height)
    assert len(set(luma(frame))) == 2


def luma(frame: av.VideoFrame) -> list[int]:
    plane = frame.planes[0]
    rows = memoryview(plane)
    return [v for y in range(frame.height) for v in rows[y * plane.line_size :][: frame.width]]


@pytest.mark.parametrize(("rate", "channels"), [(48_000, 2), (44_100, 1), (22_050, 2)])
def test_silent_frames_decode_to_silence_between_others(rate: int, channels: int) -> None:
    items = clip(small(rate=rate, channels=channels))
    config = next(item for item in items if isinstance(item, AudioConfig))
    silence = Silence.of(config.extradata)
    assert silence is not None
    assert silence.duration_ms == Fraction(1_024_000, rate)
    context = av.CodecContext.create("aac", "r")
    context.extradata = config.extradata
    data = [packet.data for packet in audio_of(items)]
    loudness = [
        peak(frame)
        for coded in [data[0], *[silence.frame] * 3, data[1]]
        for frame in context.decode(av.Packet(coded))
    ]
    assert len(loudness) == 5
    assert loudness[3] == 0.0


@pytest.mark.parametrize("speakers", range(1, 8))
def test_every_layout_has_its_silence(speakers: int) -> None:
    config = (2 << 11 | 3 << 7 | speakers << 3).to_bytes(2, "big")
    silence = Silence.of(config)
    assert silence is not None
    context = av.CodecContext.create("aac", "r")
    context.extradata = config
    frames = [frame for _ in range(3) for frame in context.decode(av.Packet(silence.frame))]
    assert [frame.layout.nb_channels for frame in frames] == [8 if speakers == 7 else speakers] * 3
    assert max(peak(frame) for frame in frames) == 0.0


@pytest.mark.parametrize("config", [b"", b"\x12", b"\xff" * 8, (1 << 11 | 3 << 7 | 2 << 3).to_bytes(2, "big")])
def test_a_sound_of_another_kind_has_none(config: bytes) -> None:
    assert Silence.of(config) is None


def peak(frame: av.AudioFrame) -> float:
    """Of the first speaker."""
    return max(abs(sample) for sample in array("f", bytes(frame.planes[0])))
