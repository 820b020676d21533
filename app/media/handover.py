"""A planned change of workers: both encode, the old one speaks up to a border, the new one from there on. Pure.

What the new one says is held until it has shown a first frame on every track; that commits the change. From then on
each track goes over as soon as the old one has come to the new one's first frame. Until it is committed the old one
is held at the border for a moment only, and nothing of it is thrown away, so a new one that fails costs nothing.
Leaves to others: clocks and deadlines (`planned`), what may pass in the end (`switch`).
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from aiortmp import MediaMessage
from app.domain.ladder import AUDIO_TRACK
from app.media.arrival import Arrival
from app.media.selection import header_arrival, is_key, select_or_none


class Word(NamedTuple):
    """What may go to the output switch, and of which worker it is."""

    is_new: bool
    track: str
    arrival: Arrival


class _Track:
    def __init__(self, name: str) -> None:
        self.name = name
        self.begin_ms: int | None = None
        """Where the new worker's first frame stands."""
        self.old: list[Arrival] = []
        self.new: list[Arrival] = []
        self.headers: dict[int, MediaMessage] = {}
        self.is_over = False

    def begins_at(self, border_ms: int) -> int | None:
        """The first frame held of the new worker at which a viewer may begin."""
        for arrival in self.new:
            apart = {*arrival.headers, *arrival.others}
            for index, position in enumerate(arrival.positions):
                if index in apart or position < border_ms:
                    continue
                if self.name == AUDIO_TRACK or is_key(arrival, index):
                    return position
        return None


class Handover:
    """`tracks` are those of the new worker, `known` those of the old one. `held_bytes` of both wait here.

    A track that the old one does not have begins when all the others have gone over; see `finish`. One that the new
    one does not have ends where the new pictures begin, so its viewers can go on with another.
    """

    def __init__(self, tracks: Collection[str], border_ms: int, *, known: Collection[str]) -> None:
        self._added = [name for name in tracks if name not in known]
        self._ending = [name for name in known if name not in tracks]
        self._tracks = {name: _Track(name) for name in (*tracks, *self._ending)}
        self.border_ms = border_ms
        self.is_committed = False
        self.held_bytes = 0

    @property
    def holds_old(self) -> bool:
        """Frames of the old worker wait for the new one."""
        return any(track.old for track in self._tracks.values())

    @property
    def is_over(self) -> bool:
        """Every track of both has gone over."""
        return self.is_committed and all(t.is_over for name, t in self._tracks.items() if name not in self._added)

    @property
    def names(self) -> Collection[str]:
        """The tracks of both."""
        return self._tracks

    def knows(self, name: str) -> bool:
        return name in self._tracks

    def old(self, name: str, arrival: Arrival) -> list[Word]:
        """The old worker said this."""
        track = self._tracks[name]
        if track.is_over:
            return []
        before, after = _split(arrival, self._cut(track))
        words = [Word(False, name, before)] if before is not None else []
        if after is not None:
            track.old.append(after)
            self.held_bytes += after.size_bytes
            if self.is_committed:
                words += self._go_over(track)
        return words

    def new(self, name: str, arrival: Arrival) -> list[Word]:
        """The new worker said this."""
        if name in self._ending:
            return []
        track = self._tracks[name]
        if track.is_over:
            return [Word(True, name, arrival)]
        for index in arrival.headers:
            message = arrival.batch[index]
            track.headers[message.type] = message
        if arrival.frames:
            track.new.append(arrival)
            self.held_bytes += arrival.size_bytes
            if track.begin_ms is None:
                track.begin_ms = track.begins_at(self.border_ms)
        return []

    def commit(self, owed: Collection[str]) -> list[Word]:
        """Go over, if the new worker has shown a first frame on all of the tracks `owed`; see `is_committed`."""
        to_come = [name for name in owed if name in self._tracks and name not in self._ending]
        if self.is_committed or any(self._tracks[name].begin_ms is None for name in to_come):
            return []
        self.is_committed = True
        words: list[Word] = []
        for track in self._tracks.values():
            held, track.old = track.old, []
            for arrival in held:
                self.held_bytes -= arrival.size_bytes
                words += self.old(track.name, arrival)
            if track.name not in owed and not track.is_over and track.name not in self._added:
                words += self._go_over(track)
        return words

    def finish(self) -> list[Word]:
        """All is over: what the new worker said on tracks that the old one did not have."""
        return [word for name in self._added for word in self._go_over(self._tracks[name])]

    def release(self, border_ms: int) -> list[Word]:
        """The new worker is late: what the old one said goes out, and `border_ms` is the next try."""
        words = self.give_up()
        self.border_ms = border_ms
        for track in self._tracks.values():
            kept = [arrival for arrival in track.new if arrival.positions[-1] >= border_ms]
            self.held_bytes -= sum([each.size_bytes for each in track.new]) - sum(
                [each.size_bytes for each in kept]
            )
            track.new = kept
            track.begin_ms = track.begins_at(border_ms)
        return words

    def give_up(self) -> list[Word]:
        """Nothing of the old worker is held any more."""
        words: list[Word] = []
        for track in self._tracks.values():
            words += [Word(False, track.name, arrival) for arrival in track.old if not track.is_over]
            self.held_bytes -= sum([arrival.size_bytes for arrival in track.old])
            track.old = []
        return words

    def _cut(self, track: _Track) -> int:
        if not self.is_committed:
            return self.border_ms
        begin_ms = track.begin_ms
        if track.name in self._ending and track.name != AUDIO_TRACK:
            pictures = [each.begin_ms for each in self._tracks.values() if each.name != AUDIO_TRACK]
            begin_ms = min([begin for begin in pictures if begin is not None], default=None)
        return begin_ms if begin_ms is not None else self.border_ms

    def _go_over(self, track: _Track) -> list[Word]:
        """From now on the new worker speaks on `track`."""
        track.is_over = True
        held = [*track.old, *track.new]
        self.held_bytes -= sum([arrival.size_bytes for arrival in held])
        # Metadata first: a codec header may need what it says.
        headers = [track.headers[kind] for kind in sorted(track.headers, reverse=True)]
        words = [Word(True, track.name, header_arrival(headers))] if headers else []
        for arrival in track.new:
            said = arrival if track.begin_ms is None else _split(arrival, track.begin_ms)[1]
            if said is not None:
                words.append(Word(True, track.name, said))
        track.old, track.new = [], []
        return words


def _split(arrival: Arrival, cut_ms: int) -> tuple[Arrival | None, Arrival | None]:
    """What stands before `cut_ms`, and the rest. What is no frame stays with the frame after it."""
    count = len(arrival.positions)
    if not arrival.frames or arrival.positions[-1] < cut_ms:
        return arrival, None
    apart = {*arrival.headers, *arrival.others}
    first = next(i for i, position in enumerate(arrival.positions) if i not in apart and position >= cut_ms)
    return select_or_none(arrival, range(first)), select_or_none(arrival, range(first, count))
