"""Writing to a socket past its transport, while the transport has nothing waiting.

uvloop puts every write off to the end of its turn, which costs another poll for each; asyncio
before 3.12 copies gathered pieces into one. A system call of our own does neither. What the kernel
does not take at once goes to the transport, which also finds out about a broken connection.
"""

from __future__ import annotations

import os
from typing import Final

_MOST_PIECES: Final = 512
"""Below IOV_MAX of all systems that matter (1024)."""


def write_now(descriptor: int, data: bytes | memoryview) -> int:
    """How many bytes the kernel took, possibly none."""
    try:
        return os.write(descriptor, data)
    except OSError:
        return 0


def write_pieces_now(descriptor: int, pieces: list[bytes | memoryview]) -> list[bytes | memoryview]:
    """What is left of the pieces, possibly all."""
    try:
        sent = os.writev(descriptor, pieces[:_MOST_PIECES])
    except OSError:
        return pieces
    for index, piece in enumerate(pieces):
        if sent < len(piece):
            return [memoryview(piece)[sent:], *pieces[index + 1 :]]
        sent -= len(piece)
    return []
