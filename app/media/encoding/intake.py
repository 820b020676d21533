"""The front of the pipeline: source items in, decoded pictures and finished sound out. Belongs to one thread.

Leaves to others: which pictures are wanted (`sharing`), encoding them, queues and threads (`pipeline`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import av

from app.domain.errors import InvalidRequest
from app.domain.ladder import AUDIO_TRACK, FrameRate
from app.domain.stream import EncodeSettings, SlateMode
from app.media.encoding.conduit import Closed, Conduit
from app.media.encoding.decoder import VideoDecoder
from app.media.encoding.meter import Meter
from app.media.encoding.packets import (
    AudioConfig,
    AudioPacket,
    ProgrammeItem,
    SourceItem,
    VideoConfig,
    VideoEnd,
    VideoPacket,
)
from app.media.encoding.rungs import Picture
from app.media.encoding.sharing import KEEP_MS, Begin, Repeat, Shown
from app.media.encoding.slate import SlateTimes, still_picture
from app.media.encoding.sound import Sound
from app.media.encoding.words import StartAfter
from app.runtime.clock import monotonic

_MAX_KEPT_SOUND: Final = 512
"""Packets; a second holds 47 of AAC."""
_SILENCE_RATE: Final = FrameRate(25)
"""How often silence is made where there is no picture."""
_SKIP_UNTIL_MS: Final = 250
"""Before the first picture wanted: those that choose frames for a lower rate see whole frames from there on."""


@dataclass(frozen=True, slots=True)
class SlateOn:
    """The publisher is gone: from `from_ms` on there are pictures all the same. None: right after the last one."""

    mode: SlateMode
    from_ms: int | None


Inlet = SourceItem | Picture | Begin | SlateOn


@dataclass(frozen=True, slots=True)
class Outlets:
    """Where everything goes: pictures to be shared out, finished sound, and problems with the source."""

    pictures: Conduit[Shown]
    emit: Callable[[ProgrammeItem], None]
    on_problem: Callable[[str], None]


class Intake:
    """`listening`: sound of the last second is kept, none goes out, until a `Begin` comes."""

    def __init__(
        self,
        settings: EncodeSettings,
        start_after: StartAfter,
        *,
        outlets: Outlets,
        meter: Meter,
        decoder_threads: int,
        listening: bool,
    ) -> None:
        self._settings = settings
        self._has_picture = bool(settings.ladder.renditions)
        self._out = outlets
        self._meter = meter
        self._decoder_threads = decoder_threads
        self._decoder: VideoDecoder | None = None
        self._skip_until_ms = self._first_wanted(start_after)
        self._sound = Sound(settings.ladder.audio, start_after.get(AUDIO_TRACK))
        self._slate: SlateTimes | None = None
        self._slate_from_ms = 0
        self._still: Picture | None = None
        self._has_shown = False
        self._newest_ms = max([ms for ms in start_after.values() if ms is not None], default=0)
        self._kept = _KeptSound() if listening else None

    def run(self, inbox: Conduit[Inlet]) -> None:
        """Until the inbox is over; what the decoders hold comes out then."""
        try:
            while True:
                item = inbox.get(self._slate.wait_s(monotonic()) if self._slate is not None else None)
                if item is None:
                    self._show_slate()
                else:
                    self._take(item)
        except Closed:
            self._drain_decoder()
            self._emit_all(self._sound.drain())
            self._out.pictures.close()

    def _take(self, item: Inlet) -> None:
        match item:
            case VideoPacket():
                self._slate = None
                self._decode_picture(item)
            case AudioPacket():
                self._slate = None
                self._take_sound(item)
            case AudioConfig():
                self._take_sound(item)
            case VideoConfig():
                self._configure_picture(item)
            case VideoEnd():
                self._drain_decoder()
            case Picture():
                self._show(item)
            case Begin():
                self._begin(item)
            case SlateOn():
                self._begin_slate(item)

    def _begin(self, begin: Begin) -> None:
        kept, self._kept = self._kept, None
        if kept is None:
            return
        self._out.pictures.put(begin)
        self._sound = Sound(self._settings.ladder.audio, begin.start_after.get(AUDIO_TRACK))
        for item in kept.items:
            self._take_sound(item)

    # --- slate ----------------------------------------------------------------------------------------

    def _begin_slate(self, order: SlateOn) -> None:
        if order.mode is SlateMode.OFF or self._kept is not None:
            self._slate = None
            return
        # The decoder is left as it is: a source that was only late goes on in the middle of its group of pictures.
        renditions = self._settings.ladder.renditions
        rate = max((rendition.frame_rate for rendition in renditions), key=lambda r: r.fps, default=_SILENCE_RATE)
        self._still = still_picture(renditions[0]) if renditions and self._needs_still(order.mode) else None
        next_ms = self._newest_ms + round(1000 / rate.fps)
        self._slate_from_ms = next_ms if order.from_ms is None else max(order.from_ms, next_ms)
        self._slate = SlateTimes(self._slate_from_ms, rate, monotonic())
        self._emit_all(self._sound.pause())

    def _needs_still(self, mode: SlateMode) -> bool:
        return mode is SlateMode.STILL or not self._has_shown

    def _show_slate(self) -> None:
        assert self._slate is not None, "only a slate makes the inbox impatient"
        time_ms = self._slate.next_ms(monotonic())
        self._newest_ms = max(self._newest_ms, time_ms)
        if self._has_picture:
            self._out.pictures.put(Repeat(time_ms, self._still))
        self._emit_all(self._sound.silence(self._slate_from_ms, time_ms))

    # --- picture ----------------------------------------------------------------------------------------

    def _first_wanted(self, start_after: StartAfter) -> int | None:
        """Frames before this one are wanted by no rendition."""
        times = [start_after.get(rendition.name) for rendition in self._settings.ladder.renditions]
        known = [time for time in times if time is not None]
        return min(known) - _SKIP_UNTIL_MS if known and len(known) == len(times) else None

    def _configure_picture(self, config: VideoConfig) -> None:
        if self._decoder is not None and self._decoder.config == config:
            return  # said again, perhaps between two pictures that need each other
        self._drain_decoder()
        if not self._has_picture:
            return
        try:
            self._decoder = VideoDecoder(config, threads=self._decoder_threads)
        except InvalidRequest as error:
            self._out.on_problem(error.detail)

    def _decode_picture(self, packet: VideoPacket) -> None:
        decoder = self._decoder
        if decoder is None:
            if self._has_picture:
                self._meter.dropped()
            return
        before = decoder.broken
        for frame in decoder.decode(packet, may_skip=self._may_skip(packet)):
            self._show(Picture(frame, decoder.sample_aspect_ratio))
        if decoder.broken > before:
            self._meter.dropped(decoder.broken - before)

    def _show(self, picture: Picture) -> None:
        self._has_shown = True
        self._newest_ms = max(self._newest_ms, picture.pts_ms)
        self._out.pictures.put(picture)

    def _may_skip(self, packet: VideoPacket) -> bool:
        if self._skip_until_ms is None:
            return False
        if packet.dts_ms > self._skip_until_ms:
            self._skip_until_ms = None
            return False
        return packet.pts_ms < self._skip_until_ms

    def _drain_decoder(self) -> None:
        decoder, self._decoder = self._decoder, None
        if decoder is None:
            return
        for frame in decoder.drain():
            self._show(Picture(frame, decoder.sample_aspect_ratio))

    # --- sound ------------------------------------------------------------------------------------------

    def _take_sound(self, item: AudioConfig | AudioPacket) -> None:
        if self._kept is not None:
            self._kept.add(item)
            return
        before = self._sound.broken
        try:
            self._emit_all(self._sound.take(item))
        except (InvalidRequest, av.FFmpegError) as error:
            self._out.on_problem(f"sound: {error}")
        if before == 0 and self._sound.broken:
            self._out.on_problem("sound: packets that can't be decoded")

    def _emit_all(self, items: list[ProgrammeItem]) -> None:
        for item in items:
            self._out.emit(item)


class _KeptSound:
    """Packets of the last second, and the header before them."""

    def __init__(self) -> None:
        self._header: AudioConfig | None = None
        self._items: deque[AudioConfig | AudioPacket] = deque()

    @property
    def items(self) -> list[AudioConfig | AudioPacket]:
        return [*self._items] if self._header is None else [self._header, *self._items]

    def add(self, item: AudioConfig | AudioPacket) -> None:
        self._items.append(item)
        while self._items and self._is_old(self._items[0], item):
            gone = self._items.popleft()
            if isinstance(gone, AudioConfig):
                self._header = gone

    def _is_old(self, first: AudioConfig | AudioPacket, newest: AudioConfig | AudioPacket) -> bool:
        if isinstance(first, AudioConfig) or len(self._items) > _MAX_KEPT_SOUND:
            return True
        return isinstance(newest, AudioPacket) and newest.pts_ms - first.pts_ms > KEEP_MS
