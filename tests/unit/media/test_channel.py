"""A channel as a whole, without sockets: strangers' bytes, seats, ends."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from aiortmp import MediaBatch, MediaMessage, MessageType
from app.domain.ids import PlaybackId, StreamId
from app.domain.ladder import Ladder
from app.domain.link import Fact, ProgrammeUp, SourceDown, SourceUp
from app.domain.stream import ChannelPlan, StreamMode, Timing
from app.media.channel import LIVE_IN_USE, Channel
from app.media.record.fragments import RecordingMuxer
from app.media.source import HALF_DEAD_S, Publisher
from tests.unit.media.stream_parts import audio, audio_header, video, video_header

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def monotonic(self) -> float:
        return self.now_s

    def utc_now(self) -> datetime:
        return BEGIN + timedelta(seconds=self.now_s)


def channel(clock: Clock, facts: list[Fact], *, window_s: int = 60) -> Channel:
    plan = ChannelPlan(
        stream_id=StreamId("str_1"),
        playback_id=PlaybackId("play_1"),
        revision=1,
        mode=StreamMode.PASSTHROUGH,
        key_sha256="",
        key_expires_at=None,
        ladder=Ladder(()),
        timing=Timing(segment_ms=2_000, reconnect_window_s=window_s),
    )
    return Channel(plan, tell=facts.append, monotonic=clock.monotonic, utc_now=clock.utc_now)


def publisher(cut: list[str] | None = None) -> Publisher:
    return Publisher("192.0.2.1:1", "encoder", (cut if cut is not None else []).append)


def play(room: Channel, who: Publisher, clock: Clock, begin_ms: int, end_ms: int) -> None:
    """Real time: the clock runs with the frames."""
    begin_s = clock.now_s
    for stamp in range(begin_ms, end_ms, 40):
        clock.now_s = begin_s + (stamp - begin_ms) / 1000
        room.on_source(who, MediaBatch.of([video(stamp, key=stamp % 2_000 == 0), audio(stamp + 2)]))


def test_packets_of_one_who_lost_the_seat_are_not_taken() -> None:
    clock, facts = Clock(), list[Fact]()
    room, cut = channel(clock, facts), list[str]()
    old, new = publisher(cut), publisher()
    room.sit_down(old)
    play(room, old, clock, 0, 400)
    assert room.refusal(clock.now_s) == LIVE_IN_USE
    clock.now_s += HALF_DEAD_S + 0.1
    assert room.refusal(clock.now_s) is None
    room.sit_down(new)
    frames = room.source.meter.frames
    play(room, old, clock, 400, 800)
    assert room.source.meter.frames == frames
    assert len(cut) == 1
    assert [type(fact) for fact in facts].count(SourceDown) == 1


def test_a_publisher_that_sent_nothing_was_never_up() -> None:
    facts: list[Fact] = []
    room, who = channel(Clock(), facts), publisher()
    room.sit_down(who)
    room.leave(who, "gone")
    assert facts == []


def test_a_connection_that_dies_twice_leaves_once() -> None:
    clock, facts = Clock(), list[Fact]()
    room, who = channel(clock, facts), publisher()
    room.sit_down(who)
    play(room, who, clock, 0, 400)
    room.leave(who, "gone")
    room.leave(who, "gone")
    assert [type(fact) for fact in facts] == [SourceUp, ProgrammeUp, SourceDown]


def test_headers_that_came_before_the_first_frame_are_packaged() -> None:
    clock = Clock()
    room, who = channel(clock, []), publisher()
    room.sit_down(who)
    room.on_source(who, MediaBatch.of([video_header(), audio_header()]))
    play(room, who, clock, 0, 6_100)
    assert room.programme.packager is not None
    assert set(room.programme.packager.shelves()) == {"source", "audio"}
    assert len(room.programme.packager.shelves()["source"].segments) == 3


def test_after_the_window_the_list_ends_and_a_late_return_begins_another() -> None:
    clock = Clock()
    room, who = channel(clock, [], window_s=10), publisher()
    room.sit_down(who)
    room.on_source(who, MediaBatch.of([video_header(), audio_header()]))
    play(room, who, clock, 0, 4_100)
    room.leave(who, "gone")
    room.tick(clock.now_s + 9)
    first = room.programme.packager
    assert first is not None
    assert not first.ended
    clock.now_s += 11
    room.tick(clock.now_s)
    assert first.ended
    again = publisher()
    room.sit_down(again)
    room.on_source(again, MediaBatch.of([video_header(), audio_header()]))
    play(room, again, clock, 0, 4_100)
    second = room.programme.packager
    assert second is not None
    assert second is not first
    assert second.shelves()["source"].segments[0].number > first.shelves()["source"].segments[-1].number


HEADS = [
    b"",
    b"\x17\x00\x00\x00\x00",
    b"\x17\x01\x00\x00\x00",
    b"\x27\x01\x00\x00\x00",
    b"\x17\x02\x00\x00\x00",
    b"\x12",
    b"\x90hvc1",
    b"\x91hvc1\x00\x00\x00",
    b"\xa3hvc1",
    b"\x90av01",
    b"\x91av01",
    b"\x90vp09",
    b"\x94hvc1",
    b"\x96\x00hvc1\x00",
    b"\x97\x02\x00\x00\x00\x01",
    b"\x96\x20",
    b"\xaf\x00",
    b"\xaf\x01",
    b"\x2f",
    b"\x90Opus",
    b"\x91Opus",
    b"\x95\x00Opus\x01",
    b"\x02\x00\x0aonMetaData\x03\x00\x05width\x00",
    b"\x02\x00\x0aonMetaData\x08\xff\xff\xff\xff",
    b"\x03\x00",
]


@given(
    st.lists(
        st.tuples(
            st.sampled_from([MessageType.AUDIO, MessageType.VIDEO, MessageType.DATA]),
            st.integers(0, 2**32 - 1) | st.integers(0, 5_000),
            st.sampled_from(HEADS),
            st.binary(max_size=40),
        ),
        min_size=1,
        max_size=40,
    ),
    st.integers(1, 5),
)
def test_no_packets_of_a_stranger_upset_a_channel_or_its_recording(
    parts: list[tuple[MessageType, int, bytes, bytes]], per_read: int
) -> None:
    clock = Clock()
    room, who, muxer = channel(clock, []), publisher(), RecordingMuxer()
    room.programme.set_tap(muxer.push)
    room.sit_down(who)
    messages = [MediaMessage(kind, stamp, head + rest) for kind, stamp, head, rest in parts]
    for index in range(0, len(messages), per_read):
        clock.now_s += 0.04
        room.on_source(who, MediaBatch.of(messages[index : index + per_read]))
        room.tick(clock.now_s)
        room.reading((), None)
    room.end("over")
    muxer.flush()
