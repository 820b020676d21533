"""Which of a stream's two inputs is its source."""

from __future__ import annotations

from aiortmp import MediaMessage
from app.domain.stream import Input
from app.media.inputs import Inputs
from app.media.source import Publisher

from .stream_parts import at_stamps, audio, audio_header, video, video_header


def publisher(name: str) -> Publisher:
    return Publisher(name, None, lambda _: None)


MAIN, BACKUP = publisher("main"), publisher("backup")


def both(now_s: float = 0.0) -> Inputs:
    inputs = Inputs()
    inputs.sit_down(Input.MAIN, MAIN, now_s)
    inputs.sit_down(Input.BACKUP, BACKUP, now_s)
    return inputs


def offers(inputs: Inputs, now_s: float, *messages: MediaMessage) -> bool:
    return inputs.waiting(BACKUP, at_stamps(*messages), now_s) is not None


def test_the_first_to_come_is_the_source_whichever_it_is() -> None:
    inputs = Inputs()
    inputs.sit_down(Input.BACKUP, BACKUP, 0.0)
    inputs.sit_down(Input.MAIN, MAIN, 1.0)
    assert inputs.is_source(BACKUP)
    assert not inputs.is_source(MAIN)


def test_while_the_source_flows_the_other_waits_even_with_key_frames() -> None:
    inputs = both()
    for tick in range(50):
        inputs.flowed(tick * 0.1)
        assert not offers(inputs, tick * 0.1, video(tick * 100, key=True))
    assert inputs.is_source(MAIN)


def test_when_the_source_leaves_the_other_takes_over_at_its_next_key_frame_with_its_headers() -> None:
    inputs = both()
    assert not offers(inputs, 0.1, video_header(), audio_header())
    assert inputs.leave(MAIN)
    assert inputs.source is None
    assert not offers(inputs, 0.2, video(40)), "pictures before a key frame can't be decoded"
    headers = inputs.waiting(BACKUP, at_stamps(audio(50), video(80, key=True)), 0.3)
    assert headers is not None
    assert headers.has_video
    assert headers.has_audio
    assert inputs.is_source(BACKUP)


def test_an_input_without_pictures_takes_over_with_its_first_sound() -> None:
    inputs = both()
    assert not offers(inputs, 0.1, audio_header())
    inputs.leave(MAIN)
    assert offers(inputs, 0.2, audio(20))


def test_a_silent_source_is_given_up_while_the_other_flows() -> None:
    inputs = both()
    inputs.flowed(1.0)
    assert not offers(inputs, 1.9, video(0, key=True))
    assert offers(inputs, 2.1, video(40, key=True))
    assert inputs.is_source(BACKUP)
    assert not inputs.is_source(MAIN)


def test_the_main_input_that_returns_waits_in_turn() -> None:
    inputs = both()
    inputs.leave(MAIN)
    assert offers(inputs, 0.2, video(0, key=True))
    again = publisher("main again")
    inputs.sit_down(Input.MAIN, again, 0.5)
    inputs.flowed(0.6)
    assert inputs.waiting(again, at_stamps(video(0, key=True)), 0.7) is None
    assert inputs.is_source(BACKUP)
    assert inputs.spare(0.8) is Input.MAIN


def test_a_half_dead_connection_yields_to_one_with_the_same_key_and_keeps_the_seat_the_source() -> None:
    inputs = both()
    assert inputs.is_taken(Input.MAIN, 1.0)
    assert not inputs.is_taken(Input.MAIN, 2.5)
    again = publisher("main again")
    assert inputs.sit_down(Input.MAIN, again, 2.5) is MAIN
    assert inputs.is_source(again)
    assert not inputs.leave(MAIN), "who was replaced has no seat to leave"
    assert inputs.is_source(again)


def test_the_one_that_waits_may_leave_and_nothing_happens() -> None:
    inputs = both()
    assert not inputs.leave(BACKUP)
    assert inputs.is_source(MAIN)
    assert inputs.spare(0.0) is None
