"""The failover machine: it sees this, it does that."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.failover import DecidedBy
from app.policy.damping import MOST_IN_WINDOW, REST_S, WINDOW_S, Damping
from app.policy.failover import (
    BACKOFF_FIRST_S,
    BACKOFF_MAX_S,
    ELSEWHERE_MAX_S,
    GREW_SPACING_S,
    PATIENCE_S,
    PREPARE_S,
    QUIET_S,
    REFLEX_S,
    REMEDY_S,
    SETTLED_S,
    SWITCH_S,
    SWITCH_TRIES,
    FailoverMachine,
)
from app.policy.failover_states import Cover, Phase
from app.policy.failover_words import (
    ActiveLost,
    Cleared,
    Command,
    Ended,
    Event,
    FleetGrew,
    Hold,
    Leave,
    LetGoStandby,
    Remedied,
    Remedy,
    Replace,
    Replaced,
    ReplaceFailed,
    SeekFailed,
    SeekStandby,
    StandbyDoubted,
    StandbyLost,
    StandbyReady,
    StandbyStarted,
    Switch,
    Switched,
    SwitchFailed,
)

HOT = Leave("too hot")
STOP = Leave("stopped by an operator", DecidedBy.OPERATOR, must=True)


def fresh(cover: Cover = Cover.PROTECTED, *, runs: bool = True) -> FailoverMachine:
    standby = None if cover is Cover.BARE else 2
    return FailoverMachine(generation=1, cover=cover, standby=standby, runs=runs, now=0.0)


def cold(cover: Cover = Cover.PROTECTED) -> FailoverMachine:
    return fresh(cover, runs=False)


# --- losses


def test_a_cold_stream_or_one_without_standby_is_replaced_at_once() -> None:
    assert cold().feed(ActiveLost(1, "reset"), 100.0) == (Replace(1, "reset", 1),)
    assert fresh(Cover.BARE).feed(ActiveLost(1, "reset"), 100.0) == (Replace(1, "reset", 1),)


def test_a_loss_told_by_the_node_leaves_the_gateway_a_moment_to_give_the_stream_to_its_standby() -> None:
    machine = fresh()
    assert machine.feed(ActiveLost(1, "exited"), 10.0) == ()
    assert (machine.phase, machine.due) == (Phase.REFLEX, 10.0 + REFLEX_S)
    assert machine.feed(Switched(2), 10.1) == (SeekStandby(),)
    assert (machine.phase, machine.generation, machine.cover) == (Phase.STEADY, 2, Cover.SEEKING)


def test_a_gateway_that_does_not_switch_in_that_moment_is_not_waited_for() -> None:
    machine = fresh()
    machine.feed(ActiveLost(1, "exited"), 10.0)
    assert machine.tick(10.0 + REFLEX_S - 0.01) == ()
    assert machine.tick(10.0 + REFLEX_S) == (Replace(1, "exited", 1),)


@pytest.mark.parametrize("word", [ActiveLost(1, "reset", by_gateway=True), StandbyLost(2, "gone too")])
def test_word_that_no_standby_is_there_ends_the_waiting_for_the_gateway(word: Event) -> None:
    machine = fresh()
    machine.feed(ActiveLost(1, "exited"), 10.0)
    assert machine.feed(word, 10.1) == (Replace(1, "exited", 1),)


def test_a_loss_that_the_gateway_tells_is_replaced_at_once_for_it_would_have_switched() -> None:
    assert fresh().feed(ActiveLost(1, "reset", by_gateway=True), 0.0) == (Replace(1, "reset", 1),)


def test_a_switch_that_nobody_announced_is_followed_and_a_standby_sought_at_once() -> None:
    machine = fresh()
    assert machine.feed(Switched(2), 5.0) == (SeekStandby(),)
    assert machine.generation == 2


def test_a_source_that_kills_every_worker_uses_up_standbys_ever_more_slowly() -> None:
    machine, now, pauses = fresh(), 0.0, []
    for generation in range(2, 9):
        commands, lost_at = machine.feed(Switched(generation), now), now
        while SeekStandby() not in commands:
            assert machine.due is not None
            now = machine.due
            commands = machine.tick(now)
        pauses.append(now - lost_at)
        machine.feed(StandbyStarted(generation + 1), now)
        machine.feed(StandbyReady(generation + 1), now)
    assert pauses[:2] == [0.0, 0.0]
    assert pauses == sorted(pauses)
    assert pauses[-1] > 10.0


def test_after_a_replacement_a_standby_is_sought_started_and_proved() -> None:
    machine = fresh(Cover.BARE)
    machine.feed(ActiveLost(1, "reset"), 0.0)
    assert machine.feed(Replaced(2), 0.1) == (SeekStandby(),)
    machine.feed(StandbyStarted(3), 0.2)
    assert (machine.cover, machine.due) == (Cover.PREPARING, 0.2 + PREPARE_S)
    machine.feed(StandbyReady(3), 1.0)
    assert (machine.phase, machine.cover, machine.due) == (Phase.STEADY, Cover.PROTECTED, None)


def test_a_loss_of_an_older_generation_or_told_twice_changes_nothing() -> None:
    machine = fresh(Cover.BARE)
    machine.feed(ActiveLost(1, "reset"), 0.0)
    assert machine.feed(ActiveLost(1, "exited"), 0.0) == ()
    machine.feed(Replaced(2), 0.1)
    assert machine.feed(ActiveLost(1, "late news"), 0.2) == ()
    assert machine.feed(Switched(2), 0.2) == machine.feed(Replaced(2), 0.2) == ()


def test_a_new_worker_that_dies_before_its_start_is_answered_is_not_forgotten() -> None:
    machine = fresh(Cover.BARE)
    machine.feed(ActiveLost(1, "reset"), 0.0)
    assert machine.feed(ActiveLost(2, "died at birth"), 0.1) == ()
    assert machine.feed(Replaced(2), 0.2) == (Replace(2, "died at birth", 1),)


def test_primary_and_backup_dying_together_are_both_answered_at_once_and_the_third_loss_waits() -> None:
    machine = fresh(Cover.BARE)
    machine.feed(ActiveLost(1, "a"), 0.0)
    machine.feed(Replaced(2), 0.1)
    assert machine.feed(ActiveLost(2, "b"), 0.5) == (Replace(2, "b", 1),)
    machine.feed(Replaced(3), 0.6)
    (held,) = machine.feed(ActiveLost(3, "c"), 0.9)
    assert isinstance(held, Hold)
    assert machine.due is not None
    assert machine.tick(machine.due - 0.01) == ()
    assert machine.tick(machine.due) == (Replace(3, "c", 2),)


def test_what_an_operator_or_a_drill_broke_never_makes_the_next_loss_wait() -> None:
    machine, generation = fresh(Cover.BARE), 1
    for _ in range(5):
        (answer,) = machine.feed(ActiveLost(generation, "drill", counts=False), 0.0)
        assert isinstance(answer, Replace)
        generation += 1
        machine.feed(Replaced(generation), 0.0)
    assert isinstance(machine.feed(ActiveLost(generation, "reset"), 0.0)[0], Replace)


def test_a_worker_that_lived_long_enough_is_a_first_loss_again() -> None:
    machine = cold(Cover.BARE)
    now = 0.0
    for generation in range(1, 10):
        assert isinstance(machine.feed(ActiveLost(generation, "x"), now)[0], Replace)
        machine.feed(Replaced(generation + 1), now)
        now += SETTLED_S


def test_failed_tries_grow_apart_up_to_their_limit() -> None:
    machine, now, pauses = fresh(Cover.BARE), 0.0, []
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


def lost_often(*, elsewhere: bool) -> tuple[FailoverMachine, float]:
    """A machine that holds after ten losses in a row, and for how long the last one made it wait."""
    machine, now, pause_s = fresh(Cover.BARE), 0.0, 0.0
    for generation in range(1, 11):
        (command,) = machine.feed(ActiveLost(generation, "x", elsewhere=elsewhere), now)
        if isinstance(command, Hold):
            pause_s = command.retry_s
            now = machine.due or now
            assert isinstance(machine.tick(now)[0], Replace)
        machine.feed(Replaced(generation + 1), now)
    machine.feed(ActiveLost(11, "x", elsewhere=elsewhere), now)
    assert machine.phase is Phase.HELD
    return machine, pause_s


def test_a_stream_that_failed_everywhere_waits_long_and_one_that_may_have_met_bad_encoders_does_not() -> None:
    assert lost_often(elsewhere=False)[1] == BACKOFF_MAX_S
    assert lost_often(elsewhere=True)[1] == ELSEWHERE_MAX_S


def test_a_stream_that_failed_everywhere_is_tried_soon_on_an_encoder_that_comes_and_is_none_of_those() -> None:
    machine, _ = lost_often(elsewhere=False)
    assert machine.due is not None
    due, now = machine.due, machine.due - BACKOFF_MAX_S
    machine.feed(FleetGrew(), now)
    assert machine.due == due
    machine.feed(FleetGrew(elsewhere=True), now)
    assert machine.due == now + ELSEWHERE_MAX_S


def test_an_encoder_that_comes_is_tried_at_once_but_a_whole_fleet_only_once() -> None:
    machine = fresh(Cover.BARE)
    machine.feed(ActiveLost(1, "x"), 0.0)
    machine.feed(ReplaceFailed("nobody"), 0.0)
    assert machine.feed(FleetGrew(), 0.05) == ()
    assert machine.due == 0.05 + GREW_SPACING_S
    assert isinstance(machine.feed(FleetGrew(), 0.3)[0], Replace)
    assert machine.feed(FleetGrew(), 0.3) == ()


def test_a_try_that_is_never_answered_is_made_again() -> None:
    machine = fresh(Cover.BARE)
    machine.feed(ActiveLost(1, "x"), 0.0)
    assert machine.due is not None
    (hold,) = machine.tick(machine.due)
    assert isinstance(hold, Hold)
    assert isinstance(machine.tick(machine.due)[0], Replace)


# --- the standby


def test_a_lost_standby_is_sought_again_ever_more_slowly_and_at_once_when_the_fleet_grows() -> None:
    machine = fresh()
    assert machine.feed(StandbyLost(2, "gone"), 0.0) == (SeekStandby(),)
    machine.feed(SeekFailed("nobody"), 0.0)
    first = machine.due
    assert first is not None
    assert machine.tick(first) == (SeekStandby(),)
    machine.feed(SeekFailed("nobody"), first)
    assert machine.due is not None
    assert machine.due - first > first
    assert machine.feed(FleetGrew(), first + 0.1) == (SeekStandby(),)


def test_a_standby_that_does_not_prove_itself_in_time_is_let_go_and_the_next_one_sought() -> None:
    machine = fresh(Cover.PREPARING)
    (let_go,) = machine.tick(PREPARE_S)
    assert isinstance(let_go, LetGoStandby)
    assert let_go.generation == 2
    assert machine.due is not None
    assert machine.tick(machine.due) == (SeekStandby(),)


def test_proof_that_comes_before_the_answer_to_the_start_counts() -> None:
    machine = fresh(Cover.BARE)
    machine.tick(0.0)
    machine.feed(StandbyReady(4), 0.1)
    assert machine.cover is Cover.SEEKING
    machine.feed(StandbyStarted(4), 0.2)
    assert machine.cover is Cover.PROTECTED


def test_proof_of_a_standby_that_was_let_go_protects_nobody() -> None:
    machine = fresh(Cover.PREPARING)
    machine.feed(StandbyReady(1), 0.1)
    assert machine.cover is Cover.PREPARING
    machine.feed(StandbyLost(2, "exited"), 0.2)
    machine.feed(StandbyReady(2), 0.3)
    assert machine.cover is Cover.BARE


def test_a_standby_that_the_gateway_does_not_know_any_more_is_to_prove_itself_again() -> None:
    machine = fresh()
    machine.feed(StandbyDoubted(2), 5.0)
    assert (machine.cover, machine.due) == (Cover.PREPARING, 5.0 + PREPARE_S)
    machine.feed(StandbyReady(2), 6.0)
    assert machine.cover is Cover.PROTECTED
    assert machine.due is None


def test_a_standby_that_dies_again_and_again_is_started_ever_more_slowly() -> None:
    machine, now, generation, pauses = fresh(Cover.BARE), 0.0, 2, []
    for _ in range(8):
        assert machine.tick(now) == (SeekStandby(),)
        machine.feed(StandbyStarted(generation), now)
        machine.feed(StandbyReady(generation), now)
        machine.feed(StandbyLost(generation, "crashed"), now)
        assert machine.due is not None
        pauses.append(machine.due - now)
        now, generation = machine.due, generation + 1
    assert pauses == sorted(pauses)
    assert pauses[-1] == BACKOFF_MAX_S


# --- leaving a worker that works


def test_slow_evidence_is_answered_by_a_planned_switch() -> None:
    machine = fresh()
    assert machine.feed(HOT, 0.0) == (Switch(2, "too hot", DecidedBy.CONTROL),)
    assert (machine.phase, machine.due) == (Phase.SWITCHING, SWITCH_S)
    assert machine.feed(HOT, 0.1) == ()
    assert machine.feed(Switched(2), 4.0) == (SeekStandby(),)
    assert machine.phase is Phase.STEADY


def test_without_a_ready_standby_slow_evidence_waits_for_one_or_goes() -> None:
    machine = fresh(Cover.PREPARING)
    assert machine.feed(HOT, 0.0) == ()
    assert machine.phase is Phase.SUSPECT
    assert machine.feed(StandbyReady(2), 1.0) == (Switch(2, "too hot", DecidedBy.CONTROL),)
    other = fresh(Cover.PREPARING)
    other.feed(HOT, 0.0)
    assert other.feed(Cleared(), 1.0) == ()
    assert other.phase is Phase.STEADY


def test_an_unfit_standby_is_never_switched_to_but_let_go_for_another() -> None:
    machine = fresh()
    machine.feed(HOT, 0.0)
    assert machine.feed(SwitchFailed("hot too", seek_another=True), 0.1) == (
        LetGoStandby(2, "hot too"),
        SeekStandby(),
    )
    machine.feed(StandbyStarted(3), 0.2)
    assert machine.feed(StandbyReady(3), 1.0) == (Switch(3, "too hot", DecidedBy.CONTROL),)


def test_switches_that_fail_are_given_up_and_the_wish_is_not_heard_for_a_while() -> None:
    machine, now, switches = fresh(), 0.0, 0
    commands = machine.feed(HOT, now)
    for _ in range(SWITCH_TRIES):
        switches += sum(isinstance(command, Switch) for command in commands)
        machine.feed(SwitchFailed("no"), now)
        now = machine.due or now
        commands = machine.tick(now)
    assert switches == SWITCH_TRIES
    assert machine.phase is Phase.STEADY
    assert machine.feed(HOT, now) == ()
    assert machine.feed(HOT, now + QUIET_S) != ()


def test_what_an_operator_stops_is_left_by_a_switch_or_else_by_a_replacement() -> None:
    machine = fresh()
    assert machine.feed(STOP, 0.0) == (Switch(2, STOP.cause, DecidedBy.OPERATOR),)
    bare = fresh(Cover.BARE)
    assert bare.feed(STOP, 0.0) == (SeekStandby(),)
    assert bare.feed(SeekFailed("nobody"), 0.1) == (Replace(1, STOP.cause, 1, by_choice=True),)
    assert cold().feed(STOP, 0.0) == (Replace(1, STOP.cause, 1, by_choice=True),)


def test_a_cold_stream_that_nobody_else_can_take_stays_where_it_works() -> None:
    machine = cold()
    assert machine.feed(HOT, 0.0) == (Replace(1, "too hot", 1, by_choice=True),)
    assert machine.feed(ReplaceFailed("every other one is full", still_works=True), 0.1) == (SeekStandby(),)
    assert machine.phase is Phase.STEADY
    assert machine.feed(HOT, 1.0) == ()
    lost = cold()
    lost.feed(HOT, 0.0)
    (held,) = lost.feed(ReplaceFailed("it refused"), 0.1)
    assert isinstance(held, Hold)


def test_a_switch_that_nobody_reports_is_tried_again() -> None:
    machine = fresh()
    machine.feed(HOT, 0.0)
    assert machine.tick(SWITCH_S) == ()
    assert machine.due is not None
    assert machine.tick(machine.due) == (Switch(2, "too hot", DecidedBy.CONTROL),)


def test_a_loss_is_answered_in_the_middle_of_a_switch() -> None:
    machine = fresh()
    machine.feed(HOT, 0.0)
    assert machine.feed(ActiveLost(1, "reset", by_gateway=True), 0.1) == (Replace(1, "reset", 1),)


def test_a_remedy_is_tried_before_the_stream_is_moved() -> None:
    machine = fresh()
    slow = Leave("falls behind", remedy="lower bitrate")
    assert machine.feed(slow, 0.0) == (Remedy("lower bitrate", "falls behind"),)
    assert machine.feed(Remedied(True), 1.0) == ()
    assert machine.phase is Phase.STEADY
    again = fresh()
    again.feed(slow, 0.0)
    assert again.tick(REMEDY_S) == (Switch(2, "falls behind", DecidedBy.CONTROL),)


@pytest.mark.parametrize("urgent", [STOP, Leave("95 °C", must=True), Leave("draining", DecidedBy.OPERATOR)])
def test_an_urgent_wish_does_not_wait_for_the_rest_that_a_weaker_one_has_to_keep(urgent: Leave) -> None:
    machine = fresh()
    machine.feed(HOT, 0.0)
    machine.feed(Switched(2), 1.0)
    machine.feed(StandbyStarted(3), 1.1)
    machine.feed(StandbyReady(3), 2.0)
    assert machine.feed(HOT, 3.0) == ()
    assert machine.phase is Phase.SUSPECT
    assert machine.feed(urgent, 4.0) == (Switch(3, urgent.cause, urgent.by),)


def test_a_must_that_comes_in_the_middle_of_a_switch_is_kept_for_its_failure() -> None:
    machine = fresh()
    machine.feed(HOT, 0.0)
    assert machine.feed(STOP, 1.0) == ()
    assert machine.phase is Phase.SWITCHING
    machine.feed(StandbyLost(2, "gone too"), 2.0)
    machine.feed(StandbyStarted(3), 2.1)
    assert machine.feed(SeekFailed("nobody"), 2.2) == ()
    assert machine.feed(StandbyLost(3, "refused"), 3.0) == (Replace(1, STOP.cause, 1, by_choice=True),)


def held_though_it_works() -> FailoverMachine:
    machine = fresh(Cover.BARE)
    machine.feed(STOP, 0.0)
    machine.feed(SeekFailed("nobody"), 0.1)
    assert machine.feed(ReplaceFailed("nobody", still_works=True), 0.2) == (Hold("nobody", BACKOFF_FIRST_S),)
    return machine


def test_a_worker_that_had_to_be_left_and_could_not_goes_on_when_its_encoder_is_well_again() -> None:
    machine = held_though_it_works()
    assert machine.feed(Cleared(), 0.3) == (SeekStandby(),)
    assert (machine.phase, machine.generation) == (Phase.STEADY, 1)


@pytest.mark.parametrize("news", [ActiveLost(1, "reset"), None], ids=["it died", "nobody knows"])
def test_a_worker_that_may_be_gone_is_replaced_though_its_encoder_is_well_again(news: Event | None) -> None:
    machine, now = held_though_it_works(), 0.3
    if news is None:
        (replace,) = machine.tick(0.2 + BACKOFF_FIRST_S)
        assert replace == Replace(1, STOP.cause, 2, by_choice=True)
        now = machine.due or now
        assert machine.tick(now) != ()
    else:
        assert machine.feed(news, now) == ()
    assert machine.feed(Cleared(), now) == ()
    assert machine.due is not None
    (again,) = machine.tick(machine.due)
    assert isinstance(again, Replace)
    assert not again.by_choice


def test_a_restart_waits_for_nothing_that_could_take_it_back_and_may_stay_where_it_is() -> None:
    machine = fresh(Cover.PREPARING)
    restart = Leave("restarted by an operator", DecidedBy.OPERATOR, must=True, once=True)
    machine.feed(restart, 0.0)
    assert machine.feed(Cleared(), 0.1) == ()
    assert machine.phase is Phase.SUSPECT
    machine.feed(StandbyLost(2, "gone"), 0.2)
    assert cold().feed(restart, 0.0) == (Replace(1, restart.cause, 1),)


def test_a_wish_that_is_no_stronger_changes_nothing_while_another_one_waits() -> None:
    machine = fresh(Cover.PREPARING)
    machine.feed(STOP, 0.0)
    due = machine.due
    for wish in (HOT, STOP, Leave("draining", DecidedBy.OPERATOR)):
        assert machine.feed(wish, 1.0) == ()
    assert machine.due == due
    assert machine.feed(StandbyReady(2), 2.0) == (Switch(2, STOP.cause, STOP.by),)


def test_patience_for_a_standby_ends() -> None:
    machine = fresh(Cover.BARE)
    machine.feed(HOT, 0.0)
    for _ in range(20):
        if machine.phase is not Phase.SUSPECT:
            break
        now = machine.due
        assert now is not None
        for command in machine.tick(now):
            if command == SeekStandby():
                machine.feed(SeekFailed("nobody"), now)
    assert machine.phase is Phase.STEADY
    assert now >= PATIENCE_S


# --- flaps


def test_planned_switches_rest_longer_each_time_and_are_few_in_an_hour() -> None:
    damping, now, switches = Damping(), 0.0, []
    while now < 4 * WINDOW_S:
        now = damping.free_at(now)
        switches.append(now)
        damping = damping.switched(now)
    rests = [later - earlier for earlier, later in itertools.pairwise(switches)]
    assert rests[0] == REST_S
    assert rests[:5] == sorted(rests[:5])
    for at in switches:
        assert sum(at <= other < at + WINDOW_S for other in switches) <= MOST_IN_WINDOW


@given(st.floats(0.5, 600.0), st.floats(0.5, 600.0))
def test_a_square_wave_of_evidence_moves_a_stream_a_bounded_number_of_times(bad_s: float, good_s: float) -> None:
    """Of whatever period: at most MOST_IN_WINDOW an hour, though every switch goes well at once."""
    machine, now, moves = fresh(), 0.0, []
    while now < 2 * WINDOW_S:
        now += 1.0
        bad = now % (bad_s + good_s) < bad_s
        commands = machine.feed(HOT if bad else Cleared(), now)
        if machine.due is not None and now >= machine.due:
            commands += machine.tick(now)
        for command in commands:
            if isinstance(command, Switch):
                moves.append(now)
                generation = machine.generation + 1
                machine.feed(Switched(generation), now)
                machine.feed(StandbyStarted(generation + 1), now)
                machine.feed(StandbyReady(generation + 1), now)
    for at in moves:
        assert sum(at <= other < at + WINDOW_S for other in moves) <= MOST_IN_WINDOW


def test_a_switch_counts_though_the_node_tells_of_the_old_workers_end_before_the_gateway_tells_of_it() -> None:
    machine = fresh()
    machine.feed(HOT, 0.0)
    machine.feed(ActiveLost(1, "the gateway ended it", counts=False), 4.0)
    machine.feed(Switched(2, counts=False), 4.1)
    machine.feed(StandbyStarted(3), 4.2)
    machine.feed(StandbyReady(3), 4.3)
    assert machine.feed(HOT, 5.0) == ()
    assert machine.due == 4.1 + REST_S


def test_an_operators_switches_are_neither_held_back_nor_counted() -> None:
    machine = fresh()
    for generation in range(1, 20):
        (switch,) = machine.feed(STOP, 0.0)
        assert isinstance(switch, Switch)
        machine.feed(Switched(generation + 1), 0.0)
        machine.feed(StandbyStarted(generation + 2), 0.0)
        machine.feed(StandbyReady(generation + 2), 0.0)
    assert isinstance(machine.feed(HOT, 0.0)[0], Switch)


# --- laws

EVENTS = st.sampled_from(
    [
        ActiveLost(1, "a"), ActiveLost(2, "b", by_gateway=True), ActiveLost(3, "c"), Replaced(2), Replaced(3),
        ReplaceFailed("r"), Switched(2), Switched(3), SwitchFailed("s"), SwitchFailed("s", seek_another=True),
        StandbyStarted(2), StandbyStarted(3), StandbyReady(2), StandbyReady(3), StandbyLost(2, "l"),
        StandbyDoubted(2), StandbyLost(3, "l"), SeekFailed("f"), FleetGrew(), HOT, STOP,
        Leave("slow", remedy="less"), Remedied(True), Remedied(False), Cleared(),
    ]
)  # fmt: skip
STORY = st.lists(st.tuples(EVENTS, st.floats(0.0, 60.0)), max_size=40)


@given(STORY, st.booleans(), st.sampled_from([Cover.PROTECTED, Cover.PREPARING, Cover.BARE]))
def test_every_state_but_rest_has_a_deadline_and_generations_only_grow(
    story: list[tuple[Event, float]], runs: bool, cover: Cover
) -> None:
    machine, now, seen = fresh(cover, runs=runs), 0.0, 1
    for event, pause in story:
        now += pause
        for command in (*machine.feed(event, now), *machine.tick(now)):
            assert not isinstance(command, Switch) or command.generation == machine.standby
        at_rest = machine.phase is Phase.STEADY and machine.cover is Cover.PROTECTED
        assert (machine.due is None) == at_rest
        assert machine.generation >= seen
        seen = machine.generation


@given(STORY)
def test_left_alone_it_comes_to_rest_when_every_order_is_carried_out(story: list[tuple[Event, float]]) -> None:
    machine, now = fresh(), 0.0
    commands: list[Command] = []
    for event, pause in story:
        now += pause
        commands += [*machine.feed(event, now), *machine.tick(now)]
    newest = 100
    for _ in range(400):
        if not commands and machine.due is None:
            break
        if not commands:
            now = max(now, machine.due or now)
            commands += machine.tick(now)
            continue
        command = commands.pop(0)
        newest += 1
        match command:
            case Replace():
                commands += machine.feed(Replaced(newest), now)
            case Switch(generation):
                commands += machine.feed(Switched(max(generation, machine.generation + 1)), now)
            case Remedy():
                commands += machine.feed(Remedied(True), now)
            case SeekStandby():
                commands += [*machine.feed(StandbyStarted(newest), now), *machine.feed(StandbyReady(newest), now)]
            case LetGoStandby() | Hold():
                pass
    assert (machine.phase, machine.cover) == (Phase.STEADY, Cover.PROTECTED)


@given(st.lists(EVENTS, max_size=20))
def test_what_has_ended_does_nothing_more(story: list[Event]) -> None:
    machine = fresh()
    for event in story:
        machine.feed(event, 0.0)
    machine.feed(Ended(), 0.0)
    assert all(machine.feed(event, 1e6) == () for event in story)
    assert machine.tick(1e9) == ()


def test_a_stream_without_encoder_needs_nothing() -> None:
    machine = FailoverMachine(generation=0, cover=Cover.BARE, standby=None, runs=True, now=0.0, ended=True)
    assert machine.feed(FleetGrew(), 0.0) == ()
    assert machine.due is None
