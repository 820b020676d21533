"""A transcoding channel with made-up workers, on a clock of the test's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from aiortmp import MediaBatch, MediaMessage, MessageType, amf0
from app.domain.ids import EncoderId, PlaybackId, StreamId, WorkerId
from app.domain.ladder import AUDIO_TRACK, AudioMode, AudioPlan, FrameRate, Ladder, Rendition
from app.domain.link import Fact
from app.domain.stream import ChannelPlan, StandbyGrade, StreamMode, Timing, WorkerGrant
from app.media.arrival import Arrival
from app.media.channel import Channel
from app.media.feed import WorkerLink
from app.media.source import Publisher
from tests.unit.media.stream_parts import AVC_RECORD, Outlet, audio, audio_header, data, video, video_header

FRAME_MS = 40
GOP_MS = 2_000
TOP, LOW = (Rendition(name, 320, 180, FrameRate(25), 500_000) for name in ("top", "low"))
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
T = TypeVar("T")


def grant(generation: int) -> WorkerGrant:
    return WorkerGrant(
        WorkerId(f"wrk_{generation}"), EncoderId(f"enc_{generation}"), generation, f"token{generation}"
    )


def plan_of(
    *renditions: Rendition,
    active: int | None = 1,
    standby: int | None = None,
    grade: StandbyGrade = StandbyGrade.WARM,
    audio_mode: AudioMode = AudioMode.OFF,
    revision: int = 1,
) -> ChannelPlan:
    return ChannelPlan(
        stream_id=StreamId("str_1"),
        playback_id=PlaybackId("play_1"),
        revision=revision,
        mode=StreamMode.TRANSCODE,
        key_sha256="",
        key_expires_at=None,
        ladder=Ladder(renditions or (TOP,), AudioPlan(audio_mode)),
        timing=Timing(segment_ms=GOP_MS, keyframe_interval_ms=GOP_MS),
        active=grant(active) if active is not None else None,
        standby=grant(standby) if standby is not None else None,
        grade=grade,
    )


class Hand:
    """One worker: what it was sent, and by hand what it sends."""

    def __init__(self, stage: Stage, generation: int, tracks: Sequence[str] | None = None) -> None:
        self.stage = stage
        self.tracks = tuple(tracks or stage.channel.track_names)
        self.feed = Outlet()
        self.cut: list[str] = []
        self.record = AVC_RECORD
        self.body = b"v"
        self.link = WorkerLink(
            WorkerId(f"wrk_{generation}"), EncoderId(f"enc_{generation}"), generation, self.cut.append, "n"
        )
        stage.channel.feed(self.link, self.feed)

    def words(self) -> list[tuple[str, Mapping[str, Any]]]:
        """What the gateway said to it."""
        found: list[tuple[str, Mapping[str, Any]]] = []
        for batch in self.feed.batches:
            for message in batch:
                if message.type is MessageType.DATA:
                    name, said = amf0.decode(message.payload)[:2]
                    assert isinstance(name, str)
                    assert isinstance(said, Mapping)
                    found.append((name, said))
        return found

    def send(self, track: str, *messages: MediaMessage) -> None:
        self.stage.channel.on_track(self.link, track, MediaBatch.of(messages))

    def header(self) -> None:
        for track in self.tracks:
            self.header_of(track)

    def header_of(self, track: str) -> None:
        self.send(track, audio_header() if track == AUDIO_TRACK else video_header(self.record))

    def ready(self) -> None:
        """Prove itself, as a standby does."""
        self.header()
        generation = self.link.generation
        self.send(self.tracks[0], data("onStandbyReady", {"generation": generation}))

    def encode(self, stamp: int, *, key: bool | None = None) -> None:
        """The frame of `stamp` on every track."""
        for track in self.tracks:
            self.encode_on(track, stamp, key=stamp % GOP_MS == 0 if key is None else key)

    def encode_on(self, track: str, stamp: int, *, key: bool) -> None:
        self.send(track, audio(stamp) if track == AUDIO_TRACK else video(stamp, key=key, body=self.body))

    def die(self) -> None:
        self.stage.channel.worker.gone(self.link, "connection closed", "reset by peer")


class Stage:
    """A channel with a publisher. `shown` has the positions of what left it, by track."""

    def __init__(self, plan: ChannelPlan, *, has_video: bool = True) -> None:
        self.now_s = 0.0
        self.has_video = has_video
        self.facts: list[Fact] = []
        self.channel = Channel(plan, tell=self.facts.append, monotonic=lambda: self.now_s, utc_now=self._utc_now)
        self.publisher = Publisher("192.0.2.1:1", None, lambda reason: None)
        self.channel.sit_down(self.publisher)
        self.shown: dict[str, list[int]] = {}
        push_track = self.channel.programme.push_track

        def overhear(name: str, arrival: Arrival) -> None:
            apart = {*arrival.headers, *arrival.others}
            places = [place for index, place in enumerate(arrival.positions) if index not in apart]
            self.shown.setdefault(name, []).extend(places)
            push_track(name, arrival)

        self.channel.programme.push_track = overhear  # type: ignore[method-assign]  # an ear at the door
        headers = [video_header(), audio_header()] if has_video else [audio_header()]
        self.channel.on_source(self.publisher, MediaBatch.of(headers))

    def hire(self, generation: int, tracks: Sequence[str] | None = None) -> Hand:
        return Hand(self, generation, tracks)

    def source(self, stamp: int, *, sound: bool = True) -> None:
        """The publisher's frame of `stamp`, at its time."""
        self.now_s = stamp / 1000
        pictures = [video(stamp, key=stamp % GOP_MS == 0)] if self.has_video else []
        sounds = [audio(stamp)] if sound else []
        self.channel.on_source(self.publisher, MediaBatch.of([*pictures, *sounds]))

    def play(self, begin_ms: int, end_ms: int, *workers: Hand) -> None:
        """The source in real time, encoded at once by `workers`."""
        for stamp in range(begin_ms, end_ms, FRAME_MS):
            self.source(stamp)
            for worker in workers:
                worker.encode(stamp)
            self.channel.tick(self.now_s)

    def seen(self, kind: type[T]) -> list[T]:
        return [fact for fact in self.facts if isinstance(fact, kind)]

    def _utc_now(self) -> datetime:
        return BEGIN + timedelta(seconds=self.now_s)


