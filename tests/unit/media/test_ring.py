"""The replay ring: what a new worker needs, and not a byte that has come back."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from aiortmp import MediaBatch, MessageType
from app.media.arrival import MESSAGE_BYTES
from app.media.ring import ReplayRing
from tests.unit.media.stream_parts import at_stamps, audio, video


def filled(frames: int, *, gop: int = 5, max_bytes: int = 10**9, max_s: int = 1000) -> ReplayRing:
    ring = ReplayRing(max_bytes=max_bytes, max_s=max_s)
    for number in range(frames):
        key = number % gop == 0
        ring.put(at_stamps(video(number * 40, key=key), audio(number * 40 + 3)), has_video=True)
    return ring


def stamps(batches: list[MediaBatch], kind: MessageType = MessageType.VIDEO) -> list[int]:
    return [message.timestamp for batch in batches for message in batch if message.type is kind]


def test_replay_begins_with_the_key_frame_at_or_before_what_came_back() -> None:
    ring = filled(20)
    assert stamps(ring.replay(430)) == [number * 40 for number in range(10, 20)]
    assert stamps(ring.replay(400)) == [number * 40 for number in range(10, 20)]
    assert stamps(ring.replay(399)) == [number * 40 for number in range(5, 20)]
    assert stamps(ring.replay(None)) == [number * 40 for number in range(20)]


def test_what_has_come_back_is_let_go_up_to_its_key_frame() -> None:
    ring = filled(20)
    ring.release(430)
    assert ring.start_ms == 400
    assert stamps(ring.replay(430)) == [number * 40 for number in range(10, 20)]


def test_a_key_frame_counts_when_it_is_shown_not_when_it_is_decoded() -> None:
    ring = ReplayRing(max_bytes=10**9, max_s=100)
    for number in range(10):
        ring.put(at_stamps(video(number * 40, key=number % 5 == 0, composition_ms=80)), has_video=True)
    assert stamps(ring.replay(270))[0] == 0
    assert stamps(ring.replay(280))[0] == 200
    ring.release(279)
    assert ring.start_ms == 80


def test_a_key_frame_in_the_middle_of_a_read_begins_the_group() -> None:
    ring = ReplayRing(max_bytes=10**9, max_s=100)
    ring.put(at_stamps(video(0, key=True), video(40), video(80, key=True), video(120)), has_video=True)
    ring.put(at_stamps(video(160), audio(165), video(200, key=True), video(240)), has_video=True)
    assert stamps(ring.replay(210)) == [200, 240]
    assert stamps(ring.replay(None)) == [0, 40, 80, 120, 160, 200, 240]


def test_nothing_is_kept_before_the_first_key_frame() -> None:
    ring = ReplayRing(max_bytes=10**9, max_s=100)
    ring.put(at_stamps(video(0), audio(1)), has_video=True)
    assert ring.replay(None) == []
    assert (ring.size_bytes, ring.span_s) == (0, 0.0)


def test_a_source_of_sound_can_be_replayed_from_near_any_packet() -> None:
    ring = ReplayRing(max_bytes=10**9, max_s=100)
    for stamp in range(0, 5_000, 20):
        ring.put(at_stamps(audio(stamp)), has_video=False)
    replayed = stamps(ring.replay(3_210), MessageType.AUDIO)
    assert replayed[0] == 3_000
    assert replayed[-1] == 4_980
    ring.release(3_210)
    assert ring.start_ms == 3_000


@given(st.integers(1, 200), st.integers(1, 30), st.integers(10, 60_000), st.integers(1, 6), st.integers(0, 9_000))
def test_bounds_hold_and_what_is_left_is_whole_groups_up_to_now(
    frames: int, gop: int, max_bytes: int, max_s: int, released: int
) -> None:
    ring = filled(frames, gop=gop, max_bytes=max_bytes, max_s=max_s)
    ring.release(released)
    assert ring.size_bytes <= max_bytes
    assert ring.span_s <= max_s
    left = stamps(ring.replay(None))
    assert left == [number * 40 for number in range(frames)][frames - len(left) :]
    if left:
        assert left[0] // 40 % gop == 0
        assert ring.size_bytes == sum(batch.size_bytes + MESSAGE_BYTES * len(batch) for batch in ring.replay(None))
    if not ring.overruns and frames:
        assert left[0] <= max(released, 0)


def test_a_flood_of_tiny_messages_meets_the_bound_of_bytes() -> None:
    ring = filled(2_000, gop=10, max_bytes=50_000, max_s=1_000)
    assert len(stamps(ring.replay(None))) <= 50_000 // MESSAGE_BYTES
