"""What is promised on which encoder. All on the event loop and without an await: a promise is atomic by that."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from app.domain.fleet import Role
from app.domain.ids import EncoderId, StreamId


class Ledger:
    """At most one promise for each stream and role; a backup's promise weighs as much as a primary's."""

    def __init__(self) -> None:
        self._promises: dict[tuple[StreamId, Role], tuple[EncoderId, float]] = {}
        self._totals: dict[EncoderId, tuple[float, int]] = {}
        self._counts: Counter[tuple[EncoderId, Role]] = Counter()

    def promise(self, encoder_id: EncoderId, stream_id: StreamId, role: Role, pixels_per_s: float) -> None:
        """Replaces the promise of this stream and role, wherever it was."""
        self.release(stream_id, role)
        self._promises[stream_id, role] = (encoder_id, pixels_per_s)
        self._counts[encoder_id, role] += 1
        self._add(encoder_id, pixels_per_s, 1)

    def release(self, stream_id: StreamId, role: Role) -> None:
        promise = self._promises.pop((stream_id, role), None)
        if promise is not None:
            self._counts[promise[0], role] -= 1
            self._add(promise[0], -promise[1], -1)

    def release_all(self, stream_id: StreamId) -> None:
        for role in Role:
            self.release(stream_id, role)

    def totals(self, encoder_id: EncoderId) -> tuple[float, int]:
        """Pixels per second and number of promises."""
        return self._totals.get(encoder_id, (0.0, 0))

    def promised(self, stream_id: StreamId, encoder_id: EncoderId) -> tuple[float, int]:
        """What of the encoder's totals belongs to this stream."""
        mine = [p[1] for role in Role if (p := self._promises.get((stream_id, role))) and p[0] == encoder_id]
        return sum(mine), len(mine)

    def count(self, encoder_id: EncoderId, role: Role) -> int:
        return self._counts[encoder_id, role]

    def __iter__(self) -> Iterator[tuple[EncoderId, StreamId, Role, float]]:
        for (stream_id, role), (encoder_id, pixels_per_s) in self._promises.items():
            yield encoder_id, stream_id, role, pixels_per_s

    def _add(self, encoder_id: EncoderId, pixels_per_s: float, streams: int) -> None:
        pixels, count = self.totals(encoder_id)
        if count + streams == 0:
            # Exactly nothing again: sums of floats would leave a crumb.
            self._totals.pop(encoder_id, None)
            for role in Role:
                self._counts.pop((encoder_id, role), None)
        else:
            self._totals[encoder_id] = (pixels + pixels_per_s, count + streams)
