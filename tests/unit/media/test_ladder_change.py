"""A transcoding channel whose ladder changes, or whose publisher comes straight back: nobody is left behind."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime

from aiortmp import MediaBatch
from app.domain.ids import DestinationId, EncoderId, PlaybackId, StreamId, WorkerId
from app.domain.ladder import AudioMode, AudioPlan, FrameRate, Ladder, Rendition
from app.domain.link import DestinationReading, Fact
from app.domain.secret import Secret
from app.domain.stream import ChannelPlan, Destination, Outputs, StreamMode, Timing, WorkerGrant
from app.media.arrival import Arrival
from app.media.channel import Channel
from app.media.fanout import FanOut
from app.media.feed import FEED_MAX_BYTES, WorkerLink
from app.media.outputs import ChannelOutputs
from app.media.source import Publisher
from tests.unit.media.stream_parts import AVC_RECORD, Outlet, video, video_header

TOP, LOW = (Rendition(name, 320, 180, FrameRate(25), 500_000) for name in ("top", "low"))
OTHER_RECORD = bytes((1, 77)) + AVC_RECORD[2:]
DESTINATION = Destination(DestinationId("dst_1"), Secret("rtmp://a.example/live/key"))


def plan_of(*renditions: Rendition, outputs: Outputs = Outputs()) -> ChannelPlan:  # noqa: B008 - frozen
    return ChannelPlan(
        stream_id=StreamId("str_1"),
        playback_id=PlaybackId("play_1"),
        revision=1,
        mode=StreamMode.TRANSCODE,
        key_sha256="",
        key_expires_at=None,
        ladder=Ladder(renditions, AudioPlan(AudioMode.OFF)),
        timing=Timing(segment_ms=2_000),
        outputs=outputs,
        active=WorkerGrant(WorkerId("wrk_1"), EncoderId("enc_1"), 1, "token"),
    )


class Stage:
    """A channel with one publisher and one worker that hands back what the test says."""

    def __init__(self, plan: ChannelPlan) -> None:
        self.now_s = 0.0
        self.facts: list[Fact] = []
        self.cut: list[str] = []
        self.feed = Outlet()
        self.channel = Channel(
            plan, tell=self.facts.append, monotonic=lambda: self.now_s, utc_now=lambda: datetime.now(UTC)
        )
        self.publisher = Publisher("192.0.2.1:1", None, self.cut.append)
        self.link = WorkerLink(WorkerId("wrk_1"), EncoderId("enc_1"), 1, self.cut.append)
        self.channel.sit_down(self.publisher)

    def hire(self) -> None:
        assert self.channel.feed(self.link, self.feed)
        for track in self.channel.switch.start_after():
            self.channel.on_track(self.link, track, MediaBatch.of([video_header()]))

    def source(self, stamp: int) -> None:
        self.now_s = stamp / 1000
        self.channel.on_source(self.publisher, MediaBatch.of([video(stamp, key=stamp % 2_000 == 0)]))

    def encoded(self, track: str, stamp: int) -> None:
        self.channel.on_track(self.link, track, MediaBatch.of([video(stamp, key=stamp % 2_000 == 0)]))


class StubPush:
    """Stands in for a push: remembers where it listens."""

    def __init__(self, mux: FanOut) -> None:
        self.mux = mux
        self.closed = False

    def follow(self, mux: FanOut) -> None:
        self.mux = mux

    def reading(self) -> DestinationReading:
        return DestinationReading(DESTINATION.id, "live", None, 0, 0)

    async def close(self) -> None:
        self.closed = True


def test_a_worker_does_not_owe_a_track_that_the_plan_dropped() -> None:
    stage = Stage(plan_of(TOP, LOW))
    stage.hire()
    stage.channel.apply(plan_of(TOP))
    for stamp in range(0, 20_000, 40):
        stage.source(stamp)
        stage.encoded("top", stamp)
        stage.channel.tick(stage.now_s)
    assert stage.cut == []


def test_frames_still_at_the_worker_are_packaged_when_the_publisher_comes_straight_back() -> None:
    stage = Stage(plan_of(TOP))
    stage.hire()
    for stamp in range(0, 3_000, 40):
        stage.source(stamp)
    for stamp in range(0, 2_600, 40):
        stage.encoded("top", stamp)
    stage.channel.leave(stage.publisher, "gone")
    stage.now_s += 0.3
    stage.channel.sit_down(Publisher("192.0.2.1:2", None, stage.cut.append))
    for stamp in range(2_600, 4_040, 40):
        stage.encoded("top", stamp)
    assert stage.channel.programme.packager is not None
    segments = stage.channel.programme.packager.shelves()["top"].segments
    assert sum(segment.frames for segment in segments) == 100


async def test_a_push_of_the_highest_rendition_follows_when_another_becomes_the_highest() -> None:
    outputs = Outputs(destinations=(DESTINATION,))
    stage = Stage(plan_of(TOP, LOW, outputs=outputs))
    started: list[StubPush] = []

    def start(_: Destination, mux: FanOut) -> StubPush:
        started.append(StubPush(mux))
        return started[-1]

    running = ChannelOutputs(start_push=start, start_recording=lambda _: None)  # type: ignore[arg-type,return-value]  # none here
    await running.apply(stage.channel.plan, stage.channel.programme)
    await running.apply(stage.channel.plan, stage.channel.programme)
    assert len(started) == 1
    stage.channel.apply(plan_of(LOW, outputs=outputs))
    await running.apply(stage.channel.plan, stage.channel.programme)
    [push] = started
    assert not push.closed
    assert push.mux is stage.channel.programme.muxes["low"]


async def test_a_push_of_a_rendition_that_is_made_no_more_goes_on_with_its_heir() -> None:
    outputs = Outputs(
        rtmp_play=False, http_flv=False, destinations=(dataclasses.replace(DESTINATION, rendition="low"),)
    )
    stage = Stage(plan_of(TOP, LOW, outputs=outputs))
    started: list[StubPush] = []

    def start(_: Destination, mux: FanOut) -> StubPush:
        started.append(StubPush(mux))
        return started[-1]

    running = ChannelOutputs(start_push=start, start_recording=lambda _: None)  # type: ignore[arg-type,return-value]  # none here
    await running.apply(stage.channel.plan, stage.channel.programme)
    stage.channel.apply(plan_of(TOP, outputs=outputs))
    await running.apply(stage.channel.plan, stage.channel.programme)
    [push] = started
    assert not push.closed
    assert push.mux is stage.channel.programme.muxes["top"]


def test_viewers_of_a_rendition_that_is_made_no_more_stay_to_the_end_of_the_stream() -> None:
    stage = Stage(plan_of(TOP, LOW))
    told: list[str] = []
    muxes = stage.channel.programme.muxes
    for name in ("top", "low"):
        muxes[name].join(Outlet(), end=told.append)
    stage.channel.apply(plan_of(LOW))
    assert told == []
    assert stage.channel.programme.viewers == 2
    stage.channel.end("over")
    assert told == ["over", "over"]


def test_viewers_are_let_go_when_their_output_is_switched_off() -> None:
    stage = Stage(plan_of(TOP, LOW))
    told: list[str] = []
    stage.channel.programme.muxes["top"].join(Outlet(), end=told.append)
    stage.channel.apply(plan_of(LOW, outputs=Outputs(rtmp_play=False, http_flv=False)))
    assert len(told) == 1


def test_a_recording_is_told_the_headers_of_the_rendition_it_goes_on_with() -> None:
    stage = Stage(plan_of(TOP, LOW))
    stage.hire()
    stage.channel.on_track(stage.link, "low", MediaBatch.of([video_header(OTHER_RECORD)]))
    heard: list[Arrival] = []
    stage.channel.programme.set_tap(heard.append)
    heard.clear()
    stage.channel.apply(plan_of(LOW))
    assert heard[-1].batch[0].payload == video_header(OTHER_RECORD).payload


def test_a_worker_may_take_its_time_over_a_long_replay() -> None:
    long_ring = dataclasses.replace(
        plan_of(TOP), timing=Timing(segment_ms=2_000, ring_max_bytes=2 * FEED_MAX_BYTES)
    )
    stage = Stage(long_ring)
    for number in range(60):
        stage.now_s = number * 0.04
        body = bytes(FEED_MAX_BYTES // 50)
        stage.channel.on_source(stage.publisher, MediaBatch.of([video(number * 40, key=number == 0, body=body)]))
    stage.hire()
    stage.feed.buffered_bytes = stage.channel.ring.size_bytes
    stage.source(2_440)
    assert stage.cut == []
    stage.feed.buffered_bytes += FEED_MAX_BYTES + 1
    stage.source(2_480)
    assert stage.cut == ["stalled: the worker does not read its feed"]
