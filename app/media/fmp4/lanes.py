"""Collects the frames of one track until they are cut into a run of samples. Pure.

Picture times are the timeline's milliseconds in units of 1/90 ms. Sound is counted in samples, so packets join
without a seam, and is set anew by the timeline only where it really has a gap. Leaves where to cut to the owner.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from app.media.fmp4.formats import AudioFormat, opus_samples
from app.media.fmp4.fragment import Run, Sample

_TICKS_PER_MS: Final = 90
DEFAULT_FRAME_MS: Final = 40
"""Length of a lone frame that nothing follows."""
LONGEST_FRAME_MS: Final = 2_000
"""A frame followed by nothing for longer ends a segment; it is not shown for an hour."""
SEAM_MS: Final = 50
"""Sound this far from where counting puts it has a real gap. Millisecond rounding and encoder jitter stay below."""


class _Picture(NamedTuple):
    position_ms: int
    composition_ms: int
    sync: bool
    data: memoryview


class Cut(NamedTuple):
    """A run of samples and its place on the timeline in ms."""

    run: Run
    start_ms: int
    end_ms: float
    size_bytes: int


class VideoLane:
    """Frames in decoding order. `size_bytes` is what is held."""

    __slots__ = ("_frame_ms", "_frames", "size_bytes")

    def __init__(self) -> None:
        self._frames: list[_Picture] = []
        self._frame_ms = DEFAULT_FRAME_MS
        self.size_bytes = 0

    @property
    def start_ms(self) -> int | None:
        return self._frames[0].position_ms if self._frames else None

    @property
    def newest_ms(self) -> int | None:
        return self._frames[-1].position_ms if self._frames else None

    def add(self, position_ms: int, composition_ms: int, data: memoryview, *, sync: bool) -> None:
        self._frames.append(_Picture(position_ms, composition_ms, sync, data))
        self.size_bytes += len(data)

    def clear(self) -> int:
        """Throw everything away; returns how many frames that were."""
        count = len(self._frames)
        self._frames.clear()
        self.size_bytes = 0
        return count

    def take(self, next_ms: int | None, *, track: int = 1) -> Cut | None:
        """All frames held; the last one lasts until `next_ms`, or as long as the one before it."""
        frames = self._frames
        if not frames:
            return None
        ends = [frame.position_ms for frame in frames[1:]]
        if ends:
            self._frame_ms = min(LONGEST_FRAME_MS, ends[-1] - frames[-2].position_ms)
        last = frames[-1].position_ms
        near = next_ms is not None and next_ms - last <= LONGEST_FRAME_MS
        ends.append(next_ms if near and next_ms is not None else last + self._frame_ms)
        samples = [
            Sample(data, (end - position) * _TICKS_PER_MS, composition * _TICKS_PER_MS, sync)
            for (position, composition, sync, data), end in zip(frames, ends, strict=True)
        ]
        start = frames[0].position_ms
        cut = Cut(Run(track, start * _TICKS_PER_MS, samples), start, float(ends[-1]), self.size_bytes)
        self.clear()
        return cut


class _Sound(NamedTuple):
    position_ms: int
    start: int
    length: int
    data: memoryview


class AudioLane:
    """Packets of sound, each with its place in samples. `newest_ms` is the last one's place on the timeline."""

    __slots__ = ("_format", "_next", "_packets", "_seam", "newest_ms", "size_bytes")

    def __init__(self, audio: AudioFormat) -> None:
        self._format = audio
        self._packets: list[_Sound] = []
        self._next: int | None = None
        self._seam = audio.timescale * SEAM_MS // 1000
        self.newest_ms: int | None = None
        self.size_bytes = 0

    @property
    def start_ms(self) -> int | None:
        return self._packets[0].position_ms if self._packets else None

    def add(self, position_ms: int, data: memoryview) -> None:
        length = self._format.frame_samples or opus_samples(data)
        if not length:
            return
        start = self._next
        by_timeline = round(position_ms * self._format.timescale / 1000)
        if start is None or abs(by_timeline - start) > self._seam:
            floor = self._packets[-1].start + 1 if self._packets else 0
            start = max(by_timeline, floor)
        self._packets.append(_Sound(position_ms, start, length, data))
        self._next = start + length
        self.newest_ms = position_ms
        self.size_bytes += len(data)

    def drop_before(self, position_ms: int) -> int:
        """Throw away what lies before `position_ms`; returns how many packets that were."""
        count = self._count_before(position_ms)
        self.size_bytes -= sum(len(packet.data) for packet in self._packets[:count])
        del self._packets[:count]
        return count

    def take(self, before_ms: int | None, *, track: int = 1) -> Cut | None:
        """The packets that begin before `before_ms` (None: all held)."""
        packets = self._packets
        count = len(packets) if before_ms is None else self._count_before(before_ms)
        if not count:
            return None
        taken = packets[:count]
        ends = [packet.start for packet in packets[1 : count + 1]]
        if len(ends) < count:
            ends.append(taken[-1].start + taken[-1].length)
        else:
            ends[-1] = min(ends[-1], taken[-1].start + taken[-1].length)
        samples = [Sample(p.data, end - p.start, 0, True) for p, end in zip(taken, ends, strict=True)]
        size = sum(len(packet.data) for packet in taken)
        del packets[:count]
        self.size_bytes -= size
        end_ms = ends[-1] * 1000 / self._format.timescale
        return Cut(Run(track, taken[0].start, samples), taken[0].position_ms, end_ms, size)

    def _count_before(self, position_ms: int) -> int:
        for index, packet in enumerate(self._packets):
            if packet.position_ms >= position_ms:
                return index
        return len(self._packets)
