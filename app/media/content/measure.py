"""Decodes what a look brings and measures it. Runs in the sampling child only: it handles foreign media.

Each look stands for itself, so nothing that one stream sent touches the next; only the last small picture of each
room is kept, to compare with. Leaves to others: the process and its bounds (`app.assembly.sampler`).
"""

from __future__ import annotations

import array
import math
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation

from aiortmp import MediaMessage
from app.domain.errors import InvalidRequest
from app.media.content.levels import HEIGHT, WIDTH, change, dbfs, luma, power
from app.media.content.talk import Look, Seen
from app.media.encoding.decoder import AudioDecoder, VideoDecoder
from app.media.encoding.packets import AudioConfig, AudioPacket, SourceItem, VideoConfig, VideoPacket
from app.media.encoding.wire import SourceReader

MAX_ROOMS: Final = 2048
"""Of 9 KiB each. A stream has two."""
_MAX_PIXELS: Final = 4096 * 2304
"""A larger picture is not looked at: it would take the time of fifty others."""
_SOUND_RATE: Final = 48_000


@dataclass(frozen=True, slots=True)
class Loudness:
    rms_dbfs: float
    peak_dbfs: float


class Eye:
    """Remembers the last picture of each room."""

    def __init__(self) -> None:
        self._last: OrderedDict[str, bytes] = OrderedDict()

    def look(self, look: Look) -> Seen:
        """What could not be decoded is None; what it cost is for the caller to say."""
        grey = small_picture(_items(look.picture)) if look.picture else None
        sound = loudness(_items(look.sound)) if look.sound else None
        seen = None if grey is None else luma(grey)
        return Seen(
            0.0,
            mean=None if seen is None else seen.mean,
            dark_share=None if seen is None else seen.dark_share,
            light_share=None if seen is None else seen.light_share,
            change=None if grey is None else self._compare(look.room, grey),
            rms_dbfs=None if sound is None else sound.rms_dbfs,
            peak_dbfs=None if sound is None else sound.peak_dbfs,
        )

    def _compare(self, room: str, grey: bytes) -> float | None:
        before = self._last.pop(room, None)
        self._last[room] = grey
        if len(self._last) > MAX_ROOMS:
            self._last.popitem(last=False)
        return None if before is None else change(before, grey)


def small_picture(items: Iterable[SourceItem]) -> bytes | None:
    """The last picture of `items`, which begin with a codec header and a key frame, in grey at WIDTH x HEIGHT."""
    decoder: VideoDecoder | None = None
    last: VideoFrame | None = None
    for item in items:
        if isinstance(item, VideoConfig):
            try:
                decoder = VideoDecoder(item, max_pixels=_MAX_PIXELS)
            except InvalidRequest:
                return None
        elif isinstance(item, VideoPacket) and decoder is not None:
            for frame in decoder.decode(item):
                last = frame
    if decoder is None:
        return None
    for frame in decoder.drain():
        last = frame
    return None if last is None else _grey(last)


def _grey(frame: VideoFrame) -> bytes:
    small = frame.reformat(WIDTH, HEIGHT, "gray", interpolation=Interpolation.AREA)
    plane = small.planes[0]
    data = bytes(plane)
    if plane.line_size == WIDTH:
        return data[: WIDTH * HEIGHT]
    return b"".join(data[y * plane.line_size : y * plane.line_size + WIDTH] for y in range(HEIGHT))


def loudness(items: Iterable[SourceItem]) -> Loudness | None:
    """Over all samples and channels of `items`, which begin with a codec header; None: nothing could be decoded."""
    decoder: AudioDecoder | None = None
    total, count, peak = 0.0, 0, 0.0
    resampler = AudioResampler("flt", "mono", _SOUND_RATE)
    for item in items:
        if isinstance(item, AudioConfig):
            try:
                decoder = AudioDecoder(item)
            except InvalidRequest:
                return None
        elif isinstance(item, AudioPacket) and decoder is not None:
            for frame in decoder.decode(item):
                for part in _floats(frame, resampler):
                    squares, most, summed = power(part)
                    total, count, peak = total + squares, count + summed, max(peak, most)
    return None if count == 0 else Loudness(dbfs(math.sqrt(total / count)), dbfs(peak))


def _floats(frame: AudioFrame, resampler: AudioResampler) -> list[Sequence[float]]:
    """The samples of each channel; planar floats, which AAC gives, without another step."""
    if frame.format.name == "fltp":
        planes = [bytes(plane)[: frame.samples * 4] for plane in frame.planes]
    else:
        frame.pts = None
        planes = [bytes(mono.planes[0])[: mono.samples * 4] for mono in resampler.resample(frame)]
    return [array.array("f", plane) for plane in planes if plane]


def _items(messages: Sequence[MediaMessage]) -> list[SourceItem]:
    reader = SourceReader()
    return [item for message in messages for item in reader.read(message)]
