"""All HLS tracks of one stream: takes arrivals, gives playlists, init segments and media segments. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from aiortmp import MediaMessage, ProtocolError
from aiortmp.flv import parse_audio, parse_video
from app.domain.ladder import AUDIO_TRACK
from app.media.arrival import Arrival
from app.media.fmp4.formats import UnsupportedFormat
from app.media.fmp4.parameter_sets import Size
from app.media.formats import audio_format, read_metadata, video_format
from app.media.hls.former import Formers
from app.media.hls.grid import SegmentGrid
from app.media.hls.playlist import AudioRendition, Segment, Variant, multivariant
from app.media.hls.track import AudioTrack, Shelf, VideoTrack
from app.media.timeline import AUDIO, VIDEO


class Packager:
    """`renditions` are the picture tracks expected, highest first; empty: whatever comes first decides.

    Frames that fit no MP4 are counted in `skipped`, with the reason in `refused`.
    """

    def __init__(
        self, *, segment_ms: int, zero_wall_ms: int, renditions: Sequence[str] = (), first_number: int = 0
    ) -> None:
        self._grid = SegmentGrid(segment_ms, zero_wall_ms, first_number=first_number)
        self._order = list(renditions)
        self._video: dict[str, VideoTrack] = {}
        self._formers = Formers()
        self._audio = AudioTrack(self._grid, video_expected=bool(renditions))
        self._sizes: dict[str, Size] = {}
        self._pending: dict[str, bytes] = {}
        self.skipped = 0
        self.refused: str | None = None
        self.ended = False

    def retrack(self, renditions: Sequence[str], heir_of: Callable[[str], str]) -> None:
        """The pictures are these from now on, highest first.

        Others are listed no more; their playlists go on with the segments of `heir_of(name)`, behind a
        discontinuity that every track has.
        """
        self._order = list(renditions)
        changed = [track for name, track in self._formers.tracks.items() if name in renditions]
        for name in [name for name in self._video if name not in renditions]:
            track = self._video.pop(name)
            track.flush()
            if track.shelf.segments:
                changed.append(track)
                self._formers.retire(name, track)
        if changed:
            self._grid.break_at(max(track.shelf.segments[-1].number for track in changed) + 1)
        self._formers.link(self._video, heir_of)

    def push(self, track: str, arrival: Arrival) -> None:
        """Packets of `track`; sound among them goes to the one sound track."""
        special = {*arrival.headers, *arrival.others} if arrival.headers or arrival.others else ()
        for index, message in enumerate(arrival.batch):
            if index in special:
                if index in arrival.headers:
                    self._header(track, message)
            elif message.type == VIDEO:
                self._picture(track, arrival.positions[index], message.payload)
            else:
                self._sound(arrival.positions[index], message.payload)

    def flush(self) -> None:
        """Nothing follows for now: close what is open, so viewers see all that came."""
        for track in self._video.values():
            track.flush()
        self._audio.flush()

    def end(self) -> None:
        """The programme is over: every playlist says so."""
        self.flush()
        self.ended = True
        for shelf in self.shelves().values():
            shelf.end()

    def shelves(self) -> dict[str, Shelf]:
        """By name; those of former pictures too."""
        shelves = {name: track.shelf for name, track in (self._formers.tracks | self._video).items()}
        if self._audio.format is not None:
            shelves[AUDIO_TRACK] = self._audio.shelf
        return shelves

    @property
    def next_number(self) -> int:
        """For the packager after this one: its `first_number`."""
        return self._grid.next_number

    @property
    def is_ready(self) -> bool:
        """Each track that has begun can be played, or there was something to play before."""
        shelves = self.shelves().values()
        return bool(shelves) and (bool(self._formers.tracks) or all(shelf.segments for shelf in shelves))

    def index(self) -> str | None:
        """The multivariant playlist; None before there is anything to play."""
        heard = any(segment.data is not None for segment in self._audio.shelf.segments)
        audio = self._audio if self._audio.format is not None and heard else None
        sound_codecs = (audio.format.codecs,) if audio is not None and audio.format is not None else ()
        variants = []
        for name, track in self._listed():
            if track.format is None:
                continue
            peak, average = _rates(
                track.shelf.segments, audio.shelf.segments if audio else (), track.shelf.target_s
            )
            variants.append(
                Variant(
                    f"{name}/index.m3u8",
                    (track.format.codecs, *sound_codecs),
                    peak,
                    average,
                    track.format.width,
                    track.format.height,
                    _fps(track.shelf.segments),
                )
            )
        if audio is None or audio.format is None:
            return multivariant(variants, None) if variants else None
        if not variants:
            peak, average = _rates(audio.shelf.segments, (), audio.shelf.target_s)
            return multivariant([Variant(f"{AUDIO_TRACK}/index.m3u8", sound_codecs, peak, average)], None)
        return multivariant(variants, AudioRendition(f"{AUDIO_TRACK}/index.m3u8", audio.format.channels))

    def _listed(self) -> list[tuple[str, VideoTrack]]:
        """The pictures to choose from, highest first; the former ones until a newer one can be played."""
        known = [name for name in self._order if name in self._video]
        names = known + [name for name in self._video if name not in self._order]
        made = [(name, self._video[name]) for name in names if self._video[name].shelf.segments]
        return made or [*self._formers.tracks.items()]

    def _header(self, track: str, message: MediaMessage) -> None:
        try:
            if message.type == VIDEO:
                self._configure_video(track, message.payload)
            elif message.type == AUDIO:
                self._audio.configure(audio_format(message.payload))
            else:
                self._learn(track, message.payload)
        except UnsupportedFormat as error:
            self.refused = str(error)

    def _learn(self, track: str, payload: bytes) -> None:
        metadata = read_metadata(payload)
        if metadata is not None and metadata.size is not None:
            self._sizes[track] = metadata.size
            if track in self._pending:
                self._configure_video(track, self._pending[track])

    def _configure_video(self, track: str, header: bytes) -> None:
        self._pending[track] = header
        found = video_format(header, self._sizes.get(track))
        del self._pending[track]
        if track not in self._video:
            former = self._formers.recall(track)
            self._video[track] = VideoTrack(self._grid, former.shelf if former is not None else None)
            self._formers.link(self._video)
        self._video[track].configure(found)

    def _picture(self, track: str, position_ms: int, payload: bytes) -> None:
        video = self._video.get(track)
        try:
            tag = parse_video(payload)
        except ProtocolError:
            self.skipped += 1
            return
        if video is None or not tag.is_coded:
            self.skipped += 1
            return
        body = memoryview(payload)[tag.body_start : tag.body_end]
        video.frame(position_ms, tag.composition_time_ms, body, sync=tag.is_keyframe)
        self._audio.settle(position_ms)

    def _sound(self, position_ms: int, payload: bytes) -> None:
        try:
            tag = parse_audio(payload)
        except ProtocolError:
            self.skipped += 1
            return
        if self._audio.format is None or not tag.is_coded:
            self.skipped += 1
            return
        self._audio.frame(position_ms, memoryview(payload)[tag.body_start : tag.body_end], self._video_ms())

    def _video_ms(self) -> int | None:
        newest = [track.newest_ms for track in self._video.values() if track.newest_ms is not None]
        return max(newest) if newest else None


def _rates(picture: Sequence[Segment], sound: Sequence[Segment], target_s: float) -> tuple[float, float]:
    """Peak and average bits per second of segments heard and seen together.

    The peak is that of any stretch of 0.5 to 1.5 target durations (RFC 8216, section 4.3.4.2).
    """
    heard: Mapping[int, float] = {segment.number: segment.bps for segment in sound}
    parts = [(s.duration_s, (s.bps + heard.get(s.number, 0.0)) * s.duration_s) for s in picture if s.data]
    if not parts:
        return 0.0, 0.0
    average = sum(bits for _, bits in parts) / sum(seconds for seconds, _ in parts)
    peak = average
    for first in range(len(parts)):
        seconds = bits = 0.0
        for more_seconds, more_bits in parts[first:]:
            seconds, bits = seconds + more_seconds, bits + more_bits
            if seconds > 1.5 * target_s:
                break
            if seconds >= 0.5 * target_s:
                peak = max(peak, bits / seconds)
    return peak, average


def _fps(segments: Sequence[Segment]) -> float | None:
    frames = sum(segment.frames for segment in segments)
    seconds = sum(segment.duration_s for segment in segments if segment.data)
    return frames / seconds if seconds > 0 else None
