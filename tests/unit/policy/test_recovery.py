"""Stories of the recovery machine: it sees this, it does that."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from app.policy.recovery import (
    BACKOFF_MAX_S,
    GREW_SPACING_S,
    SETTLED_S,
    ActiveLost,
    BackupFailed,
    BackupLost,
    BackupReady,
    Cover,
    Ended,
    Event,
    FleetGrew,
    Hold,
    Phase,
    RecoveryMachine,
    Replace,
    Replaced,
    ReplaceFailed,
    SeekBackup,
)


def fresh(*, protected: bool = True) -> RecoveryMachine:
    return RecoveryMachine(generation=1, protected=protected)


def test_the_first_loss_is_answered_at_once() -> None:
    assert fresh().feed(ActiveLost(1, "reset"), 100.0) == (Replace("reset", 1),)


def test_after_a_replacement_a_backup_is_sought_at_once() -> None:
    machine = fresh()
    machine.feed(ActiveLost(1, "reset"), 0.0)
    assert machine.feed(Replaced(2), 0.1) == (SeekBackup(),)
    machine.feed(BackupReady(), 0.2)
    assert (machine.phase, machine.cover, machine.due) == (Phase.STEADY, Cover.PROTECTED, None)


def test_a_loss_of_an_older_generation_or_told_twice_changes_nothing() -> None:
    machine = fresh()
    machine.feed(ActiveLost(1, "reset"), 0.0)
    assert machine.feed(ActiveLost(1, "exited"), 0.0) == ()
    machine.feed(Replaced(2), 0.1)
    assert machine.feed(ActiveLost(1, "late news"), 0.2) == ()


def test_a_new_worker_that_dies_before_its_start_is_answered_is_not_forgotten() -> None:
    machine = fresh()
    machine.feed(ActiveLost(1, "reset"), 0.0)
    assert machine.feed(ActiveLost(2, "died at birth"), 0.1) == ()
    assert machine.feed(Replaced(2), 0.2) == (Replace("died at birth", 1),)


def test_primary_and_backup_dying_together_are_both_answered_at_once_and_the_third_loss_waits() -> None:
    machine = fresh()
    machine.feed(ActiveLost(1, "a"), 0.0)
    machine.feed(Replaced(2), 0.1)
    assert machine.feed(ActiveLost(2, "b"), 0.5) == (Replace("b", 1),)
    machine.feed(Replaced(3), 0.6)
    (held,) = machine.feed(ActiveLost(3, "c"), 0.9)
    assert isinstance(held, Hold)
    assert machine.due is not None
    assert machine.tick(machine.due - 0.01) == ()
    assert machine.tick(machine.due) == (Replace("c", 2),)


def test_a_worker_that_lived_long_enough_is_a_first_loss_again() -> None:
    machine = fresh()
    now = 0.0
    for generation in range(1, 10):
        assert isinstance(machine.feed(ActiveLost(generation, "x"), now)[0], Replace)
        machine.feed(Replaced(generation + 1), now)
        now += SETTLED_S


def test_failed_tries_grow_apart_up_to_their_limit() -> None:
    machine, now, pauses = fresh(), 0.0, []
    machine.feed(ActiveLost(1, "x"), now)
    for _ in range(12):
        (hold,) = machine.feed(ReplaceFailed("nobody"), now)
        assert isinstance(hold, Hold)
        pauses.append(hold.retry_s)
        assert machine.due is not None
        now = machine.due
        machine.tick(now)
    assert pauses == sorted(pauses)
    assert pauses[0] < 1.0
    assert pauses[-1] == BACKOFF_MAX_S


def test_an_encoder_that_comes_is_tried_at_once_but_a_whole_fleet_only_once() -> None:
    machine = fresh()
    machine.feed(ActiveLost(1, "x"), 0.0)
    machine.feed(ReplaceFailed("nobody"), 0.0)
    assert machine.feed(FleetGrew(), 0.05) == ()
    assert machine.due == 0.05 + GREW_SPACING_S
    assert isinstance(machine.feed(FleetGrew(), 0.3)[0], Replace)
    assert machine.feed(FleetGrew(), 0.3) == ()


def test_a_lost_backup_is_sought_again_ever_more_slowly_and_at_once_when_the_fleet_grows() -> None:
    machine = fresh()
    assert machine.feed(BackupLost("gone"), 0.0) == (SeekBackup(),)
    machine.feed(BackupFailed("nobody"), 0.0)
    first = machine.due
    assert first is not None
    assert machine.tick(first) == (SeekBackup(),)
    machine.feed(BackupFailed("nobody"), first)
    assert machine.due is not None
    assert machine.due - first > first
    assert machine.feed(FleetGrew(), first + 0.1) == (SeekBackup(),)


def test_a_stream_without_encoder_needs_nothing() -> None:
    machine = RecoveryMachine(generation=0, protected=False, needs_encoder=False)
    assert machine.feed(FleetGrew(), 0.0) == ()
    assert machine.due is None


EVENTS = st.sampled_from(
    [
        ActiveLost(1, "a"), ActiveLost(2, "b"), ActiveLost(3, "c"), Replaced(2), Replaced(3), ReplaceFailed("r"),
        BackupLost("l"), BackupReady(), BackupFailed("f"), FleetGrew(),
    ]
)  # fmt: skip


@given(st.lists(st.tuples(EVENTS, st.floats(0.0, 60.0)), max_size=40))
def test_it_never_waits_for_nothing(story: list[tuple[Event, float]]) -> None:
    """Whenever nobody encodes, either an answer is owed to it or it has a time at which it tries again."""
    machine, now, owed = fresh(), 0.0, 0
    for event, pause in story:
        now += pause
        if isinstance(event, Replaced | ReplaceFailed):
            if not owed:
                continue
            owed -= 1
        for command in (*machine.feed(event, now), *machine.tick(now)):
            owed += isinstance(command, Replace)
        assert owed == (machine.phase is Phase.REPLACING)
        assert machine.phase is not Phase.HELD or machine.due is not None


@given(st.lists(EVENTS, max_size=20))
def test_what_has_ended_does_nothing_more(story: list[Event]) -> None:
    machine = fresh()
    for event in story:
        machine.feed(event, 0.0)
    machine.feed(Ended(), 0.0)
    assert all(machine.feed(event, 1e6) == () for event in story)
    assert machine.tick(1e9) == ()
