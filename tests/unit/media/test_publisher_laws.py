"""Publishers go and come back, with clocks and formats of their own, while workers come, lag and fail.

A viewer gets every frame of every publisher once, each decoded by the header it came with.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from aiortmp import MediaBatch, MediaMessage, MessageType, amf0
from app.domain.ladder import AUDIO_TRACK
from app.domain.link import Switched, SwitchMeasured
from app.domain.stream import StandbyGrade
from app.media.arrival import Arrival
from app.media.source import Publisher
from tests.unit.media.stream_parts import AVC_RECORD, audio, audio_header, video, video_header
from tests.unit.media.test_failover_laws import TRACKS, Decoder, Story
from tests.unit.media.worker_parts import FRAME_MS, GOP_MS


@dataclass
class Reading:
    """What a worker was sent since the last word that begins anew: pictures with the header before them."""

    pictures: list[tuple[int, bytes, bytes]] = field(default_factory=list)
    header: bytes = b""


class Reader(Decoder):
    """A worker that sees to it that each picture stands behind the header of its own publisher."""

    def __init__(self, tale: Returns, generation: int, lag_ms: int) -> None:
        super().__init__(tale.stage, generation, lag_ms)
        self._tale = tale
        self._looked = 0
        self._reading = Reading()

    def work(self, now_ms: int) -> None:
        if not self.is_alive:
            return
        batches = self.hand.feed.batches
        for batch in batches[self._looked :]:
            for message in batch:
                self._look(message)
        self._looked = len(batches)
        super().work(now_ms)

    def _look(self, message: MediaMessage) -> None:
        reading = self._reading
        if message.type is MessageType.DATA:
            said = amf0.decode(message.payload)
            if said[0] != "onSpeak":
                self._reading = Reading()
        elif message.type is MessageType.VIDEO and not message.payload[1]:
            reading.header = message.payload
        elif message.type is MessageType.VIDEO:
            assert reading.header == self._tale.header_at[message.timestamp], "decoded by another header"

    def _encode(self, track: str, after: float | None, now_ms: int) -> None:
        feed = self._feed
        source = feed.sounds if track == AUDIO_TRACK else feed.pictures
        if track != AUDIO_TRACK and source:
            known = self._tale.given[track]
            assert source[0] in self._tale.keys, "a feed begins with a key frame"
            begin = known.index(source[0])
            assert source == known[begin : begin + len(source)], "a feed has no holes"
        before = None
        for stamp in source:
            crosses = before is not None and stamp // GOP_MS > before // GOP_MS
            before = stamp
            if stamp > now_ms - self.lag_ms or (after is not None and stamp <= after):
                continue
            if stamp > feed.made.get(track, -1):
                if track not in feed.made:
                    self.hand.header_of(track)
                self.hand.encode_on(track, stamp, key=track not in feed.made or crosses)
                feed.made[track] = stamp


class Returns(Story):
    """Like `Story`, with publishers that go and come back. `given` has the places of all frames, by track."""

    def __init__(self, grade: StandbyGrade, lags_ms: list[int]) -> None:
        super().__init__(grade, lags_ms)
        self.given: dict[str, list[int]] = {track: [] for track in TRACKS}
        self.keys: set[int] = set()
        self.header_at: dict[int, bytes] = {}
        self._clock_ms = 0
        self._count = 0
        self._header = video_header().payload
        take = self.stage.channel.source.take

        def overhear(arrival: Arrival, now_s: float) -> None:
            for message, position in zip(arrival.batch, arrival.positions, strict=True):
                if not message.payload[1]:
                    continue
                is_picture = message.type is MessageType.VIDEO
                self.given["top" if is_picture else AUDIO_TRACK].append(position)
                if is_picture:
                    self.header_at[position] = self._header
                    if message.payload[0] >> 4 == 1:
                        self.keys.add(position)
            take(arrival, now_s)

        self.stage.channel.source.take = overhear  # type: ignore[method-assign]  # an ear at the door

    def hire(self, generation: int) -> None:
        if generation not in self.workers:
            lag_ms = self._lags[generation % len(self._lags)]
            self.workers[generation] = Reader(self, generation, lag_ms)
            if generation == self.standby:
                self.workers[generation].hand.ready()

    def source(self, count: int) -> None:
        for _ in range(count):
            self.stage.now_s = self._clock_ms / 1000
            pictures = [video(self.stamp, key=self.stamp % GOP_MS == 0), audio(self.stamp)]
            self.stage.channel.on_source(self.stage.publisher, MediaBatch.of(pictures))
            self.stamp += FRAME_MS
            self._clock_ms += FRAME_MS

    def come_back(self, after_ms: int) -> None:
        """The publisher goes, and comes back with another header and a clock from zero."""
        channel = self.stage.channel
        channel.leave(self.stage.publisher, "gone")
        self._clock_ms += after_ms
        self.stage.now_s = self._clock_ms / 1000
        self._count += 1
        self.stage.publisher = Publisher(f"192.0.2.1:{self._count}", None, lambda reason: None)
        channel.sit_down(self.stage.publisher)
        header = video_header(bytes((1, self._count % 250)) + AVC_RECORD[2:])
        self._header = header.payload
        channel.on_source(self.stage.publisher, MediaBatch.of([header, audio_header()]))
        self.stamp = 0

    def work(self, generation: int) -> None:
        if generation in self.workers:
            self.workers[generation].work(self.stage.channel.timeline.newest_ms or 0)


events = st.lists(
    st.one_of(
        st.tuples(st.just("source"), st.integers(1, 25)),
        st.tuples(st.just("return"), st.sampled_from([0, 30, 200, 1_700])),
        st.tuples(st.just("work"), st.sampled_from(["active", "standby"])),
        st.tuples(st.sampled_from(["both", "tick", "control", "switch"]), st.none()),
        st.tuples(st.just("kill"), st.sampled_from(["active", "standby"])),
    ),
    min_size=4,
    max_size=80,
)


@settings(max_examples=100)
@given(
    st.sampled_from([StandbyGrade.WARM, StandbyGrade.HOT, StandbyGrade.ACTIVE_ACTIVE]),
    st.lists(st.sampled_from([0, 40, 120, 240]), min_size=1, max_size=3),
    events,
)
def test_every_frame_of_every_publisher_comes_out_once(
    grade: StandbyGrade, lags_ms: list[int], story: list[tuple[str, object]]
) -> None:
    tale = Returns(grade, lags_ms)
    tale.control()
    for what, which in story:
        generation = tale.active if which == "active" else tale.standby
        if what == "source":
            assert isinstance(which, int)
            tale.source(which)
        elif what == "return":
            assert isinstance(which, int)
            tale.come_back(which)
        elif what == "work":
            tale.work(generation)
        elif what == "both":
            tale.work(tale.active)
            tale.work(tale.standby)
        elif what == "kill":
            tale.kill(generation)
        elif what == "tick":
            tale.stage.channel.tick(tale.stage.now_s)
        elif what == "control":
            tale.control()
        else:
            tale.switch()
    tale.end()
    for track in TRACKS:
        shown = tale.stage.shown.get(track, [])
        assert shown == tale.given[track][: len(shown)], track
        assert tale.given[track][-1] - shown[-1] <= 1_000, "the programme did not come right"
    generations = [told.generation for told in tale.stage.seen(Switched)]
    assert generations == sorted(set(generations))
    for told in tale.stage.seen(SwitchMeasured):
        assert all(track.missing in (0, None) and track.doubled == 0 for track in told.report.tracks)
