"""Streams are looked at in turn, within a budget; what is found is told when it changes and now and then."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from aiortmp import MediaBatch
from app.domain.content import Fault, Side
from app.domain.errors import Unavailable
from app.domain.ids import PlaybackId, StreamId
from app.domain.ladder import AUDIO_TRACK, AudioMode, AudioPlan, FrameRate, Ladder, Rendition
from app.domain.link import ContentSeen, Fact
from app.domain.stream import ChannelPlan, StreamMode
from app.media.channel import Channel
from app.media.content import rounds
from app.media.content.rounds import ContentRounds
from app.media.content.talk import Look, Seen
from app.media.source import Publisher
from tests.unit.media.stream_parts import at_stamps, audio, audio_header, video, video_header

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
LADDER = Ladder(
    (
        Rendition("top", 1280, 720, FrameRate(25), 2_000_000),
        Rendition("low", 640, 360, FrameRate(25), 500_000),
    ),
    AudioPlan(AudioMode.AUTO),
)
LIVE = Seen(2.0, mean=90.0, dark_share=0.1, light_share=0.8, change=40.0, rms_dbfs=-20.0, peak_dbfs=-6.0)
BLACK = replace(LIVE, mean=2.0, dark_share=1.0, light_share=0.0, change=0.3)
FRAME_MS = 40


class House:
    """Streams that play, a clock that only moves with them, and a child that sees what it is told to see."""

    def __init__(self, *names: str, mode: StreamMode = StreamMode.TRANSCODE) -> None:
        self.now_s = 0.0
        self.facts: list[Fact] = []
        self.asked: list[Look] = []
        self.sees: dict[str, Seen] = {}
        self.dies_of: set[str] = set()
        self.is_resting = False
        self.publisher = Publisher("192.0.2.1:1", "encoder", lambda reason: None)
        self.channels = [self._channel(name, mode) for name in names]
        for channel in self.channels:
            channel.sit_down(self.publisher)
        self.stamp_ms = 0
        self.silent = False
        self.rounds = ContentRounds(
            channels=lambda: self.channels,
            sampler=self,
            tell=self.facts.append,
            monotonic=lambda: self.now_s,
            utc_now=lambda: BEGIN + timedelta(seconds=self.now_s),
        )

    def _channel(self, name: str, mode: StreamMode) -> Channel:
        plan = ChannelPlan(StreamId(name), PlaybackId(f"play_{name}"), 1, mode, "", None, LADDER)
        return Channel(
            plan,
            tell=lambda fact: None,
            monotonic=lambda: self.now_s,
            utc_now=lambda: BEGIN + timedelta(seconds=self.now_s),
        )

    async def ask(self, look: Look) -> Seen:
        self.asked.append(look)
        stream, side = look.room.split("/")
        if stream in self.dies_of:
            raise Unavailable("it died")
        return self.sees.get(look.room, self.sees.get("source" if side == "source" else "programme", LIVE))

    async def plays(self, for_s: float) -> None:
        """Packets come as time passes; there is a round each quarter of a second."""
        for _ in range(int(for_s * 1000 / FRAME_MS)):
            self.now_s += FRAME_MS / 1000
            for channel in self.channels:
                if not self.silent:
                    self._source(channel)
                if channel.plan.mode is StreamMode.TRANSCODE:
                    self._programme(channel)
            self.stamp_ms += FRAME_MS
            if self.stamp_ms % 240 == 0:
                await self.rounds.go_round()

    def _source(self, channel: Channel) -> None:
        headers = [video_header(), audio_header()] if self.stamp_ms == 0 else []
        picture = video(self.stamp_ms, key=self.stamp_ms % 2_000 == 0)
        channel.on_source(self.publisher, MediaBatch.of([*headers, picture, audio(self.stamp_ms)]))

    def _programme(self, channel: Channel) -> None:
        headers = [video_header()] if self.stamp_ms == 0 else []
        picture = video(self.stamp_ms, key=self.stamp_ms % 2_000 == 0)
        for track in ("top", "low"):
            channel.programme.push_track(track, at_stamps(*headers, picture))
        channel.programme.push_track(AUDIO_TRACK, at_stamps(audio(self.stamp_ms)))

    def told(self) -> list[set[tuple[Fault, Side]]]:
        facts = [fact for fact in self.facts if isinstance(fact, ContentSeen)]
        return [{(finding.fault, finding.side) for finding in fact.findings} for fact in facts]


async def test_a_stream_that_is_well_is_looked_at_on_both_sides_and_nothing_is_told() -> None:
    house = House("a")
    await house.plays(20)
    rooms = {look.room for look in house.asked}
    assert rooms == {"a/source", "a/0"}
    # A key frame each two seconds on each side, from the third second on.
    assert 14 <= len([look for look in house.asked if look.picture]) <= 20
    assert house.told() == []


async def test_a_publisher_that_stays_for_a_moment_is_not_looked_at() -> None:
    house = House("a")
    await house.plays(rounds.WARM_UP_S - 0.5)
    assert house.asked == []


async def test_what_is_found_is_told_at_once_again_while_it_lasts_and_when_it_is_over() -> None:
    house = House("a")
    await house.plays(10)
    house.sees["programme"] = BLACK
    await house.plays(9)
    black = {(Fault.BLACK_PICTURE, Side.ENCODER)}
    assert house.told() == [black]
    await house.plays(rounds.RETOLD_S)
    assert house.told() == [black, black]
    house.sees.clear()
    await house.plays(8)
    assert house.told() == [black, black, set()]


async def test_of_a_stream_that_is_passed_through_only_the_source_is_looked_at() -> None:
    house = House("a", mode=StreamMode.PASSTHROUGH)
    house.sees["source"] = BLACK
    await house.plays(15)
    assert {look.room for look in house.asked} == {"a/source"}
    assert house.told() == [{(Fault.BLACK_PICTURE, Side.SOURCE)}]


async def test_a_slate_while_the_publisher_is_silent_is_nobody_s_fault() -> None:
    house = House("a")
    await house.plays(10)
    house.silent = True
    house.sees["programme"] = replace(BLACK, rms_dbfs=-100.0, peak_dbfs=-100.0)
    await house.plays(40)
    house.silent = False
    house.sees.clear()
    await house.plays(30)
    assert [told for told in house.told() if not told <= {(Fault.TIMESTAMP_JUMP, Side.SOURCE)}] == []


async def test_a_stream_of_which_the_child_dies_is_set_aside_and_the_others_are_looked_at() -> None:
    house = House("a", "b")
    house.dies_of = {"a"}
    await house.plays(33)
    tries = [look for look in house.asked if look.room.startswith("a/")]
    # 3 s to begin with, then rests of 5, 10 and 20 s.
    assert len(tries) == 3
    assert house.rounds.failures == 3
    assert len([look for look in house.asked if look.room.startswith("b/")]) > 20


async def test_looks_take_no_more_than_their_budget_and_every_stream_has_its_turn() -> None:
    house = House(*[f"s{number}" for number in range(20)])
    house.sees |= {"source": replace(LIVE, busy_ms=100.0), "programme": replace(LIVE, busy_ms=100.0)}
    await house.plays(43)
    assert house.rounds.busy_s <= rounds.BUDGET * 43
    looked = {look.room.split("/")[0] for look in house.asked}
    assert len(looked) == 20
    assert house.rounds.oldest_look_s > rounds.LOOK_EVERY_S


async def test_while_the_budget_allows_it_every_stream_of_many_is_looked_at_with_each_of_its_key_frames() -> None:
    house = House(*[f"s{number}" for number in range(20)])
    await house.plays(13)
    pictures = Counter(look.room for look in house.asked if look.picture)
    assert len(pictures) == 40
    # At 3 s the one that came last, then those at 4, 6, 8, 10 and 12 s.
    assert min(pictures.values()) >= 5


async def test_what_was_not_looked_at_before_is_not_made_up_for_in_one_go() -> None:
    house = House(*[f"s{number}" for number in range(20)])
    house.sees |= {"source": replace(LIVE, busy_ms=50.0), "programme": replace(LIVE, busy_ms=50.0)}
    await house.plays(rounds.WARM_UP_S + 1.0)
    assert 0.0 < house.rounds.busy_s <= rounds.BUDGET * (1.0 + rounds.SAVED_S) + 0.05


async def test_a_child_that_rests_is_not_asked() -> None:
    house = House("a")
    house.is_resting = True
    await house.plays(10)
    assert house.asked == []


async def test_a_stream_whose_checks_are_switched_off_is_left_alone_and_its_findings_end() -> None:
    house = House("a")
    house.sees["programme"] = BLACK
    await house.plays(15)
    assert house.told()[-1] == {(Fault.BLACK_PICTURE, Side.ENCODER)}
    (channel,) = house.channels
    channel.apply(replace(channel.plan, revision=2, content_checks=False))
    asked = len(house.asked)
    await house.plays(5)
    assert house.told()[-1] == set()
    assert len(house.asked) == asked
    assert channel.source.tap is None
