"""Messages and batches."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiortmp import MediaBatch, MediaMessage, MessageType
from tests.aiortmp.test_sending import batches, steady_stream

VIDEO, AUDIO = MessageType.VIDEO, MessageType.AUDIO


def test_a_batch_is_a_sequence_of_its_messages() -> None:
    messages = [MediaMessage(VIDEO, at, bytes((at,))) for at in range(5)]
    batch = MediaBatch.of(messages)
    assert list(batch) == messages
    assert len(batch) == 5
    assert batch[-1] == messages[-1]
    assert list(batch[1:3]) == messages[1:3]
    assert (batch.first_timestamp, batch.last_timestamp) == (0, 4)
    assert batch.size_bytes == 5


def test_a_message_of_a_batch_is_built_once() -> None:
    batch = batches(steady_stream(9), chunk_size=128, places=[])[0]
    assert batch[3] is batch[3]
    assert batch[3].payload is batch[3].payload


@pytest.mark.parametrize("chunk_size", [128, 4096])
def test_a_peek_shows_the_beginning_of_the_payload(chunk_size: int) -> None:
    for message in batches(steady_stream(9), chunk_size=chunk_size, places=[700])[0]:
        before = message.peek(4)
        assert before == message.payload[:4] == message.peek(4)


def test_a_batch_knows_what_it_keeps_in_memory() -> None:
    whole = batches(steady_stream(9), chunk_size=4096, places=[])[0]
    assert whole[3:5].size_bytes == 1800
    assert whole[3:5].held_bytes > 8000
    assert MediaBatch.of(whole[3:5]).held_bytes == 1800


def test_a_message_is_true_even_without_payload() -> None:
    assert MediaMessage(VIDEO, 0, b"")


@given(st.integers(-(2**33), 2**33))
def test_a_shift_wraps_at_32_bits(offset: int) -> None:
    batch = MediaBatch.of([MediaMessage(VIDEO, 100, b"x")])
    assert batch.shifted(offset)[0].timestamp == (100 + offset) % 2**32


def test_messages_with_equal_content_are_equal_and_hash_alike() -> None:
    one, same = MediaMessage(AUDIO, 1, b"a"), MediaMessage(AUDIO, 1, b"a")
    assert one == same
    assert len({one, same, MediaMessage(AUDIO, 2, b"a")}) == 2
    assert one != (AUDIO, 1, b"a")
    assert "AUDIO, 1 ms, 1 bytes" in repr(one)
