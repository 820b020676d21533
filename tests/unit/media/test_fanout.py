"""Fan-out: newcomers begin at a key frame, slow readers lose whole stretches, nobody else notices."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from aiortmp import MediaBatch, MessageType, amf0
from app.media.arrival import MESSAGE_BYTES, data_message
from app.media.fanout import STUCK_MS, FanOut
from app.media.join import AUDIO_ONLY_MS, Headers, JoinCache
from tests.unit.media.stream_parts import Outlet, at_stamps, audio, audio_header, video, video_header

GOP = 4
SOUND_ONLY = Headers()
PICTURES = Headers()
PICTURES.learn(video_header())


def stream(fanout: FanOut, frames: range) -> None:
    """Frames 40 ms apart, a key frame every GOP."""
    for number in frames:
        fanout.push(at_stamps(video(number * 40, key=number % GOP == 0)))


def begun() -> FanOut:
    fanout = FanOut()
    fanout.push(at_stamps(video_header(), audio_header()))
    return fanout


def test_a_newcomer_gets_headers_and_everything_since_the_last_key_frame() -> None:
    fanout, outlet = begun(), Outlet()
    stream(fanout, range(6))
    fanout.join(outlet)
    stream(fanout, range(6, 8))
    assert [m.type for m in outlet.batches[0]] == [MessageType.VIDEO, MessageType.AUDIO]
    assert all(message.timestamp == 160 for message in outlet.batches[0])
    assert outlet.stamps() == [160, 200, 240, 280]


def test_metadata_is_told_to_a_newcomer_at_time_zero() -> None:
    """ffmpeg takes metadata at any other time for a track of subtitles."""
    fanout, outlet = begun(), Outlet()
    fanout.push(at_stamps(data_message(amf0.encode(["onMetaData", {"width": 1280.0}]))))
    stream(fanout, range(6))
    fanout.join(outlet)
    assert [(m.type, m.timestamp) for m in outlet.batches[0]] == [
        (MessageType.DATA, 0),
        (MessageType.VIDEO, 160),
        (MessageType.AUDIO, 160),
    ]


def test_other_data_messages_do_not_replace_the_metadata() -> None:
    fanout, outlet = begun(), Outlet()
    metadata = data_message(amf0.encode(["@setDataFrame", "onMetaData", {"width": 1280.0}]))
    fanout.push(at_stamps(metadata))
    fanout.push(at_stamps(data_message(amf0.encode(["onFI", {"st": "12:00:00"}]))))
    stream(fanout, range(2))
    fanout.join(outlet)
    assert outlet.batches[0][0] == metadata


def test_a_newcomer_before_the_first_frame_begins_with_it() -> None:
    fanout, outlet = FanOut(), Outlet()
    fanout.join(outlet)
    fanout.push(at_stamps(video_header()))
    stream(fanout, range(1, 9))
    assert outlet.stamps() == [160, 200, 240, 280, 320]


def test_a_key_frame_in_the_middle_of_a_read_is_where_a_newcomer_begins() -> None:
    fanout, outlet = begun(), Outlet()
    fanout.push(at_stamps(video(0), video(40, key=True), audio(45), video(80)))
    fanout.join(outlet)
    assert outlet.stamps() == [40, 80]


def test_a_slow_reader_loses_up_to_the_next_key_frame_and_is_counted() -> None:
    fanout, slow, quick = begun(), Outlet(), Outlet()
    reader, _ = fanout.join(slow, max_bytes=100)
    fanout.join(quick)
    stream(fanout, range(2))
    slow.buffered_bytes = 101
    stream(fanout, range(2, 5))
    slow.buffered_bytes = 0
    stream(fanout, range(5, 10))
    assert quick.stamps() == [number * 40 for number in range(10)]
    assert slow.stamps() == [0, 40, 320, 360]
    assert reader.dropped == 6
    assert fanout.dropped == 6


def test_sound_does_not_end_the_wait_for_a_key_frame() -> None:
    fanout, outlet = begun(), Outlet()
    fanout.push(at_stamps(video(0, key=True)))
    fanout.join(outlet, max_bytes=100)
    outlet.buffered_bytes = 101
    fanout.push(at_stamps(video(40)))
    outlet.buffered_bytes = 0
    fanout.push(at_stamps(audio(60)))
    assert outlet.stamps(MessageType.AUDIO) == []


def test_a_programme_of_sound_goes_on_with_any_packet() -> None:
    fanout, outlet = FanOut(), Outlet()
    fanout.push(at_stamps(audio_header()))
    fanout.join(outlet, max_bytes=100)
    fanout.push(at_stamps(audio(0)))
    outlet.buffered_bytes = 101
    fanout.push(at_stamps(audio(20)))
    outlet.buffered_bytes = 0
    fanout.push(at_stamps(audio(40)))
    assert outlet.stamps(MessageType.AUDIO) == [0, 40]
    assert fanout.dropped == 1


def test_headers_that_changed_while_a_reader_slept_are_told_first() -> None:
    fanout, outlet = begun(), Outlet()
    fanout.push(at_stamps(video(0, key=True)))
    fanout.join(outlet, max_bytes=100)
    outlet.buffered_bytes = 101
    fanout.push(at_stamps(video(40)))
    fanout.push(at_stamps(video_header(b"\x01new record"), video(80, key=True)))
    outlet.buffered_bytes = 0
    fanout.push(at_stamps(video(120, key=True)))
    header = outlet.batches[-2][0]
    assert header.payload.endswith(b"new record")
    assert outlet.stamps()[-1] == 120


def test_a_reader_that_takes_nothing_is_cut_and_a_slow_one_is_not() -> None:
    fanout, dead, slow = begun(), Outlet(), Outlet()
    cut: list[str] = []
    fanout.join(dead, max_bytes=100, cut=lambda: cut.append("dead"))
    fanout.join(slow, max_bytes=100, cut=lambda: cut.append("slow"))
    dead.buffered_bytes = slow.buffered_bytes = 1_000
    for second in range(2 * STUCK_MS // 1000):
        slow.buffered_bytes -= 1
        fanout.push(at_stamps(video(second * 1000, key=True)))
    assert cut == ["dead"]


def test_a_reader_that_leaves_while_it_is_sent_to_takes_nothing_from_the_others() -> None:
    fanout, other = begun(), Outlet()

    class Leaver(Outlet):
        def send(self, batch: MediaBatch) -> None:
            leave()

    _, leave = fanout.join(Leaver())
    fanout.join(other)
    stream(fanout, range(3))
    assert other.stamps() == [0, 40, 80]


def test_frames_lost_by_one_that_left_stay_counted() -> None:
    fanout, outlet = begun(), Outlet()
    fanout.push(at_stamps(video(0, key=True)))
    _, leave = fanout.join(outlet, max_bytes=10)
    outlet.buffered_bytes = 11
    stream(fanout, range(1, 3))
    leave()
    leave()
    assert (fanout.readers, fanout.dropped) == (0, 2)


def test_readers_of_a_programme_that_ends_go_on_with_the_next_key_frame_of_its_heir() -> None:
    former, heir, outlet = begun(), FanOut(), Outlet()
    stream(former, range(6))
    former.join(outlet)
    heir.push(at_stamps(video_header(b"\x01other"), audio_header()))
    stream(heir, range(5))
    former.follow(heir)
    heir.push(at_stamps(audio(190), video(200), audio(210), video(240)))
    heir.push(at_stamps(audio(250), video(280), audio(310), video(320, key=True), video(360)))
    assert outlet.stamps() == [160, 200, 320, 360]
    assert outlet.stamps(MessageType.AUDIO) == [210, 250, 310]
    assert outlet.batches[-2][0].payload[-5:] == b"other"
    assert heir.dropped == 2, "what it has seen already is not lost"


def test_readers_begin_with_what_the_heir_has_kept_if_that_is_all_new() -> None:
    former, heir, outlet = begun(), begun(), Outlet()
    stream(former, range(4))
    former.join(outlet)
    stream(heir, range(6))
    assert heir.begins_after(former.newest_ms) == 159
    former.follow(heir)
    stream(heir, range(6, 8))
    assert outlet.stamps() == [number * 40 for number in range(8)]


def test_a_reader_that_leaves_after_it_was_handed_on_is_gone_with_its_losses_counted() -> None:
    former, heir = begun(), begun()
    _, leave = former.join(Outlet())
    former.join(Outlet())
    former.lost = 3
    former.follow(heir)
    leave()
    assert (former.readers, former.dropped, heir.readers, heir.dropped) == (0, 0, 1, 3)


def test_who_comes_late_to_a_former_programme_joins_its_last_heir() -> None:
    former, next_one, last = begun(), begun(), begun()
    former.follow(next_one)
    next_one.follow(last)
    stream(last, range(3))
    outlet, told = Outlet(), list[str]()
    former.join(outlet, end=told.append)
    assert (outlet.stamps(), last.readers) == ([0, 40, 80], 1)
    last.end("over")
    assert told == ["over"]


def test_a_reader_that_is_slow_while_it_is_handed_on_begins_again_with_a_key_frame() -> None:
    former, heir, outlet = begun(), begun(), Outlet()
    former.join(outlet, max_bytes=100)
    stream(former, range(2))
    outlet.buffered_bytes = 101
    stream(former, range(2, 3))
    former.follow(heir)
    heir.push(at_stamps(audio(130), video(160, key=True)))
    outlet.buffered_bytes = 0
    heir.push(at_stamps(audio(190), video(200)))
    stream(heir, range(8, 10))
    assert outlet.stamps() == [0, 40, 320, 360]
    assert outlet.stamps(MessageType.AUDIO) == []


def test_readers_of_sound_alone_go_on_with_sound() -> None:
    former, heir, outlet = FanOut(), FanOut(), Outlet()
    for fanout in (former, heir):
        fanout.push(at_stamps(audio_header()))
    former.join(outlet)
    former.push(at_stamps(audio(0), audio(20)))
    former.follow(heir)
    heir.push(at_stamps(audio(0), audio(20), audio(40)))
    heir.push(at_stamps(audio(60)))
    assert outlet.stamps(MessageType.AUDIO) == [0, 20, 40, 60]


def test_sound_alone_is_cached_for_a_moment_only() -> None:
    cache = JoinCache()
    for stamp in range(0, 60_000, 20):
        cache.put(at_stamps(audio(stamp)), SOUND_ONLY)
    assert cache.start_ms is not None
    assert cache.start_ms >= 60_000 - 20 - AUDIO_ONLY_MS
    assert cache.size_bytes <= (AUDIO_ONLY_MS // 20 + 1) * (3 + MESSAGE_BYTES)


def test_one_read_may_bring_more_sound_than_is_cached() -> None:
    cache = JoinCache()
    cache.put(at_stamps(audio(0), audio(AUDIO_ONLY_MS + 1)), SOUND_ONLY)
    assert cache.start_ms == 0
    cache.put(at_stamps(audio(AUDIO_ONLY_MS + 20)), SOUND_ONLY)
    assert cache.start_ms == AUDIO_ONLY_MS + 20


def test_a_picture_without_key_frames_is_not_cached_for_ever() -> None:
    cache = JoinCache()
    cache.put(at_stamps(video(0, key=True)), PICTURES)
    for stamp in range(40, 120_000, 40):
        cache.put(at_stamps(video(stamp)), PICTURES)
    assert cache.size_bytes == 0
    cache.put(at_stamps(video(120_000, key=True)), PICTURES)
    assert cache.start_ms == 120_000


@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=80))
def test_whatever_a_reader_misses_what_it_gets_is_decodable(events: list[tuple[bool, bool]]) -> None:
    """Each event: is it a key frame, is the reader slow. What is got follows its predecessor, or is a key frame."""
    fanout, outlet = begun(), Outlet()
    reader, _ = fanout.join(outlet, max_bytes=10)
    keys, offered = set(), 0
    for number, (key, slow) in enumerate(events):
        outlet.buffered_bytes = 11 if slow else 0
        if key:
            keys.add(number * 40)
        fanout.push(at_stamps(video(number * 40, key=key)))
        offered += 1
    got = outlet.stamps()
    for before, stamp in zip([None, *got], got, strict=False):
        assert stamp in keys or (before is not None and stamp == before + 40)
    if reader.dropped:
        assert len(got) + reader.dropped <= offered
