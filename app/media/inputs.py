"""Which of a stream's two inputs is its source: the main one or the declared backup. Pure.

A stream may have a second key, for a second encoder of the same publisher. Both may be connected; one is the
source, the other waits and nothing of it is kept but its codec headers. When the source goes or falls silent, the
other one becomes the source at its next key frame. Nothing moves back by itself: when the main input returns, it
waits in turn, so a connection that comes and goes does not cut the picture each time. Leaves to the channel what a
change of source means for the timeline and for whoever is fed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from app.domain.link import InputReading
from app.domain.stream import Input
from app.media.arrival import Arrival
from app.media.join import Headers
from app.media.source import HALF_DEAD_S, Publisher

SILENT_S: Final = 1.0
"""A source that sends nothing for so long, while the other input does, is given up."""
FRESH_S: Final = 0.5
"""An input that sent something within this time flows."""
WISH_S: Final = 12.0
"""Longer than the longest interval of key frames that is asked of a publisher."""


@dataclass(slots=True)
class _Seat:
    publisher: Publisher
    last_data_s: float
    headers: Headers = field(default_factory=Headers)


class Inputs:
    """`source` is the input whose packets are the source now; None: nobody's."""

    def __init__(self) -> None:
        self._seats: dict[Input, _Seat] = {}
        self.source: Input | None = None
        self._wished: tuple[Input, float] | None = None

    def __len__(self) -> int:
        return len(self._seats)

    def is_taken(self, name: Input, now_s: float) -> bool:
        """Whether somebody publishes there who is not as good as gone."""
        seat = self._seats.get(name)
        return seat is not None and now_s - seat.last_data_s <= HALF_DEAD_S

    def sit_down(self, name: Input, publisher: Publisher, now_s: float) -> Publisher | None:
        """`publisher` has shown the key of this input. The one to be cut, who sat here before.

        The first to come is the source; so is who takes the source's own seat.
        """
        before = self._seats.get(name)
        self._seats[name] = _Seat(publisher, now_s)
        if self.source is None:
            self.source = name
        return None if before is None else before.publisher

    def leave(self, publisher: Publisher) -> bool:
        """A connection is over. True when it was the source: then nobody is, until the other input is taken."""
        name = self.of(publisher)
        if name is None:
            return False
        del self._seats[name]
        if name is not self.source:
            return False
        self.source = None
        return True

    def of(self, publisher: Publisher) -> Input | None:
        """Where `publisher` sits; None: nowhere any more."""
        for name, seat in self._seats.items():
            if seat.publisher is publisher:
                return name
        return None

    def publishers(self) -> tuple[Publisher, ...]:
        return tuple(seat.publisher for seat in self._seats.values())

    def is_source(self, publisher: Publisher) -> bool:
        seat = None if self.source is None else self._seats.get(self.source)
        return seat is not None and seat.publisher is publisher

    def flowed(self, at_s: float) -> None:
        """When the last packets of the source came: to be told before anything is asked, not for each packet."""
        if self.source is not None:
            self._seats[self.source].last_data_s = at_s

    def waiting(self, publisher: Publisher, arrival: Arrival, now_s: float) -> Headers | None:
        """Packets of the input that is not the source. Its headers when it becomes the source with them: the caller
        goes on with `arrival` from its key frame (or its first sound, of an input without pictures).
        """
        name = self.of(publisher)
        if name is None or name is self.source:
            return None
        seat = self._seats[name]
        seat.last_data_s = now_s
        for index in arrival.headers:
            seat.headers.learn(arrival.batch[index])
        begins = arrival.key is not None or (not seat.headers.has_video and arrival.audio_frames > 0)
        if not begins or not self._is_given_up(name, now_s):
            return None
        self._wished = None
        self.source = name
        return seat.headers

    def wish(self, name: Input, now_s: float) -> bool:
        """The source is to be `name` from its next key frame on. False when nothing comes there."""
        if name is self.source:
            return True
        if self.spare(now_s) is not name:
            return False
        self._wished = name, now_s + WISH_S
        return True

    def _is_given_up(self, name: Input, now_s: float) -> bool:
        """Whether `name` may become the source in place of the present one."""
        if self._wished is not None and self._wished[0] is name and now_s <= self._wished[1]:
            return True
        return self.source is None or now_s - self._seats[self.source].last_data_s > SILENT_S

    def spare(self, now_s: float) -> Input | None:
        """The input that flows beside the source and would take over; None: there is none."""
        for name, seat in self._seats.items():
            if name is not self.source and now_s - seat.last_data_s <= FRESH_S:
                return name
        return None

    def readings(self, now_s: float) -> tuple[InputReading, ...]:
        return tuple(
            InputReading(name, name is self.source, now_s - seat.last_data_s <= SILENT_S, seat.publisher.peer)
            for name, seat in self._seats.items()
        )
