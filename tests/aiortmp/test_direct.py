"""Writing past the transport: what the kernel does not take is not lost."""

from __future__ import annotations

import os
import socket

from hypothesis import given
from hypothesis import strategies as st

from aiortmp.aio.direct import write_now, write_pieces_now


def full_pair() -> tuple[socket.socket, socket.socket]:
    """Two ends of which the first takes little."""
    near, far = socket.socketpair()
    near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    near.setblocking(False)
    return near, far


def read_all(sock: socket.socket) -> bytes:
    out = b""
    while piece := sock.recv(65536):
        out += piece
    return out


@given(st.lists(st.integers(0, 9000), min_size=1, max_size=600))
def test_pieces_are_sent_in_order_and_the_rest_is_given_back(sizes: list[int]) -> None:
    near, far = full_pair()
    pieces: list[bytes | memoryview] = [bytes((at % 256,)) * size for at, size in enumerate(sizes)]
    left = write_pieces_now(near.fileno(), pieces)
    near.close()
    assert read_all(far) + b"".join(left) == b"".join(pieces)
    far.close()


def test_a_full_socket_takes_part_and_then_nothing() -> None:
    near, far = full_pair()
    data = os.urandom(1 << 20)
    sent = write_now(near.fileno(), data)
    assert 0 < sent < len(data)
    while more := write_now(near.fileno(), data[sent:]):
        sent += more
    assert write_pieces_now(near.fileno(), [b"a", b"b"]) == [b"a", b"b"]
    near.close()
    assert read_all(far) == data[:sent]
    far.close()


def test_a_broken_socket_takes_nothing_and_says_nothing() -> None:
    near, far = full_pair()
    far.close()
    assert write_now(near.fileno(), b"x") == 0
    assert write_pieces_now(near.fileno(), [b"x"]) == [b"x"]
    near.close()
