"""The encoding worker's seat of a channel: feeds it the source, takes its tracks through the output switch.

One worker sits here at a time. A newer generation takes the seat when its feed begins, not when it is announced, so
the old one speaks until then. Leaves to the door how a worker proves who it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from aiortmp import MediaBatch, amf0
from app.domain.ids import WorkerId
from app.domain.ladder import AUDIO_TRACK
from app.media.arrival import Arrival, arrive, data_message
from app.media.fanout import Outlet
from app.media.join import Headers
from app.media.progress import WorkerProgress
from app.media.ring import ReplayRing
from app.media.switch import OutputSwitch
from app.media.timeline import Timeline

FEED_MAX_BYTES = 48 * 1024 * 1024
"""A worker with this much unread source behind it, its replay not counted, will not catch up."""


@dataclass(frozen=True, slots=True)
class WorkerLink:
    """A worker's connection. `close` cuts it with the reason for the log."""

    worker_id: WorkerId
    generation: int
    close: Callable[[str], None]


class SourceNow(NamedTuple):
    """The time, and how far the source's picture and sound are on the timeline; None: there is none."""

    now_s: float
    video_ms: int | None
    audio_ms: int | None


class WorkerSeat:
    """`on_frames(track, arrival)` hears what passed the switch, `on_down(link, reason)` that a worker is over."""

    def __init__(
        self,
        *,
        timeline: Timeline,
        switch: OutputSwitch,
        ring: ReplayRing,
        on_frames: Callable[[str, Arrival], None],
        on_down: Callable[[WorkerLink, str], None],
    ) -> None:
        self._timeline = timeline
        self._switch = switch
        self._ring = ring
        self._on_frames = on_frames
        self._on_down = on_down
        self._outlet: Outlet | None = None
        self._unread_max_bytes = FEED_MAX_BYTES
        self._progress: dict[str, WorkerProgress] = {}
        self.link: WorkerLink | None = None

    def feed(self, link: WorkerLink, outlet: Outlet, headers: Headers, now: SourceNow) -> bool:
        """Begin to feed `link`; False when a newer generation sits here. The one before it is told to go."""
        if not self._switch.hand_over(link.generation):
            return False
        self.remove(f"replaced by generation {link.generation}")
        start_after = self._switch.start_after()
        self.link, self._outlet = link, outlet
        self._progress = {track: WorkerProgress(now.now_s) for track in start_after}
        outlet.send(MediaBatch.of([data_message(_feed_start(link.generation, start_after))]))
        replay = self._ring.replay(self._switch.returned_ms(now.video_ms, now.audio_ms))
        messages = headers.messages(self._ring.start_ms or self._timeline.newest_ms or 0)
        if messages:
            outlet.send(MediaBatch.of(messages))
        for batch in replay:
            outlet.send(batch)
        self._unread_max_bytes = FEED_MAX_BYTES + sum([batch.size_bytes for batch in replay])
        return True

    def push_source(self, arrival: Arrival, now: SourceNow) -> None:
        """Hand live source packets to the worker, if one is fed."""
        outlet = self._outlet
        if outlet is None:
            return
        if outlet.buffered_bytes > self._unread_max_bytes:
            self.remove("the worker does not read its feed")
            return
        outlet.send(arrival.batch)
        # A source with pictures is judged by them alone: sound that is passed through says nothing of an encoder.
        has_video = now.video_ms is not None
        if arrival.video_frames or (arrival.audio_frames and not has_video):
            for track, progress in self._progress.items():
                if (track != AUDIO_TRACK) == has_video:
                    progress.source(now.now_s)

    def take(self, link: WorkerLink, track: str, batch: MediaBatch, now: SourceNow) -> None:
        """Packets of one track that `link` encoded."""
        if not self._switch.knows(track):
            return
        passed = self._switch.admit(track, link.generation, arrive(batch, self._around))
        if passed is None:
            return
        progress = self._progress.get(track)
        if passed.frames and progress is not None and link is self.link:
            newest_ms = now.audio_ms if track == AUDIO_TRACK else now.video_ms
            lag_ms = None if newest_ms is None else max(0, newest_ms - passed.positions[-1])
            progress.programme(now.now_s, lag_ms)
        self._on_frames(track, passed)

    def check(self, now_s: float) -> None:
        """Let a worker go that stands still on any track it owes; one that the plan dropped it does not owe."""
        for track, progress in self._progress.items():
            silence_s = progress.stalled(now_s) if self._switch.knows(track) else None
            if silence_s is not None:
                self.remove(f"no programme frame on {track} for {silence_s:.1f} s while the source flows")
                return

    def gone(self, link: WorkerLink, reason: str) -> None:
        """`link`'s connection ended by itself."""
        if link is self.link:
            self.remove(reason)

    def remove(self, reason: str) -> None:
        """Clear the seat and say so; nothing happens when it is empty."""
        link = self.link
        if link is None:
            return
        self.link = self._outlet = None
        self._progress = {}
        link.close(reason)
        self._on_down(link, reason)

    def _around(self, stamps: Sequence[tuple[int, int]]) -> list[int]:
        return [self._timeline.around(stamp) for _, stamp in stamps]


def _feed_start(generation: int, start_after: object) -> bytes:
    """The data message that opens a feed: nothing at or before `start_after` of a track may be sent."""
    assert isinstance(start_after, dict), "the switch gives one entry for each track"
    return amf0.encode(["onFeedStart", {"generation": generation, "start_after": start_after}])
