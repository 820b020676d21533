"""What real clients send, byte for byte, and what the server session makes of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiortmp import Limits, MediaBatch, MessageType
from aiortmp.session.events import ConnectRequested, Event, PlayRequested, PublishRequested, StreamEnded
from aiortmp.session.server import ServerSession
from tests.aiortmp.chunks import cut

FOLDER = Path(__file__).parent / "transcripts"
PUBLISHERS = ("ffmpeg_publish", "gstreamer_publish", "obs_like_publish")
PLAYERS = ("ffmpeg_play", "gstreamer_play", "rtmpdump_play")


def transcript(name: str) -> bytes:
    """Hex with comments; ``xx*n`` is n times the same byte."""
    out: list[bytes] = []
    for line in (FOLDER / f"{name}.txt").read_text().splitlines():
        if line.startswith("#"):
            continue
        byte, star, count = line.partition("*")
        out.append(bytes.fromhex(byte) * int(count) if star else bytes.fromhex(line))
    return b"".join(out)


def serve(pieces: list[bytes]) -> tuple[ServerSession, list[Event]]:
    """A session that says yes to everything."""
    session = ServerSession(limits=Limits(), now=0.0, chunk_size=4096)
    yes: dict[type, Callable[..., object]] = {
        ConnectRequested: lambda event: session.accept_connect(event.transaction),
        PublishRequested: lambda event: session.accept_publish(event.stream_id),
        PlayRequested: lambda event: session.accept_play(event.stream_id),
    }
    events: list[Event] = []
    for piece in pieces:
        for event in session.receive_data(piece, 1.0):
            events.append(event)
            if type(event) in yes:
                yes[type(event)](event)
    return session, events


def one_by_one(data: bytes) -> list[bytes]:
    """As it came when it was captured: nothing behind a request before its answer."""
    return [data[at : at + 1] for at in range(len(data))]


def of_kind(events: list[Event], kind: type) -> list[object]:
    return [event for event in events if isinstance(event, kind)]


@pytest.mark.parametrize("name", PUBLISHERS)
def test_publishers_are_understood(name: str) -> None:
    _, events = serve(one_by_one(transcript(name)))
    (connect,) = of_kind(events, ConnectRequested)
    assert isinstance(connect, ConnectRequested)
    assert connect.app == "live"
    (publish,) = of_kind(events, PublishRequested)
    assert isinstance(publish, PublishRequested)
    assert publish.name.partition("?")[0] == "key1"
    assert publish.kind == "live"
    messages = [message for batch in events if isinstance(batch, MediaBatch) for message in batch]
    assert messages[0].type is MessageType.DATA
    assert messages[0].payload[3:13] == b"onMetaData"
    assert any(message.type is MessageType.VIDEO and message.payload[0] == 0x17 for message in messages)
    assert isinstance(events[-1], StreamEnded)


@pytest.mark.parametrize("name", PLAYERS)
def test_players_are_understood(name: str) -> None:
    session, events = serve(one_by_one(transcript(name)))
    (play,) = of_kind(events, PlayRequested)
    assert play == PlayRequested(1, "key1")
    assert session.has_data


def test_the_stream_name_keeps_its_query() -> None:
    _, events = serve(one_by_one(transcript("ffmpeg_publish")))
    assert PublishRequested(1, "key1?token=abc", "live") in events


def test_obs_media_comes_back_message_by_message() -> None:
    _, events = serve(one_by_one(transcript("obs_like_publish")))
    messages = [message for batch in events if isinstance(batch, MediaBatch) for message in batch]
    assert [(message.type.name, message.timestamp, len(message)) for message in messages[1:]] == [
        ("AUDIO", 0, 4),
        ("VIDEO", 0, 20),
        ("VIDEO", 21, 4205),
        ("AUDIO", 21, 4),
        ("VIDEO", 54, 65),
        ("AUDIO", 64, 3),
    ]
    assert messages[3].payload == bytes.fromhex("1701000000") + b"\x11" * 4200


@pytest.mark.parametrize("name", PUBLISHERS)
@given(places=st.lists(st.integers(0, 20_000), max_size=20))
def test_media_is_the_same_however_what_follows_the_request_is_cut(name: str, places: list[int]) -> None:
    data = transcript(name)
    asked = data.rindex(b"\x02\x00\x07publish")
    head = one_by_one(data[: asked + 200])
    _, whole = serve([*head, data[asked + 200 :]])
    _, pieces = serve([*head, *cut(data[asked + 200 :], places)])
    flat = [
        [(m.type, m.timestamp, m.payload) for batch in events if isinstance(batch, MediaBatch) for m in batch]
        for events in (whole, pieces)
    ]
    assert flat[0] == flat[1]
    assert len(flat[0]) > 2
