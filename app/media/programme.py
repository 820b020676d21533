"""The programme of one stream: what viewers, destinations and recordings get, and the work for them alone.

Takes arrivals that may be shown: the source's own when it is passed through, else each track of the encoding worker
behind the output switch. Work for outputs that are off is not done.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from aiortmp import MediaMessage
from app.domain.ladder import AUDIO_TRACK, SOURCE_RENDITION, AudioMode
from app.domain.link import TrackReading
from app.domain.stream import ChannelPlan, StreamMode
from app.media.arrival import Arrival
from app.media.fanout import FanOut
from app.media.heirs import Heirs
from app.media.hls.packager import Packager
from app.media.interleave import Interleaver
from app.media.join import Headers
from app.media.rates import TrackMeter
from app.media.selection import header_arrival
from app.media.timeline import AUDIO, VIDEO

Tap = Callable[[Arrival], None]


def track_names(plan: ChannelPlan) -> tuple[str, ...]:
    """The tracks of the programme that `plan` describes, the picture's first."""
    if plan.mode is StreamMode.PASSTHROUGH:
        return (SOURCE_RENDITION, AUDIO_TRACK)
    names = tuple(rendition.name for rendition in plan.ladder.renditions)
    return names if plan.ladder.audio.mode is AudioMode.OFF else (*names, AUDIO_TRACK)


def muxed_names(plan: ChannelPlan) -> tuple[str, ...]:
    """The single streams, picture and sound together, that viewers can ask for; the highest first."""
    if plan.mode is StreamMode.PASSTHROUGH:
        return (SOURCE_RENDITION,)
    return tuple(rendition.name for rendition in plan.ladder.renditions) or (AUDIO_TRACK,)


