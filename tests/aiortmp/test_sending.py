"""Sending media: whatever is handed on raw, encoded, skipped or mixed, the reader gets what was sent."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiortmp import Limits, MediaBatch, MediaMessage, MessageType
from aiortmp.aio.sending import MediaSender
from aiortmp.chunk.reader import ChunkReader
from aiortmp.message.control import set_chunk_size
from tests.aiortmp.chunks import ChunkWriter, Sent, cut, sequences, steady

Plain = list[tuple[int, int, bytes]]


@dataclass
class Wire:
    """Stands where a connection would: keeps what was written, and the session's chunk size."""

    out_chunk_size: int = 128
    media_owner: object = None
    written: list[bytes] = field(default_factory=list)
    raw_writes: int = 0
    buffered_bytes: int = 0

    def change_chunk_size(self, size_bytes: int) -> None:
        self.out_chunk_size = size_bytes
        self.written.append(set_chunk_size(size_bytes))

    def write(self, data: bytes | memoryview) -> None:
        self.raw_writes += isinstance(data, memoryview)
        self.written.append(bytes(data))

    def write_parts(self, parts: list[bytes | memoryview]) -> None:
        self.raw_writes += any(isinstance(part, memoryview) for part in parts)
        self.written.append(b"".join(parts))


def plain(batch: MediaBatch) -> Plain:
    return [(int(m.type), m.timestamp, m.payload) for m in batch]


def received(wire: Wire, *streams: int) -> dict[int, Plain]:
    reader = ChunkReader(Limits(max_chunk_bytes=1 << 20))
    for stream_id in streams:
        reader.open_stream(stream_id)
    found: dict[int, Plain] = {stream_id: [] for stream_id in streams}
    for item in reader.feed(b"".join(wire.written)):
        assert isinstance(item, MediaBatch)
        found[item.stream_id] += plain(item)
    return found


def batches(sent: list[Sent], *, chunk_size: int, places: list[int], stream_id: int = 1) -> list[MediaBatch]:
    """What a publisher's connection makes of these messages."""
    writer = ChunkWriter()
    data = writer.set_chunk_size(chunk_size) + b"".join(writer.message(one) for one in sent)
    reader = ChunkReader(Limits())
    reader.open_stream(stream_id)
    return [item for piece in cut(data, places) for item in reader.feed(piece) if isinstance(item, MediaBatch)]


@st.composite
def disturbed(draw: st.DrawFn) -> list[Sent]:
    """What an encoder sends, with messages among it that are nobody's media but use the same lanes."""
    sent = draw(steady())
    odd = draw(st.lists(st.sampled_from([0, 0, 0, 0, 20, 3, 99]), min_size=len(sent), max_size=len(sent)))
    return [replace(one, type=kind or one.type) for one, kind in zip(sent, odd, strict=True)]


def sender(wire: Wire, stream_id: int = 1) -> MediaSender:
    return MediaSender(wire, stream_id, "name")  # type: ignore[arg-type]  # Wire has all a sender uses


PLACES = st.lists(st.integers(0, 2**16), max_size=12)
CHUNKS = st.sampled_from([128, 1024, 4096, 65536])


@given(
    sent=steady() | disturbed() | sequences(most=20),
    chunk_size=CHUNKS,
    places=PLACES,
    mine=st.sampled_from([1, 2]),
    missed=st.sets(st.integers(0, 8)),
)
def test_a_reader_gets_every_batch_it_was_sent_and_no_other(
    sent: list[Sent], chunk_size: int, places: list[int], mine: int, missed: set[int]
) -> None:
    wire = Wire()
    play = sender(wire, mine)
    expected: Plain = []
    for index, batch in enumerate(batches(sent, chunk_size=chunk_size, places=places)):
        if index not in missed:
            play.send(batch)
            expected += plain(batch)
    assert received(wire, mine)[mine] == expected


@given(sent=steady(), chunk_size=CHUNKS, places=PLACES, order=st.lists(st.integers(0, 1), min_size=20, max_size=20))
def test_two_streams_on_one_connection_do_not_spoil_each_other(
    sent: list[Sent], chunk_size: int, places: list[int], order: list[int]
) -> None:
    wire = Wire()
    plays = [sender(wire, 1), sender(wire, 2)]
    sources = [iter(batches(sent, chunk_size=chunk_size, places=places)) for _ in plays]
    expected: dict[int, Plain] = {1: [], 2: []}
    for choice in order:
        batch = next(sources[choice], None)
        if batch is not None:
            plays[choice].send(batch)
            expected[choice + 1] += plain(batch)
    assert received(wire, 1, 2) == expected


@given(sent=steady(), places=PLACES, start=st.integers(0, 30))
def test_a_reader_may_begin_in_the_middle_of_a_batch(sent: list[Sent], places: list[int], start: int) -> None:
    wire = Wire()
    play = sender(wire)
    first, *rest = batches(sent, chunk_size=4096, places=places)
    sliced = first[min(start, len(first) - 1) :]
    expected = plain(sliced)
    play.send(sliced)
    for batch in rest:
        play.send(batch)
        expected += plain(batch)
    assert received(wire, 1)[1] == expected


