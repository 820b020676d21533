"""Takes aside what is to be looked at of one stream: the newest key frames and the sound since the last look.

On the road of every packet, so it keeps references and counts, and takes nothing apart. Bounded for each side.
Leaves to others: when a look is due (`rounds`), decoding (`measure`).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

from aiortmp import MediaMessage, MessageType
from app.domain.ladder import AUDIO_TRACK
from app.media.arrival import Arrival
from app.media.content.talk import Look
from app.media.timeline import AUDIO, VIDEO

MAX_GROUP_BYTES: Final = 8 * 1024 * 1024
"""Of one group of pictures, for a closer look. A larger one is looked at by its key frames alone."""
MAX_GROUP_READS: Final = 2048
MAX_SOUND_BYTES: Final = 256 * 1024
MAX_SOUND_PACKETS: Final = 160
"""Three seconds of AAC."""
LEAST_SOUND_PACKETS: Final = 8
LONG_GROUP_MS: Final = 2_600
"""Where key frames lie further apart than this, the pictures between them are decoded to see the newest one."""
JUMP_MS: Final = 1_000


@dataclass(frozen=True, slots=True)
class Taken:
    """A look, and where on the timeline it belongs; None: not asked for."""

    look: Look
    picture_ms: int | None
    sound_from_ms: int | None
    sound_ms: int | None


class SideTap:
    """The source, or one rendition of the programme with its sound."""

    def __init__(self) -> None:
        self._headers: dict[int, MediaMessage] = {}
        self._group: list[Arrival] = []
        self._group_bytes = 0
        self._group_is_whole = False
        self._key: tuple[int, MediaMessage] | None = None
        self._looked_ms: int | None = None
        """Time of the picture that was looked at last."""
        self._sound: deque[tuple[int, MediaMessage]] = deque()
        self._sound_bytes = 0
        self.picture_ms: int | None = None
        self.sound_ms: int | None = None
        self.jumps = 0
        """Steps of its timestamps by more than a second, either way."""

    def learn(self, message: MediaMessage) -> None:
        """A codec header. What was before it can't be decoded with it."""
        if message.type in (VIDEO, AUDIO):
            self._headers[message.type] = message
            if message.type == VIDEO:
                self.forget_picture()

    def forget_picture(self) -> None:
        self._group, self._group_bytes, self._key = [], 0, None
        self._group_is_whole = False

    def see(self, arrival: Arrival) -> None:
        """A read with pictures."""
        key = arrival.key
        if key is not None:
            self._group, self._group_bytes, self._group_is_whole = [], 0, True
            self._key = arrival.positions[key], arrival.batch[key]
        at_ms, before_ms = arrival.positions[-1], self.picture_ms
        if before_ms is not None and not -JUMP_MS <= at_ms - before_ms <= JUMP_MS:
            self.jumps += 1
        self.picture_ms = at_ms
        if not self._group_is_whole:
            return
        self._group.append(arrival)
        self._group_bytes += arrival.size_bytes
        if self._group_bytes > MAX_GROUP_BYTES or len(self._group) > MAX_GROUP_READS:
            self._group, self._group_is_whole = [], False

    def hear(self, arrival: Arrival) -> None:
        """A read with sound, perhaps among pictures."""
        batch = arrival.batch
        for index, position in enumerate(arrival.positions):
            if batch.rows[index][0] == AUDIO:
                message = batch[index]
                # Cut out: a packet of sound must not keep the pictures that were read with it.
                self._sound.append((position, MediaMessage(MessageType.AUDIO, message.timestamp, message.payload)))
                self._sound_bytes += len(message)
                self.sound_ms = position
        while len(self._sound) > MAX_SOUND_PACKETS or self._sound_bytes > MAX_SOUND_BYTES:
            self._sound_bytes -= len(self._sound.popleft()[1])

    def take(self, room: str, *, closely: bool) -> Taken | None:
        """What is new since the last look, None when that is nothing."""
        picture_ms, picture = self._take_picture(closely=closely)
        sound = self._take_sound()
        if not picture and not sound:
            return None
        heard = [message for _, message in sound]
        if heard and (header := self._headers.get(AUDIO)) is not None:
            heard.insert(0, header)
        return Taken(
            Look(room, picture, heard),
            picture_ms if picture else None,
            sound[0][0] if sound else None,
            sound[-1][0] if sound else None,
        )

    def _take_picture(self, *, closely: bool) -> tuple[int, list[MediaMessage]]:
        header, key, newest_ms = self._headers.get(VIDEO), self._key, self.picture_ms
        if key is None or newest_ms is None:
            return 0, []
        opening = [header] if header is not None else []
        looked_ms = self._looked_ms
        if looked_ms is None or key[0] > looked_ms or key[0] < looked_ms - LONG_GROUP_MS * 10:
            self._looked_ms = key[0]
            return key[0], [*opening, key[1]]
        if closely and self._group_is_whole and newest_ms - looked_ms >= LONG_GROUP_MS:
            self._looked_ms = newest_ms
            return newest_ms, [*opening, *self._pictures()]
        return 0, []

    def _pictures(self) -> list[MediaMessage]:
        """The group of pictures as far as it has come."""
        pictures: list[MediaMessage] = []
        for arrival in self._group:
            first = arrival.key if not pictures and arrival.key is not None else 0
            pictures += [message for message in arrival.batch[first:] if message.type is MessageType.VIDEO]
        return pictures

    def _take_sound(self) -> list[tuple[int, MediaMessage]]:
        if len(self._sound) < LEAST_SOUND_PACKETS:
            return []
        sound = list(self._sound)
        self._sound.clear()
        self._sound_bytes = 0
        return sound


class ContentTap:
    """Both sides of one stream. `track` is the rendition that is looked at; None: the source is the programme."""

    def __init__(self) -> None:
        self.source = SideTap()
        self.programme = SideTap()
        self._track: str | None = None
        self._jumped_before = 0
        """Steps of the source from before this rendition was looked at."""

    @property
    def encoder_jumps(self) -> int:
        """A step that the source made too is none of the encoder's."""
        return max(0, self.programme.jumps - (self.source.jumps - self._jumped_before))

    def follow(self, track: str | None) -> bool:
        """Look at this rendition from now on; True when it was another one."""
        if track == self._track:
            return False
        self._track, self.programme, self._jumped_before = track, SideTap(), self.source.jumps
        return True

    def on_source(self, arrival: Arrival) -> None:
        _note(self.source, arrival)

    def on_programme(self, track: str, arrival: Arrival) -> None:
        if track == self._track or track == AUDIO_TRACK:
            _note(self.programme, arrival)


def _note(side: SideTap, arrival: Arrival) -> None:
    for index in arrival.headers:
        side.learn(arrival.batch[index])
    if arrival.video_frames:
        side.see(arrival)
    if arrival.audio_frames:
        side.hear(arrival)
