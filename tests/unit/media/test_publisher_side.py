"""A channel whose publisher goes: its other input takes over, or its worker is asked for a slate."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from aiortmp import MediaBatch, MessageType, amf0
from app.domain.link import SourceUp
from app.domain.stream import Input, SlateMode
from app.media.channel import Channel
from app.media.feed import WorkerLink
from app.media.source import Publisher

from .stream_parts import Outlet, audio, audio_header, video, video_header
from .worker_parts import grant, plan_of


class Room:
    """A channel with its clock and one worker, which gives nothing back."""

    def __init__(self, slate: SlateMode = SlateMode.OFF) -> None:
        self.now_s = 100.0
        self.facts: list[Any] = []
        self.channel = Channel(
            replace(plan_of(), slate=slate),
            tell=self.facts.append,
            monotonic=lambda: self.now_s,
            utc_now=lambda: datetime(2030, 1, 1, tzinfo=UTC),
        )
        self.worker = Outlet()
        self.channel.feed(WorkerLink(grant(1).worker_id, grant(1).encoder_id, 1, lambda _: None, "n"), self.worker)

    def comes(self, name: Input) -> Publisher:
        publisher = Publisher(name.value, None, lambda _: None)
        self.channel.sit_down(publisher, name)
        self.channel.on_source(publisher, MediaBatch.of([video_header(), audio_header()]))
        return publisher

    def frame(self, publisher: Publisher, stamp: int, *, key: bool = False) -> None:
        self.channel.on_source(publisher, MediaBatch.of([video(stamp, key=key), audio(stamp)]))

    def wait(self, seconds: float) -> None:
        for _ in range(round(seconds * 10)):
            self.now_s += 0.1
            self.channel.tick(self.now_s)

    def words(self, name: str) -> list[dict[str, Any]]:
        said = [
            amf0.decode(message.payload)
            for batch in self.worker.batches
            for message in batch
            if message.type is MessageType.DATA
        ]
        return [dict(values[1]) for values in said if values[0] == name]  # type: ignore[arg-type]

    def pictures(self) -> list[int]:
        return self.worker.stamps()


def test_a_second_publisher_on_the_same_input_is_refused_and_on_the_backup_it_waits() -> None:
    room = Room()
    main = room.comes(Input.MAIN)
    room.frame(main, 0, key=True)
    assert room.channel.refusal(room.now_s, Input.MAIN) is not None
    assert room.channel.refusal(room.now_s, Input.BACKUP) is None
    backup = room.comes(Input.BACKUP)
    room.frame(backup, 5_000, key=True)
    assert room.pictures() == [0]


def test_the_backup_input_goes_on_where_the_main_one_ended() -> None:
    room = Room()
    main, backup = room.comes(Input.MAIN), room.comes(Input.BACKUP)
    for tick in range(10):
        room.frame(main, tick * 40, key=tick == 0)
        room.frame(backup, 70_000 + tick * 40, key=tick == 0)
        room.now_s += 0.04
    room.channel.leave(main, "gone")
    room.frame(backup, 70_400)
    assert room.pictures()[-1] == 360, "it cannot begin without a key frame"
    room.now_s += 0.2
    room.frame(backup, 70_600, key=True)
    shown = room.pictures()
    assert shown[-1] > 360
    assert 500 <= shown[-1] <= 700, "the timeline goes on with the clock"
    assert [fact.peer for fact in room.facts if isinstance(fact, SourceUp)] == ["main", "backup"]


def test_a_silent_main_input_is_given_up_while_the_backup_flows_and_waits_when_it_wakes() -> None:
    room = Room()
    main, backup = room.comes(Input.MAIN), room.comes(Input.BACKUP)
    room.frame(main, 0, key=True)
    for tick in range(12):
        room.frame(backup, tick * 100, key=True)
        room.now_s += 0.1
    taken = room.pictures()
    assert len(taken) > 1
    room.frame(main, 40, key=True)
    assert room.pictures() == taken


def test_a_slate_is_asked_for_once_the_source_is_silent_and_only_if_the_stream_wants_one() -> None:
    for mode, asked in ((SlateMode.OFF, 0), (SlateMode.LAST_FRAME, 1), (SlateMode.STILL, 1)):
        room = Room(mode)
        main = room.comes(Input.MAIN)
        room.frame(main, 0, key=True)
        room.channel.leave(main, "gone")
        room.wait(3.0)
        words = room.words("onSlate")
        assert len(words) == asked
        if asked:
            assert words[0]["mode"] == mode.value
            assert words[0]["nonce"] == "n"
            assert 500 <= words[0]["from_ms"] <= 800


def test_what_comes_after_a_slate_lies_behind_it_whatever_the_publishers_clock_says() -> None:
    room = Room(SlateMode.LAST_FRAME)
    main = room.comes(Input.MAIN)
    room.frame(main, 0, key=True)
    room.wait(3.0)
    room.frame(main, 40, key=True)
    assert room.pictures()[-1] >= 3_000


def test_the_slate_ends_with_the_reconnect_window() -> None:
    room = Room(SlateMode.STILL)
    plan = room.channel.plan
    room.channel.apply(replace(plan, timing=replace(plan.timing, reconnect_window_s=5)))
    main = room.comes(Input.MAIN)
    room.frame(main, 0, key=True)
    room.channel.leave(main, "gone")
    room.wait(6.0)
    assert [word["mode"] for word in room.words("onSlate")] == ["still", "off"]


def test_a_worker_that_takes_over_during_a_slate_goes_on_with_it() -> None:
    room = Room(SlateMode.LAST_FRAME)
    main = room.comes(Input.MAIN)
    room.frame(main, 0, key=True)
    room.channel.leave(main, "gone")
    room.wait(2.0)
    room.channel.apply(replace(room.channel.plan, active=grant(2)))
    room.worker = Outlet()
    room.channel.feed(WorkerLink(grant(2).worker_id, grant(2).encoder_id, 2, lambda _: None, "m"), room.worker)
    assert room.words("onSlate")[0]["from_ms"] >= 2_000
