"""One worker that speaks, or is about to: what it is sent, how it gets on, how its frames come to the switch.

Leaves to `worker_seat` who that is, to `switch` what may pass.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from aiortmp import MediaMessage
from app.domain.ladder import AUDIO_TRACK
from app.domain.stream import SlateMode
from app.media.arrival import Arrival
from app.media.feed import Feed, SourceNow, StartAfter
from app.media.join import Headers
from app.media.progress import START_S, WorkerProgress
from app.media.ring import ReplayRing
from app.media.seat_events import Before, TrackBefore
from app.media.selection import select
from app.media.switch import OutputSwitch
from app.media.timeline import AUDIO, VIDEO, Timeline


@dataclass(frozen=True, slots=True)
class Stage:
    """What the workers of a channel have in common.

    `look` tells the time and how far the source is, `on_frames(track, arrival, generation)` hears what passed.
    """

    timeline: Timeline
    switch: OutputSwitch
    ring: ReplayRing
    headers: Headers
    look: Callable[[], SourceNow]
    on_frames: Callable[[str, Arrival, int], None]

    def around(self, stamps: Sequence[tuple[int, int]]) -> list[int]:
        return [self.timeline.around(stamp) for _, stamp in stamps]

    def opening(self, after_ms: int | None) -> Sequence[MediaMessage]:
        """The source's headers as they are said before a replay from `after_ms` on."""
        return self.ring.opening(after_ms) or self.headers.messages(self.timeline.newest_ms or 0)


class Speaker:
    """`tracks` are those that it encodes."""

    def __init__(self, feed: Feed, stage: Stage, tracks: Collection[str], *, start_s: float = START_S) -> None:
        feed.link.watch(False)
        self.feed = feed
        self.link = feed.link
        self.tracks = tracks
        self._stage = stage
        self._switch = stage.switch
        self._on_frames = stage.on_frames
        self._progress = {name: WorkerProgress(start_s=start_s) for name in tracks}
        self.awaited: set[str] = set()
        """Tracks of a worker that was fed anew: until its next sequence header comes, it is the feed before."""

    def begin(self, start_after: StartAfter) -> None:
        """Feed it the replay, then what comes; it is to say nothing at or before `start_after`."""
        stage, now = self._stage, self._stage.look()
        self.feed.start(start_after)
        returned_ms = stage.switch.returned_ms(now.video_ms, now.audio_ms)
        self.feed.replay(stage.opening(returned_ms), stage.ring.replay(returned_ms))

    def begin_anew(self) -> None:
        """It was silenced, or says something else than was shown: go on after the last frame let through."""
        self._stage.switch.hand_over(self.feed.link.generation)
        self.awaited = set(self.tracks)
        for progress in self._progress.values():
            progress.begin_anew()
        self.begin(self._stage.switch.start_after())

    def take_over(self, track: str) -> None:
        """It speaks on one track from now on."""
        self._stage.switch.hand_over_track(track, self.feed.link.generation)

    def push(self, arrival: Arrival, now: SourceNow) -> bool:
        """Live source packets; False when it does not read."""
        if not self.feed.push(arrival.batch):
            return False
        # A source with pictures is judged by them alone: sound that is passed through says nothing of an encoder.
        has_video = now.video_ms is not None
        if arrival.video_frames or (arrival.audio_frames and not has_video):
            for track, progress in self._progress.items():
                if (track != AUDIO_TRACK) == has_video:
                    progress.source(now.now_s)
        return True

    def slate(self, mode: SlateMode, from_ms: int) -> None:
        """Make pictures of its own from there on, or no more. What is owed counts from here."""
        self.feed.slate(mode, from_ms)
        for progress in self._progress.values():
            progress.excuse()

    def owe_slate(self, now: SourceNow) -> None:
        """It is to make pictures of its own, of which there are always some; not every sound has its silence."""
        if now.video_ms is not None:
            for track, progress in self._progress.items():
                if track != AUDIO_TRACK:
                    progress.source(now.now_s)

    def say(self, track: str, arrival: Arrival, now: SourceNow) -> None:
        """It encoded this: let pass what may."""
        generation = self.link.generation
        passed = self._switch.admit(track, generation, arrival)
        if passed is None:
            return
        if passed.video_frames or passed.audio_frames:
            self.heard(track, passed, now)
        self._on_frames(track, passed, generation)

    def show(self, track: str, arrival: Arrival) -> None:
        """As `say`, for one that was heard already."""
        generation = self.link.generation
        passed = self._switch.admit(track, generation, arrival)
        if passed is not None:
            self._on_frames(track, passed, generation)

    def heard(self, track: str, arrival: Arrival, now: SourceNow) -> None:
        """Frames of its came: it does not stand still."""
        progress = self._progress.get(track)
        if progress is not None:
            newest_ms = now.audio_ms if track == AUDIO_TRACK else now.video_ms
            lag_ms = None if newest_ms is None else max(0, newest_ms - arrival.positions[-1])
            progress.programme(now.now_s, lag_ms)

    def fresh(self, track: str, arrival: Arrival) -> Arrival | None:
        """Without what is still of the feed before."""
        if track not in self.awaited:
            return arrival
        begins = next((i for i in arrival.headers if arrival.batch[i].type in (VIDEO, AUDIO)), None)
        if begins is None:
            return None
        self.awaited.discard(track)
        return select(arrival, range(begins, len(arrival.positions)))

    def stalled(self, now_s: float) -> str | None:
        """What was seen of one that stands still on a track it owes; one that the plan dropped it does not owe."""
        for track, progress in self._progress.items():
            silence_s = progress.stalled(now_s) if self._stage.switch.knows(track) else None
            if silence_s is not None:
                return f"no programme frame on {track} for {silence_s:.2f} s while the source flows"
        return None

    @property
    def due(self) -> float | None:
        """When it may be found stalled if nothing comes until then."""
        dues = [progress.due for progress in self._progress.values()]
        return min([due for due in dues if due is not None], default=None)

    def settle(self) -> None:
        """It has caught up with the source."""
        for progress in self._progress.values():
            progress.settle()

    def track(self, name: str, last_ms: int | None, shown_s: float | None) -> TrackBefore:
        """How far it is on one track. `shown_s`: when a frame passed last, where not all of them are its own."""
        seen = self._progress.get(name)
        frame_s = shown_s if shown_s is not None or seen is None else seen.frame_s
        return TrackBefore(last_ms, frame_s, seen.lag_ms if seen else None)


def before(active: Speaker | None, switch: OutputSwitch, shown_s: Mapping[str, float]) -> Before:
    """Who speaks now, and how far each of its tracks is. `shown_s` has those on which another one speaks along."""
    lasts = switch.start_after()
    if active is None:
        return Before(
            None, switch.generation, {name: TrackBefore(last, None, None) for name, last in lasts.items()}
        )
    own = {name: last for name, last in lasts.items() if name in active.tracks}
    tracks = {name: active.track(name, last, shown_s.get(name)) for name, last in own.items()}
    return Before(active.link, switch.generation, tracks)
