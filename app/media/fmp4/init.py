"""The init segment: a movie without samples that names its tracks and their formats."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from app.media.fmp4.boxes import IDENTITY_MATRIX, box, full_box
from app.media.fmp4.formats import AudioFormat, VideoFormat

TrackFormat = VideoFormat | AudioFormat

_FTYP = box(b"ftyp", b"iso6", struct.pack(">I", 0), b"iso6", b"cmfc", b"mp41")


def init_segment(tracks: Sequence[TrackFormat]) -> bytes:
    """`ftyp` and `moov`; tracks are numbered from 1 in the order given."""
    numbered = list(enumerate(tracks, start=1))
    movie_header = full_box(
        b"mvhd",
        0,
        0,
        struct.pack(">IIIIIH10x", 0, 0, 1000, 0, 0x10000, 0x100),
        IDENTITY_MATRIX,
        struct.pack(">24xI", len(numbered) + 1),
    )
    extends = box(b"mvex", *(full_box(b"trex", 0, 0, struct.pack(">5I", n, 1, 0, 0, 0)) for n, _ in numbered))
    return _FTYP + box(b"moov", movie_header, *(_track(n, each) for n, each in numbered), extends)


def _track(number: int, track: TrackFormat) -> bytes:
    video = isinstance(track, VideoFormat)
    width, height = (track.width, track.height) if isinstance(track, VideoFormat) else (0, 0)
    header = full_box(
        b"tkhd",
        0,
        3,
        struct.pack(">IIIII8xhhH2x", 0, 0, number, 0, 0, 0, 0, 0 if video else 0x100),
        IDENTITY_MATRIX,
        struct.pack(">II", width << 16, height << 16),
    )
    media_header = full_box(b"mdhd", 0, 0, struct.pack(">IIIIHH", 0, 0, track.timescale, 0, 0x55C4, 0))
    return box(b"trak", header, box(b"mdia", media_header, _handler(video=video), _media_info(track, video=video)))


def _handler(*, video: bool) -> bytes:
    kind, name = (b"vide", b"video\x00") if video else (b"soun", b"audio\x00")
    return full_box(b"hdlr", 0, 0, struct.pack(">I4s12x", 0, kind), name)


def _media_info(track: TrackFormat, *, video: bool) -> bytes:
    header = full_box(b"vmhd", 0, 1, bytes(8)) if video else full_box(b"smhd", 0, 0, bytes(4))
    data_info = box(b"dinf", full_box(b"dref", 0, 0, struct.pack(">I", 1), full_box(b"url ", 0, 1)))
    table = box(
        b"stbl",
        full_box(b"stsd", 0, 0, struct.pack(">I", 1), track.entry),
        full_box(b"stts", 0, 0, bytes(4)),
        full_box(b"stsc", 0, 0, bytes(4)),
        full_box(b"stsz", 0, 0, bytes(8)),
        full_box(b"stco", 0, 0, bytes(4)),
    )
    return box(b"minf", header, data_info, table)
