"""The output switch: nothing twice, nothing of the past, nothing undecodable."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from app.media.switch import OutputSwitch
from tests.unit.media.stream_parts import at_stamps, audio, video, video_header


def begun(generation: int = 1) -> OutputSwitch:
    switch = OutputSwitch(["top", "audio"])
    assert switch.hand_over(generation)
    return switch


def test_frames_of_the_generation_that_speaks_pass_as_they_came() -> None:
    switch = begun()
    arrival = at_stamps(video(0, key=True), video(40))
    assert switch.admit("top", 1, arrival) is arrival
    assert switch.start_after() == {"top": 40, "audio": None}


def test_frames_of_another_generation_are_fenced() -> None:
    switch = begun(2)
    assert switch.admit("top", 1, at_stamps(video(0, key=True))) is None
    assert switch.admit("top", 3, at_stamps(video(0, key=True))) is None
    assert switch.fenced == 2


def test_an_older_generation_takes_nothing_over() -> None:
    switch = begun(2)
    assert not switch.hand_over(1)
    assert switch.generation == 2


def test_after_a_change_only_what_is_newer_passes_and_the_rest_is_counted() -> None:
    switch = begun()
    switch.admit("top", 1, at_stamps(video(0, key=True), video(40), video(80)))
    switch.hand_over(2)
    passed = switch.admit("top", 2, at_stamps(video(40, key=True), video(80), video(120, key=True), video(160)))
    assert passed is not None
    assert passed.positions == [120, 160]
    assert passed.key == 0
    assert passed.video_frames == 2
    assert switch.doubled() == 2


def test_a_change_waits_for_a_key_frame_but_lets_headers_through() -> None:
    switch = begun()
    switch.admit("top", 1, at_stamps(video(0, key=True)))
    switch.hand_over(2)
    passed = switch.admit("top", 2, at_stamps(video_header(), video(40), video(80)))
    assert passed is not None
    assert passed.frames == 0
    assert list(passed.headers) == [0]
    assert switch.admit("top", 2, at_stamps(video(120))) is None
    assert switch.undecodable == 3
    assert switch.admit("top", 2, at_stamps(video(160, key=True))) is not None


def test_sound_needs_no_key_frame_after_a_change() -> None:
    switch = begun()
    switch.admit("audio", 1, at_stamps(audio(0)))
    switch.hand_over(2)
    passed = switch.admit("audio", 2, at_stamps(audio(0), audio(20)))
    assert passed is not None
    assert passed.positions == [20]


def test_what_has_come_back_is_what_every_track_has_said() -> None:
    switch = begun()
    assert switch.returned_ms(500, 500) is None
    switch.admit("top", 1, at_stamps(video(400, key=True)))
    assert switch.returned_ms(500, 500) is None
    switch.admit("audio", 1, at_stamps(audio(380)))
    assert switch.returned_ms(500, 500) == 380


def test_a_source_without_sound_holds_nothing_back() -> None:
    switch = begun()
    switch.admit("top", 1, at_stamps(video(400, key=True)))
    assert switch.returned_ms(500, None) == 400


def test_sound_that_has_ended_holds_nothing_back() -> None:
    switch = begun()
    switch.admit("audio", 1, at_stamps(audio(100)))
    switch.admit("top", 1, at_stamps(video(400, key=True)))
    assert switch.returned_ms(500, 100) == 400


@given(
    st.lists(
        st.tuples(
            st.integers(1, 4),
            st.booleans(),
            st.lists(st.tuples(st.integers(0, 30), st.booleans()), min_size=1, max_size=6),
        ),
        max_size=40,
    )
)
def test_whoever_speaks_when_no_frame_passes_twice_and_every_turn_begins_with_a_key_frame(
    events: list[tuple[int, bool, list[tuple[int, bool]]]],
) -> None:
    switch, passed_all, speaker, last = OutputSwitch(["top"]), [], 0, -1
    for generation, hands_over, frames in events:
        if hands_over:
            switch.hand_over(generation)
        # Workers send in order of time; what one read brings begins where the test says.
        ordered = sorted(dict(frames).items())
        passed = switch.admit("top", generation, at_stamps(*(video(s * 40, key=k) for s, k in ordered)))
        if passed is None or not passed.frames:
            continue
        assert generation == switch.generation
        if hands_over or speaker != generation:
            assert passed.key == 0
        speaker = generation
        for position in passed.positions:
            assert position > last
            last = position
            passed_all.append(position)
    assert len(passed_all) == len(set(passed_all))


def test_frames_of_one_read_that_go_back_in_time_do_not_pass() -> None:
    switch = begun()
    passed = switch.admit("top", 1, at_stamps(video(0, key=True), video(80), video(40), video(80), video(120)))
    assert passed is not None
    assert passed.positions == [0, 80, 120]
    assert switch.doubled() == 2
    assert switch.start_after()["top"] == 120
