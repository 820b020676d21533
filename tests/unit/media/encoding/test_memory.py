"""What a standby remembers of the source: enough to decode the last second once more, and no more than that."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.media.encoding.memory import SourceMemory
from app.media.encoding.packets import AudioConfig, AudioPacket, SourceItem, VideoConfig, VideoPacket
from tests.unit.media.encoding.clips import clip, run, settings, small

PICTURE, SOUND = VideoConfig("h264", b"p"), AudioConfig("aac", b"s")


def group(from_ms: int, frames: int = 30, size: int = 10) -> list[SourceItem]:
    times = [from_ms + n * 33 for n in range(frames)]
    return [VideoPacket(t, t, b"\0" * size, is_key=t == from_ms) for t in times]


def test_it_begins_with_headers_and_the_last_key_frame_that_is_old_enough() -> None:
    memory = SourceMemory()
    groups = [group(time) for time in range(0, 6_000, 1_000)]
    memory.add([PICTURE, SOUND, AudioPacket(990, b"a"), *itertools.chain(*groups)])
    assert memory.items == [SOUND, *itertools.chain(*([PICTURE, *each] for each in groups[3:]))]


def test_a_long_group_stays_until_the_next_one_is_old_enough() -> None:
    memory = SourceMemory()
    memory.add([PICTURE, *group(0, 120), *group(4_000)])
    assert memory.items[:2] == [PICTURE, group(0)[0]]
    memory.add(group(5_400))
    assert memory.items[1] == group(0)[0]
    memory.add(group(5_500))
    assert memory.items[1] == group(4_000)[0]


def test_a_new_header_stands_before_its_own_pictures() -> None:
    memory, other = SourceMemory(), VideoConfig("h264", b"q")
    memory.add([PICTURE, *group(0), other, *group(900)])
    assert memory.items == [PICTURE, *group(0), other, *group(900)]


def test_packets_before_any_key_frame_are_of_no_use() -> None:
    memory = SourceMemory()
    memory.add([PICTURE, AudioPacket(0, b"a"), *group(0)[1:]])
    assert memory.items == []


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 400)), max_size=60))
def test_it_never_holds_more_than_its_bound(frames: list[tuple[bool, int]]) -> None:
    memory = SourceMemory(max_bytes=1_000)
    memory.add([PICTURE])
    for n, (is_key, size) in enumerate(frames):
        memory.add([VideoPacket(n * 33, n * 33, b"\0" * size, is_key), AudioPacket(n * 33, b"a")])
        held = [item for item in memory.items if isinstance(item, VideoPacket | AudioPacket)]
        assert sum(len(item.data) for item in held) <= 1_000
        assert not held or (isinstance(held[0], VideoPacket) and held[0].is_key)


@pytest.mark.parametrize("b_frames", [0, 2])
def test_what_is_remembered_decodes_to_the_last_second_and_more(b_frames: int) -> None:
    items = clip(small(b_frames=b_frames, keyframe_s=1))
    memory = SourceMemory()
    memory.add(items)
    numbers = run(memory.items, settings()).numbers("big")
    assert numbers == list(range(90 - len(numbers), 90))
    assert len(numbers) >= 30


def test_tiny_packets_meet_the_bound_in_time() -> None:
    memory = SourceMemory(max_bytes=100_000)
    memory.add([PICTURE, VideoPacket(0, 0, b"k", is_key=True)])
    memory.add([AudioPacket(1, b"a") for _ in range(10_000)])
    assert len(memory.items) < 1_000
