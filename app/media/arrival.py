"""What one read brought, looked through once and placed on the stream's timeline.

Every later part (ring, feeds, viewers, packager) takes an `Arrival`, so each message is looked at a single time.
This is the road every packet takes: it peeks at first bytes, builds no payload, and hands the batch on as it came
whenever its timestamps already are the timeline's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from aiortmp import MediaBatch, MediaMessage, MessageType
from app.media.timeline import AUDIO, BACKWARD_LIMIT_MS, VIDEO

Place = Callable[[Sequence[tuple[int, int]]], list[int]]
"""Timeline positions of pairs of message type and 32-bit timestamp."""

MASK: Final = 0xFFFFFFFF
MESSAGE_BYTES: Final = 256
"""What a kept message costs beside its payload, so that a flood of tiny ones meets the bounds in time."""
_FRAME, _KEY, _HEADER, _OTHER, _BY_SECOND, _BY_TRACK = range(6)


class Arrival(NamedTuple):
    """A tuple, because one is made for every read.

    `batch` carries timeline timestamps (low 32 bits). `positions` has the 64-bit place of each message, or of the
    frame next to it for headers and data. `headers` are indexes of codec headers and data messages, `others`
    of messages that are no frames and need not be kept. `key` is the index of the first video key frame.
    """

    batch: MediaBatch
    positions: list[int]
    headers: Sequence[int]
    others: Sequence[int]
    key: int | None
    video_frames: int
    audio_frames: int
    size_bytes: int

    @property
    def frames(self) -> int:
        """Frames of both kinds."""
        return self.video_frames + self.audio_frames


def _video_table() -> list[int]:
    """Nature of a video message by its first byte: classic FLV (annex E.4.3) and Enhanced RTMP v2 (table 4)."""
    table = []
    for first in range(256):
        key = first >> 4 & 7 == 1
        frame = _KEY if key else _FRAME
        if first & 0x80:
            by_packet = {0: _HEADER, 2: _OTHER, 4: _OTHER, 5: _HEADER, 6: _BY_TRACK}
            table.append(by_packet.get(first & 15, frame))
        elif first >> 4 == 5:
            table.append(_OTHER)
        else:
            table.append(_BY_SECOND if first & 15 in (7, 12, 13) else frame)
    return table


def _audio_table() -> list[int]:
    table = []
    for first in range(256):
        if first >> 4 == 9:
            table.append({0: _HEADER, 2: _OTHER, 4: _HEADER, 5: _BY_TRACK}.get(first & 15, _FRAME))
        else:
            table.append(_BY_SECOND if first >> 4 == 10 else _FRAME)
    return table


_VIDEO: Final = _video_table()
_AUDIO: Final = _audio_table()


def _second_look(nature: int, block: bytes, start: int, end: int) -> int:
    """What the second byte says where the first is not enough."""
    second = block[start + 1] if end - start > 1 else 2
    if second == 1 and nature == _BY_SECOND:
        return _KEY if block[start] >> 4 == 1 else _FRAME
    if nature == _BY_TRACK:
        if second & 15 == 0:
            return _HEADER
        return _KEY if block[start] >> 4 & 7 == 1 else _FRAME
    if second == 0:
        return _HEADER
    return _OTHER if second == 2 else _FRAME


def arrive(batch: MediaBatch, place: Place) -> Arrival:
    """Look through `batch` and place it. Audio and video key frames are told apart: sound has none."""
    if len(batch.rows) == 1 and (single := _arrive_alone(batch, place)) is not None:
        return single
    stamps: list[tuple[int, int]] = []
    headers: list[int] = []
    others: list[int] = []
    key: int | None = None
    video = 0
    size = 0
    for index, (kind, stamp, block, start, end, _, _) in enumerate(batch.rows):
        size += end - start
        if start == end:
            others.append(index)
            continue
        if kind == VIDEO:
            nature = _VIDEO[block[start]]
        elif kind == AUDIO:
            nature = _AUDIO[block[start]]
        else:
            headers.append(index)
            continue
        if nature >= _BY_SECOND:
            nature = _second_look(nature, block, start, end)
        if nature <= _KEY:
            stamps.append((kind, stamp))
            if kind == VIDEO:
                video += 1
                if nature == _KEY and key is None:
                    key = index
        elif nature == _HEADER:
            headers.append(index)
        else:
            others.append(index)
    placed = place(stamps)
    audio = len(stamps) - video
    if not headers and not others:
        for position, (_, stamp) in zip(placed, stamps, strict=True):
            if position & MASK != stamp:
                return Arrival(_retimed(batch, placed), placed, (), (), key, video, audio, size)
        return Arrival(batch, placed, (), (), key, video, audio, size)
    positions = _spread(placed, len(batch), {*headers, *others})
    if not _keeps(batch, positions, {*headers, *others}):
        batch = _retimed(batch, positions)
    return Arrival(batch, positions, headers, others, key, video, audio, size)


def _arrive_alone(batch: MediaBatch, place: Place) -> Arrival | None:
    """A read that brought a single frame, which at live pace is nearly every one; None: look closer."""
    kind, stamp, block, start, end, _, _ = batch.rows[0]
    if start == end or (kind != VIDEO and kind != AUDIO):
        return None
    is_video = kind == VIDEO
    nature = _VIDEO[block[start]] if is_video else _AUDIO[block[start]]
    if nature >= _BY_SECOND:
        nature = _second_look(nature, block, start, end)
    if nature > _KEY:
        return None
    placed = place(((kind, stamp),))
    if placed[0] & MASK != stamp:
        batch = _retimed(batch, placed)
    if is_video:
        return Arrival(batch, placed, (), (), 0 if nature == _KEY else None, 1, 0, end - start)
    return Arrival(batch, placed, (), (), None, 0, 1, end - start)


def _spread(placed: list[int], count: int, apart: set[int]) -> list[int]:
    """One position for each message: those `apart` stand where the next frame does, else where the last did."""
    positions: list[int] = []
    frames = iter(placed)
    following = next(frames, None)
    last = 0
    for index in range(count):
        if index in apart:
            positions.append(following if following is not None else last)
        else:
            assert following is not None, "there is a position for every frame"
            positions.append(following)
            last = following
            following = next(frames, None)
    return positions


def _keeps(batch: MediaBatch, positions: list[int], apart: set[int]) -> bool:
    """Whether the timestamps may stay: frames exactly, the rest roughly."""
    for index, (position, row) in enumerate(zip(positions, batch.rows, strict=True)):
        distance = abs((position & MASK) - row[1])
        if distance > (BACKWARD_LIMIT_MS if index in apart else 0) and position:
            return False
    return True


def _retimed(batch: MediaBatch, positions: list[int]) -> MediaBatch:
    return MediaBatch.of(
        [
            MediaMessage(message.type, position & MASK, message.payload)
            for message, position in zip(batch, positions, strict=True)
        ]
    )


def tail(arrival: Arrival, first: int) -> MediaBatch:
    """The batch from message `first` on; the batch itself when that is all of it."""
    return arrival.batch if first == 0 else arrival.batch[first:]


def data_message(payload: bytes, position_ms: int = 0) -> MediaMessage:
    return MediaMessage(MessageType.DATA, position_ms & MASK, payload)