def every_frame(begin_ms: int, end_ms: int) -> list[int]:
    return list(range(begin_ms, end_ms, FRAME_MS))


class Encoder:
    """A worker that encodes what it is fed, `lag_ms` behind the source: one pipeline per feed."""

    def __init__(self, stage: Stage, hand: Hand, lag_ms: int = 0) -> None:
        self.stage, self.hand, self.lag_ms = stage, hand, lag_ms
        self.is_alive = True
        self._feeds = 0
        self._made: dict[str, int] = {}

    def work(self, now_ms: int, without: str = "") -> None:
        """Send all that is encoded by `now_ms`."""
        words = [said for name, said in self.hand.words() if name == "onFeedStart" or "start_after" in said]
        if not self.is_alive or not words:
            return
        start_after = words[-1]["start_after"]
        if len(words) > self._feeds:
            self._feeds = len(words)
            self._made = {}
        for track in self.hand.tracks:
            if track != without:
                self._encode(track, start_after[track], now_ms)

    def _encode(self, track: str, after: float | None, now_ms: int) -> None:
        is_first = track not in self._made
        begin = self._made.get(track, -FRAME_MS if after is None else int(after) // FRAME_MS * FRAME_MS)
        for stamp in range(begin + FRAME_MS, now_ms - self.lag_ms + 1, FRAME_MS):
            if is_first:
                self.hand.header_of(track)
            self.hand.encode_on(track, stamp, key=is_first or stamp % GOP_MS == 0)
            is_first = False
            self._made[track] = stamp

    def die(self) -> None:
        self.is_alive = False
        self.hand.die()


def run(stage: Stage, begin_ms: int, end_ms: int, *encoders: Encoder) -> None:
    for stamp in range(begin_ms, end_ms, FRAME_MS):
        stage.source(stamp)
        for encoder in encoders:
            encoder.work(stamp)
        stage.channel.tick(stage.now_s)
