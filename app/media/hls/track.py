"""One track's segments: cut on the shared grid, kept in a bounded window, listed in one playlist. Pure."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import replace
from typing import Final

from app.media.fmp4.formats import AudioFormat, VideoFormat
from app.media.fmp4.fragment import fragment
from app.media.fmp4.init import init_segment
from app.media.fmp4.lanes import LONGEST_FRAME_MS, AudioLane, Cut, VideoLane
from app.media.hls.grid import Boundary, SegmentGrid
from app.media.hls.playlist import MediaPlaylist, Segment

LISTED: Final = 6
"""Segments in a live playlist: with 4 s each, 24 s to seek and to survive a slow phone."""
KEPT_BEHIND: Final = 2
"""Segments that have left the list and are still served to those who read it a moment ago."""
OPEN_MAX_BYTES: Final = 64 * 1024 * 1024
"""A segment that grows beyond this is thrown away up to the next key frame."""
HOLE_MS: Final = 500
"""Players step over less between two segments; more is a discontinuity (RFC 8216, section 3)."""


class Shelf:
    """The finished segments of a track. `followers` are shelves that go on with them."""

    def __init__(self, grid: SegmentGrid, *, listed: int = LISTED) -> None:
        self._grid = grid
        self._listed = listed
        self._segments: deque[Segment] = deque()
        self._inits: dict[int, bytes] = {}
        self._init = -1
        self.target_s = max(1, _rounded(grid.segment_ms / 1000))
        self._text: str | None = None
        self.followers: list[Shelf] = []
        self.ended = False

    @property
    def segments(self) -> list[Segment]:
        """The listed ones, oldest first."""
        return list(self._segments)[-self._listed :]

    def set_init(self, data: bytes) -> None:
        """Use `data` from the next segment on. Its number is never one that a playlist before this one used."""
        self._init = max(self._init + 1, self._grid.next_number)
        self._inits[self._init] = data

    def put(self, boundary: Boundary, cut: Cut | None) -> None:
        """Add the segment of `boundary`. Numbers that were never cut on this track, and an empty cut, are gaps.

        A number that is there already stays as it is: a former track may have had it.
        """
        if self._segments and boundary.number <= self._segments[-1].number:
            return
        wall_ms = self._grid.zero_wall_ms + (cut.start_ms if cut else boundary.start_ms)
        self._bridge(boundary.number, wall_ms)
        if cut is None:
            duration_s, data, frames = self._grid.segment_ms / 1000, None, 0
        else:
            duration_s = max(0.001, (cut.end_ms - cut.start_ms) / 1000)
            data, frames = fragment(boundary.number, [cut.run]), len(cut.run.samples)
        is_break = self._grid.is_break(boundary.number)
        self._add(Segment(boundary.number, duration_s, wall_ms, self._init, data, is_break, frames))

    def follow(self, segment: Segment, init: bytes) -> None:
        """Go on with a segment of another track, unless there is one of its number already."""
        if self._segments and segment.number <= self._segments[-1].number:
            return
        self._bridge(segment.number, segment.wall_ms)
        if self._inits.get(self._init) != init:
            self.set_init(init)
        self._add(replace(segment, init=self._init))

    def tell_followers(self) -> None:
        """Give those that have just come what they lack."""
        for segment in self.segments if self.followers else ():
            self._tell(segment)

    def segment(self, number: int) -> bytes | None:
        for segment in reversed(self._segments):
            if segment.number == number:
                return segment.data
        return None

    def init(self, number: int) -> bytes | None:
        return self._inits.get(number)

    def text(self) -> str:
        """The media playlist, written anew only after a change."""
        if self._text is None:
            listed = self.segments
            gone = self._grid.breaks_before(listed[0].number) if listed else 0
            self._text = MediaPlaylist(listed, self.target_s, gone, self.ended).text()
        return self._text

    def end(self) -> None:
        self.ended = True
        self._text = None

    def _add(self, segment: Segment) -> None:
        self._text = None
        self._segments.append(segment)
        self.target_s = max(self.target_s, _rounded(segment.duration_s))
        while len(self._segments) > self._listed + KEPT_BEHIND:
            self._segments.popleft()
        oldest = self._segments[0].init
        for number in [number for number in self._inits if number < oldest]:
            del self._inits[number]
        self._tell(segment)

    def _bridge(self, number: int, wall_ms: float) -> None:
        """Numbers between the last segment and `number` are gaps."""
        if not self._segments:
            return
        for missing in range(max(self._segments[-1].number + 1, number - self._listed), number):
            gap_ms = wall_ms - (number - missing) * self._grid.segment_ms
            is_break = self._grid.is_break(missing)
            self._add(Segment(missing, self._grid.segment_ms / 1000, gap_ms, self._init, None, is_break))

    def _tell(self, segment: Segment) -> None:
        init = self._inits.get(segment.init)
        if init is not None:
            for follower in self.followers:
                follower.follow(segment, init)


def _rounded(seconds: float) -> int:
    """To the nearest integer, a half up: how players check segments against the target duration."""
    return math.floor(seconds + 0.5)


def _is_hole(position_ms: int, newest_ms: int | None, end_ms: float | None) -> bool:
    """Whether what was shown before ends too early for what begins at `position_ms` to join it.

    `newest_ms` is the last frame of a segment that is open, `end_ms` the end of the last one that was closed.
    """
    if newest_ms is not None:
        return position_ms - newest_ms > LONGEST_FRAME_MS
    return end_ms is not None and position_ms - end_ms > HOLE_MS


class VideoTrack:
    """Cuts where key frames cross the grid. `newest_ms` is the last frame's place, None before the first."""

    def __init__(self, grid: SegmentGrid, shelf: Shelf | None = None) -> None:
        """`shelf` is that of a former track, whose playlist goes on with this one."""
        self._grid = grid
        self._lane = VideoLane()
        self._boundary: Boundary | None = None
        self._changed = False
        self._open = False
        self._end_ms: float | None = None
        self.shelf = shelf or Shelf(grid)
        self.format: VideoFormat | None = None
        self.newest_ms: int | None = None
        self.dropped = 0

    def configure(self, video: VideoFormat) -> None:
        """The next key frame is of this format; an equal one changes nothing."""
        if video == self.format:
            return
        had_format = self.format is not None
        if had_format:
            self.flush()
        self.format = video
        self._changed = had_format
        self.shelf.set_init(init_segment([video]))

    def frame(self, position_ms: int, composition_ms: int, data: memoryview, *, sync: bool) -> None:
        self.newest_ms = position_ms
        if sync:
            self._key_frame(position_ms)
        if not self._open:
            self.dropped += 1
            return
        self._lane.add(position_ms, composition_ms, data, sync=sync)
        if self._lane.size_bytes > OPEN_MAX_BYTES:
            self.dropped += self._lane.clear()
            self._open = False

    def flush(self) -> None:
        """Close the open segment here: nothing follows for now."""
        self._close(None)
        self._open = False

    def _key_frame(self, position_ms: int) -> None:
        following = self._grid.enter(
            position_ms,
            self._boundary,
            forced=not self._open,
            discontinuity=self._changed
            or _is_hole(position_ms, self._lane.newest_ms if self._open else None, self._end_ms),
        )
        if following is None:
            # It goes on in the open segment; with none open it lies before segments that others have begun.
            return
        self._close(position_ms)
        self._boundary = following
        self._open = True
        self._changed = False

    def _close(self, next_ms: int | None) -> None:
        cut = self._lane.take(next_ms)
        if cut is not None and self._boundary is not None:
            self._end_ms = cut.end_ms
            self.shelf.put(self._boundary, cut)


