"""The chunk reader: any legal way to write messages gives them back, however the bytes are cut."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aiortmp import LimitExceeded, Limits, MediaBatch, MessageType, ProtocolError
from aiortmp.chunk.message import Message
from aiortmp.chunk.reader import ChunkReader
from tests.aiortmp.chunks import ChunkWriter, Sent, basic, cut, interleave, sequences, steady

PLACES = st.lists(st.integers(0, 2**20), max_size=30)


def reader(*streams: int, limits: Limits | None = None) -> ChunkReader:
    made = ChunkReader(limits or Limits())
    for stream_id in streams or (1,):
        made.open_stream(stream_id)
    return made


def read(made: ChunkReader, pieces: list[bytes]) -> dict[int, list[tuple[int, int, bytes]]]:
    """Media by stream, in order."""
    found: dict[int, list[tuple[int, int, bytes]]] = {}
    for piece in pieces:
        for item in made.feed(piece):
            if isinstance(item, MediaBatch):
                found.setdefault(item.stream_id, []).extend(
                    (int(message.type), message.timestamp, message.payload) for message in item
                )
    return found


def by_stream(sent: list[Sent]) -> dict[int, list[tuple[int, int, bytes]]]:
    found: dict[int, list[tuple[int, int, bytes]]] = {}
    for one in sent:
        found.setdefault(one.stream_id, []).append((one.type, one.timestamp, one.payload))
    return found


@given(sent=sequences(streams=(1, 2, 77)), chunk_size=st.sampled_from([128, 200, 1024, 65536]), places=PLACES)
def test_messages_come_back_in_order_however_they_are_written_and_cut(
    sent: list[Sent], chunk_size: int, places: list[int]
) -> None:
    writer = ChunkWriter()
    wire = writer.set_chunk_size(chunk_size) + b"".join(writer.message(one) for one in sent)
    assert read(reader(1, 2, 77), cut(wire, places)) == by_stream(sent)


@given(sent=steady(), chunk_size=st.sampled_from([128, 1024, 4096]), places=PLACES)
def test_what_an_encoder_sends_comes_back_however_it_is_cut(
    sent: list[Sent], chunk_size: int, places: list[int]
) -> None:
    writer = ChunkWriter()
    wire = writer.set_chunk_size(chunk_size) + b"".join(writer.message(one) for one in sent)
    assert read(reader(), cut(wire, places)) == by_stream(sent)


@given(sent=sequences(most=4), order=st.lists(st.integers(0, 3), max_size=80), places=PLACES)
def test_interleaved_chunk_streams_do_not_mix(sent: list[Sent], order: list[int], places: list[int]) -> None:
    apart = [Sent(s.type, s.timestamp, 1, 4 + at, s.payload, s.form) for at, s in enumerate(sent)]
    writer = ChunkWriter()
    wire = interleave([writer.chunks(one) for one in apart], order)
    expected = sorted(by_stream(apart)[1])
    assert sorted(read(reader(), cut(wire, places))[1]) == expected


@given(sent=steady(), places=PLACES)
def test_one_byte_at_a_time_and_all_at_once_are_the_same(sent: list[Sent], places: list[int]) -> None:
    writer = ChunkWriter()
    wire = b"".join(writer.message(one) for one in sent[:5])
    single = read(reader(), [wire[at : at + 1] for at in range(len(wire))])
    assert single == read(reader(), [wire]) == read(reader(), cut(wire, places))


@given(
    body=st.integers(1, 600).map(lambda size: bytes(at % 250 for at in range(size))),
    repeat=st.booleans(),
    places=PLACES,
)
def test_extended_timestamps_are_read_whether_or_not_continuations_repeat_them(
    body: bytes, repeat: bool, places: list[int]
) -> None:
    writer = ChunkWriter(repeat_extended=repeat)
    sent = [Sent(9, 0x1234567 + at * 40, 1, 6, body, 1) for at in range(3)]
    wire = b"".join(writer.message(one) for one in sent)
    assert read(reader(), cut(wire, places)) == by_stream(sent)


@given(st.binary(max_size=3000), PLACES)
@settings(max_examples=200)
def test_garbage_ends_in_a_protocol_error_or_in_bounded_memory(data: bytes, places: list[int]) -> None:
    made = reader(1, limits=Limits(max_media_bytes=1000, max_command_bytes=500, max_partial_bytes=2000))
    try:
        for piece in cut(data, places):
            made.feed(piece)
            assert made.held_bytes <= 2000 + 65536
    except ProtocolError:
        pass


def test_a_fresh_chunk_stream_may_begin_with_a_type_1_header() -> None:
    wire = basic(1, 2) + bytes((0, 0, 5, 0, 0, 4, 3)) + b"abcd"
    assert reader().feed(wire) == [Message(3, 5, 0, b"abcd")]


@pytest.mark.parametrize("form", [2, 3])
def test_a_header_that_refers_to_nothing_is_an_error(form: int) -> None:
    with pytest.raises(ProtocolError):
        reader().feed(basic(form, 5) + bytes(20))


def test_a_new_message_inside_an_unfinished_one_is_an_error() -> None:
    writer = ChunkWriter()
    first = writer.chunks(Sent(9, 0, 1, 6, bytes(300)))[0]
    with pytest.raises(ProtocolError, match="unfinished"):
        reader().feed(first + ChunkWriter().message(Sent(9, 0, 1, 6, bytes(10))))


def test_abort_throws_the_unfinished_message_away() -> None:
    writer = ChunkWriter()
    made = reader()
    made.feed(writer.chunks(Sent(9, 0, 1, 6, bytes(300)))[0])
    assert made.held_bytes == 128
    made.feed(writer.message(Sent(2, 0, 0, 2, (6).to_bytes(4, "big"))))
    assert made.held_bytes == 0
    whole = Sent(9, 40, 1, 6, b"whole")
    assert read(made, [ChunkWriter().message(whole)]) == by_stream([whole])


def test_chunk_size_may_change_in_the_middle_of_a_message_of_another_chunk_stream() -> None:
    writer = ChunkWriter()
    body = bytes(at % 256 for at in range(400))
    first, *_ = writer.chunks(Sent(9, 7, 1, 6, body))
    wire = first + writer.set_chunk_size(1000) + basic(3, 6) + body[128:]
    assert read(reader(), [wire]) == {1: [(9, 7, body)]}


def test_media_for_a_stream_nobody_opened_is_counted_and_dropped() -> None:
    made = reader(1)
    writer = ChunkWriter()
    wire = b"".join(writer.message(Sent(9, at, 5, 6, b"xy" * 20, 1)) for at in range(4))
    assert made.feed(wire) == []
    assert made.discarded == 4


@pytest.mark.parametrize("opened_late", [False, True])
def test_media_for_a_stream_nobody_opened_is_not_kept_while_it_comes(opened_late: bool) -> None:
    made = reader(1)
    writer = ChunkWriter()
    wire = writer.message(Sent(9, 0, 5, 6, bytes(100_000)))
    for at in range(0, len(wire), 1000):
        if opened_late and at == 50_000:
            made.open_stream(5)
        assert made.feed(wire[at : at + 1000]) == []
        assert made.held_bytes <= 130
    assert made.discarded == 1
    after = Sent(9, 40, 1, 6, b"after")
    assert read(made, [writer.message(after)]) == by_stream([after])


def test_an_abort_of_what_is_not_kept_leaves_the_count_right() -> None:
    made = reader(1)
    writer = ChunkWriter()
    made.feed(writer.chunks(Sent(9, 0, 5, 6, bytes(1000)))[0] + writer.chunks(Sent(9, 0, 1, 7, bytes(1000)))[0])
    assert made.held_bytes == 128
    made.feed(writer.message(Sent(2, 0, 0, 2, (6).to_bytes(4, "big"))))
    assert made.held_bytes == 128
    made.feed(writer.message(Sent(2, 0, 0, 2, (7).to_bytes(4, "big"))))
    assert made.held_bytes == 0


def test_commands_stay_behind_the_media_that_came_before_them() -> None:
    writer = ChunkWriter()
    video = writer.message(Sent(9, 0, 1, 6, b"before the command"))
    command = writer.message(Sent(20, 0, 0, 3, b"\x05"))
    after = writer.message(Sent(9, 1, 1, 6, b"after the command!", 1))
    kinds = [type(item) for item in reader().feed(video + command + after)]
    assert kinds == [MediaBatch, Message, MediaBatch]


def test_an_aggregate_is_cut_into_its_tags_with_shifted_times() -> None:
    def tag(kind: int, time: int, body: bytes) -> bytes:
        head = bytes((kind,)) + len(body).to_bytes(3, "big") + time.to_bytes(4, "big")[1:] + bytes(4)
        return head + body + (len(body) + 11).to_bytes(4, "big")

    body = tag(9, 1000, b"\x17\x01") + tag(8, 1010, b"\xaf\x01") + tag(3, 0, b"ignored")
    found = read(reader(), [ChunkWriter().message(Sent(22, 5000, 1, 6, body))])
    assert found == {1: [(9, 5000, b"\x17\x01"), (8, 5010, b"\xaf\x01")]}


def test_an_aggregate_that_ends_inside_a_tag_is_an_error() -> None:
    with pytest.raises(ProtocolError, match="aggregate"):
        reader().feed(ChunkWriter().message(Sent(22, 0, 1, 6, bytes.fromhex("09 000010 000000 00 000000 aa"))))


def test_an_aggregate_of_countless_empty_tags_is_refused() -> None:
    wire = ChunkWriter().message(Sent(22, 0, 1, 6, (b"\x09" + bytes(14)) * 5000))
    with pytest.raises(ProtocolError, match="too many tags"):
        reader().feed(wire)


@pytest.mark.parametrize(("kind", "prefix"), [(18, b""), (15, b"\x00")])
def test_set_data_frame_is_taken_off_metadata(kind: int, prefix: bytes) -> None:
    body = b"\x02\x00\x0aonMetaData\x08\x00\x00\x00\x00\x00\x00\x09"
    wire = ChunkWriter().message(Sent(kind, 3, 1, 4, prefix + b"\x02\x00\x0d@setDataFrame" + body))
    assert read(reader(), [wire]) == {1: [(MessageType.DATA, 3, body)]}


@pytest.mark.parametrize("kind", [1, 2])
def test_control_messages_that_are_too_short_are_errors(kind: int) -> None:
    with pytest.raises(ProtocolError, match="short"):
        reader().feed(ChunkWriter().message(Sent(kind, 0, 0, 2, b"\x00")))


def test_too_many_chunk_streams_are_refused() -> None:
    made = reader(limits=Limits(max_chunk_streams=3))
    writer = ChunkWriter()
    for csid in (4, 5, 6):
        made.feed(writer.message(Sent(9, 0, 1, csid, b"x")))
    with pytest.raises(LimitExceeded) as caught:
        made.feed(writer.message(Sent(9, 0, 1, 7, b"x")))
    assert caught.value.limit == "max_chunk_streams"


def test_unfinished_messages_together_are_bounded() -> None:
    made = reader(limits=Limits(max_partial_bytes=300))
    writer = ChunkWriter()
    made.feed(writer.chunks(Sent(9, 0, 1, 6, bytes(1000)))[0] + writer.chunks(Sent(9, 0, 1, 7, bytes(1000)))[0])
    with pytest.raises(LimitExceeded) as caught:
        made.feed(writer.chunks(Sent(9, 0, 1, 8, bytes(1000)))[0])
    assert caught.value.limit == "max_partial_bytes"
