"""Two workers at once: what a viewer gets is whole, whoever is first, and goes on when one of them ends."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from app.media.merge import AHEAD_MAX, HELD_MAX_BYTES, Merge
from tests.unit.media.stream_parts import at_stamps, audio, video, video_header
from tests.unit.media.worker_parts import FRAME_MS

GROUP = 6
"""Frames of a group of pictures here."""
LENGTH = 30


class Viewer:
    """Decodes what passes: a picture needs the one before it, as its own worker made it."""

    def __init__(self, made: dict[int, list[bytes]]) -> None:
        self._made = made
        self.seen: list[int] = []
        self._held: bytes | None = None

    def take(self, generation: int, number: int) -> None:
        assert not self.seen or number == self.seen[-1] + 1, "a frame is missing or doubled"
        if number % GROUP:
            assert self._held == self._made[generation][number - 1], "what it refers to was never shown"
        self._held = self._made[generation][number]
        self.seen.append(number)


class Pair:
    def __init__(self, differences: set[int] | None = None) -> None:
        same = [b"%d" % number for number in range(LENGTH)]
        other, is_other = [], False
        for number in range(LENGTH):
            is_other = number in (differences or ()) or (is_other and number % GROUP != 0)
            other.append(b"other %d" % number if is_other else same[number])
        self.made = {1: same, 2: other}
        self.viewer = Viewer(self.made)
        self.merge = Merge({"top": None}, leader=1, other=2)
        self.said = {1: 0, 2: 0}

    def say(self, generation: int) -> None:
        number = self.said[generation]
        if number < LENGTH:
            self.said[generation] += 1
            frame = video(number * FRAME_MS, key=number % GROUP == 0, body=self.made[generation][number])
            for turn in self.merge.take("top", generation, at_stamps(frame)):
                self.viewer.take(turn.generation, turn.arrival.positions[0] // FRAME_MS)

    def lose(self, lost: int) -> bool:
        """False: the other one must begin anew."""
        stays = 3 - lost
        if not self.merge.goes_on(stays, ["top"]):
            return False
        for _, turn in self.merge.alone(stays):
            self.viewer.take(turn.generation, turn.arrival.positions[0] // FRAME_MS)
        return True


orders = st.lists(st.sampled_from([1, 2]), max_size=2 * LENGTH)


@given(orders, st.sets(st.integers(0, LENGTH - 1), max_size=4))
def test_every_frame_passes_once_and_can_be_decoded(order: list[int], differences: set[int]) -> None:
    pair = Pair(differences)
    for generation in order:
        pair.say(generation)
    assert len(pair.viewer.seen) >= min(pair.said.values())


@given(orders, st.sets(st.integers(0, LENGTH - 1), max_size=2), st.sampled_from([1, 2]))
def test_when_one_ends_the_other_goes_on_or_says_that_it_cannot(
    order: list[int], differences: set[int], lost: int
) -> None:
    pair = Pair(differences)
    for generation in order:
        pair.say(generation)
    stays = 3 - lost
    begun = pair.said[stays]
    if not pair.lose(lost):
        return
    if any(pair.made[1][number] != pair.made[2][number] for number in range(begun, LENGTH)):
        return  # what it says next may differ from what the other one has shown already: nobody can know
    for _ in range(LENGTH):
        pair.say(stays)
    assert pair.viewer.seen == list(range(LENGTH))


def test_the_faster_one_is_shown_while_both_are_the_same() -> None:
    pair = Pair()
    pair.say(1)
    pair.say(2)
    for _ in range(LENGTH):
        pair.say(2)
    assert pair.viewer.seen == list(range(LENGTH))
    assert pair.lose(1)


def test_a_key_frame_that_only_one_has_said_proves_nothing_yet() -> None:
    pair = Pair()
    for number in range(GROUP):
        pair.say(1)
        pair.say(2)
        assert pair.merge.goes_on(2, ["top"]), number
    pair.say(1)
    assert not pair.merge.goes_on(2, ["top"])
    assert pair.merge.goes_on(1, ["top"])


def test_one_that_skipped_what_the_other_said_is_not_the_same() -> None:
    merge = Merge({"top": None}, leader=1, other=2)
    for stamp in (0, 40, 80, 120):
        merge.take("top", 1, at_stamps(video(stamp, key=stamp == 0)))
    for stamp in (0, 40, 120):
        merge.take("top", 2, at_stamps(video(stamp, key=stamp == 0)))
    assert not merge.goes_on(2, ["top"])
    assert merge.goes_on(1, ["top"])


def test_one_that_is_far_behind_is_not_relied_on() -> None:
    merge = Merge({"top": None}, leader=1, other=2)
    for stamp in range(0, 2_000, 40):
        merge.take("top", 1, at_stamps(video(stamp, key=stamp == 0)))
    for stamp in range(0, 800, 40):
        merge.take("top", 2, at_stamps(video(stamp, key=stamp == 0)))
    assert not merge.goes_on(2, ["top"])


def test_sound_passes_from_whoever_is_first_once_both_were_heard() -> None:
    merge = Merge({"audio": None}, leader=1, other=2)
    assert not merge.take("audio", 2, at_stamps(audio(0)))
    assert [turn.generation for turn in merge.take("audio", 1, at_stamps(audio(0)))] == [1]
    assert [turn.generation for turn in merge.take("audio", 2, at_stamps(audio(20)))] == [2]
    assert not merge.take("audio", 1, at_stamps(audio(20, b"different")))
    assert not merge.take("audio", 1, at_stamps(audio(40)))
    assert [turn.generation for turn in merge.take("audio", 2, at_stamps(audio(40)))] == [2]
    assert merge.goes_on(1, ["audio"])


def test_headers_pass_from_the_leader_alone() -> None:
    merge = Merge({"top": None}, leader=1, other=2)
    assert len(merge.take("top", 1, at_stamps(video_header()))) == 1
    assert not merge.take("top", 2, at_stamps(video_header()))


def test_a_worker_that_is_far_ahead_is_held_in_bounds() -> None:
    merge = Merge({"top": None}, leader=1, other=2)
    for number in range(AHEAD_MAX + 100):
        merge.take("top", 2, at_stamps(video(number * FRAME_MS, key=number == 0)))
    merge.take("top", 1, at_stamps(video(0, key=True)))
    assert not merge.goes_on(2, ["top"])


def test_what_waits_for_the_slower_one_is_bounded_in_bytes() -> None:
    merge = Merge({"top": None}, leader=1, other=2)
    merge.take("top", 1, at_stamps(video(0, key=True, body=b"1")))
    merge.take("top", 2, at_stamps(video(0, key=True, body=b"2")))
    for number in range(1, 100):
        merge.take("top", 2, at_stamps(video(number * FRAME_MS, body=bytes(HELD_MAX_BYTES // 10))))
    assert merge.held_bytes <= HELD_MAX_BYTES
    shown = [turn for number in range(1, 100) for turn in merge.take("top", 1, at_stamps(video(number * FRAME_MS)))]
    assert [turn.arrival.positions[0] for turn in shown] == [number * FRAME_MS for number in range(1, 100)]
