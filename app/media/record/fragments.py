"""Turns the highest muxed stream into the bytes of one fragmented MP4 file after another. Pure.

A fragment holds at least FRAGMENT_MS and begins with a key frame, so whatever was written is playable. A new part
begins only where the formats change.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from aiortmp import MediaMessage, ProtocolError
from aiortmp.flv import parse_audio, parse_video
from app.media.arrival import Arrival
from app.media.fmp4.formats import AudioFormat, UnsupportedFormat, VideoFormat
from app.media.fmp4.fragment import Run, fragment
from app.media.fmp4.init import init_segment
from app.media.fmp4.lanes import AudioLane, Cut, VideoLane
from app.media.formats import audio_format, read_metadata, video_format
from app.media.timeline import AUDIO, VIDEO

FRAGMENT_MS: Final = 1_000
PROBE_MS: Final = 2_500
"""Sound without a picture for this long is a recording of sound alone."""
LEAD_MS: Final = 10_000
"""Sound this far ahead of a picture that stands still is written without it."""
OPEN_MAX_BYTES: Final = 32 * 1024 * 1024
GAP_MS: Final = 1_000
"""A pause between two fragments that is told in the index."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes to append. `new_part` begins a file; times on the stream's timeline, `gap_ms` before this piece."""

    data: bytes
    new_part: bool
    start_ms: int
    end_ms: float
    gap_ms: float = 0.0


class RecordingMuxer:
    """`skipped` counts packets that fit no MP4."""

    def __init__(self) -> None:
        self._video: VideoFormat | None = None
        self._audio: AudioFormat | None = None
        self._size: tuple[int, int] | None = None
        self._pictures = VideoLane()
        self._picture_ms: int | None = None
        self._sound: AudioLane | None = None
        self._part_open = False
        self._origin_ms = 0
        self._last_end_ms: float | None = None
        self._sequence = 0
        self.skipped = 0

    def push(self, arrival: Arrival) -> list[Piece]:
        """Take packets; gives what is complete."""
        pieces: list[Piece] = []
        apart = {*arrival.headers, *arrival.others}
        for index, message in enumerate(arrival.batch):
            if index in apart:
                if index in arrival.headers:
                    pieces += self._header(message)
                continue
            try:
                pieces += self._frame(arrival.positions[index], message)
            except ProtocolError:
                self.skipped += 1
        return pieces

    def begin_part(self) -> None:
        """What comes next begins a new part: the last one was not written to its end."""
        self._part_open = False

    def flush(self) -> list[Piece]:
        """Everything held, as a last fragment for now."""
        return self._cut(None)

    def _header(self, message: MediaMessage) -> list[Piece]:
        try:
            if message.type == VIDEO:
                found = video_format(message.payload, self._size)
                if found != self._video:
                    return self._restart(found, self._audio)
            elif message.type == AUDIO:
                sound = audio_format(message.payload)
                if sound != self._audio:
                    return self._restart(self._video, sound)
            elif (metadata := read_metadata(message.payload)) is not None:
                self._size = metadata.size
        except UnsupportedFormat:
            self.skipped += 1
        return []

    def _restart(self, video: VideoFormat | None, audio: AudioFormat | None) -> list[Piece]:
        """Go on with these formats: in a new part, unless the first has not begun."""
        pieces = self.flush() if self._part_open else []
        if audio != self._audio or self._part_open:
            self._sound = AudioLane(audio) if audio is not None else None
        self._video, self._audio = video, audio
        self._part_open = False
        return pieces

    def _frame(self, position_ms: int, message: MediaMessage) -> list[Piece]:
        payload = message.payload
        if message.type == AUDIO:
            return self._sound_frame(position_ms, payload)
        tag = parse_video(payload)
        if self._video is None or not tag.is_coded:
            self.skipped += 1
            return []
        pieces: list[Piece] = []
        start = self._pictures.start_ms
        if tag.is_keyframe and start is not None and position_ms - start >= FRAGMENT_MS:
            pieces = self._cut(position_ms)
        elif not tag.is_keyframe and start is None:
            self.skipped += 1
            return []
        self._picture_ms = position_ms
        body = memoryview(payload)[tag.body_start : tag.body_end]
        self._pictures.add(position_ms, tag.composition_time_ms, body, sync=tag.is_keyframe)
        if self._pictures.size_bytes > OPEN_MAX_BYTES:
            self.skipped += self._pictures.clear()
        return pieces

    def _sound_frame(self, position_ms: int, payload: bytes) -> list[Piece]:
        tag = parse_audio(payload)
        if self._sound is None or not tag.is_coded:
            self.skipped += 1
            return []
        pieces: list[Piece] = []
        start = self._sound.start_ms
        if start is not None and self._is_alone(start, position_ms):
            # Pictures that are held stay: others may still refer to them.
            pieces = self._cut(position_ms, pictures=not self._part_open)
        self._sound.add(position_ms, memoryview(payload)[tag.body_start : tag.body_end])
        if self._sound.size_bytes > OPEN_MAX_BYTES:
            self.skipped += self._sound.drop_before(position_ms + 1)
        return pieces

    def _is_alone(self, start_ms: int, position_ms: int) -> bool:
        """Whether sound from `start_ms` to `position_ms` waits for no picture."""
        if self._video is not None:
            return position_ms - max(start_ms, self._picture_ms or 0) >= LEAD_MS
        return position_ms - start_ms >= (FRAGMENT_MS if self._part_open else PROBE_MS)

    def _cut(self, next_ms: int | None, *, pictures: bool = True) -> list[Piece]:
        picture = self._pictures.take(next_ms, track=1) if pictures else None
        number = 2 if self._video is not None else 1
        sound = self._sound.take(next_ms, track=number) if self._sound is not None else None
        cuts = [cut for cut in (picture, sound) if cut is not None]
        if not cuts:
            return []
        start_ms = min(cut.start_ms for cut in cuts)
        end_ms = max(cut.end_ms for cut in cuts)
        gap_ms = 0.0 if self._last_end_ms is None else start_ms - self._last_end_ms
        self._last_end_ms = max(end_ms, self._last_end_ms or 0.0)
        data = b""
        opened = not self._part_open
        if opened:
            self._part_open = True
            self._origin_ms = start_ms
            data = init_segment([track for track in (self._video, self._audio) if track is not None])
        self._sequence += 1
        data += fragment(self._sequence, [self._from_origin(cut) for cut in cuts])
        return [Piece(data, opened, start_ms, end_ms, gap_ms if gap_ms >= GAP_MS else 0.0)]

    def _from_origin(self, cut: Cut) -> Run:
        """The run with its times counted from the part's beginning."""
        track, decode_time, samples = cut.run
        video = self._video is not None and track == 1
        source = self._video if video else self._audio
        assert source is not None, "a cut has a format"
        return Run(track, max(0, decode_time - self._origin_ms * source.timescale // 1000), samples)
