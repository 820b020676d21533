"""Both roles, joined in memory: stories of connecting, publishing and playing."""

from __future__ import annotations

import pytest

from aiortmp import LimitExceeded, Limits, MediaBatch, MediaMessage, MessageType, ProtocolError
from aiortmp.chunk.message import Message
from aiortmp.chunk.reader import ChunkReader
from aiortmp.message.control import UserControl, parse_user_control, user_control, window_ack_size
from aiortmp.session.events import (
    CommandAnswered,
    CommandRefused,
    ConnectRequested,
    PlayRequested,
    PublishRequested,
    StatusReceived,
    StreamEnded,
)
from tests.aiortmp.chunks import ChunkWriter, Sent
from tests.aiortmp.pairs import Pair

FRAME = MediaBatch.of([MediaMessage(MessageType.VIDEO, 40, b"\x17\x01" + bytes(9000))])


def codes(pair: Pair) -> list[tuple[int, str]]:
    return [(event.stream_id, event.code) for event in pair.client_events(StatusReceived)]


def refusals(pair: Pair) -> list[str]:
    return [event.description for event in pair.client_events(CommandRefused)]


def media(pair: Pair) -> list[tuple[int, int, bytes]]:
    return [
        (batch.stream_id, message.timestamp, message.payload)
        for batch in pair.at_server
        if isinstance(batch, MediaBatch)
        for message in batch
    ]


@pytest.mark.parametrize("digest", [True, False])
def test_a_client_connects_publishes_and_stops(digest: bool) -> None:
    pair = Pair(digest=digest)
    request = pair.connect({"extra": "value"})
    assert (request.app, request.tc_url, request.flash_ver) == ("live", "rtmp://host/live", "test")
    assert request.args["extra"] == "value"
    stream_id = pair.publish("key?x=1")
    pair.media(stream_id, FRAME)
    pair.client.unpublish(stream_id, "key?x=1")
    pair.run()
    assert media(pair) == [(stream_id, 40, FRAME[0].payload)]
    assert pair.at_server[-1] == StreamEnded(stream_id, "deleteStream")
    assert codes(pair) == [(1, "NetStream.Publish.Start"), (1, "NetStream.Unpublish.Success")]


def test_the_answer_to_connect_names_the_codecs_of_enhanced_rtmp() -> None:
    pair = Pair()
    pair.connect()
    information = pair.client_events(CommandAnswered)[0].arguments[1]
    assert isinstance(information, dict)
    assert information["code"] == "NetConnection.Connect.Success"
    assert {"hvc1", "av01", "vp09", "Opus"} <= set(information["fourCcList"])
    asked = pair.server_event(ConnectRequested).args["fourCcList"]
    assert isinstance(asked, list)
    assert "hvc1" in asked


def test_several_streams_run_on_one_connection() -> None:
    pair = Pair()
    pair.connect()
    playing = pair.play("source")
    publishing = [pair.publish(name) for name in ("720p", "480p")]
    assert len({playing, *publishing}) == 3
    for stream_id in publishing:
        pair.media(stream_id, FRAME)
    assert [stream_id for stream_id, _, _ in media(pair)] == publishing
    pair.client.unpublish(publishing[0], "720p")
    pair.run()
    pair.media(publishing[0], FRAME)
    pair.media(publishing[1], FRAME)
    assert [stream_id for stream_id, _, _ in media(pair)] == [*publishing, publishing[1]]


def test_a_stream_id_is_free_again_after_delete_stream() -> None:
    pair = Pair()
    pair.connect()
    first = pair.create_stream()
    pair.client.delete_stream(first)
    pair.run()
    assert pair.create_stream() == first


def test_a_refused_publisher_is_told_why() -> None:
    pair = Pair()
    pair.connect()
    stream_id = pair.create_stream()
    pair.client.publish(stream_id, "secret", "live")
    pair.run()
    pair.server.reject(stream_id, "NetStream.Publish.BadName", "unknown key")
    pair.run()
    assert pair.client_events(StatusReceived) == [
        StatusReceived(stream_id, "error", "NetStream.Publish.BadName", "unknown key")
    ]
    pair.media(stream_id, FRAME)
    assert media(pair) == []


def test_a_refused_client_is_told_why() -> None:
    pair = Pair()
    pair.run()
    number = pair.client.connect(app="live", tc_url="", flash_ver="", args={})
    pair.run()
    pair.server.reject_connect(float(number), "NetConnection.Connect.Rejected", "full")
    pair.run()
    assert pair.client_events(CommandRefused) == [CommandRefused(1.0, "NetConnection.Connect.Rejected", "full")]


