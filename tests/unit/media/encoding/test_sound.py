"""Sound that is encoded: in its place on the timeline, and cut alike by every encoder."""

from __future__ import annotations

import array
import itertools
from fractions import Fraction

import av
import pytest

from app.domain.ladder import AUDIO_TRACK, AudioMode, AudioPlan
from app.media.encoding.packets import AudioPacket
from tests.unit.media.encoding.clips import (
    BIG,
    Programme,
    audio_of,
    clip,
    from_key_at_or_before,
    run,
    settings,
    shifted,
    small,
)

ENCODED = settings(BIG, audio=AudioPlan(AudioMode.ENCODE, 96_000))


def beeps_ms(programme: Programme) -> list[int]:
    """Where each beep begins in the decoded track."""
    context = av.CodecContext.create("aac", "r")
    context.extradata = programme.audio[0].extradata
    times: list[int] = []
    last = -1_000.0
    for packet in programme.packets[AUDIO_TRACK]:
        coded = av.Packet(packet.data)
        coded.pts, coded.time_base = packet.pts_ms, Fraction(1, 1000)
        for frame in context.decode(coded):
            samples = array.array("f", bytes(frame.planes[0])[: frame.samples * 4])
            for n, value in enumerate(samples):
                at = packet.pts_ms + n * 1000 / frame.sample_rate
                if abs(value) > 0.1:
                    if at - last > 200:
                        times.append(round(at))
                    last = at
    return times


@pytest.mark.parametrize(
    ("codec", "rate", "channels"),
    [("libmp3lame", 44_100, 2), ("libopus", 48_000, 2), ("aac", 44_100, 1), ("ac3", 48_000, 2)],
)
def test_beeps_stay_where_they_were(codec: str, rate: int, channels: int) -> None:
    items = shifted(clip(small(audio=codec, rate=rate, channels=channels)), 2_000)
    programme = run(items, ENCODED)
    # The source's own codec delays by up to 60 ms where its container says nothing; the first frames say it.
    first = audio_of(items)[0].pts_ms
    found = beeps_ms(programme)
    for beep, expected in zip(found[:3], (first, first + 1_000, first + 2_000), strict=True):
        assert -25 <= beep - expected <= 75
    assert found[2] - found[1] in range(995, 1_006)


def test_a_codec_that_is_not_aac_is_encoded_by_itself() -> None:
    programme = run(clip(small(audio="libmp3lame")), settings(BIG))
    assert programme.audio[0].extradata[:1] == b"\x11", "AAC-LC"
    assert programme.problems == []


def test_encoded_sound_has_no_gap_and_no_overlap() -> None:
    times = run(clip(small(rate=44_100)), ENCODED).times(AUDIO_TRACK)
    steps = {b - a for a, b in itertools.pairwise(times)}
    assert steps <= {23, 24}


def test_a_second_encoder_cuts_at_the_same_places() -> None:
    items = shifted(clip(small(rate=44_100)), 7_777)
    whole = run(items, ENCODED)
    after = whole.times(AUDIO_TRACK)[60]
    rest = run(from_key_at_or_before(items, after), ENCODED, start_after={AUDIO_TRACK: after, "big": None})
    assert rest.times(AUDIO_TRACK) == [t for t in whole.times(AUDIO_TRACK) if t > after]


def test_a_gap_in_the_source_stays_a_gap() -> None:
    items = [i for i in clip(small()) if not (isinstance(i, AudioPacket) and 1_000 < i.pts_ms < 1_500)]
    times = run(items, ENCODED).times(AUDIO_TRACK)
    steps = [b - a for a, b in itertools.pairwise(times)]
    assert sum(step > 30 for step in steps) == 1
    assert 400 < max(steps) < 560
    assert len(times) == len(set(times))


def test_a_source_that_turns_from_mono_to_stereo_without_a_word_goes_on() -> None:
    mono = clip(small(audio="libmp3lame", channels=1, rate=44_100, video=None))
    stereo = clip(small(audio="libmp3lame", channels=2, rate=48_000, video=None))
    end = audio_of(mono)[-1].pts_ms + 26
    programme = run([*mono, *shifted(audio_of(stereo), end)], settings(BIG))
    times = programme.times(AUDIO_TRACK)
    assert len(programme.audio) == 1
    assert times[-1] > 5_900
    assert max(b - a for a, b in itertools.pairwise(times)) <= 60


def test_sound_can_be_left_out() -> None:
    programme = run(clip(small()), settings(BIG, audio=AudioPlan(AudioMode.OFF)))
    assert AUDIO_TRACK not in programme.packets


def test_a_codec_nobody_can_decode_leaves_the_picture_alone() -> None:
    from app.media.encoding.packets import AudioConfig

    video = list(clip(small(audio=None)))
    programme = run([AudioConfig("nellymoser"), AudioPacket(0, b"x"), *video], settings(BIG))
    assert len(programme.times("big")) == 90
    assert "nellymoser" in programme.problems[0]


def test_sound_that_cannot_be_decoded_is_told_once() -> None:
    items = clip(small(audio="libmp3lame"))
    torn = [AudioPacket(item.pts_ms, b"\0" * 40) if isinstance(item, AudioPacket) else item for item in items]
    assert run(torn, ENCODED).problems == ["sound: packets that can't be decoded"]
