"""What a change from one input to the other cost, as the channel tells it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from aiortmp import MediaBatch
from app.domain.errors import Conflict
from app.domain.failover import DecidedBy, SwitchKind, SwitchReport
from app.domain.link import SourceDown, SourceUp, SwitchInput, SwitchMeasured
from app.domain.stream import Input, StandbyGrade, StreamMode
from app.media.channel import Channel
from app.media.source import Publisher

from .stream_parts import audio, audio_header, video, video_header
from .worker_parts import plan_of

STEP_S = 0.04


class Room:
    """A channel that passes its source through, and publishers of 25 pictures a second, a key frame each second."""

    def __init__(self, *, has_video: bool = True) -> None:
        self.now_s = 100.0
        self.facts: list[Any] = []
        self.has_video = has_video
        self.channel = Channel(
            replace(plan_of(), mode=StreamMode.PASSTHROUGH, active=None),
            tell=self.facts.append,
            monotonic=lambda: self.now_s,
            utc_now=lambda: datetime(2030, 1, 1, tzinfo=UTC),
        )
        self.sent: dict[Input, int] = {}

    def comes(self, name: Input) -> Publisher:
        publisher = Publisher(name.value, None, lambda _: None)
        self.channel.sit_down(publisher, name)
        headers = [video_header(), audio_header()] if self.has_video else [audio_header()]
        self.channel.on_source(publisher, MediaBatch.of(headers))
        self.sent[name] = 0
        return publisher

    def run(self, frames: int, *publishers: Publisher) -> None:
        for _ in range(frames):
            for publisher in publishers:
                number = self.sent[Input(publisher.peer)]
                self.sent[Input(publisher.peer)] += 1
                stamp = round(number * STEP_S * 1000)
                picture = [video(stamp, key=number % 25 == 0)] if self.has_video else []
                self.channel.on_source(publisher, MediaBatch.of([*picture, audio(stamp)]))
            self.now_s += STEP_S
            self.channel.tick(self.now_s)

    def reports(self) -> list[SwitchReport]:
        return [fact.report for fact in self.facts if isinstance(fact, SwitchMeasured)]


def test_a_lost_input_is_reported_with_what_it_would_have_sent_until_the_other_took_over() -> None:
    room = Room()
    main, backup = room.comes(Input.MAIN), room.comes(Input.BACKUP)
    room.run(35, main, backup)
    room.channel.leave(main, "connection closed")
    # The other one's 50th picture is its next key frame: 15 of 25 are missing until then.
    room.run(20, backup)
    (report,) = room.reports()
    assert (report.kind, report.from_input, report.to_input) == (SwitchKind.INPUT, Input.MAIN, Input.BACKUP)
    assert (report.cause, report.decided_by, report.grade) == (
        "connection closed",
        DecidedBy.GATEWAY,
        StandbyGrade.HOT,
    )
    assert report.frames_missing == 15
    assert report.frames_doubled == 0
    assert report.stall_ms == pytest.approx(640)
    assert report.detected_ms == pytest.approx(40)
    assert not report.lossless
    assert tuple(room.channel.running().reports) == (report,)


def test_a_silent_input_is_reported_as_such() -> None:
    room = Room()
    main, backup = room.comes(Input.MAIN), room.comes(Input.BACKUP)
    room.run(27, main, backup)
    room.run(60, backup)
    (report,) = room.reports()
    assert report.cause.startswith("silent")
    # The 51st picture comes within the second of patience; the next key frame is the 76th.
    assert report.frames_missing == 48
    room.run(30, main, backup)
    assert len(room.reports()) == 1, "the one that wakes waits in its turn"


def test_a_change_by_order_waits_for_a_key_frame_and_costs_nothing() -> None:
    room = Room()
    main, backup = room.comes(Input.MAIN), room.comes(Input.BACKUP)
    room.run(30, main, backup)
    room.channel.input_log.switch_to(
        SwitchInput(room.channel.plan.stream_id, Input.BACKUP, "other bitrate", DecidedBy.OPERATOR)
    )
    room.run(10, main, backup)
    assert room.reports() == []
    room.run(20, main, backup)
    (report,) = room.reports()
    assert (report.cause, report.decided_by) == ("other bitrate", DecidedBy.OPERATOR)
    assert report.detected_ms is None
    assert report.lossless
    assert [fact.input for fact in room.facts if isinstance(fact, SourceUp)] == [Input.MAIN, Input.BACKUP]
    assert not any(isinstance(fact, SourceDown) for fact in room.facts), "it was never gone"
    room.channel.leave(backup, "gone")
    room.run(26, main)
    assert [each.cause for each in room.reports()] == ["other bitrate", "gone"]


def test_an_order_for_an_input_on_which_nothing_comes_is_refused() -> None:
    room = Room()
    main = room.comes(Input.MAIN)
    room.run(30, main)
    order = SwitchInput(room.channel.plan.stream_id, Input.BACKUP, "drain", DecidedBy.OPERATOR)
    with pytest.raises(Conflict):
        room.channel.input_log.switch_to(order)
    room.run(60, main)
    assert room.reports() == []


def test_an_order_that_was_not_carried_out_in_its_time_is_forgotten() -> None:
    room = Room()
    main, backup = room.comes(Input.MAIN), room.comes(Input.BACKUP)
    room.run(30, main, backup)
    room.channel.input_log.switch_to(
        SwitchInput(room.channel.plan.stream_id, Input.BACKUP, "drain", DecidedBy.OPERATOR)
    )
    room.run(350, main)
    room.run(30, main, backup)
    assert room.reports() == []
    assert room.channel.inputs.source is Input.MAIN


def test_a_publisher_that_comes_back_to_its_own_input_changes_nothing() -> None:
    room = Room()
    main = room.comes(Input.MAIN)
    room.run(30, main)
    room.channel.leave(main, "gone")
    main = room.comes(Input.MAIN)
    room.run(30, main)
    assert room.reports() == []


def test_an_input_that_begins_only_after_the_loss_is_reported_as_a_cold_one() -> None:
    room = Room()
    main = room.comes(Input.MAIN)
    room.run(30, main)
    room.channel.leave(main, "gone")
    room.run(50)
    room.run(1, room.comes(Input.BACKUP))
    (report,) = room.reports()
    assert (report.grade, report.proved) == (StandbyGrade.COLD, False)
    assert report.frames_missing == 50
    assert report.stall_ms == pytest.approx(2_040)


def test_after_the_end_of_the_programme_nothing_is_missed() -> None:
    room = Room()
    timing = replace(room.channel.plan.timing, reconnect_window_s=1)
    room.channel.apply(replace(room.channel.plan, timing=timing))
    main = room.comes(Input.MAIN)
    room.run(30, main)
    room.channel.leave(main, "gone")
    room.run(50)
    room.run(1, room.comes(Input.BACKUP))
    assert room.reports() == []


def test_too_few_frames_tell_no_pace_and_so_no_count() -> None:
    room = Room()
    main, backup = room.comes(Input.MAIN), room.comes(Input.BACKUP)
    room.run(2, main, backup)
    room.channel.leave(main, "gone")
    room.run(30, backup)
    (report,) = room.reports()
    assert report.frames_missing is None
    assert report.stall_ms is not None


def test_an_input_of_sound_alone_is_measured_by_its_sound() -> None:
    room = Room(has_video=False)
    main, backup = room.comes(Input.MAIN), room.comes(Input.BACKUP)
    room.run(30, main, backup)
    room.channel.leave(main, "gone")
    room.run(5, backup)
    (report,) = room.reports()
    assert report.tracks[0].name == "audio"
    assert report.frames_missing == 0


def test_the_reading_tells_who_is_connected_where_and_who_is_on_air() -> None:
    room = Room()
    main, backup = room.comes(Input.MAIN), room.comes(Input.BACKUP)
    room.run(30, main, backup)
    room.run(20, main)
    told = {each.input: each for each in room.channel.reading((), None).inputs}
    assert told[Input.MAIN].on_air
    assert told[Input.MAIN].flows
    assert not told[Input.BACKUP].on_air
    room.run(10, main)
    assert not {each.input: each for each in room.channel.reading((), None).inputs}[Input.BACKUP].flows