@given(
    sent=steady(),
    places=PLACES,
    offsets=st.lists(st.sampled_from([0, 0, 5000, 2**32 - 20, -7]), min_size=14, max_size=14),
)
def test_shifted_batches_arrive_with_shifted_times(sent: list[Sent], places: list[int], offsets: list[int]) -> None:
    wire = Wire()
    play = sender(wire)
    expected: Plain = []
    for batch, offset in zip(batches(sent, chunk_size=4096, places=places), offsets, strict=False):
        moved = batch.shifted(offset)
        play.send(moved)
        expected += plain(moved)
        assert [m.timestamp for m in moved] == [m.timestamp + offset & 0xFFFFFFFF for m in batch]
    assert received(wire, 1)[1] == expected


def steady_stream(count: int) -> list[Sent]:
    return [
        Sent(9 if at % 3 == 0 else 8, at * 10, 1, 6 if at % 3 == 0 else 4, bytes(900), 1) for at in range(count)
    ]


def test_an_aborted_message_does_not_move_the_times_of_those_behind_it() -> None:
    writer = ChunkWriter()
    first = writer.set_chunk_size(1024) + b"".join(writer.message(one) for one in steady_stream(4))
    torn = writer.chunks(Sent(9, 5000, 1, 6, bytes(4000), 1))[0]
    abort = writer.message(Sent(2, 0, 0, 2, (6).to_bytes(4, "big")))
    rest = [Sent(9, 5000 + at * 40, 1, 6, bytes(300), 1) for at in range(1, 5)]
    reader = ChunkReader(Limits())
    reader.open_stream(1)
    wire, expected = Wire(), []
    play = sender(wire)
    for piece in (first, torn + abort, *(writer.message(one) for one in rest)):
        for batch in reader.feed(piece):
            assert isinstance(batch, MediaBatch)
            play.send(batch)
            expected += plain(batch)
    assert [timestamp for _, timestamp, _ in expected[-4:]] == [5040, 5080, 5120, 5160]
    assert received(wire, 1)[1] == expected


TWO_TAGS = bytes.fromhex("09 000002 000000 00 000000 2701 0000000d") + bytes.fromhex(
    "09 000002 000028 00 000000 2701 0000000d"
)


@pytest.mark.parametrize(
    ("kind", "body"), [(20, b"\x02\x00\x01x"), (3, bytes(4)), (99, b"?"), (22, TWO_TAGS), (22, b"")]
)
def test_what_else_uses_a_lane_does_not_move_the_times_of_media_behind_it(kind: int, body: bytes) -> None:
    sent = steady_stream(8)
    sent[4] = Sent(kind, 500, 1, 6, body, 1)
    sent[5:] = [Sent(9, 600 + at * 40, 1, 6, bytes(300), 1) for at in range(3)]
    writer = ChunkWriter()
    reader = ChunkReader(Limits())
    reader.open_stream(1)
    wire, expected = Wire(), []
    play = sender(wire)
    for piece in (writer.set_chunk_size(1024), *(writer.message(one) for one in sent)):
        for batch in reader.feed(piece):
            if isinstance(batch, MediaBatch):
                play.send(batch)
                expected += plain(batch)
    assert [timestamp for _, timestamp, _ in expected[-3:]] == [600, 640, 680]
    assert received(wire, 1)[1] == expected


def test_after_the_first_batch_chunks_are_handed_on_as_they_came() -> None:
    wire = Wire()
    play = sender(wire, stream_id=3)
    came = batches(steady_stream(60), chunk_size=4096, places=[8000, 16000, 24000, 32000])
    for batch in came:
        play.send(batch)
    # The first brings what the others' headers refer to, the others are untouched.
    assert wire.raw_writes == len(came) - 1
    assert wire.out_chunk_size == 4096


def test_chunks_of_a_shifted_stream_are_handed_on_too() -> None:
    wire = Wire()
    play = sender(wire)
    came = batches(steady_stream(60), chunk_size=4096, places=[8000, 16000, 24000, 32000])
    for batch in came:
        play.send(batch.shifted(1000))
    assert wire.raw_writes == len(came) - 1


def test_many_readers_share_one_encoding() -> None:
    batch = MediaBatch.of([MediaMessage(MessageType.VIDEO, 5, bytes(5000))])
    assert batch.encoded(4096, 1) is batch.encoded(4096, 1)
    assert batch.encoded(4096, 1) != batch.encoded(4096, 2)


def test_a_sender_that_is_over_says_so_once_and_writes_nothing() -> None:
    wire = Wire()
    play = sender(wire)
    reasons: list[str] = []
    play.on_end = reasons.append
    play.over("gone")
    play.over("again")
    play.send(MediaBatch.of([MediaMessage(MessageType.VIDEO, 0, b"x")]))
    assert (reasons, wire.written, play.is_open) == (["gone"], [], False)
