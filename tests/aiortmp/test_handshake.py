"""The handshake in both roles, with and without digests."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiortmp import ProtocolError
from aiortmp.handshake import BLOCK_BYTES, ClientHandshake, ServerHandshake
from tests.aiortmp.chunks import cut


@pytest.mark.parametrize("digest", [True, False])
@given(places=st.lists(st.integers(0, 5000), max_size=8))
def test_both_sides_finish_however_the_bytes_are_cut(digest: bool, places: list[int]) -> None:
    client, server = ClientHandshake(digest=digest), ServerHandshake()
    first = client.start()
    answer = b"".join(server.feed(piece)[0] for piece in cut(first, places))
    assert len(answer) == 1 + 2 * BLOCK_BYTES
    third = b"".join(client.feed(piece)[0] for piece in cut(answer, places))
    behind = b""
    for piece in cut(third + b"behind", places):
        behind += piece if server.done else server.feed(piece)[1]
    assert client.done
    assert server.done
    assert behind == b"behind"


def test_what_lies_behind_the_handshake_is_handed_back() -> None:
    client, server = ClientHandshake(), ServerHandshake()
    answer, _ = server.feed(client.start())
    third, behind = client.feed(answer + b"from the server")
    assert behind == b"from the server"
    assert server.feed(third + b"from the client") == (b"", b"from the client")


def test_a_simple_client_gets_its_own_block_back() -> None:
    client = ClientHandshake(digest=False)
    first = client.start()
    answer, _ = ServerHandshake().feed(first)
    assert answer[1 + BLOCK_BYTES :] == first[1:]
    assert client.feed(answer)[0] == answer[1 : 1 + BLOCK_BYTES]


def test_a_digest_client_gets_an_answer_made_for_it() -> None:
    client = ClientHandshake(digest=True)
    first = client.start()
    answer, _ = ServerHandshake().feed(first)
    assert answer[1 + BLOCK_BYTES :] != first[1:]
    third, _ = client.feed(answer)
    assert third != answer[1 : 1 + BLOCK_BYTES]


def test_a_client_whose_digest_is_wrong_is_served_the_simple_way() -> None:
    block = bytes(4) + b"\x80\x00\x07\x02" + bytes(range(256)) * 5 + bytes(248)
    answer, _ = ServerHandshake().feed(b"\x03" + block)
    assert answer[1 + BLOCK_BYTES :] == block


def test_a_digest_client_accepts_a_simple_server() -> None:
    client = ClientHandshake(digest=True)
    own = bytes(8) + bytes(range(256)) * 5 + bytes(248)
    third, _ = client.feed(b"\x03" + own + client.start()[1:])
    assert third == own


@pytest.mark.parametrize("first", [b"\x06", b"G", b"\x16\x03\x01"])
def test_another_version_is_refused_at_its_first_byte(first: bytes) -> None:
    with pytest.raises(ProtocolError, match="version"):
        ServerHandshake().feed(first)
    with pytest.raises(ProtocolError, match="version"):
        ClientHandshake().feed(first)
