"""One movie fragment: `moof` and `mdat` for a run of samples on one or more tracks."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import NamedTuple

from app.media.fmp4.boxes import box, full_box

_SYNC = 0x02000000
"""Sample depends on no other."""
_NON_SYNC = 0x01010000
"""Sample depends on others and is no sync sample."""


class Sample(NamedTuple):
    """One access unit. Times in the track's timescale. A tuple, because one is made for every frame."""

    data: bytes | memoryview
    duration: int
    composition_offset: int
    sync: bool


class Run(NamedTuple):
    """Samples of track `track` (numbered as in the init segment), the first decoded at `decode_time`."""

    track: int
    decode_time: int
    samples: Sequence[Sample]


def fragment(sequence: int, runs: Sequence[Run]) -> bytes:
    """`moof` and `mdat`, payloads copied once. ISO/IEC 14496-12 §8.8; offsets count from the `moof`."""
    sizes = [sum(len(sample.data) for sample in run.samples) for run in runs]
    length = len(_moof(sequence, runs, [0] * len(runs)))
    offsets, position = [], length + 8
    for size in sizes:
        offsets.append(position)
        position += size
    parts: list[bytes | memoryview] = [
        _moof(sequence, runs, offsets),
        struct.pack(">I4s", sum(sizes) + 8, b"mdat"),
    ]
    for run in runs:
        parts.extend(sample.data for sample in run.samples)
    return b"".join(parts)


def _moof(sequence: int, runs: Sequence[Run], offsets: Sequence[int]) -> bytes:
    trafs = (_traf(run, offset) for run, offset in zip(runs, offsets, strict=True))
    return box(b"moof", full_box(b"mfhd", 0, 0, struct.pack(">I", sequence & 0xFFFFFFFF)), *trafs)


def _traf(run: Run, data_offset: int) -> bytes:
    return box(
        b"traf",
        full_box(b"tfhd", 0, 0x020000, struct.pack(">I", run.track)),
        full_box(b"tfdt", 1, 0, struct.pack(">Q", run.decode_time)),
        _trun(run.samples, data_offset),
    )


def _trun(samples: Sequence[Sample], data_offset: int) -> bytes:
    """Duration, size, flags and composition offset for each sample; version 1 makes the offset signed."""
    fields: list[int] = []
    for data, duration, offset, sync in samples:
        fields += (duration, len(data), _SYNC if sync else _NON_SYNC, offset & 0xFFFFFFFF)
    header = struct.pack(">Ii", len(samples), data_offset)
    return full_box(b"trun", 1, 0xF01, header, struct.pack(f">{len(fields)}I", *fields))
