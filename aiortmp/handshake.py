"""The RTMP handshake of both roles, simple and with digests.

Simple: RTMP specification, section 5.2. With digests: Adobe never published it; librtmp, ffmpeg
and nginx-rtmp agree on two layouts of the block that hides an HMAC-SHA256 in it, and clients that
start with it expect it back. Leaves to others: the clock (`aiortmp.session` gives up in time).
"""

from __future__ import annotations

import hashlib
import hmac
import os
from typing import Final

from aiortmp.errors import ProtocolError

BLOCK_BYTES: Final = 1536
_VERSION: Final = b"\x03"
_DIGEST_BYTES: Final = 32
_SECRET: Final = bytes.fromhex("f0eec24a8068bee82e00d0d1029e7e576eec5d2d29806fab93b8e636cfeb31ae")
_SERVER_NAME: Final = b"Genuine Adobe Flash Media Server 001"
_PLAYER_NAME: Final = b"Genuine Adobe Flash Player 001"
_SERVER_RELEASE: Final = bytes((4, 5, 0, 0))
_PLAYER_RELEASE: Final = bytes((9, 0, 124, 2))
_LAYOUTS: Final = (8, 772)
"""Where the four bytes stand whose sum places the digest; it lies within the 728 bytes after them."""


_FILLING: Final = os.urandom(BLOCK_BYTES - 24)


def _filling() -> bytes:
    """What stands behind the eight first bytes of a block without a digest.

    Section 5.2.3 wants blocks that are told apart, nothing that cannot be guessed: so the whole is drawn once,
    and each block begins with bytes of its own.
    """
    return os.urandom(16) + _FILLING


def _hmac(key: bytes, message: bytes) -> bytes:
    return hmac.new(key, message, hashlib.sha256).digest()


def _digest_at(block: bytes | bytearray, layout: int) -> int:
    return layout + 4 + sum(block[layout : layout + 4]) % 728


def _digest_of(block: bytes, at: int, key: bytes) -> bytes:
    return _hmac(key, block[:at] + block[at + _DIGEST_BYTES :])


def _find_digest(block: bytes, key: bytes) -> tuple[int, bytes] | None:
    """The layout in use and the digest, if the block holds one made with ``key``."""
    for layout in _LAYOUTS:
        at = _digest_at(block, layout)
        found = block[at : at + _DIGEST_BYTES]
        if hmac.compare_digest(found, _digest_of(block, at, key)):
            return layout, found
    return None


def _block_with_digest(release: bytes, layout: int, key: bytes) -> bytes:
    block = bytearray(bytes(4) + release + os.urandom(BLOCK_BYTES - 8))
    at = _digest_at(block, layout)
    block[at : at + _DIGEST_BYTES] = _digest_of(bytes(block), at, key)
    return bytes(block)


def _answer_to_digest(digest: bytes, full_key: bytes) -> bytes:
    """The third block: random bytes signed with a key made from the other side's digest."""
    body = os.urandom(BLOCK_BYTES - _DIGEST_BYTES)
    return body + _hmac(_hmac(full_key, digest), body)


class ServerHandshake:
    """Waits for C0 and C1, answers S0, S1, S2, waits for C2."""

    def __init__(self) -> None:
        self._buffer = b""
        self._answered = False
        self.done = False

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        """Takes bytes; gives what to send and, once `done`, what lies behind the handshake."""
        self._buffer += data
        reply = b""
        if self._buffer and not self._answered and self._buffer[:1] != _VERSION:
            raise ProtocolError("handshake begins with a version that is not 3")
        if not self._answered and len(self._buffer) > BLOCK_BYTES:
            reply = self._answer(self._buffer[1 : 1 + BLOCK_BYTES])
            self._buffer = self._buffer[1 + BLOCK_BYTES :]
            self._answered = True
        # C2 is not verified: clients in the field put anything into it.
        if self._answered and len(self._buffer) >= BLOCK_BYTES:
            rest, self._buffer = self._buffer[BLOCK_BYTES:], b""
            self.done = True
            return reply, rest
        return reply, b""

    def _answer(self, block: bytes) -> bytes:
        found = _find_digest(block, _PLAYER_NAME) if block[4:8] != bytes(4) else None
        if found is None:
            return _VERSION + bytes(8) + _filling() + block
        layout, digest = found
        own = _block_with_digest(_SERVER_RELEASE, layout, _SERVER_NAME)
        return _VERSION + own + _answer_to_digest(digest, _SERVER_NAME + _SECRET)


class ClientHandshake:
    """Sends C0 and C1, waits for S0, S1, S2, sends C2.

    With ``digest`` (some servers demand it before H.264) the first block is signed; a server
    that knows only the simple form does not notice.
    """

    def __init__(self, *, digest: bool = True) -> None:
        self._buffer = b""
        self._digest = digest
        self.done = False

    def start(self) -> bytes:
        """C0 and C1, to be sent first."""
        if self._digest:
            return _VERSION + _block_with_digest(_PLAYER_RELEASE, _LAYOUTS[1], _PLAYER_NAME)
        return _VERSION + bytes(8) + _filling()

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        """Takes bytes; gives what to send and, once `done`, what lies behind the handshake."""
        self._buffer += data
        if self._buffer and self._buffer[:1] != _VERSION:
            raise ProtocolError("handshake answer has a version that is not 3")
        size = 1 + 2 * BLOCK_BYTES
        if len(self._buffer) < size:
            return b"", b""
        block = self._buffer[1 : 1 + BLOCK_BYTES]
        rest, self._buffer = self._buffer[size:], b""
        self.done = True
        found = _find_digest(block, _SERVER_NAME) if self._digest else None
        return (block if found is None else _answer_to_digest(found[1], _PLAYER_NAME + _SECRET)), rest
