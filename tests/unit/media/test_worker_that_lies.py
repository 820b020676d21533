"""A worker, or what it decodes, says what cannot be: the stream goes on without it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.domain.link import Switched
from app.domain.stream import SlateMode
from tests.unit.media.worker_parts import Stage, every_frame, plan_of


@pytest.mark.parametrize("ahead_ms", [11_000, 2**31 - 10_000])
def test_a_worker_whose_frames_are_of_the_future_is_lost_before_one_of_them_passes(ahead_ms: int) -> None:
    stage = Stage(plan_of(standby=2))
    first, second = stage.hire(1), stage.hire(2)
    second.ready()
    stage.play(0, 3_000, first)
    stage.source(3_000)
    first.encode(3_000 + ahead_ms, key=True)
    assert len(first.cut) == 1
    [told] = stage.seen(Switched)
    assert told.cause == "astray"
    second.header()
    second.encode(3_000, key=True)
    stage.play(3_040, 4_000, second)
    assert stage.shown["top"] == every_frame(0, 4_000)


def test_a_standby_that_encodes_along_is_let_go_for_it_too() -> None:
    stage = Stage(plan_of(standby=2))
    first, second = stage.hire(1), stage.hire(2)
    stage.play(0, 3_000, first)
    second.encode(60_000, key=True)
    stage.play(3_000, 4_000, first)
    assert stage.shown["top"] == every_frame(0, 4_000)
    assert not first.cut


def test_pictures_of_a_slate_are_ahead_of_a_source_that_is_gone() -> None:
    stage = Stage(replace(plan_of(), slate=SlateMode.STILL))
    first = stage.hire(1)
    stage.play(0, 3_000, first)
    stage.now_s = 2.96
    for stamp in range(3_000, 40_000, 40):
        stage.now_s = stamp / 1000
        first.encode(stamp)
        stage.channel.tick(stage.now_s)
    assert not first.cut
    assert stage.shown["top"] == every_frame(0, 40_000)
