"""The output switch: who may speak, and what has been said. Pure.

For each track of the programme it knows the last timestamp let through; only frames after it pass, only from the
generation that speaks. A generation that takes over begins each picture track with a key frame, so what passes is
decodable, with no frame twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from app.domain.ladder import AUDIO_TRACK
from app.media.arrival import Arrival
from app.media.selection import is_key, select_or_none


class _Track:
    __slots__ = ("doubled", "frames", "generation", "last_ms", "needs_key")

    def __init__(self, generation: int) -> None:
        self.generation = generation
        self.last_ms: int | None = None
        self.needs_key = True
        self.doubled = 0
        self.frames = 0


class OutputSwitch:
    """`fenced` counts frames of generations that may not speak, `undecodable` those before a first key frame."""

    def __init__(self, tracks: Sequence[str]) -> None:
        self.generation = 0
        self._tracks = {name: _Track(self.generation) for name in tracks}
        self.fenced = 0
        self.undecodable = 0

    def hand_over(self, generation: int) -> bool:
        """Let `generation` speak from now on; False when a newer one does already."""
        if generation < self.generation:
            return False
        self.generation = generation
        for track in self._tracks.values():
            track.generation = generation
            track.needs_key = True
        return True

    def hand_over_track(self, name: str, generation: int) -> None:
        """Let `generation` speak on one track, before all of them are handed over by `complete`."""
        track = self._tracks[name]
        if track.generation != generation:
            track.generation = generation
            track.needs_key = True

    def let(self, name: str, generation: int) -> None:
        """Let `generation` say the next frame of one track: it goes on with what is shown."""
        self._tracks[name].generation = generation

    def carry_on(self, generation: int) -> None:
        """Let `generation` speak from now on, in the middle of what is shown."""
        for track in self._tracks.values():
            track.generation = generation
        self.generation = generation

    def complete(self, generation: int) -> None:
        """Every track was handed over to `generation`."""
        for name in self._tracks:
            self.hand_over_track(name, generation)
        self.generation = generation

    def retrack(self, tracks: Sequence[str]) -> None:
        """The programme has these tracks from now on. A new picture track begins where the others stand."""
        lasts = [track.last_ms for name, track in self._tracks.items() if name != AUDIO_TRACK and track.last_ms]
        known, self._tracks = self._tracks, {}
        for name in tracks:
            track = self._tracks[name] = known.get(name) or _Track(self.generation)
            if name not in known and name != AUDIO_TRACK:
                track.last_ms = max(lasts, default=None)

    def start_after(self) -> Mapping[str, int | None]:
        """The last timestamp let through on each track: a new worker says nothing at or before it."""
        return {name: track.last_ms for name, track in self._tracks.items()}

    def returned_ms(self, newest_video_ms: int | None, newest_audio_ms: int | None) -> int | None:
        """Everything of the source at or before this has come back on every track.

        A track that has said all there was, or whose side of the source does not exist, holds nothing back.
        None: a track that has something to say has not begun.
        """
        returned = max(newest_video_ms or 0, newest_audio_ms or 0)
        for name, track in self._tracks.items():
            newest = newest_audio_ms if name == AUDIO_TRACK else newest_video_ms
            if newest is None or (track.last_ms is not None and track.last_ms >= newest):
                continue
            if track.last_ms is None:
                return None
            returned = min(returned, track.last_ms)
        return returned

    def knows(self, track: str) -> bool:
        return track in self._tracks

    def doubled(self) -> int:
        """Frames refused because their time had passed already."""
        return sum(track.doubled for track in self._tracks.values())

    def fence(self, arrival: Arrival) -> None:
        """Count what came from a worker that may not speak."""
        self.fenced += arrival.frames

    def admit(self, name: str, generation: int, arrival: Arrival) -> Arrival | None:
        """What of `arrival` may pass; None: nothing. Headers pass with the generation that speaks."""
        track = self._tracks[name]
        if generation != track.generation:
            self.fenced += arrival.frames
            return None
        first_key = arrival.key
        if not arrival.frames:
            return arrival
        if name != AUDIO_TRACK and track.needs_key and first_key is None:
            self.undecodable += arrival.frames
            return self._headers_only(arrival)
        if self._all_new(track, arrival) and not (track.needs_key and first_key):
            track.needs_key = False
            track.last_ms = arrival.positions[-1]
            track.frames += arrival.frames
            return arrival
        return self._pick(name, track, arrival)

    def _all_new(self, track: _Track, arrival: Arrival) -> bool:
        positions = arrival.positions
        if arrival.headers or (track.last_ms is not None and positions[0] <= track.last_ms):
            return False
        return len(positions) == 1 or all(one < after for one, after in pairwise(positions))

    def _pick(self, name: str, track: _Track, arrival: Arrival) -> Arrival | None:
        """Message by message: the road for the reads around a change and those with headers in them."""
        apart = {*arrival.headers, *arrival.others}
        keep: list[int] = []
        for index, position in enumerate(arrival.positions):
            if index in apart:
                keep.append(index)
            elif track.last_ms is not None and position <= track.last_ms:
                track.doubled += 1
            elif name != AUDIO_TRACK and track.needs_key and not is_key(arrival, index):
                self.undecodable += 1
            else:
                track.needs_key = False
                track.last_ms = position
                track.frames += 1
                keep.append(index)
        return select_or_none(arrival, keep)

    def _headers_only(self, arrival: Arrival) -> Arrival | None:
        return select_or_none(arrival, [*arrival.headers])
