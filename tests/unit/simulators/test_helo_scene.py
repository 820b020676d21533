"""What a simulated unit shows: the card, a still, black, bars; sound or silence; numbers by the wall clock."""

from __future__ import annotations

import pytest
from av.audio.frame import AudioFrame

from app.domain.ladder import FrameRate
from app.media.encoding.card import SOUND_RATE, SOUND_SAMPLES, Card, read_counter
from app.simulators.helo.picture import Look
from app.simulators.helo.scene import Scene
from app.simulators.helo.world import Show


def scene(first: int = 0, fps: float = 30) -> Scene:
    return Scene(Card(320, 180, FrameRate.of(fps)), first)


def samples(frame: AudioFrame) -> bytes:
    return bytes(frame.planes[0])[: SOUND_SAMPLES * 4]


def test_the_card_counts_on_from_its_first_number_and_its_times_begin_at_zero() -> None:
    drawn = [scene(first=1000).picture(number) for number in (0, 1, 30)]
    assert [read_counter(frame) for frame in drawn] == [1000, 1001, 1030]
    assert [frame.pts for frame in drawn] == [0, 33, 1000]


def test_a_still_goes_on_in_time_and_not_in_number() -> None:
    shown = scene()
    shown.look = Look(Show.FREEZE)
    frames = [shown.picture(number) for number in (7, 8, 9)]
    assert [read_counter(frame) for frame in frames] == [7, 7, 7]
    assert [frame.pts for frame in frames] == [233, 267, 300]
    shown.look = Look()
    assert read_counter(shown.picture(10)) == 10


def test_black_is_black_and_bars_stand() -> None:
    shown = scene()
    shown.look = Look(Show.BLACK)
    assert set(bytes(shown.picture(3).planes[0])) == {16}
    shown.look = Look(Show.BARS)
    assert bytes(shown.picture(4).planes[0]) == bytes(shown.picture(5).planes[0])


def test_silence_is_silent() -> None:
    shown = scene()
    assert any(samples(shown.sound(0)))
    shown.look = Look(is_silent=True)
    assert not any(samples(shown.sound(0)))


@pytest.mark.parametrize("fps", [25, 30, 50])
def test_sound_beeps_when_the_drawn_clock_says_a_whole_second(fps: int) -> None:
    late = scene(first=fps // 2, fps=fps)
    block = SOUND_RATE // 2 // SOUND_SAMPLES + 2
    assert not any(samples(late.sound(0))), "half a second after the beep"
    assert any(samples(late.sound(block))), "half a second later it beeps"
