"""The middle of the pipeline: decoded pictures in order of time, given to the rungs or, while listening, kept.

A standby that decodes along keeps the pictures of the last second, so that it can go on after any of them. Leaves
to others: which frames a rendition takes (`grid`), scaling and encoding (`rungs`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from app.media.encoding.colour import Colour
from app.media.encoding.conduit import Closed, Conduit
from app.media.encoding.meter import Meter
from app.media.encoding.rungs import Picture, Rung, share_out
from app.media.encoding.scaler import Copier
from app.media.encoding.words import StartAfter

KEEP_MS: Final = 1_250
"""A second, and what passes while the word to speak is on its way."""
KEEP_BYTES: Final = 160 * 1024 * 1024
"""51 pictures of 1080p."""
_NEVER_MS: Final = 1 << 62


@dataclass(frozen=True, slots=True)
class Begin:
    """From here on nothing is kept: what comes after each track's time goes on."""

    start_after: StartAfter


@dataclass(frozen=True, slots=True)
class Repeat:
    """At this time, show `still`, or the last picture again."""

    pts_ms: int
    still: Picture | None


Shown = Picture | Repeat | Begin


class Sharing:
    """Belongs to one thread."""

    def __init__(self, rungs: Sequence[Rung], meter: Meter, *, listening: bool = False) -> None:
        self._rungs = rungs
        self._meter = meter
        self._newest_ms: int | None = None
        self._colour: Colour | None = None
        self.span_ms = KEEP_MS
        """How far back the pictures reach that are kept while listening; other threads may read it."""
        self._last: Picture | None = None
        self._copier = Copier()
        self._kept: _Kept | None = None
        if listening:
            self._kept = _Kept()
            for rung in rungs:
                rung.gate.begin_after(_NEVER_MS)

    def run(self, pictures: Conduit[Shown]) -> None:
        """Until there are no more; then the rungs get no more either."""
        try:
            while (item := pictures.get()) is not None:
                if isinstance(item, Begin):
                    self._begin(item.start_after)
                elif isinstance(item, Repeat):
                    self._repeat(item)
                else:
                    self.take(item)
                    self._last = item
        except Closed:
            for rung in self._rungs:
                rung.shots.close()

    def take(self, picture: Picture) -> None:
        pts_ms = picture.pts_ms
        if self._newest_ms is not None and pts_ms <= self._newest_ms:
            self._meter.dropped()
            return
        self._newest_ms = pts_ms
        if self._kept is None:
            self._share(picture)
            return
        for old in self._kept.add(picture):
            self.span_ms = pts_ms - old.pts_ms
            for rung in self._rungs:
                rung.gate.judge(old.pts_ms)

    def _repeat(self, repeat: Repeat) -> None:
        shown = repeat.still or self._last
        if shown is None:
            return
        frame = self._copier.copy(shown.frame)
        frame.pts = repeat.pts_ms
        self.take(Picture(frame, shown.aspect))

    def _begin(self, start_after: StartAfter) -> None:
        for rung in self._rungs:
            rung.gate.begin_after(start_after.get(rung.rendition.name))
        kept, self._kept = self._kept, None
        for picture in kept.pictures if kept is not None else ():
            self._share(picture)

    def _share(self, picture: Picture) -> None:
        self._colour = self._colour or Colour.of(picture.frame)
        share_out(self._rungs, picture, picture.pts_ms, self._colour)


class _Kept:
    """Pictures of the last second, bounded in bytes too."""

    def __init__(self) -> None:
        self.pictures: deque[Picture] = deque()
        self._bytes = 0

    def add(self, picture: Picture) -> list[Picture]:
        """Keep it; gives those that are too old now."""
        self.pictures.append(picture)
        self._bytes += _size_bytes(picture)
        gone: list[Picture] = []
        while self._bytes > KEEP_BYTES or picture.pts_ms - self.pictures[0].pts_ms > KEEP_MS:
            gone.append(self.pictures.popleft())
            self._bytes -= _size_bytes(gone[-1])
        return gone


def _size_bytes(picture: Picture) -> int:
    return sum([plane.buffer_size for plane in picture.frame.planes])
