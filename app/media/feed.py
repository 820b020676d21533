"""What one encoding worker is sent: the gateway's word to it, the source's headers, a replay, live packets.

The messages are those of docs/architecture.md, "Standby workers". Leaves to the seat who is fed, and when.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from aiortmp import MediaBatch, MediaMessage, MessageType, amf0
from app.domain.ids import EncoderId, WorkerId
from app.domain.stream import SlateMode, StandbyGrade
from app.media.arrival import Arrival, data_message
from app.media.fanout import Outlet
from app.media.selection import select

FEED_MAX_BYTES = 48 * 1024 * 1024
"""A worker with this much unread source behind it, its replay not counted, will not catch up."""
WORDS: Final = tuple(
    # An AMF0 string: its marker, its length, itself.
    b"\x02" + len(name).to_bytes(2, "big") + name
    for name in (b"onFeedStart", b"onStandby", b"onSpeak", b"onSlate")
)
"""How data messages begin that only the gateway may say to a worker."""

StartAfter = Mapping[str, int | None]
"""The last timestamp let through on each track: a worker says nothing at or before it."""


@dataclass(frozen=True, slots=True)
class WorkerLink:
    """A worker's connection. `close` cuts it with the reason for the log.

    `nonce` is the worker's own mark on what the gateway says to it; None: it gave none. `watch(True)` has a silent
    worker asked often whether it is still there, which one that waits must be; one that speaks shows it by frames.
    """

    worker_id: WorkerId
    encoder_id: EncoderId
    generation: int
    close: Callable[[str], None]
    nonce: str | None = None
    watch: Callable[[bool], None] = lambda closely: None


class SourceNow(NamedTuple):
    """The time, and how far the source's picture and sound are on the timeline; None: there is none."""

    now_s: float
    video_ms: int | None
    audio_ms: int | None


class Feed:
    """The way to one worker."""

    __slots__ = ("_outlet", "_unread_max_bytes", "link")

    def __init__(self, link: WorkerLink, outlet: Outlet) -> None:
        self.link = link
        self._outlet = outlet
        self._unread_max_bytes = FEED_MAX_BYTES

    def start(self, start_after: StartAfter) -> None:
        """Speak, from the replay that follows."""
        self._say("onFeedStart", start_after=dict(start_after))

    def speak(self, start_after: StartAfter) -> None:
        """Speak, with what is inside."""
        self._say("onSpeak", start_after=dict(start_after))

    def stand_by(self, grade: StandbyGrade, start_after: StartAfter | None) -> None:
        """Wait; `start_after` is for one that is sent live packets."""
        if start_after is None:
            self._say("onStandby", grade=grade.value)
        else:
            self._say("onStandby", grade=grade.value, start_after=dict(start_after))

    def slate(self, mode: SlateMode, from_ms: int) -> None:
        """Make pictures and silence from there on, until packets come; with `off`, no more."""
        self._say("onSlate", mode=mode.value, from_ms=from_ms)

    def replay(self, headers: Sequence[MediaMessage], batches: Sequence[MediaBatch]) -> None:
        """The source's headers, then what of it is to be read at once."""
        if headers:
            self._outlet.send(MediaBatch.of(headers))
        for batch in batches:
            self._outlet.send(batch)
        self._unread_max_bytes = FEED_MAX_BYTES + sum([batch.size_bytes for batch in batches])

    def push(self, batch: MediaBatch) -> bool:
        """Live packets; False, and nothing is sent, when the worker does not read."""
        if self._outlet.buffered_bytes > self._unread_max_bytes:
            return False
        self._outlet.send(batch)
        return True

    def _say(self, name: str, **said: amf0.Value) -> None:
        values: dict[str, amf0.Value] = {"generation": self.link.generation, **said}
        if self.link.nonce is not None:
            values["nonce"] = self.link.nonce
        self._outlet.send(MediaBatch.of([data_message(amf0.encode([name, values]))]))


def without_words(arrival: Arrival) -> Arrival:
    """What a publisher sent, without data messages that only the gateway may say to a worker."""
    words = [
        index
        for index in arrival.headers
        if (message := arrival.batch[index]).type is MessageType.DATA and message.payload.startswith(WORDS)
    ]
    return select(arrival, [i for i in range(len(arrival.positions)) if i not in words]) if words else arrival