class Programme:
    def __init__(self, plan: ChannelPlan) -> None:
        self._plan = plan
        self._passthrough = plan.mode is StreamMode.PASSTHROUGH
        self.meters: dict[str, TrackMeter] = {}
        self.muxes: dict[str, FanOut] = {}
        self._heirs = Heirs()
        self._interleavers: dict[str, Interleaver] = {}
        self._headers: dict[str, Headers] = {}
        self.packager: Packager | None = None
        self.begun = False
        """Whether what is shown now belongs to a programme that has begun and not ended."""
        self._tap: Tap | None = None
        self.track_tap: Callable[[str, Arrival], None] | None = None
        """Hears every track; set by whoever looks at it."""
        self.apply(plan)

    def apply(self, plan: ChannelPlan) -> None:
        """Switch outputs and tracks on and off as `plan` says."""
        heirs = self._heirs.change(self._plan.ladder.renditions, plan.ladder.renditions)
        for name, heir in heirs.items():
            self._close(name, heir)
        top_before, self._plan = self.top, plan
        tracks = track_names(plan)
        self.meters = {name: self.meters.get(name) or TrackMeter() for name in tracks}
        self._headers = {name: known for name, known in self._headers.items() if name in tracks}
        if self.packager is not None and not self._passthrough:
            self.packager.retrack([name for name in tracks if name != AUDIO_TRACK], self._heirs.now)
        wanted = self._wanted()
        self._remux(wanted, heirs)
        merged = set() if self._passthrough else wanted | ({self.top} if self._tap is not None else set())
        old, self._interleavers = self._interleavers, {name: Interleaver() for name in merged}
        self._interleavers |= {name: interleaver for name, interleaver in old.items() if name in merged}
        for name, heir in heirs.items():
            if name in old and heir in merged and heir not in old:
                self._interleavers[heir].follow(old[name])
        if not plan.outputs.hls:
            self.packager = None
        elif self.packager is None:
            self.begun = False
        if self._tap is not None and self.top != top_before and (known := self._known(self.top)) is not None:
            self._tap(known)

    def rendition(self, name: str | None) -> str:
        """What those get who ask for `name`: of a former rendition its heir, of None the highest."""
        return self.top if name is None else self._heirs.now(name)

    def set_tap(self, tap: Tap | None) -> None:
        """`tap` hears the highest muxed stream, headers known so far first."""
        self._tap = tap
        self.apply(self._plan)
        if tap is not None:
            for track in (self.top, AUDIO_TRACK):
                known = self._known(track)
                if known is not None:
                    tap(known)

    @property
    def top(self) -> str:
        return muxed_names(self._plan)[0]

    def begin(self, zero_wall_ms: int) -> None:
        """The timeline exists: package from here on, in a new playlist when the old one has ended."""
        self.begun = True
        if self._plan.outputs.hls and (self.packager is None or self.packager.ended):
            self.packager = Packager(
                segment_ms=self._plan.timing.segment_ms,
                zero_wall_ms=zero_wall_ms,
                first_number=self.packager.next_number if self.packager is not None else 0,
                renditions=() if self._passthrough else [r.name for r in self._plan.ladder.renditions],
            )
            for track in self._headers:
                known = self._known(track)
                if known is not None:
                    self.packager.push(track, known)

    def push_source(self, arrival: Arrival) -> None:
        """Packets of the publisher, picture and sound together: the programme of a stream passed through."""
        if arrival.video_frames:
            self.meters[SOURCE_RENDITION].count(arrival, arrival.video_frames)
            if arrival.audio_frames:
                self.meters[AUDIO_TRACK].count_frames(arrival, arrival.audio_frames)
        else:
            self.meters[AUDIO_TRACK].count(arrival, arrival.audio_frames)
        if arrival.headers:
            self._learn(SOURCE_RENDITION, arrival)
        if self.packager is not None:
            self.packager.push(SOURCE_RENDITION, arrival)
        self._emit(SOURCE_RENDITION, arrival)

    def push_track(self, name: str, arrival: Arrival) -> None:
        """Packets of one track that the output switch let through."""
        if self.track_tap is not None:
            self.track_tap(name, arrival)
        meter = self.meters.get(name)
        if meter is not None:
            meter.count(arrival, arrival.frames)
        if arrival.headers:
            self._learn(name, arrival)
        if self.packager is not None:
            self.packager.push(name, arrival)
        for rendition, interleaver in self._interleavers.items():
            if name in (rendition, AUDIO_TRACK):
                merged = interleaver.push(AUDIO if name == AUDIO_TRACK else VIDEO, arrival)
                if merged is not None:
                    self._emit(rendition, merged)

    def header(self, track: str) -> bytes | None:
        """The payload of `track`'s sequence header; None before there is one."""
        known = (
            self._headers[track].get(AUDIO if track == AUDIO_TRACK else VIDEO) if track in self._headers else None
        )
        return known.payload if known is not None else None

    def known(self, track: str) -> list[MediaMessage]:
        """Headers of `track`, as for one who begins to look at it now."""
        return self._headers[track].messages(0) if track in self._headers else []

    def pause(self) -> None:
        """The source is gone for now: show all that came."""
        for rendition, interleaver in self._interleavers.items():
            rest = interleaver.flush()
            if rest is not None:
                self._emit(rendition, rest)
        for mux in self.muxes.values():
            mux.pause()
        if self.packager is not None:
            self.packager.flush()

    def end(self) -> None:
        """The programme is over."""
        self.begun = False
        self.pause()
        if self.packager is not None:
            self.packager.end()

    def dismiss(self, reason: str) -> None:
        """The stream is over: let every viewer and destination go."""
        for mux in self.muxes.values():
            mux.end(reason)

    def readings(self, now_s: float) -> tuple[TrackReading, ...]:
        for meter in self.meters.values():
            meter.close_interval(now_s)
        return tuple(
            TrackReading(name, meter.frames, meter.bytes, meter.bps, meter.fps, meter.last_ms)
            for name, meter in self.meters.items()
            if meter.frames
        )

    @property
    def newest_ms(self) -> int | None:
        """How far the programme is: the picture, or the sound of a programme without one."""
        picture = [m.last_ms for name, m in self.meters.items() if name != AUDIO_TRACK and m.last_ms is not None]
        if picture:
            return max(picture)
        sound = self.meters.get(AUDIO_TRACK)
        return sound.last_ms if sound is not None else None

    @property
    def viewers(self) -> int:
        return sum(mux.readers for mux in self.muxes.values())

    @property
    def dropped(self) -> int:
        return sum(mux.dropped for mux in self.muxes.values())

    def _learn(self, track: str, arrival: Arrival) -> None:
        known = self._headers.setdefault(track, Headers())
        for index in arrival.headers:
            known.learn(arrival.batch[index])

    def _known(self, track: str) -> Arrival | None:
        """The headers of `track` as an arrival of their own."""
        messages = self.known(track)
        return header_arrival(messages) if messages else None

    def _close(self, name: str, heir: str) -> None:
        """Show what is held of a rendition that is made no more, up to where its readers go on with `heir`."""
        interleaver, mux, to = self._interleavers.get(name), self.muxes.get(name), self.muxes.get(heir)
        if interleaver is None:
            return
        rest = interleaver.drain(mux.newest_ms if mux is not None else -1)
        if rest is not None:
            self._emit(name, rest)
        if mux is not None and to is not None:
            sound = interleaver.drain(to.begins_after(mux.newest_ms))
            if sound is not None:
                self._emit(name, sound)

    def _remux(self, wanted: set[str], heirs: Mapping[str, str]) -> None:
        """Make the single streams `wanted`; readers of the others go on with their heirs."""
        for name in wanted - set(self.muxes):
            self.muxes[name] = mux = FanOut()
            for track in (AUDIO_TRACK, name):
                for message in self.known(track):
                    mux.headers.learn(message)
        for name in set(self.muxes) - wanted:
            mux = self.muxes.pop(name)
            heir = self.muxes.get(heirs.get(name, name))
            if heir is not None:
                mux.follow(heir)
            else:
                mux.end("this output is switched off")

    def _wanted(self) -> set[str]:
        outputs = self._plan.outputs
        names = muxed_names(self._plan)
        wanted = set(names) if outputs.rtmp_play or outputs.http_flv else set()
        wanted |= {self.rendition(destination.rendition) for destination in outputs.destinations}
        return wanted & set(names)

    def _emit(self, rendition: str, arrival: Arrival) -> None:
        mux = self.muxes.get(rendition)
        if mux is not None:
            mux.push(arrival)
        if self._tap is not None and rendition == self.top:
            self._tap(arrival)
