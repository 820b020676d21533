"""What a node may take, decided without a process."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.errors import Conflict, NoCapacity
from app.domain.ids import StreamId, WorkerId
from app.domain.secret import Secret
from app.domain.stream import WorkerOrder
from app.media.encoding.roster import Admission, Roster
from tests.unit.media.encoding.clips import settings


def order(stream: str, generation: int = 1, worker: str | None = None) -> WorkerOrder:
    return WorkerOrder(
        StreamId(stream),
        WorkerId(worker or f"wrk_{stream}_{generation}"),
        generation,
        "127.0.0.1",
        1935,
        Secret("t"),
        settings(),
    )


def test_the_same_worker_twice_is_once() -> None:
    roster = Roster(1)
    assert roster.admit(order("a")) == Admission()
    roster.started(order("a"))
    assert roster.admit(order("a")) == Admission(already=True)


def test_a_standby_replaces_nobody_and_takes_no_place_of_its_own() -> None:
    roster = Roster(1)
    roster.started(order("a", 1))
    standby = replace(order("a", 2), standby=True)
    assert roster.admit(standby) == Admission()
    roster.started(standby)
    roster.ended(order("a", 1).worker_id)
    assert [worker.generation for worker in roster.running] == [2]
    with pytest.raises(Conflict):
        roster.admit(replace(order("a", 1, "wrk_late"), standby=True))


def test_a_newer_generation_replaces_though_the_node_is_full() -> None:
    roster = Roster(1)
    roster.started(order("a", 1))
    assert roster.admit(order("a", 2)).replaces == ("wrk_a_1",)


@pytest.mark.parametrize("late", [order("a", 1), order("a", 2, "wrk_other"), order("b", 9, "wrk_a_2")])
def test_late_or_muddled_orders_are_refused(late: WorkerOrder) -> None:
    roster = Roster(9)
    roster.started(order("a", 2))
    with pytest.raises(Conflict):
        roster.admit(late)


def test_an_ended_worker_leaves_its_place() -> None:
    roster = Roster(1)
    roster.started(order("a"))
    roster.ended(WorkerId("wrk_a_1"))
    assert roster.admit(order("b")) == Admission()


@given(st.lists(st.tuples(st.sampled_from("srxe"), st.sampled_from("abcd"), st.integers(1, 5)), max_size=40))
def test_never_more_streams_are_held_than_there_are_places(steps: list[tuple[str, str, int]]) -> None:
    roster = Roster(2)
    reserved: set[str] = set()
    for step, stream, generation in steps:
        try:
            if step == "s":
                roster.admit(order(stream, generation))
                roster.started(order(stream, generation))
                reserved.discard(stream)
            elif step == "r":
                roster.reserve(StreamId(stream))
                reserved.add(stream)
            elif step == "x":
                roster.release(StreamId(stream))
                reserved.discard(stream)
            else:
                roster.ended(WorkerId(f"wrk_{stream}_{generation}"))
        except (NoCapacity, Conflict):
            continue
        assert len({worker.stream_id for worker in roster.running} | reserved) <= 2
