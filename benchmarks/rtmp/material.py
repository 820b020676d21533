"""The media that publishers send: two seconds of 6 Mbit/s, as ready-made chunks that may be repeated.

All headers but the very first hold differences, so the same bytes follow themselves for ever. Written
without the library under test.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

AUDIO_LANE: Final = 4
VIDEO_LANE: Final = 6
FRAMES: Final = 60
FRAME_MS: Final = 1000 / 30
KEY_FRAME_BYTES: Final = 150_000
FRAME_BYTES: Final = 21_500
AUDIO_BYTES: Final = 372
AUDIO_FRAME_MS: Final = 1024 / 44.1
GROUP_MS: Final = 2000
STAMP_AT: Final = 5
"""Where in a video payload the sender may put eight bytes of clock."""

AVC_HEADER: Final = bytes.fromhex(
    "1700000000014d401fffe1001567640a0facd9420d98800000030080000019078a144b01000468ebe3cb"
)
AAC_HEADER: Final = bytes.fromhex("af001210")


@dataclass(frozen=True, slots=True)
class Piece:
    """One message as chunks, and when in the two seconds it is due."""

    due_ms: float
    wire: bytes
    is_video: bool


def _message(kind: int, lane: int, delta_ms: int, payload: bytes, chunk_size: int) -> bytes:
    header = bytes((0x40 | lane,)) + (delta_ms << 32 | len(payload) << 8 | kind).to_bytes(7, "big")
    pieces = [payload[at : at + chunk_size] for at in range(0, len(payload), chunk_size)]
    return header + bytes((0xC0 | lane,)).join(pieces)


def _first(kind: int, lane: int, stream_id: int, payload: bytes) -> bytes:
    header = bytes((lane,)) + (len(payload) << 8 | kind).to_bytes(7, "big") + stream_id.to_bytes(4, "little")
    return header + payload


def opening(stream_id: int) -> bytes:
    """Codec headers at time 0, with the full headers that all later ones refer to."""
    return _first(9, VIDEO_LANE, stream_id, AVC_HEADER) + _first(8, AUDIO_LANE, stream_id, AAC_HEADER)


def group(chunk_size: int) -> list[Piece]:
    """Two seconds in order of time."""
    times: list[tuple[float, bool]] = [(at * FRAME_MS, True) for at in range(FRAMES)]
    times += [(at * AUDIO_FRAME_MS, False) for at in range(int(GROUP_MS / AUDIO_FRAME_MS))]
    last = {True: round(FRAMES * FRAME_MS - FRAME_MS), False: GROUP_MS - 24}
    last = {kind: stamp - GROUP_MS for kind, stamp in last.items()}
    pieces: list[Piece] = []
    for at, (due_ms, is_video) in enumerate(sorted(times)):
        delta = round(due_ms) - last[is_video]
        last[is_video] = round(due_ms)
        if is_video:
            size, first = (KEY_FRAME_BYTES, 0x17) if due_ms == 0 else (FRAME_BYTES, 0x27)
            payload = bytes((first, 1, 0, 0, 0)) + bytes(8) + bytes((at % 256,)) * (size - 13)
        else:
            payload = b"\xaf\x01" + bytes((at % 256,)) * (AUDIO_BYTES - 2)
        kind, lane = (9, VIDEO_LANE) if is_video else (8, AUDIO_LANE)
        pieces.append(Piece(due_ms, _message(kind, lane, max(delta, 0), payload, chunk_size), is_video))
    return pieces
