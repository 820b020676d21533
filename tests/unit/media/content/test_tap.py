"""What is taken aside of a stream to be looked at."""

from __future__ import annotations

from aiortmp import MessageType
from app.media.arrival import Arrival
from app.media.content import tap
from app.media.content.tap import LEAST_SOUND_PACKETS, LONG_GROUP_MS, ContentTap, SideTap
from tests.unit.media.stream_parts import at_stamps, audio, audio_header, video, video_header


def side(*arrivals: Arrival) -> SideTap:
    taps = ContentTap()
    taps.on_source(at_stamps(video_header()))
    taps.on_source(at_stamps(audio_header()))
    for arrival in arrivals:
        taps.on_source(arrival)
    return taps.source


def sounds(first_ms: int, count: int) -> list[Arrival]:
    return [at_stamps(audio(first_ms + 20 * number)) for number in range(count)]


def test_each_key_frame_is_taken_once_with_its_header() -> None:
    seen = side(at_stamps(video(0, key=True)), at_stamps(video(40)))
    taken = seen.take("room", closely=False)
    assert taken is not None
    assert list(taken.look.picture) == [video_header(), video(0, key=True)]
    assert taken.picture_ms == 0
    assert seen.take("room", closely=False) is None
    seen.see(at_stamps(video(2_000, key=True)))
    again = seen.take("room", closely=False)
    assert again is not None
    assert again.picture_ms == 2_000


def test_between_key_frames_far_apart_the_group_so_far_is_taken_on_a_closer_look() -> None:
    pictures = [video(0, key=True), *[video(at_ms) for at_ms in range(500, LONG_GROUP_MS + 500, 500)]]
    seen = side(at_stamps(pictures[0]))
    assert seen.take("room", closely=True) is not None
    for picture in pictures[1:]:
        seen.see(at_stamps(picture))
    assert seen.take("room", closely=False) is None
    taken = seen.take("room", closely=True)
    assert taken is not None
    assert list(taken.look.picture) == [video_header(), *pictures]
    assert taken.picture_ms == pictures[-1].timestamp


def test_a_group_that_is_too_large_is_not_kept() -> None:
    seen = side(at_stamps(video(0, key=True)))
    assert seen.take("room", closely=True) is not None
    for number in range(1, tap.MAX_GROUP_READS + 2):
        seen.see(at_stamps(video(number * 10)))
    assert seen.take("room", closely=True) is None


def test_sound_is_taken_when_there_is_enough_and_only_the_newest_is_kept() -> None:
    seen = side(*sounds(0, LEAST_SOUND_PACKETS - 1))
    assert seen.take("room", closely=False) is None
    for arrival in sounds(1_000, tap.MAX_SOUND_PACKETS + 5):
        seen.hear(arrival)
    taken = seen.take("room", closely=False)
    assert taken is not None
    assert len(taken.look.sound) == 1 + tap.MAX_SOUND_PACKETS
    assert taken.look.sound[0] == audio_header()
    assert taken.sound_from_ms == 1_100
    assert taken.sound_ms == 1_000 + 20 * (tap.MAX_SOUND_PACKETS + 4)
    assert seen.take("room", closely=False) is None


def test_sound_and_picture_of_one_read_are_told_apart() -> None:
    seen = side(at_stamps(video(0, key=True), audio(0), video(40), audio(20)))
    assert (seen.picture_ms, seen.sound_ms) == (20, 20)
    taken = seen.take("room", closely=False)
    assert taken is not None
    assert [message.type for message in taken.look.picture] == [MessageType.VIDEO] * 2


def test_a_new_header_forgets_the_pictures_before_it() -> None:
    seen = side(at_stamps(video(0, key=True)))
    seen.learn(video_header(b"\x01other"))
    assert seen.take("room", closely=True) is None


def test_only_the_followed_rendition_and_the_sound_are_taken() -> None:
    taps = ContentTap()
    assert taps.follow("low")
    taps.on_programme("top", at_stamps(video(0, key=True)))
    assert taps.programme.take("room", closely=False) is None
    taps.on_programme("low", at_stamps(video(0, key=True)))
    for arrival in sounds(0, LEAST_SOUND_PACKETS):
        taps.on_programme("audio", arrival)
    taken = taps.programme.take("room", closely=False)
    assert taken is not None
    assert taken.picture_ms == 0
    assert taken.sound_ms is not None
    assert not taps.follow("low")
    assert taps.follow("lower")
    assert taps.programme.take("room", closely=False) is None


def test_steps_of_more_than_a_second_are_counted() -> None:
    seen = side(at_stamps(video(0, key=True)), at_stamps(video(1_000)), at_stamps(video(2_500)))
    assert seen.jumps == 1
