from __future__ import annotations

import hashlib
import hmac
import json

import pytest

from app.domain.errors import InvalidRequest, NotAuthenticated, TooManyRequests
from app.domain.secret import Secret
from app.services.websocket_security import (
    LABEL,
    Message,
    MessageSeal,
    Outbox,
    Room,
    join,
    origin_allowed,
    room_of,
)


def reading(topic: str, size: int = 10, data: object = None) -> Message:
    return Message("stream_health", data, size, topic)


def change(size: int = 10) -> Message:
    return Message("stream_changed", None, size)


def test_a_newer_reading_takes_the_place_of_the_older_one_of_its_topic() -> None:
    box = Outbox(10, 1000)
    for number in range(50):
        assert box.offer(reading("a", data=number))
    assert [message.data for message in box.take(16)] == [49]
    assert box.size_bytes == 0


def test_when_it_is_full_readings_go_before_changes() -> None:
    box = Outbox(3, 1000)
    for message in (reading("a"), change(), reading("b"), change(), change()):
        assert box.offer(message)
    assert [message.event for message in box.take(16)] == ["stream_changed"] * 3
    assert box.dropped == 2


def test_when_nothing_but_changes_waits_a_reading_is_dropped_and_a_change_is_the_end() -> None:
    box = Outbox(2, 1000)
    assert box.offer(change())
    assert box.offer(change())
    assert box.offer(reading("a"))
    assert len(box) == 2
    assert not box.offer(change())


def test_bytes_are_bounded_as_well_as_messages() -> None:
    box = Outbox(100, 100)
    assert box.offer(reading("a", 60))
    assert box.offer(change(60))
    assert box.size_bytes == 60
    assert not box.offer(change(60))
    assert box.size_bytes <= 100


def test_what_must_be_told_fits_beside_what_waits_and_must_be_told_while_readings_make_room() -> None:
    box = Outbox(3, 1000)
    for message in (change(), reading("a"), reading("b")):
        assert box.offer(message)
    assert box.holds([change(), change()])
    assert not box.holds([change(), change(), change()])
    assert not box.holds([change(991)])
    for message in (change(), change()):
        assert box.offer(message)


def test_messages_leave_in_the_order_they_came() -> None:
    box = Outbox(10, 1000)
    for number in range(4):
        box.offer(Message("e", number, 1))
    assert [message.data for message in box.take(3)] == [0, 1, 2]
    assert [message.data for message in box.take(3)] == [3]


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        (None, True),
        ("http://manager.example:8080", True),
        ("http://MANAGER.example:8080", True),
        ("https://manager.example:8080", False),
        ("http://manager.example", False),
        ("http://manager.example:80801", False),
        ("http://manager.example:8080.evil.example", False),
        ("http://manager.example:8080@evil.example", False),
        ("http://manager.example:8080/", False),
        ("null", False),
        ("", False),
        ("file://", False),
        ("http://[", False),
        ("http://[x]", False),
        ("*", False),
    ],
)
def test_only_the_same_origin_is_allowed(origin: str | None, allowed: bool) -> None:
    assert origin_allowed(origin, host="manager.example:8080", scheme="http") is allowed


def test_a_room_is_named_by_exactly_one_id() -> None:
    assert room_of({"stream_id": "str_1"}) == Room("stream", "str_1")
    assert room_of({"encoder_id": "*"}) == Room("encoder", "*")
    for asked in (None, {}, {"stream_id": ""}, {"stream_id": "a", "encoder_id": "b"}, {"tenant": "x"}, {1: "a"}):
        with pytest.raises(InvalidRequest):
            room_of(asked)


def test_rooms_are_capped_and_joining_twice_costs_nothing() -> None:
    rooms: set[Room] = set()
    for number in range(3):
        join(rooms, Room("stream", str(number)), 3)
    join(rooms, Room("stream", "0"), 3)
    with pytest.raises(TooManyRequests):
        join(rooms, Room("stream", "3"), 3)


KEY = Secret("emk_live_example")


def sealed(
    data: object, number: int, *, event: str = "subscribe", sid: str = "sid", key: str = "emk_live_example"
) -> dict[str, object]:
    """A client's message, made from the description alone."""
    derived = hmac.digest(key.encode(), LABEL, "sha256")
    body = json.dumps(data)
    text = f"{sid}\nclient\n{event}\n{number}\n{body}"
    return {"body": body, "n": number, "mac": hmac.new(derived, text.encode(), hashlib.sha256).hexdigest()}


def test_sealed_messages_verify_in_their_order() -> None:
    seal = MessageSeal(KEY, "sid")
    assert [seal.unwrap("subscribe", sealed({"stream_id": str(n)}, n)) for n in (1, 2, 3)] == [
        {"stream_id": "1"},
        {"stream_id": "2"},
        {"stream_id": "3"},
    ]


@pytest.mark.parametrize(
    "message",
    [
        sealed({}, 1),
        sealed({}, 3),
        sealed({}, 2) | {"body": '{"stream_id":"*"}'},
        sealed({}, 2) | {"mac": ""},
        sealed({}, 2) | {"mac": "\u00fc" * 64},
        sealed({}, 2) | {"n": 2.0},
        sealed({}, 2) | {"extra": 1},
        sealed({}, 2, event="unsubscribe"),
        sealed({}, 2, sid="other"),
        sealed({}, 2, key="emk_live_other"),
        {"stream_id": "*"},
        None,
    ],
)
def test_what_was_changed_replayed_reordered_or_not_sealed_is_refused_and_counted(message: object) -> None:
    seal = MessageSeal(KEY, "sid")
    seal.unwrap("subscribe", sealed({}, 1))
    with pytest.raises(NotAuthenticated):
        seal.unwrap("subscribe", message)
    assert seal.refused == 1


def test_a_servers_message_cannot_be_sent_back_as_a_clients() -> None:
    seal = MessageSeal(KEY, "sid")
    with pytest.raises(NotAuthenticated):
        seal.unwrap("subscribe", seal.wrap("subscribe", {"stream_id": "*"}))
