"""Workers come, encode at their own pace and fail in any order: a viewer gets every frame of the source, once.

The workers here decode: they make a frame only of what they were sent, from a key frame on.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from aiortmp import MessageType, amf0
from app.domain.errors import Conflict
from app.domain.failover import DecidedBy
from app.domain.ids import StreamId
from app.domain.ladder import AUDIO_TRACK, AudioMode
from app.domain.link import Switched, SwitchMeasured, SwitchStream
from app.domain.stream import StandbyGrade
from tests.unit.media.worker_parts import FRAME_MS, GOP_MS, TOP, Hand, Stage, every_frame, plan_of

TRACKS = ("top", AUDIO_TRACK)


@dataclass
class Feed:
    """What came since the gateway's last word that begins anew."""

    start_after: dict[str, float | None] | None
    pictures: list[int] = field(default_factory=list)
    sounds: list[int] = field(default_factory=list)
    made: dict[str, int] = field(default_factory=dict)


class Decoder:
    """A worker that encodes what it was sent, `lag_ms` behind, after the words it was told."""

    def __init__(self, stage: Stage, generation: int, lag_ms: int) -> None:
        self.hand = Hand(stage, generation)
        self.lag_ms = lag_ms
        self.is_alive = True
        self._feed = Feed(None)
        self._read = 0

    def work(self, now_ms: int) -> None:
        """Read what came, then send what is encoded by `now_ms`."""
        if not self.is_alive:
            return
        batches = self.hand.feed.batches
        while self._read < len(batches):
            for message in batches[self._read]:
                if message.type is MessageType.DATA:
                    self._hear(*amf0.decode(message.payload)[:2])
                elif message.payload[1]:
                    kept = self._feed.pictures if message.type is MessageType.VIDEO else self._feed.sounds
                    kept.append(message.timestamp)
            self._read += 1
        if self._feed.start_after is not None:
            for track in TRACKS:
                self._encode(track, self._feed.start_after[track], now_ms)

    def _hear(self, name: object, said: object) -> None:
        assert isinstance(said, dict)
        if name == "onSpeak":
            self._feed.start_after = dict(said["start_after"])
        elif said.get("grade") in ("warm", "hot"):
            self._feed = Feed(None)
        else:
            self._feed = Feed(dict(said["start_after"]))

    def _encode(self, track: str, after: float | None, now_ms: int) -> None:
        feed = self._feed
        source = feed.sounds if track == AUDIO_TRACK else feed.pictures
        if track != AUDIO_TRACK and source:
            assert source[0] % GOP_MS == 0, "a feed begins with a key frame"
            assert source == every_frame(source[0], source[-1] + FRAME_MS), "a feed has no holes"
        for stamp in source:
            if stamp > now_ms - self.lag_ms or (after is not None and stamp <= after):
                continue
            if stamp > feed.made.get(track, -1):
                if track not in feed.made:
                    self.hand.header_of(track)
                self.hand.encode_on(track, stamp, key=track not in feed.made or stamp % GOP_MS == 0)
                feed.made[track] = stamp

    def die(self) -> None:
        self.is_alive = False
        self.hand.die()


class Story:
    """Control as it should be: each lost worker is replaced, each switch followed by a new standby."""

    def __init__(self, grade: StandbyGrade, lags_ms: list[int]) -> None:
        self.stage = Stage(plan_of(TOP, standby=2, grade=grade, audio_mode=AudioMode.AUTO))
        self._grade, self._lags = grade, lags_ms
        self.workers: dict[int, Decoder] = {}
        self.active, self.standby = 1, 2
        self.revision, self.stamp = 1, 0

    def hire(self, generation: int) -> None:
        if generation not in self.workers:
            lag_ms = self._lags[generation % len(self._lags)]
            self.workers[generation] = Decoder(self.stage, generation, lag_ms)
            if generation == self.standby:
                self.workers[generation].hand.ready()

    def source(self, count: int) -> None:
        for _ in range(count):
            self.stage.source(self.stamp)
            self.stamp += FRAME_MS

    def work(self, generation: int) -> None:
        if generation in self.workers:
            self.workers[generation].work(self.stamp - FRAME_MS)

    def kill(self, generation: int) -> None:
        worker = self.workers.get(generation)
        if worker is not None and worker.is_alive:
            worker.die()

    def switch(self) -> None:
        order = SwitchStream(StreamId("str_1"), self.standby, "drill", DecidedBy.DRILL)
        try:
            self.stage.channel.switch_to(order)
        except Conflict:
            return

    def control(self) -> None:
        """See what has become, plan anew, and start who is missing."""
        speaks = self.stage.channel.switch.generation
        newest = max(self.active, self.standby)
        if speaks > self.active:
            self.active = speaks
        elif self.active in self.workers and not self.workers[self.active].is_alive:
            self.active = newest = newest + 1
        if self.standby <= self.active or self._is_dead(self.standby):
            self.standby = newest + 1
        self.revision += 1
        plan = plan_of(
            TOP,
            active=self.active,
            standby=self.standby,
            grade=self._grade,
            audio_mode=AudioMode.AUTO,
            revision=self.revision,
        )
        self.stage.channel.apply(plan)
        self.hire(self.active)
        self.hire(self.standby)

    def end(self) -> None:
        """Enough time for all to come right."""
        for _ in range(200):
            self.control()
            self.source(1)
            for generation in list(self.workers):
                self.work(generation)
            self.stage.channel.tick(self.stage.now_s)

    def _is_dead(self, generation: int) -> bool:
        return generation in self.workers and not self.workers[generation].is_alive


events = st.lists(
    st.one_of(
        st.tuples(st.just("source"), st.integers(1, 25)),
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
def test_every_frame_of_the_source_comes_out_once(
    grade: StandbyGrade, lags_ms: list[int], story: list[tuple[str, object]]
) -> None:
    tale = Story(grade, lags_ms)
    tale.control()
    for what, which in story:
        generation = tale.active if which == "active" else tale.standby
        if what == "source":
            assert isinstance(which, int)
            tale.source(which)
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
        assert shown == every_frame(0, shown[-1] + FRAME_MS), track
        assert tale.stamp - shown[-1] <= 1_000, "the programme did not come right"
    generations = [told.generation for told in tale.stage.seen(Switched)]
    assert generations == sorted(set(generations))
    for told in tale.stage.seen(SwitchMeasured):
        assert all(track.missing in (0, None) and track.doubled == 0 for track in told.report.tracks)
