"""Two workers encode one stream: the loss of either is no more than a frame that comes from the other one."""

from __future__ import annotations

import pytest

from app.domain.failover import DecidedBy, SwitchKind
from app.domain.ids import StreamId
from app.domain.ladder import AudioMode
from app.domain.link import Switched, SwitchMeasured, SwitchStream, WorkerDown
from app.domain.stream import StandbyGrade
from tests.unit.media.worker_parts import FRAME_MS, LOW, TOP, Encoder, Stage, every_frame, plan_of, run

GRADE = StandbyGrade.ACTIVE_ACTIVE
STEPS = [*range(3_000, 5_200, 280), *every_frame(3_920, 4_200)]
TRACKS = ("top", "low", "audio")


def pair(first_lag_ms: int = 0, second_lag_ms: int = 0) -> tuple[Stage, Encoder, Encoder]:
    """Three seconds of a stream; the second worker joined after one."""
    stage = Stage(plan_of(TOP, LOW, standby=2, grade=GRADE, audio_mode=AudioMode.AUTO))
    first = Encoder(stage, stage.hire(1), first_lag_ms)
    run(stage, 0, 1_000, first)
    second = Encoder(stage, stage.hire(2), second_lag_ms)
    run(stage, 1_000, 3_000, first, second)
    second.hand.ready()
    return stage, first, second


def test_a_second_worker_encodes_along_from_where_it_joined() -> None:
    stage, first, second = pair()
    [(name, said)] = second.hand.words()
    assert (name, said["grade"]) == ("onStandby", "active-active")
    assert said["start_after"] == dict.fromkeys(TRACKS, 960)
    assert stage.shown == {name: every_frame(0, 3_000) for name in TRACKS}
    assert not first.hand.cut
    assert stage.channel.switch.fenced == 0


@pytest.mark.parametrize("lags", [(0, 0), (120, 0), (0, 120)])
@pytest.mark.parametrize("at_ms", STEPS)
def test_the_first_may_die_at_any_step(at_ms: int, lags: tuple[int, int]) -> None:
    stage, first, second = pair(*lags)
    run(stage, 3_000, at_ms, first, second)
    first.die()
    run(stage, at_ms, 7_000, second)
    assert stage.shown == {name: every_frame(0, 7_000 - lags[1]) for name in TRACKS}
    [told] = stage.seen(Switched)
    assert (told.kind, told.from_generation, told.generation) == (SwitchKind.REFLEX, 1, 2)
    [measured] = stage.seen(SwitchMeasured)
    assert measured.report.grade is GRADE
    assert {(track.missing, track.doubled) for track in measured.report.tracks} == {(0, 0)}
    assert measured.report.stall_ms is not None
    assert measured.report.stall_ms <= FRAME_MS + max(0, lags[1] - lags[0])


def test_one_that_says_the_same_goes_on_without_being_fed_anew() -> None:
    stage, first, second = pair()
    first.die()
    run(stage, 3_000, 4_000, second)
    assert [name for name, _ in second.hand.words()] == ["onStandby"]
    assert stage.shown["top"] == every_frame(0, 4_000)


def test_one_that_says_something_else_is_fed_anew() -> None:
    stage, first, second = pair()
    second.hand.body = b"another encoder"
    run(stage, 3_000, 4_600, first, second)
    first.die()
    run(stage, 4_600, 6_000, second)
    assert [name for name, _ in second.hand.words()] == ["onStandby", "onFeedStart"]
    assert stage.shown == {name: every_frame(0, 6_000) for name in TRACKS}


@pytest.mark.parametrize("lags", [(0, 0), (120, 0), (0, 120)])
@pytest.mark.parametrize("at_ms", STEPS)
def test_the_second_may_die_at_any_step(at_ms: int, lags: tuple[int, int]) -> None:
    stage, first, second = pair(*lags)
    run(stage, 3_000, at_ms, first, second)
    second.die()
    run(stage, at_ms, 7_000, first)
    assert stage.shown == {name: every_frame(0, 7_000 - lags[0]) for name in TRACKS}
    assert not stage.seen(Switched)
    assert [down.generation for down in stage.seen(WorkerDown)] == [2]
    assert stage.channel.switch.generation == 1


def test_the_faster_one_is_shown() -> None:
    stage, first, second = pair(first_lag_ms=200)
    run(stage, 3_000, 6_000, first, second)
    assert stage.shown["top"] == every_frame(0, 6_000)


def test_either_that_stands_still_is_let_go_without_a_stall() -> None:
    stage, first, second = pair()
    run(stage, 3_000, 3_800, second)
    assert len(first.hand.cut) == 1
    assert stage.seen(Switched)[0].cause == "stalled"
    assert stage.shown["top"] == every_frame(0, 3_800)
    stage, first, second = pair()
    run(stage, 3_000, 3_800, first)
    assert len(second.hand.cut) == 1
    assert stage.shown["top"] == every_frame(0, 3_800)


def test_the_report_of_a_stall_that_no_viewer_saw_tells_of_none() -> None:
    stage, _, second = pair()
    run(stage, 3_000, 7_000, second)
    [measured] = stage.seen(SwitchMeasured)
    assert measured.report.cause == "stalled"
    assert measured.report.stall_ms is not None
    assert measured.report.stall_ms <= FRAME_MS


def test_a_planned_switch_between_two_is_only_a_word() -> None:
    stage, first, second = pair()
    stage.channel.switch_to(SwitchStream(StreamId("str_1"), 2, "drill", DecidedBy.DRILL))
    assert len(first.hand.cut) == 1
    run(stage, 3_000, 4_000, second)
    assert stage.shown["top"] == every_frame(0, 4_000)
    assert stage.seen(Switched)[0].kind is SwitchKind.PLANNED
    assert [name for name, _ in second.hand.words()] == ["onStandby"]


def test_a_second_one_that_was_there_first_encodes_along_all_the_same() -> None:
    stage = Stage(plan_of(standby=2, grade=GRADE))
    second = Encoder(stage, stage.hire(2))
    first = Encoder(stage, stage.hire(1))
    run(stage, 0, 3_000, first, second)
    first.die()
    run(stage, 3_000, 4_000, second)
    assert stage.shown["top"] == every_frame(0, 4_000)
    assert [name for name, _ in second.hand.words()] == ["onStandby"]


def test_one_that_was_fed_anew_and_then_joined_goes_on_when_it_is_alone_again() -> None:
    stage, first, second = pair()
    second.hand.body = b"another encoder"
    run(stage, 3_000, 4_600, first, second)
    first.die()
    stage.channel.apply(plan_of(TOP, LOW, active=2, standby=3, grade=GRADE, audio_mode=AudioMode.AUTO, revision=2))
    third = Encoder(stage, stage.hire(3))
    run(stage, 4_600, 6_000, second, third)
    third.die()
    run(stage, 6_000, 7_000, second)
    assert stage.shown == {name: every_frame(0, 7_000) for name in TRACKS}
