"""ISO base media boxes as bytes. Leaves what goes into them to `init.py` and `fragment.py`."""

from __future__ import annotations

import struct

IDENTITY_MATRIX = struct.pack(">9i", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)


def box(kind: bytes, *parts: bytes) -> bytes:
    """One box, ISO/IEC 14496-12 §4.2: 32-bit size, type, body."""
    body = b"".join(parts)
    return struct.pack(">I4s", len(body) + 8, kind) + body


def full_box(kind: bytes, version: int, flags: int, *parts: bytes) -> bytes:
    """A box whose body opens with a version and 24 bits of flags."""
    return box(kind, struct.pack(">I", version << 24 | flags), *parts)
