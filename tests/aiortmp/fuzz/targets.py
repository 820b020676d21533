"""One target for each parser: bytes in, nothing but ProtocolError out."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from aiortmp import Limits, MediaBatch, ProtocolError, amf0, amf3
from aiortmp.chunk.reader import ChunkReader
from aiortmp.flv import (
    FlvReader,
    audio_is_sequence_header,
    parse_audio,
    parse_video,
    video_is_keyframe,
    video_is_sequence_header,
)
from aiortmp.session.client import ClientSession
from aiortmp.session.events import ConnectRequested, PlayRequested, PublishRequested
from aiortmp.session.server import ServerSession

# What is counted for each read has no bound here: cutting must not change what an input is.
_LIMITS = Limits(
    max_media_bytes=4096,
    max_command_bytes=2048,
    max_partial_bytes=8192,
    max_refusals=1000,
    max_tiny_messages=1 << 20,
)
_HELD_BYTES = 8192 + 64 * 1024 + 64
_HANDSHAKE = b"\x03" + bytes(2 * 1536)


def chunks(data: bytes) -> None:
    """The chunk reader, in pieces as long as the first byte says; the same media as in one piece."""
    size = data[0] + 1 if data else 1
    pieces = [data[at : at + size] for at in range(1, len(data), size)]
    whole, cut = _media([data[1:]]), _media(pieces)
    assert whole == cut, "cutting changed what was read"


def _media(pieces: list[bytes]) -> tuple[list[tuple[int, int, bytes]], bool]:
    reader = ChunkReader(_LIMITS)
    reader.open_stream(1)
    found: list[tuple[int, int, bytes]] = []
    try:
        for piece in pieces:
            for item in reader.feed(piece):
                if isinstance(item, MediaBatch):
                    found += [
                        (row[0], row[1], message.payload) for row, message in zip(item.rows, item, strict=True)
                    ]
            assert reader.held_bytes <= _HELD_BYTES, "unfinished input is not bounded"
    except ProtocolError:
        # What came before the error in the same piece is lost with it: nothing to compare.
        return [], True
    return found, False


def server(data: bytes) -> None:
    """A whole server session behind its handshake, whose owner says yes to all."""
    session = ServerSession(limits=_LIMITS, now=0.0, chunk_size=4096)
    session.receive_data(_HANDSHAKE, 0.0)
    for at in range(0, len(data), 64):
        for event in session.receive_data(data[at : at + 64], 0.0):
            if isinstance(event, ConnectRequested):
                session.accept_connect(event.transaction)
            elif isinstance(event, PublishRequested):
                session.accept_publish(event.stream_id)
            elif isinstance(event, PlayRequested):
                session.accept_play(event.stream_id)
        session.data_to_send()


def client(data: bytes) -> None:
    """A whole client session behind its handshake."""
    session = ClientSession(limits=_LIMITS, now=0.0, chunk_size=4096)
    session.receive_data(_HANDSHAKE, 0.0)
    session.connect(app="live", tc_url="", flash_ver="", args={})
    session.receive_data(data, 0.0)


def amf0_values(data: bytes) -> None:
    """AMF0, with what it may hold of AMF3."""
    amf0.decode(data)


def amf3_values(data: bytes) -> None:
    """AMF3."""
    amf3.decode(data)


def flv_file(data: bytes) -> None:
    """An FLV file, in pieces."""
    reader = FlvReader(_LIMITS)
    for at in range(0, len(data), 50):
        reader.feed(data[at : at + 50])


def video(data: bytes) -> None:
    """A video payload, classic or enhanced. The looks at two bytes agree with the parser."""
    tag = parse_video(data)
    for one in (tag, *tag.others):
        assert 0 < one.body_start <= one.body_end <= len(data)
    mod_ex = data[0] & 0x8F == 0x87
    if len(data) > 1 and not mod_ex and tag.frame_type != 5:
        assert video_is_sequence_header(data[:2]) == tag.is_sequence_header
        if data[0] & 0x8F != 0x86:
            assert video_is_keyframe(data[:2]) == tag.is_keyframe


def audio(data: bytes) -> None:
    """An audio payload, classic or enhanced. The look at two bytes agrees with the parser."""
    tag = parse_audio(data)
    for one in (tag, *tag.others):
        assert 0 < one.body_start <= one.body_end <= len(data)
    if len(data) > 1 and data[0] != 0x97:
        assert audio_is_sequence_header(data[:2]) == tag.is_sequence_header


TARGETS: dict[str, Callable[[bytes], None]] = {
    "chunks": chunks,
    "server": server,
    "client": client,
    "amf0": amf0_values,
    "amf3": amf3_values,
    "flv": flv_file,
    "video": video,
    "audio": audio,
}


def check(name: str, data: bytes) -> None:
    """Run one target; ProtocolError is its right, anything else escapes."""
    with contextlib.suppress(ProtocolError):
        TARGETS[name](data)
