"""The source is silent and a slate is shown, while workers change: whoever speaks, or is about to, makes it."""

from __future__ import annotations

from dataclasses import replace

from app.domain.failover import DecidedBy
from app.domain.ids import StreamId
from app.domain.link import Switched, SwitchStream, WorkerDown
from app.domain.stream import SlateMode, StandbyGrade
from tests.unit.media.worker_parts import Encoder, Hand, Stage, every_frame, plan_of, run


def staged(grade: StandbyGrade = StandbyGrade.WARM) -> tuple[Stage, Encoder, Encoder]:
    """Three seconds of a stream with two workers that wants a slate."""
    stage = Stage(replace(plan_of(standby=2, grade=grade), slate=SlateMode.STILL))
    old, new = Encoder(stage, stage.hire(1)), Encoder(stage, stage.hire(2))
    new.hand.ready()
    run(stage, 0, 3_000, old, new)
    return stage, old, new


def wait(stage: Stage, until_s: float, *shows: Hand) -> None:
    """The source is silent; `shows` make pictures all the same."""
    while stage.now_s < until_s:
        stage.now_s = round(stage.now_s + 0.04, 3)
        for worker in shows:
            worker.encode(round(stage.now_s * 1000))
        stage.channel.tick(stage.now_s)


def order() -> SwitchStream:
    return SwitchStream(StreamId("str_1"), 2, "too hot", DecidedBy.CONTROL)


def said(worker: Hand) -> list[str]:
    return [name for name, _ in worker.words()]


def test_a_switch_that_is_ordered_while_a_slate_is_shown_waits_for_no_border() -> None:
    stage, old, new = staged()
    wait(stage, 4.0, old.hand)
    stage.channel.switch_to(order())
    assert len(stage.seen(Switched)) == 1
    assert said(new.hand)[-2:] == ["onFeedStart", "onSlate"]


def test_a_slate_that_begins_during_a_planned_switch_is_made_by_both() -> None:
    stage, old, new = staged()
    stage.channel.switch_to(order())
    wait(stage, 3.7, old.hand)
    assert said(old.hand)[-1] == said(new.hand)[-1] == "onSlate"
    new.hand.header()
    wait(stage, 5.0, old.hand, new.hand)
    assert [told.generation for told in stage.seen(Switched)] == [2]
    assert stage.shown["top"][-1] == 5_000


def test_an_old_worker_that_is_fed_anew_during_a_slate_goes_on_with_it() -> None:
    stage, old, new = staged(StandbyGrade.ACTIVE_ACTIVE)
    new.hand.body = b"other"
    run(stage, 3_000, 4_000, old, new)
    wait(stage, 4.7)
    assert said(old.hand)[-1] == said(new.hand)[-1] == "onSlate"
    told = len(old.hand.words())
    stage.channel.worker.remove_standby("enough")
    anew = [name for name, _ in old.hand.words()[told:]]
    assert anew in ([], ["onFeedStart", "onSlate"])
    stage, old, new = staged()
    stage.channel.switch_to(order())
    run(stage, 3_000, 4_000, old, new)
    stage.source(4_000)
    new.work(4_000)
    wait(stage, 4.7)
    assert not old.hand.cut
    new.die()
    assert said(old.hand)[-2:] == ["onFeedStart", "onSlate"]


def test_a_worker_that_stops_making_the_slate_stands_still() -> None:
    stage, old, new = staged()
    wait(stage, 5.0, old.hand)
    assert not stage.seen(Switched)
    wait(stage, 5.7)
    [told] = stage.seen(Switched)
    assert told.cause == "stalled"
    assert said(new.hand)[-2:] == ["onFeedStart", "onSlate"]
    assert not stage.seen(WorkerDown)


def test_the_source_that_comes_back_ends_the_slate_for_all() -> None:
    stage, old, _ = staged()
    wait(stage, 5.0, old.hand)
    run(stage, 5_040, 7_000, old)
    assert stage.shown["top"][-len(every_frame(5_040, 7_000)) :] == every_frame(5_040, 7_000)
    assert not stage.seen(Switched)