def test_a_stream_ended_by_the_server_takes_no_more() -> None:
    pair = Pair()
    pair.connect()
    stream_id = pair.publish()
    pair.server.end_stream(stream_id, "NetStream.Unpublish.Success", "replaced")
    pair.run()
    pair.media(stream_id, FRAME)
    assert media(pair) == []
    assert codes(pair)[-1] == (stream_id, "NetStream.Unpublish.Success")


def test_a_player_gets_what_players_wait_for() -> None:
    pair = Pair()
    pair.connect()
    stream_id = pair.play()
    assert codes(pair) == [(stream_id, "NetStream.Play.Reset"), (stream_id, "NetStream.Play.Start")]
    pair.client.delete_stream(stream_id)
    pair.run()
    assert pair.at_server[-1] == StreamEnded(stream_id, "deleteStream")


def test_close_stream_stops_and_keeps_the_stream() -> None:
    pair = Pair()
    pair.connect()
    stream_id = pair.publish()
    pair.command("closeStream", 0.0, None, stream_id=stream_id)
    assert pair.at_server[-1] == StreamEnded(stream_id, "closeStream")
    pair.command("publish", 0.0, None, "again", "live", stream_id=stream_id)
    assert pair.at_server[-1] == PublishRequested(stream_id, "again", "live")


def test_accepting_what_has_been_taken_back_is_false() -> None:
    pair = Pair()
    pair.connect()
    stream_id = pair.create_stream()
    pair.client.publish(stream_id, "name", "live")
    pair.client.delete_stream(stream_id)
    pair.run()
    assert not pair.server.accept_publish(stream_id)
    assert not pair.server.accept_play(stream_id)


@pytest.mark.parametrize("name", ["releaseStream", "FCPublish", "_checkbw", "FCSubscribe"])
def test_what_encoders_ask_in_passing_is_answered(name: str) -> None:
    pair = Pair()
    pair.connect()
    pair.command(name, 77.0, None, "name")
    assert pair.client_events(CommandAnswered)[-1] == CommandAnswered(77.0, (None, None))


def test_nothing_is_said_to_a_publisher_that_is_about_to_hang_up() -> None:
    pair = Pair()
    pair.connect()
    pair.publish("name")
    before = len(pair.at_client)
    pair.command("FCUnpublish", 77.0, None, "name")
    assert len(pair.at_client) == before


def test_a_live_stream_has_length_zero() -> None:
    pair = Pair()
    pair.connect()
    pair.command("getStreamLength", 5.0, None, "name")
    assert pair.client_events(CommandAnswered)[-1] == CommandAnswered(5.0, (None, 0.0))


def test_commands_of_amf3_clients_are_read() -> None:
    pair = Pair()
    pair.connect()
    body = b"\x00" + bytes.fromhex("02 000c 63726561746553747265616d 00 4008000000000000 05")
    pair.at_server += pair.server.receive_data(ChunkWriter().message(Sent(17, 0, 0, 3, body)), 0.0)
    pair.run()
    assert pair.client_events(CommandAnswered)[-1] == CommandAnswered(3.0, (None, 1.0))


@pytest.mark.parametrize(
    ("name", "stream_id", "why"),
    [
        ("publish", 9, "no such stream"),
        ("play", 9, "no such stream"),
        ("connect", 0, "connected already"),
        ("launchMissiles", 0, "unknown command"),
    ],
)
def test_in_19_commands_out_of_order_are_refused(name: str, stream_id: int, why: str) -> None:
    pair = Pair()
    pair.connect()
    pair.command(name, 9.0, None, "x", stream_id=stream_id)
    assert refusals(pair) == [why]


def test_in_19_nothing_is_served_before_connect() -> None:
    pair = Pair()
    pair.run()
    for name in ("createStream", "publish", "play", "deleteStream"):
        pair.command(name, 9.0, None, "x")
    assert refusals(pair) == ["not connected yet"] * 4
    assert not [event for event in pair.at_server if isinstance(event, PublishRequested | PlayRequested)]


def test_in_19_a_stream_in_use_is_not_used_twice() -> None:
    pair = Pair()
    pair.connect()
    stream_id = pair.publish()
    pair.command("publish", 9.0, None, "other", stream_id=stream_id)
    pair.command("play", 9.0, None, "other", stream_id=stream_id)
    assert refusals(pair) == ["stream is publishing"] * 2


