"""Merges one rendition and the sound into a single stream in time order, for viewers that take one. Pure."""

from __future__ import annotations

from collections import deque
from typing import Final, NamedTuple

from aiortmp import MediaBatch, MediaMessage
from app.media.arrival import Arrival
from app.media.timeline import AUDIO, VIDEO

HOLD_MS: Final = 600
"""One side waits this long, in stream time, for the other."""


class _Item(NamedTuple):
    position_ms: int
    message: MediaMessage
    is_header: bool
    is_key: bool


class Interleaver:
    """A side that has been silent longer than HOLD_MS is waited for no more until it speaks again."""

    def __init__(self) -> None:
        self._lanes: dict[int, deque[_Item]] = {VIDEO: deque(), AUDIO: deque()}
        self._silent: set[int] = set()
        self._metadata: bytes | None = None

    def push(self, kind: int, arrival: Arrival) -> Arrival | None:
        """Take packets of one side (VIDEO or AUDIO); gives what is in order now, None when that is nothing."""
        lane = self._lanes[kind]
        apart, headers = {*arrival.headers, *arrival.others}, set(arrival.headers)
        for index, (position, message) in enumerate(zip(arrival.positions, arrival.batch, strict=True)):
            if (index in apart and index not in headers) or (kind == AUDIO and message.type != AUDIO):
                # The picture's metadata describes the stream; the sound's own would replace it.
                continue
            if index in headers and message.type not in (VIDEO, AUDIO):
                if message.payload == self._metadata:
                    continue  # another worker's, after a takeover: ffmpeg takes later metadata for subtitles
                self._metadata = message.payload
            is_key = kind == VIDEO and index not in apart and message.peek(1)[0] >> 4 & 7 == 1
            lane.append(_Item(position, message, index in headers, is_key))
        self._silent.discard(kind)
        return self._merged(self._take(kind))

    def drain(self, until_ms: int) -> Arrival | None:
        """No picture follows: those that are held, with the sound up to the last of them, or up to `until_ms`."""
        pictures, sound = self._lanes[VIDEO], self._lanes[AUDIO]
        until_ms = max([until_ms, *[item.position_ms for item in pictures]])
        items = list(pictures)
        pictures.clear()
        while sound and sound[0].position_ms <= until_ms:
            items.append(sound.popleft())
        return self._merged(sorted(items, key=lambda item: item.position_ms))

    def follow(self, other: Interleaver) -> None:
        """This one begins: with the sound that `other` holds, if that is more than of another."""
        if len(other._lanes[AUDIO]) > len(self._lanes[AUDIO]):
            self._lanes[AUDIO] = deque(other._lanes[AUDIO])

    def flush(self) -> Arrival | None:
        """All that is held, in order."""
        items = sorted((item for lane in self._lanes.values() for item in lane), key=lambda item: item.position_ms)
        for lane in self._lanes.values():
            lane.clear()
        return self._merged(items)

    def _take(self, spoke: int) -> list[_Item]:
        mine, other_kind = self._lanes[spoke], AUDIO if spoke == VIDEO else VIDEO
        other = self._lanes[other_kind]
        pictures, sound = self._lanes[VIDEO], self._lanes[AUDIO]
        taken: list[_Item] = []
        while mine or other:
            if mine and other:
                # Of the same time the picture comes first: who begins at a key frame gets the sound with it.
                is_picture = pictures[0].position_ms <= sound[0].position_ms
                taken.append((pictures if is_picture else sound).popleft())
                continue
            if not mine:
                break
            if other_kind not in self._silent:
                if mine[-1].position_ms - mine[0].position_ms <= HOLD_MS:
                    break
                self._silent.add(other_kind)
            taken.append(mine.popleft())
        return taken

    def _merged(self, items: list[_Item]) -> Arrival | None:
        if not items:
            return None
        headers = [index for index, item in enumerate(items) if item.is_header]
        frames = [item for item in items if not item.is_header]
        video = sum(item.message.type == VIDEO for item in frames)
        batch = MediaBatch.of([item.message for item in items])
        return Arrival(
            batch,
            [item.position_ms for item in items],
            headers,
            (),
            next((index for index, item in enumerate(items) if item.is_key), None),
            video,
            len(frames) - video,
            batch.size_bytes,
        )