LEAD_MS: Final = 10_000
"""Sound runs on alone when the picture is this far behind it."""
PATIENCE_MS: Final = 3_000
"""A segment of sound waits this long, in picture time, for late packets."""
LEAD_IN_MS: Final = 500
"""Sound may begin this much before the first picture: encoders send a primed packet or two ahead."""
PROBE_MS: Final = 1_500
"""Sound without any picture for this long is a programme of sound alone."""
EXPECT_MS: Final = 4_000
"""The same where a picture is planned: it comes later than the sound by what its encoder takes."""


class AudioTrack:
    """Cuts where the picture does; by itself when there is no picture, or it stands still."""

    def __init__(self, grid: SegmentGrid, *, video_expected: bool) -> None:
        self._grid = grid
        self._lane: AudioLane | None = None
        self._boundary: Boundary | None = None
        self._patience_ms = EXPECT_MS if video_expected else PROBE_MS
        self._open = False
        self._end_ms: float | None = None
        self.shelf = Shelf(grid)
        self.format: AudioFormat | None = None

    def configure(self, audio: AudioFormat) -> None:
        """What follows is of this format; an equal one changes nothing.

        After a change the sound begins again with the next segment.
        """
        if audio == self.format:
            return
        if self.format is not None:
            self.flush()
        self.format = audio
        self._lane = AudioLane(audio)
        self.shelf.set_init(init_segment([audio]))

    def frame(self, position_ms: int, data: memoryview, video_ms: int | None) -> None:
        """`video_ms` is how far the picture is, None when there is none."""
        if self._lane is None:
            return
        if self._leads(position_ms, video_ms):
            self._lead(position_ms)
        self._lane.add(position_ms, data)
        if self._lane.size_bytes > OPEN_MAX_BYTES:
            self._lane.drop_before(position_ms + 1)
        self.settle(video_ms)

    def settle(self, video_ms: int | None) -> None:
        """Close every segment whose end is known and whose packets are here, or too late."""
        lane = self._lane
        while lane is not None and (following := self._grid.after(self._boundary)) is not None:
            arrived = lane.newest_ms is not None and lane.newest_ms >= following.start_ms
            if not arrived and not (video_ms is not None and video_ms > following.start_ms + PATIENCE_MS):
                return
            self._close(following)

    def flush(self) -> None:
        """Close what is open here: nothing follows for now."""
        if self._lane is None:
            return
        if self._boundary is None and self._lane.start_ms is not None:
            self._grid.enter(self._lane.start_ms, None, forced=True)
        while (following := self._grid.after(self._boundary)) is not None:
            self._close(following)
        if self._open and self._boundary is not None:
            self._put(self._boundary, self._lane.take(None))
        self._open = False

    def _put(self, boundary: Boundary, cut: Cut | None) -> None:
        self._end_ms = cut.end_ms if cut is not None else self._end_ms
        self.shelf.put(boundary, cut)

    def _close(self, following: Boundary) -> None:
        assert self._lane is not None, "there is a lane once packets come"
        if self._open and self._boundary is not None:
            self._put(self._boundary, self._lane.take(following.start_ms))
        else:
            self._lane.drop_before(following.start_ms - LEAD_IN_MS)
        self._boundary = following
        self._open = True

    def _leads(self, position_ms: int, video_ms: int | None) -> bool:
        start = self._lane.start_ms if self._lane is not None else None
        if video_ms is not None:
            return position_ms - video_ms > LEAD_MS
        return self._boundary is not None or (start is not None and position_ms - start >= self._patience_ms)

    def _lead(self, position_ms: int) -> None:
        assert self._lane is not None, "there is a lane once packets come"
        if self._boundary is None and self._lane.start_ms is not None:
            position_ms = self._lane.start_ms
        hole = _is_hole(position_ms, self._lane.newest_ms if self._open else None, self._end_ms)
        self._grid.enter(position_ms, self._boundary, forced=not self._open, discontinuity=hole)