def test_in_19_media_before_publish_is_dropped_and_media_before_metadata_is_taken() -> None:
    pair = Pair()
    pair.connect()
    stream_id = pair.create_stream()
    pair.media(stream_id, FRAME)
    assert media(pair) == []
    pair.client.publish(stream_id, "name", "live")
    pair.run()
    pair.media(stream_id, FRAME)
    assert media(pair) == []
    pair.server.accept_publish(stream_id)
    pair.media(stream_id, FRAME)
    assert len(media(pair)) == 1


def test_in_19_a_client_that_only_talks_is_bounded_until_it_publishes() -> None:
    pair = Pair(limits=Limits(max_setup_bytes=100_000))
    pair.connect()
    stream_id = pair.create_stream()
    while pair.server.received_bytes <= 100_000:
        pair.media(stream_id, FRAME)
    with pytest.raises(LimitExceeded) as caught:
        pair.media(stream_id, FRAME)
    assert caught.value.limit == "max_setup_bytes"
    pair = Pair(limits=Limits(max_setup_bytes=100_000))
    pair.connect()
    stream_id = pair.publish()
    for _ in range(30):
        pair.media(stream_id, FRAME)
    assert len(media(pair)) == 30


def test_in_19_streams_are_bounded() -> None:
    pair = Pair(limits=Limits(max_streams=4))
    pair.connect()
    for _ in range(4):
        pair.create_stream()
    with pytest.raises(LimitExceeded) as caught:
        pair.create_stream()
    assert caught.value.limit == "max_streams"


def test_in_19_refusals_are_bounded() -> None:
    pair = Pair(limits=Limits(max_refusals=3))
    pair.connect()
    for _ in range(3):
        pair.command("guess", 1.0, None)
    with pytest.raises(LimitExceeded) as caught:
        pair.command("guess", 1.0, None)
    assert caught.value.limit == "max_refusals"


@pytest.mark.parametrize("body", ["", "05", "02 0001 61 02 0001 61", "00 3ff0000000000000"])
def test_a_command_without_name_or_number_is_an_error(body: str) -> None:
    pair = Pair()
    pair.connect()
    with pytest.raises(ProtocolError):
        pair.server.receive_data(ChunkWriter().message(Sent(20, 0, 0, 3, bytes.fromhex(body))), 0.0)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -1.0, 1e300])
def test_deleting_a_stream_that_cannot_exist_does_nothing(number: float) -> None:
    pair = Pair()
    pair.connect()
    stream_id = pair.publish()
    pair.command("deleteStream", 0.0, None, number)
    pair.media(stream_id, FRAME)
    assert len(media(pair)) == 1


def controls(wire: bytes) -> list[tuple[int, list[int]]]:
    """User control events among what a side sends."""
    items = ChunkReader(Limits()).feed(wire)
    return [parse_user_control(m.payload) for m in items if isinstance(m, Message) and m.type == 4]


def test_a_ping_is_answered_with_its_own_number() -> None:
    pair = Pair()
    pair.connect()
    pair.server.receive_data(user_control(UserControl.PING_REQUEST, 1234), 0.0)
    assert controls(pair.server.data_to_send()) == [(UserControl.PING_RESPONSE, [1234])]


def test_received_bytes_are_acknowledged_by_the_window_the_peer_asked_for() -> None:
    pair = Pair()
    pair.connect()
    stream_id = pair.publish()
    pair.server.receive_data(window_ack_size(20_000), 0.0)
    acknowledged = []
    for _ in range(10):
        pair.server.receive_data(FRAME.encoded(4096, stream_id), 0.0)
        items = ChunkReader(Limits()).feed(pair.server.data_to_send())
        acknowledged += [int.from_bytes(m.payload, "big") for m in items if isinstance(m, Message) and m.type == 3]
    assert len(acknowledged) in (3, 4)
    assert acknowledged[-1] <= pair.server.received_bytes


def test_a_window_of_one_byte_does_not_make_us_answer_every_read() -> None:
    pair = Pair()
    pair.connect()
    pair.server.receive_data(window_ack_size(1), 0.0)
    pair.server.data_to_send()
    pair.server.receive_data(window_ack_size(1), 0.0)
    assert not pair.server.has_data


def test_message_types_that_nobody_knows_are_stepped_over() -> None:
    pair = Pair()
    pair.connect()
    pair.server.receive_data(ChunkWriter().message(Sent(99, 0, 0, 3, b"?")), 0.0)
    assert pair.create_stream() == 1
