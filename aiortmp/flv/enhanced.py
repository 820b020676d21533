"""The frame that enhanced audio and video tags share: ModEx, multitrack, FourCC (v2, 2025).

Gives the tracks of a payload as places in it; what a packet type means is up to audio and video.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from aiortmp.errors import ProtocolError
from aiortmp.flv.kinds import Multitrack

_MOD_EX_NANOSECONDS: Final = 0
_MAX_MOD_EX: Final = 8
_MAX_NANOSECONDS: Final = 999_999
_MAX_TRACKS: Final = 256
"""A track id is one byte. Empty tracks without end would cost far more than the bytes that name them."""


@dataclass(frozen=True, slots=True)
class Track:
    """One track's data within an enhanced payload."""

    packet_type: int
    fourcc: bytes
    track_id: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Enhanced:
    """The tracks of a payload (empty for a command frame) and its ModEx time offset."""

    packet_type: int
    nanoseconds: int
    is_multitrack: bool
    start: int
    """Where the packet's own data begins, behind ModEx and before any FourCC."""


def open_enhanced(payload: bytes, *, mod_ex: int, multitrack: int) -> Enhanced:
    """Read the first byte and the ModEx prefixes. Packet type numbers differ for audio and video."""
    packet_type = payload[0] & 0x0F
    at = 1
    nanoseconds = 0
    for _ in range(_MAX_MOD_EX):
        if packet_type != mod_ex:
            break
        size = _byte(payload, at) + 1
        at += 1
        if size == 256:
            size = int.from_bytes(_take(payload, at, 2), "big") + 1
            at += 2
        data = _take(payload, at, size)
        at += size
        after = _byte(payload, at)
        at += 1
        packet_type = after & 0x0F
        if after >> 4 == _MOD_EX_NANOSECONDS:
            if size < 3:
                raise ProtocolError("ModEx time offset is too short")
            nanoseconds = min(int.from_bytes(data[:3], "big"), _MAX_NANOSECONDS)
    else:
        raise ProtocolError("too many ModEx prefixes")
    return Enhanced(packet_type, nanoseconds, packet_type == multitrack, at)


def read_tracks(payload: bytes, head: Enhanced) -> list[Track]:
    """The tracks behind ``head``; one unless it is multitrack."""
    if not head.is_multitrack:
        fourcc = _take(payload, head.start, 4)
        return [Track(head.packet_type, fourcc, 0, head.start + 4, len(payload))]
    kind = _byte(payload, head.start)
    packet_type = kind & 0x0F
    at = head.start + 1
    fourcc = b""
    if kind >> 4 != Multitrack.MANY_TRACKS_MANY_CODECS:
        fourcc = _take(payload, at, 4)
        at += 4
    if kind >> 4 not in (0, 1, 2):
        raise ProtocolError("multitrack type is unknown")
    tracks: list[Track] = []
    while at < len(payload) or not tracks:
        if kind >> 4 == Multitrack.MANY_TRACKS_MANY_CODECS:
            fourcc = _take(payload, at, 4)
            at += 4
        track_id = _byte(payload, at)
        at += 1
        if kind >> 4 == Multitrack.ONE_TRACK:
            return [Track(packet_type, fourcc, track_id, at, len(payload))]
        size = int.from_bytes(_take(payload, at, 3), "big")
        at += 3
        if at + size > len(payload):
            raise ProtocolError("multitrack payload ends in the middle of a track")
        if len(tracks) >= _MAX_TRACKS:
            raise ProtocolError("multitrack payload has more tracks than there are ids")
        tracks.append(Track(packet_type, fourcc, track_id, at, at + size))
        at += size
    return tracks


def write_tracks(kind: Multitrack, packet_type: int, tracks: list[tuple[bytes, int, bytes]]) -> bytes:
    """The part behind the first byte of a multitrack payload, from (FourCC, track id, body)."""
    out = [bytes((kind << 4 | packet_type,))]
    if kind is not Multitrack.MANY_TRACKS_MANY_CODECS:
        out.append(tracks[0][0])
    for fourcc, track_id, body in tracks:
        if kind is Multitrack.MANY_TRACKS_MANY_CODECS:
            out.append(fourcc)
        out.append(bytes((track_id,)))
        if kind is not Multitrack.ONE_TRACK:
            out.append(len(body).to_bytes(3, "big"))
        out.append(body)
    return b"".join(out)


def _byte(payload: bytes, at: int) -> int:
    if at >= len(payload):
        raise ProtocolError("enhanced tag is too short")
    return payload[at]


def _take(payload: bytes, at: int, count: int) -> bytes:
    if at + count > len(payload):
        raise ProtocolError("enhanced tag is too short")
    return payload[at : at + count]
