"""A planned switch while it goes on: how long it may take, and what of it is said when. Pure.

Leaves to others: the change of each track (`handover`), feeding the workers and letting them go (`worker_seat`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from app.domain.ladder import AUDIO_TRACK
from app.domain.stream import Timing
from app.media.arrival import Arrival
from app.media.feed import SourceNow
from app.media.handover import Handover, Word
from app.media.seat_events import Gave
from app.media.speaker import Speaker

LEAD_MS: Final = 300
"""From the newest source frame to the border: the standby decodes the group of pictures up to there meanwhile."""
HOLD_S: Final = 0.4
"""So long the old worker's frames wait at the border for the new one's first."""
PATIENCE_S: Final = 3.0
"""After the border was to be reached; then the old worker stays."""
DRAIN_S: Final = 3.0
"""For the old worker to come to the border on each track, once the new one is there."""
HELD_MAX_BYTES: Final = 48 * 1024 * 1024
_SILENT_MS: Final = 1_000
"""Sound this far behind the picture has ended; nobody owes it."""


class PlannedSwitch:
    """`speaker` is the new worker, `known` are the old one's tracks; `gave` is what will be told at the end."""

    def __init__(
        self,
        speaker: Speaker,
        gave: Gave,
        *,
        known: Collection[str],
        now: SourceNow,
        timing: Timing,
    ) -> None:
        newest_ms = newest(now)
        assert newest_ms is not None, "without a source there is no border"
        border_ms = _next_border(newest_ms, timing.segment_ms)
        self.speaker = speaker
        self.gave = gave
        self.handover = Handover(speaker.tracks, border_ms, known=known)
        self.start_after: Mapping[str, int | None] = dict.fromkeys(speaker.tracks, border_ms - 1)
        self.begun: set[str] = set()
        """Tracks on which the new worker has said its header in this feed."""
        self._step_ms = timing.keyframe_interval_ms
        self._deadline_s = now.now_s + (border_ms - newest_ms) / 1000 + PATIENCE_S
        self._held_since_s: float | None = None
        self._committed_s: float | None = None

    @property
    def is_over(self) -> bool:
        return self.handover.is_over

    def take(self, name: str, arrival: Arrival, now: SourceNow, *, is_new: bool) -> list[Word]:
        """One of the two said this on `name`: what may go to the output switch now, in order."""
        if is_new and arrival.headers and name in self.start_after:
            self.begun.add(name)
        words = self.handover.new(name, arrival) if is_new else self.handover.old(name, arrival)
        if self._committed_s is None:
            words += self.handover.commit(owed(self.handover.names, now))
            self._note(now.now_s)
        return words

    def _note(self, now_s: float) -> None:
        if self.handover.is_committed:
            self._committed_s, self._held_since_s = now_s, None
        else:
            self._held_since_s = (self._held_since_s or now_s) if self.handover.holds_old else None

    def tick(self, now: SourceNow) -> list[Word]:
        """Let the old worker's frames go that have waited long enough, and try again at the next key frame."""
        if self._held_since_s is None or now.now_s - self._held_since_s < HOLD_S:
            return []
        self._held_since_s = None
        return self.handover.release(_next_border(newest(now) or 0, self._step_ms))

    def failed(self, now_s: float) -> str | None:
        """Why the old worker stays; None: there is hope."""
        if self.handover.is_committed:
            return None
        if self.handover.held_bytes > HELD_MAX_BYTES:
            return "what waits for the border is too much"
        return "the new worker did not deliver in time" if now_s > self._deadline_s else None

    def is_stuck(self, now_s: float) -> bool:
        """The old worker does not come to the border, though the new one is there."""
        if self._committed_s is None or self.is_over:
            return False
        return now_s - self._committed_s > DRAIN_S or self.handover.held_bytes > HELD_MAX_BYTES

    @property
    def due(self) -> float | None:
        if self._committed_s is not None:
            return self._committed_s + DRAIN_S
        held = [self._held_since_s + HOLD_S] if self._held_since_s is not None else []
        return min([self._deadline_s, *held])

    def say(self, old: Speaker, words: Sequence[Word], now: SourceNow) -> None:
        """Let both say their words, in order."""
        for is_new, track, arrival in words:
            if is_new:
                self.speaker.take_over(track)
            (self.speaker if is_new else old).say(track, arrival, now)

    def lose_old(self, old: Speaker, now: SourceNow) -> None:
        """The old worker fails: let out what it said, unless the new one has spoken already."""
        if not self.handover.is_committed:
            self.say(old, self.handover.give_up(), now)

    def refed(self, now: SourceNow) -> set[str]:
        """The tracks on which the new worker, fed anew, still has something of its first feed on the way.

        Before the border it had nothing to say.
        """
        return self.begun if (newest(now) or 0) >= self.handover.border_ms else set()


def owed(names: Collection[str], now: SourceNow) -> set[str]:
    """Those of the tracks that the source has something for."""
    pictures = {name for name in names if name != AUDIO_TRACK and now.video_ms is not None}
    is_heard = now.audio_ms is not None and now.audio_ms >= (now.video_ms or 0) - _SILENT_MS
    return pictures | {AUDIO_TRACK} & set(names) if is_heard else pictures


def newest(now: SourceNow) -> int | None:
    return max([ms for ms in (now.video_ms, now.audio_ms) if ms is not None], default=None)


def _next_border(newest_ms: int, step_ms: int) -> int:
    return -(-(newest_ms + LEAD_MS) // step_ms) * step_ms
