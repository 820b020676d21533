"""What is kept of a stream's changes, and what is told to those who were away."""

from __future__ import annotations

import pytest

from app.api import stream_log
from app.api.socket_events import Saying
from app.api.stream_log import StreamLogs
from app.domain.errors import InvalidRequest
from app.domain.ids import StreamId
from app.services.websocket_security import Message, Room, Since, subscription_of

STREAM = StreamId("str_1")
READING = Saying("stream_health", {}, "stream:str_1")


def change(text: str = "") -> Saying:
    return Saying("stream_changed", {"text": text})


def numbers(messages: tuple[Message, ...] | None) -> list[int] | None:
    return None if messages is None else [message.data["seq"] for message in messages]


def test_changes_are_numbered_without_a_gap_and_each_stream_by_itself() -> None:
    logs = StreamLogs(log_id="log_1", floor=100)
    told = [logs.tell(StreamId(name), change()).data["seq"] for name in ("a", "b", "a", "a", "b")]
    assert told == [101, 101, 102, 103, 102]
    assert logs.tell(STREAM, change()).data["log_id"] == "log_1"


def test_a_reading_bears_the_number_of_the_change_before_it_and_is_not_kept() -> None:
    logs = StreamLogs(log_id="log_1", floor=0)
    logs.tell(STREAM, change())
    assert logs.tell(STREAM, READING).data["seq"] == 1
    assert logs.tell(STREAM, change()).data["seq"] == 2
    assert numbers(logs.missed(STREAM, Since(0))) == [1, 2]


def test_who_was_away_is_told_what_came_after_its_number() -> None:
    logs = StreamLogs(log_id="log_1", floor=0)
    for _ in range(5):
        logs.tell(STREAM, change())
    assert numbers(logs.missed(STREAM, Since(2, "log_1"))) == [3, 4, 5]
    assert numbers(logs.missed(STREAM, Since(5))) == []


@pytest.mark.parametrize("since", [Since(6), Since(0, "log_0"), Since(5, "log_0")])
def test_numbers_of_another_log_are_not_taken_for_ours(since: Since) -> None:
    logs = StreamLogs(log_id="log_1", floor=0)
    for _ in range(5):
        logs.tell(STREAM, change())
    assert logs.missed(STREAM, since) is None


def test_the_number_alone_tells_the_log_of_an_earlier_run() -> None:
    before = StreamLogs(log_id="log_1", floor=1_000)
    number = before.tell(STREAM, change()).data["seq"]
    after = StreamLogs(log_id="log_2", floor=2_000)
    after.tell(STREAM, change())
    assert after.missed(STREAM, Since(number)) is None


def test_what_is_no_longer_kept_is_not_passed_over_in_silence() -> None:
    logs = StreamLogs(log_id="log_1", floor=0)
    for _ in range(stream_log.MAX_CHANGES + 10):
        logs.tell(STREAM, change())
    assert logs.missed(STREAM, Since(9)) is None
    assert numbers(logs.missed(STREAM, Since(10))) == list(range(11, stream_log.MAX_CHANGES + 11))


def test_bytes_are_bounded_as_well_as_changes() -> None:
    logs = StreamLogs(log_id="log_1", floor=0)
    for _ in range(100):
        logs.tell(STREAM, change("x" * 10_000))
    kept = logs.missed(STREAM, Since(90))
    assert numbers(kept) == list(range(91, 101))
    assert logs.missed(STREAM, Since(50)) is None


def test_streams_long_without_a_word_are_forgotten_and_their_numbers_never_used_again() -> None:
    logs = StreamLogs(log_id="log_1", floor=0)
    for _ in range(3):
        logs.tell(STREAM, change())
    for number in range(stream_log.MAX_STREAMS):
        logs.tell(StreamId(f"other_{number}"), change())
    assert len(logs) == stream_log.MAX_STREAMS
    assert logs.missed(STREAM, Since(1)) is None
    assert logs.tell(STREAM, change()).data["seq"] == 4


def test_a_subscription_may_say_what_was_heard_last() -> None:
    asked = {"stream_id": "str_1", "last_seq": 7, "log_id": "log_1"}
    assert subscription_of(asked) == (Room("stream", "str_1"), Since(7, "log_1"))
    assert subscription_of({"stream_id": "str_1", "last_seq": 0}) == (Room("stream", "str_1"), Since(0))
    assert subscription_of({"stream_id": "*"}) == (Room("stream", "*"), None)


@pytest.mark.parametrize(
    "asked",
    [
        {"stream_id": "*", "last_seq": 1},
        {"encoder_id": "enc_a", "last_seq": 1},
        {"stream_id": "str_1", "last_seq": -1},
        {"stream_id": "str_1", "last_seq": True},
        {"stream_id": "str_1", "last_seq": "1"},
        {"stream_id": "str_1", "last_seq": None},
        {"stream_id": "str_1", "last_seq": 1, "log_id": 5},
        {"stream_id": "str_1", "last_seq": 1, "log_id": "a b"},
        {"stream_id": "str_1", "log_id": "log_1"},
        {"stream_id": "str_1", "last_seq": 1, "more": 1},
        {"last_seq": 1},
    ],
)
def test_strange_ways_of_saying_so_are_refused(asked: object) -> None:
    with pytest.raises(InvalidRequest):
        subscription_of(asked)
