"""The interleaver: both sides in order of time, neither waited for when it is silent."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from aiortmp import MediaMessage, MessageType
from app.media.arrival import Arrival
from app.media.interleave import HOLD_MS, Interleaver
from app.media.timeline import AUDIO, VIDEO
from tests.unit.media.stream_parts import at_stamps, audio, audio_header, video, video_header


def positions(*arrivals: Arrival | None) -> list[int]:
    return [position for arrival in arrivals if arrival is not None for position in arrival.positions]


def test_packets_leave_when_the_other_side_has_come_as_far() -> None:
    merger = Interleaver()
    assert merger.push(VIDEO, at_stamps(video(0, key=True), video(40))) is None
    first = merger.push(AUDIO, at_stamps(audio(10), audio(30), audio(50)))
    assert positions(first) == [0, 10, 30, 40]
    assert first is not None
    assert (first.key, first.video_frames, first.audio_frames) == (0, 2, 2)


def test_a_side_that_never_speaks_is_waited_for_once() -> None:
    merger = Interleaver()
    out = [merger.push(VIDEO, at_stamps(video(stamp, key=stamp == 0))) for stamp in range(0, 2_000, 40)]
    held = [arrival is None for arrival in out]
    assert held.index(False) * 40 <= HOLD_MS + 40
    assert not any(held[held.index(False) :])
    assert positions(*out) == list(range(0, 2_000, 40))


def test_headers_travel_along_and_only_the_pictures_metadata_is_kept() -> None:
    merger = Interleaver()
    data = MediaMessage(MessageType.DATA, 0, b"\x02")
    merger.push(AUDIO, at_stamps(data, audio_header(), audio(0)))
    merged = [merger.push(VIDEO, at_stamps(data, video_header(), video(0, key=True))), merger.flush()]
    kinds = [message.type for arrival in merged if arrival for message in arrival.batch]
    assert kinds == [MessageType.DATA, MessageType.VIDEO, MessageType.VIDEO, MessageType.AUDIO, MessageType.AUDIO]
    assert [len(arrival.headers) for arrival in merged if arrival] == [2, 1]


def test_metadata_that_repeats_what_viewers_have_is_left_out_and_other_metadata_is_not() -> None:
    merger = Interleaver()
    sent = [
        MediaMessage(MessageType.DATA, at, payload)
        for at, payload in ((0, b"\x02a"), (40, b"\x02a"), (80, b"\x02b"))
    ]
    merged = []
    for at, data in zip((0, 40, 80), sent, strict=True):
        merged += [merger.push(VIDEO, at_stamps(data, video_header(), video(at, key=True)))]
    merged.append(merger.flush())
    messages = [message for arrival in merged if arrival for message in arrival.batch]
    assert [message.payload for message in messages if message.type == MessageType.DATA] == [b"\x02a", b"\x02b"]
    assert sum(message.type == MessageType.VIDEO for message in messages) == 6


def test_flush_gives_the_rest_in_order() -> None:
    merger = Interleaver()
    merger.push(VIDEO, at_stamps(video(0, key=True), video(40)))
    assert positions(merger.flush()) == [0, 40]
    assert merger.flush() is None


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 300)), max_size=80))
def test_nothing_is_lost_and_each_side_keeps_its_order(steps: list[tuple[bool, int]]) -> None:
    merger, clocks, sent = Interleaver(), {VIDEO: 0, AUDIO: 0}, {VIDEO: [], AUDIO: []}  # type: ignore[var-annotated]
    out: list[Arrival | None] = []
    for is_video, step in steps:
        kind = VIDEO if is_video else AUDIO
        clocks[kind] += step + 1
        sent[kind].append(clocks[kind])
        message = video(clocks[kind], key=True) if is_video else audio(clocks[kind])
        out.append(merger.push(kind, at_stamps(message)))
    out.append(merger.flush())
    got: dict[int, list[int]] = {VIDEO: [], AUDIO: []}
    for arrival in out:
        for position, message in zip(arrival.positions, arrival.batch, strict=True) if arrival else ():
            got[message.type].append(position)
    assert got == sent
