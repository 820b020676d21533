"""The link's frames and the queue of facts, without a socket."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.adapters.link.facts import FactQueue
from app.adapters.link.frames import (
    DoneFrame,
    FactFrame,
    FailedFrame,
    Frame,
    FrameError,
    OrderFrame,
    UnknownFrame,
    error_of,
    read,
    write,
)
from app.domain.encoder import EncoderReading
from app.domain.errors import ManagerError, NoCapacity
from app.domain.ids import StreamId
from app.domain.link import CloseChannel, Fact, Heartbeat, SourceDown

AT = datetime(2030, 1, 1, tzinfo=UTC)


def down(number: int) -> SourceDown:
    return SourceDown(StreamId(f"str_{number}"), AT, "left")


def beat(percent: float) -> Heartbeat:
    return Heartbeat(EncoderReading(cpu_percent=percent))


@pytest.mark.parametrize(
    "frame",
    [
        OrderFrame(7, CloseChannel(StreamId("str_1"), "over")),
        DoneFrame(7),
        FailedFrame(7, "conflict", "no"),
        FactFrame(down(1)),
        FactFrame(beat(12.5)),
    ],
)
def test_a_frame_comes_out_as_it_went_in(frame: Frame) -> None:
    assert read(write(frame)) == frame


def test_the_code_of_an_error_becomes_its_class_and_an_unknown_one_the_root() -> None:
    assert type(error_of(FailedFrame(1, "no_capacity", "full"))) is NoCapacity
    assert type(error_of(FailedFrame(1, "of a later version", "x"))) is ManagerError


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ('{"fact": {"type": "FactOfTheFuture"}}', None),
        ('{"order": 3, "body": {"type": "OrderOfTheFuture"}}', 3),
        ('{"something": 1}', None),
    ],
)
def test_what_a_newer_peer_says_is_unknown_but_no_fault(text: str, number: int | None) -> None:
    frame = read(text)
    assert isinstance(frame, UnknownFrame)
    assert frame.number == number


@pytest.mark.parametrize(
    "text",
    ["", "[]", "null", "{", '{"done": "1"}', '{"done": true}', '{"order": null}', '{"failed": 1}', '{"hello": {}}'],
)
def test_what_no_peer_says_is_refused(text: str) -> None:
    with pytest.raises(FrameError):
        read(text)


@given(st.text(max_size=200))
def test_no_text_crashes_the_reader(text: str) -> None:
    try:
        read(text)
    except FrameError:
        return


def drained(queue: FactQueue) -> list[Fact]:
    facts = []
    while (taken := queue.take()) is not None:
        facts.append(taken[1])
    return facts


def test_facts_leave_in_the_order_they_came() -> None:
    queue = FactQueue()
    facts = [down(1), beat(1.0), down(2), beat(2.0)]
    for fact in facts:
        queue.put(fact)
    assert drained(queue) == facts
    assert queue.take() is None


def test_old_readings_give_way_first_and_facts_that_change_state_last() -> None:
    queue = FactQueue(max_readings=2, max_changes=3)
    for number in range(5):
        queue.put(beat(float(number)))
        if number < 3:
            queue.put(down(number))
    assert len(queue) == 5
    assert drained(queue) == [down(0), down(1), down(2), beat(3.0), beat(4.0)]
    assert queue.dropped == 3


def test_what_was_read_before_a_new_connection_is_forgotten() -> None:
    queue = FactQueue()
    queue.put(beat(1.0))
    queue.put(down(1))
    queue.forget_readings()
    assert drained(queue) == [down(1)]


def test_a_fact_that_could_not_be_sent_stays_the_oldest() -> None:
    queue = FactQueue()
    for fact in (down(1), down(2)):
        queue.put(fact)
    taken = queue.take()
    assert taken is not None
    queue.put(down(3))
    queue.give_back(*taken)
    assert drained(queue) == [down(1), down(2), down(3)]


def test_a_reading_that_could_not_be_sent_is_let_go() -> None:
    queue = FactQueue()
    queue.put(beat(1.0))
    taken = queue.take()
    assert taken is not None
    queue.give_back(*taken)
    assert (drained(queue), queue.dropped) == ([], 1)
