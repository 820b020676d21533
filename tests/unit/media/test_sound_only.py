"""A stream without pictures fails over and switches like any other: there its sound is what viewers have."""

from __future__ import annotations

import dataclasses

import pytest

from app.domain.failover import DecidedBy
from app.domain.ids import StreamId
from app.domain.ladder import AudioMode, AudioPlan, Ladder
from app.domain.link import StandbyReady, Switched, SwitchMeasured, SwitchStream
from app.domain.stream import ChannelPlan, StandbyGrade
from tests.unit.media.stream_parts import data
from tests.unit.media.worker_parts import FRAME_MS, Encoder, Stage, every_frame, plan_of, run


def sound_plan(grade: StandbyGrade = StandbyGrade.WARM) -> ChannelPlan:
    plan = plan_of(standby=2, grade=grade)
    return dataclasses.replace(plan, ladder=Ladder((), AudioPlan(AudioMode.AUTO)))


def pair(grade: StandbyGrade = StandbyGrade.WARM) -> tuple[Stage, Encoder, Encoder]:
    stage = Stage(sound_plan(grade), has_video=False)
    first, second = Encoder(stage, stage.hire(1)), Encoder(stage, stage.hire(2))
    second.hand.send("audio", data("onStandbyReady", {"generation": 2}))
    run(stage, 0, 3_000, first, second)
    return stage, first, second


@pytest.mark.parametrize("grade", [StandbyGrade.WARM, StandbyGrade.ACTIVE_ACTIVE])
def test_a_worker_that_dies_is_followed_without_a_lost_packet(grade: StandbyGrade) -> None:
    stage, first, second = pair(grade)
    assert len(stage.seen(StandbyReady)) == 1
    run(stage, 3_000, 3_200, second)
    first.die()
    run(stage, 3_200, 5_000, second)
    assert stage.shown == {"audio": every_frame(0, 5_000)}
    [told] = stage.seen(SwitchMeasured)
    assert told.report.complete
    assert [(track.name, track.missing, track.doubled) for track in told.report.tracks] == [("audio", 0, 0)]


def test_a_worker_that_stands_still_is_followed() -> None:
    stage, first, second = pair()
    run(stage, 3_000, 3_800, second)
    assert len(first.hand.cut) == 1
    assert stage.shown == {"audio": every_frame(0, 3_800)}


def test_a_planned_switch_goes_over_at_a_border() -> None:
    stage, first, second = pair()
    stage.channel.switch_to(SwitchStream(StreamId("str_1"), 2, "drill", DecidedBy.DRILL))
    run(stage, 3_000, 5_000, first, second)
    assert stage.shown == {"audio": every_frame(0, 5_000)}
    assert len(stage.seen(Switched)) == 1
    [told] = stage.seen(SwitchMeasured)
    assert told.report.tracks[0].first_ms == 4_000
    assert told.report.stall_ms == FRAME_MS
