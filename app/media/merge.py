"""Two workers encode the same programme: what comes first passes, as long as both say the same. Pure.

For each track one of them leads. While both have said the same bytes for every frame of this group of pictures, a
frame passes from whoever says it first; from the first difference on, only the one whose frames were shown goes on.
At a key frame the faster one takes the lead, if the group before was the same from both.
Leaves to others: what becomes of a worker that is lost (`worker_seat`), and what may pass in the end (`switch`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping
from typing import Final, NamedTuple

from app.domain.ladder import AUDIO_TRACK
from app.media.arrival import Arrival
from app.media.selection import is_key, select

AHEAD_MAX: Final = 600
"""Frames of a track that wait for the slower worker: ten seconds of 60 a second."""
HELD_MAX_BYTES: Final = 32 * 1024 * 1024
"""What waits of one track is no larger: twenty seconds of 12 Mbit/s."""
BEHIND_MAX_MS: Final = 1_000
"""A worker further behind than this is not known to say the same."""
GROUP_MAX: Final = 1_024
"""Frames of a track that are remembered."""


class _Frame(NamedTuple):
    position: int
    after: int | None
    """The frame that the same worker said before."""
    digest: int
    is_key: bool
    arrival: Arrival


class _Shown(NamedTuple):
    generation: int
    digest: int
    after: int | None


class Turn(NamedTuple):
    """What may pass, and whose it is."""

    generation: int
    arrival: Arrival


class _Waiting:
    """Frames of one worker that wait, the oldest first; of too many or too large ones the oldest are let go."""

    def __init__(self) -> None:
        self._frames: deque[_Frame] = deque()
        self.size_bytes = 0

    def __bool__(self) -> bool:
        return bool(self._frames)

    @property
    def first(self) -> _Frame:
        return self._frames[0]

    def push(self, frame: _Frame) -> None:
        self._frames.append(frame)
        self.size_bytes += frame.arrival.size_bytes
        while len(self._frames) > AHEAD_MAX or (self.size_bytes > HELD_MAX_BYTES and len(self._frames) > 1):
            self.pop()

    def pop(self) -> _Frame:
        frame = self._frames.popleft()
        self.size_bytes -= frame.arrival.size_bytes
        return frame


class _Track:
    def __init__(self, name: str, last_ms: int | None, leader: int, other: int) -> None:
        self._is_sound = name == AUDIO_TRACK
        self.last_ms = last_ms
        self.leader = leader
        self.is_same = False
        """Both have said the same in this group of pictures, as far as both have said it."""
        self._differs = False
        self._shown: dict[int, _Shown] = {}
        """What was shown of this group, in order."""
        self._waiting = {leader: _Waiting(), other: _Waiting()}
        self._newest: dict[int, int | None] = {leader: None, other: None}

    @property
    def held_bytes(self) -> int:
        return sum([waiting.size_bytes for waiting in self._waiting.values()])

    def take(self, generation: int, arrival: Arrival) -> list[Turn]:
        apart = {*arrival.headers, *arrival.others}
        turns: list[Turn] = []
        if apart and generation == self.leader:
            turns.append(Turn(generation, select(arrival, sorted(apart))))
        for index, position in enumerate(arrival.positions):
            if index not in apart:
                turns += self._frame(generation, position, select(arrival, [index]))
        return turns

    def goes_on(self, generation: int) -> bool:
        """Whether this worker alone can go on where the programme stands, with the very next frame."""
        newest_ms = self._newest[generation]
        if newest_ms is None or self.last_ms is None:
            return self.last_ms is None
        waiting = self._waiting[generation]
        follows = waiting.first.after == self.last_ms if waiting else self.last_ms - newest_ms <= BEHIND_MAX_MS
        return follows and (self.leader == generation or self.is_same)

    def alone(self, generation: int) -> list[Turn]:
        """The other one is gone: what of this worker waited."""
        self.leader = generation
        return self._drain()

    def _frame(self, generation: int, position: int, arrival: Arrival) -> list[Turn]:
        after, self._newest[generation] = self._newest[generation], position
        key = not self._is_sound and is_key(arrival, 0)
        frame = _Frame(position, after, hash(arrival.batch[0].payload), key, arrival)
        if self.last_ms is not None and position <= self.last_ms:
            self._compare(generation, frame)
            return []
        self._waiting[generation].push(frame)
        return self._drain()

    def _drain(self) -> list[Turn]:
        turns: list[Turn] = []
        while (found := self._next()) is not None:
            generation, frame = found
            self._show(generation, frame)
            turns.append(Turn(generation, frame.arrival))
        return turns

    def _next(self) -> tuple[int, _Frame] | None:
        for generation, waiting in self._waiting.items():
            while waiting and self.last_ms is not None and waiting.first.position <= self.last_ms:
                self._compare(generation, waiting.pop())
        if self._waiting[self.leader]:
            return self.leader, self._waiting[self.leader].pop()
        for generation, waiting in self._waiting.items():
            if waiting and self.is_same and waiting.first.after == self.last_ms:
                return generation, waiting.pop()
        return None

    def _show(self, generation: int, frame: _Frame) -> None:
        if frame.is_key:
            self.leader = generation
            self.is_same = self._differs = False
            self._shown.clear()
        elif len(self._shown) >= GROUP_MAX:
            del self._shown[next(iter(self._shown))]
        self._shown[frame.position] = _Shown(generation, frame.digest, self.last_ms)
        self.last_ms = frame.position

    def _compare(self, generation: int, frame: _Frame) -> None:
        """A frame of a time that is past: the second copy of one that was shown, or one that nobody else said."""
        shown = self._shown.get(frame.position)
        if shown is None:
            if self._shown and frame.position > next(iter(self._shown)):
                self._part(self.leader)
        elif shown.generation == generation:
            return
        elif shown.digest == frame.digest and (frame.is_key or frame.after in (shown.after, None)):
            self.is_same = not self._differs
        else:
            self._part(shown.generation)

    def _part(self, leader: int) -> None:
        """The two differ: `leader` goes on. Sound is whole again with the next packet."""
        self.is_same, self._differs = False, not self._is_sound
        self.leader = leader


class Merge:
    """`leader` and `other` are generations; `last` is where each track stands."""

    def __init__(self, last: Mapping[str, int | None], *, leader: int, other: int) -> None:
        self._tracks = {name: _Track(name, last_ms, leader, other) for name, last_ms in last.items()}

    @property
    def held_bytes(self) -> int:
        """What waits for the slower of the two."""
        return sum([track.held_bytes for track in self._tracks.values()])

    def take(self, name: str, generation: int, arrival: Arrival) -> list[Turn]:
        """One of the two said this: what may pass now, in order."""
        track = self._tracks.get(name)
        return track.take(generation, arrival) if track is not None else []

    def goes_on(self, generation: int, owed: Collection[str]) -> bool:
        """Whether this worker can go on alone on the tracks `owed`, without a gap and without being fed anew."""
        return all(track.goes_on(generation) for name, track in self._tracks.items() if name in owed)

    def alone(self, generation: int) -> list[tuple[str, Turn]]:
        """The other one is gone: what of this one waited, by track."""
        return [(name, turn) for name, track in self._tracks.items() for turn in track.alone(generation)]
