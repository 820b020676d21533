"""What is seen of one stream: source, programme, readings. Collects facts for the verdicts and judges nothing."""

from __future__ import annotations

import math
from collections import deque
from typing import Final

from app.domain.ladder import AUDIO_TRACK, Ladder
from app.domain.link import ChannelReading, SourceUp
from app.domain.stream import Input
from app.policy.stream_state import Signs

HISTORY_READINGS: Final = 30
"""Half a minute of the programme's rate."""
VARIANCE_LEAST_READINGS: Final = 5


class Observation:
    """Times in monotonic seconds, handed in."""

    def __init__(self) -> None:
        self.source: SourceUp | None = None
        self.reading: ChannelReading | None = None
        self.published = False
        self.heard_at: float | None = None
        """Last word of the gateway since control took the stream up."""
        self.source_since: float | None = None
        self._programme_seen = False
        self._programme_frames: int | None = None
        self._progress_at: float | None = None
        self._source_frames: int | None = None
        self._source_progress_at: float | None = None
        self._bps: deque[float] = deque(maxlen=HISTORY_READINGS)

    def source_up(self, fact: SourceUp, now: float) -> None:
        """Of another input while one was up already, nothing else is new."""
        goes_on = self.source is not None and self.source.input is not fact.input
        self.source = fact
        self.heard_at = now
        if not goes_on:
            self._source_came(now)

    def source_down(self, now: float) -> None:
        self.heard_at = now
        self.source = None
        self.source_since = None
        self._programme_seen = False
        self._progress_at = None
        self._source_progress_at = None
        self._bps.clear()

    def programme_up(self, now: float) -> None:
        self.heard_at = now
        self._programme_seen = True
        self._progress_at = now

    def read(self, reading: ChannelReading, ladder: Ladder, now: float) -> None:
        """A reading is the gateway's own word: after a restart of control it alone tells that a source is there."""
        if reading.source_up and self.source_since is None:
            self._source_came(now)
        elif not reading.source_up and self.source_since is not None:
            self.source_down(now)
        self.reading = reading
        self.heard_at = now
        if not reading.source_up:
            return
        if self._source_frames is not None and reading.source_frames != self._source_frames:
            self._source_progress_at = now
        self._source_frames = reading.source_frames
        frames = sum(track.frames for track in reading.tracks)
        # At the first reading there is nothing to compare with: a programme that has frames is one that runs.
        if frames > (self._programme_frames or 0):
            self.programme_up(now)
        self._programme_frames = frames
        bps = self.bitrate(ladder)
        if bps is not None:
            self._bps.append(bps)

    def _source_came(self, now: float) -> None:
        self.published = True
        self.source_since = now
        self._programme_seen = False
        self._progress_at = None
        self._source_progress_at = now

    @property
    def on_air(self) -> Input | None:
        """The input that is the source now; None: none is, or it is not known."""
        if self.source is not None:
            return self.source.input
        if self.reading is None or self.source_since is None:
            return None
        return next((each.input for each in self.reading.inputs if each.on_air), None)

    def flows(self, name: Input) -> bool:
        """Whether packets come there, by the last reading."""
        return self.reading is not None and any(each.input is name and each.flows for each in self.reading.inputs)

    def signs(self, without_encoder: str | None) -> Signs:
        return Signs(
            source_since=self.source_since,
            programme_seen=self._programme_seen,
            progress_at=self._progress_at,
            source_progress_at=self._source_progress_at,
            lag_ms=None if self.reading is None else self.reading.programme_lag_ms,
            heard_at=self.heard_at,
            without_encoder=without_encoder,
        )

    def bitrate(self, ladder: Ladder) -> float | None:
        """Highest rendition and audio of the last reading, bit/s."""
        if self.reading is None or self.source_since is None:
            return None
        top = ladder.renditions[0].name if ladder.renditions else None
        video = [t.bps for t in self.reading.tracks if t.bps is not None and t.name != AUDIO_TRACK]
        named = [t.bps for t in self.reading.tracks if t.bps is not None and t.name == top]
        audio = [t.bps for t in self.reading.tracks if t.bps is not None and t.name == AUDIO_TRACK]
        if not video and not audio:
            return None
        return (named[0] if named else max(video, default=0.0)) + sum(audio)

    def bitrate_variance(self) -> float | None:
        """Standard deviation by mean of the last readings; None while there are too few."""
        if len(self._bps) < VARIANCE_LEAST_READINGS:
            return None
        mean = sum(self._bps) / len(self._bps)
        if mean <= 0.0:
            return None
        return math.sqrt(sum((bps - mean) ** 2 for bps in self._bps) / len(self._bps)) / mean
