"""What is done next for a stream that devices feed: sees this, does that."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.device import EngineState
from app.domain.encoder import EncoderState
from app.domain.ids import EncoderId
from app.domain.stream import Input
from app.policy.device_feed import BLIND_S, CHECK_S, GRACE_S, LOST_S, MAX_FAILURES, Command, Deed, SeatSeen, judge
from app.policy.failover_words import Leave

MAIN, BACKUP = Input.MAIN, Input.BACKUP
NOW = 1_000.0
WELL = SeatSeen(
    EncoderId("helo-a"),
    state=EncoderState.ONLINE,
    engine=EngineState.RUNNING,
    flows=True,
    started_at=NOW - 500,
    set_up_at=NOW,
)
READY = replace(WELL, encoder_id=EncoderId("helo-b"), engine=EngineState.STOPPED, flows=False, started_at=None)
DEAD = replace(WELL, state=EncoderState.OFFLINE, flows=False, quiet_since=NOW - LOST_S)
EMPTY = SeatSeen(None)


def look(
    main: SeatSeen,
    backup: SeatSeen,
    *,
    primary: Input = MAIN,
    on_air: Input | None = MAIN,
    hot: bool = True,
    now: float = NOW,
) -> list[tuple[Deed, Input]]:
    commands = judge({MAIN: main, BACKUP: backup}, primary=primary, on_air=on_air, hot=hot, now=now)
    return [(command.deed, command.input) for command in commands]


def test_where_all_is_well_nothing_is_done() -> None:
    assert look(WELL, WELL) == []
    assert look(WELL, READY, hot=False) == []


def test_an_input_without_a_device_gets_one_sought_once_its_rest_is_over() -> None:
    assert look(WELL, EMPTY) == [(Deed.SEEK, BACKUP)]
    assert look(WELL, replace(EMPTY, rests_until=NOW + 1)) == []
    assert look(WELL, replace(EMPTY, busy=True)) == []


def test_the_record_follows_the_gateway_and_the_lost_device_makes_room() -> None:
    assert look(DEAD, WELL, on_air=BACKUP) == [(Deed.PROMOTE, BACKUP), (Deed.LET_GO, MAIN)]


def test_a_device_that_control_cannot_reach_is_left_alone_while_its_picture_comes() -> None:
    assert look(replace(DEAD, flows=True, quiet_since=None), WELL) == []


def test_a_hot_device_that_stopped_is_started_and_one_that_mends_itself_is_given_time() -> None:
    stopped = replace(WELL, engine=EngineState.STOPPED, flows=False, quiet_since=NOW)
    assert look(WELL, stopped) == [(Deed.START, BACKUP)]
    failed = replace(stopped, engine=EngineState.FAILED)
    assert look(WELL, failed) == []
    assert look(WELL, failed, now=NOW + GRACE_S) == [(Deed.START, BACKUP)]
    assert look(WELL, replace(stopped, engine=EngineState.STARTING)) == []


def test_a_device_that_says_it_streams_and_does_not_is_restarted_after_its_grace() -> None:
    mute = replace(WELL, flows=False, quiet_since=NOW - 1)
    assert look(WELL, mute) == []
    assert look(WELL, mute, now=NOW + GRACE_S) == [(Deed.RESTART, BACKUP)]


def test_after_a_restart_of_control_a_device_that_streams_elsewhere_is_set_up() -> None:
    assert look(WELL, replace(WELL, flows=False, started_at=None)) == [(Deed.START, BACKUP)]


@pytest.mark.parametrize(
    "fault",
    [
        {"failures": MAX_FAILURES},
        {"engine": EngineState.SHUT_DOWN},
        {"state": None},
        {"state": EncoderState.OFFLINE},
    ],
)
def test_a_device_of_no_use_is_given_up_for_another(fault: dict[str, object]) -> None:
    useless = replace(WELL, flows=False, **fault)  # type: ignore[arg-type] # any field of it
    assert look(WELL, useless) == [(Deed.LET_GO, BACKUP)]


def test_a_backup_that_stands_by_is_started_once_the_primary_is_lost_and_not_before() -> None:
    lost = replace(WELL, flows=False, engine=EngineState.FAILED, quiet_since=NOW - LOST_S + 0.1)
    assert look(lost, READY, hot=False, on_air=None) == []
    lost = replace(lost, quiet_since=NOW - LOST_S)
    assert look(lost, READY, hot=False, on_air=None) == [(Deed.START, BACKUP)]
    assert look(EMPTY, READY, hot=False, on_air=None) == [(Deed.SEEK, MAIN), (Deed.START, BACKUP)]


def test_a_device_that_was_lost_and_is_back_stands_by_for_the_one_that_took_over() -> None:
    assert look(READY, WELL, primary=BACKUP, on_air=BACKUP, hot=False) == []
    never_set = replace(READY, set_up_at=None)
    assert look(never_set, WELL, primary=BACKUP, on_air=BACKUP, hot=False) == [(Deed.STAND_BY, MAIN)]
    assert look(WELL, WELL, primary=BACKUP, on_air=BACKUP, hot=False) == [(Deed.STAND_BY, MAIN)]


def test_one_that_stands_by_is_looked_at_again_in_case_somebody_changed_it() -> None:
    assert look(WELL, READY, hot=False, now=NOW + CHECK_S) == [(Deed.STAND_BY, BACKUP)]


def test_a_hot_backup_is_looked_at_again_off_the_air_and_the_one_on_air_never() -> None:
    assert look(WELL, WELL, now=NOW + CHECK_S) == [(Deed.START, BACKUP)]
    assert look(replace(WELL, flows=False, busy=True), WELL, now=NOW + CHECK_S) == []


def test_a_device_that_an_operator_wants_free_leaves_the_air_by_a_change_and_then_its_seat() -> None:
    for state in (EncoderState.DRAINING, EncoderState.STOPPED):
        leaving = replace(WELL, state=state)
        assert look(leaving, WELL) == [(Deed.SWITCH_TO, BACKUP)]
        assert look(leaving, WELL, on_air=BACKUP) == [(Deed.PROMOTE, BACKUP), (Deed.LET_GO, MAIN)]
        assert look(WELL, leaving) == [(Deed.LET_GO, BACKUP)]


def test_a_device_that_an_operator_wants_free_stays_while_no_other_flows() -> None:
    leaving = replace(WELL, state=EncoderState.STOPPED)
    assert look(leaving, EMPTY) == [(Deed.SEEK, BACKUP)]
    assert look(leaving, READY, hot=False) == [(Deed.START, BACKUP)]


def test_of_two_devices_that_are_to_be_free_the_backup_goes_first() -> None:
    leaving = replace(WELL, state=EncoderState.DRAINING)
    assert look(leaving, leaving) == [(Deed.LET_GO, BACKUP)]


def test_a_device_on_air_whose_cable_is_out_for_a_while_is_left_for_one_with_a_signal() -> None:
    blind = replace(WELL, has_input=False, blind_since=NOW - BLIND_S)
    sees = replace(WELL, has_input=True)
    assert look(blind, sees) == [(Deed.SWITCH_TO, BACKUP)]
    assert look(replace(blind, blind_since=NOW - BLIND_S + 0.1), sees) == []
    assert look(blind, replace(sees, rests_until=NOW + 1)) == [], "it was asked just now"
    assert look(blind, sees, on_air=BACKUP) == [(Deed.PROMOTE, BACKUP)], "it stays ready as the backup"


def test_nothing_moves_to_a_device_of_which_no_signal_is_known() -> None:
    blind = replace(WELL, has_input=False, blind_since=NOW - 60)
    assert look(blind, blind) == []
    assert look(blind, WELL) == []


def test_a_backup_with_a_signal_that_stands_by_is_started_once_the_one_on_air_has_none() -> None:
    blind = replace(WELL, has_input=False, blind_since=NOW - BLIND_S)
    assert look(blind, replace(READY, has_input=True), hot=False) == [(Deed.START, BACKUP)]
    assert look(blind, replace(READY, has_input=False, blind_since=NOW - 60), hot=False) == []


SEATS = st.builds(
    SeatSeen,
    encoder_id=st.sampled_from([None, EncoderId("helo-a")]),
    state=st.sampled_from([None, *EncoderState]),
    engine=st.sampled_from([None, *EngineState]),
    flows=st.booleans(),
    busy=st.booleans(),
    rests_until=st.sampled_from([0.0, NOW + 1]),
    failures=st.integers(0, MAX_FAILURES + 1),
    started_at=st.sampled_from([None, NOW - 500, NOW - 1]),
    quiet_since=st.sampled_from([None, NOW - 500, NOW - 1]),
    has_input=st.sampled_from([None, False, True]),
    blind_since=st.sampled_from([None, NOW - 500, NOW - 1]),
    set_up_at=st.sampled_from([None, NOW - 500, NOW - 1]),
    leave=st.sampled_from([None, Leave("92 °C"), Leave("96 °C", must=True)]),
    shun=st.sampled_from([None, Leave("85 °C")]),
    has_cooler=st.booleans(),
)


@given(SEATS, SEATS, st.sampled_from(Input), st.sampled_from([None, *Input]), st.booleans())
def test_whatever_is_seen_the_only_input_that_flows_is_never_stopped(
    main: SeatSeen, backup: SeatSeen, primary: Input, on_air: Input | None, hot: bool
) -> None:
    seats = {MAIN: main, BACKUP: backup}
    commands: tuple[Command, ...] = judge(seats, primary=primary, on_air=on_air, hot=hot, now=NOW)
    acted = [command.input for command in commands if command.deed not in (Deed.PROMOTE, Deed.SWITCH_TO)]
    assert len(acted) == len(set(acted))
    deeds = {(command.deed, command.input) for command in commands}
    for command in commands:
        if command.deed is Deed.SWITCH_TO:
            assert (Deed.LET_GO, command.input) not in deeds
        seat = seats[command.input]
        if command.deed not in (Deed.PROMOTE, Deed.SWITCH_TO) and seat.encoder_id is not None and seat.flows:
            assert seats[command.input.other].flows
        if command.deed not in (Deed.PROMOTE, Deed.SWITCH_TO):
            assert not seat.busy
            assert seat.rests_until <= NOW


# --- heat

HOT = Leave("92 °C, above 90 °C for 5 s")
STOP = Leave("96 °C, above 95 °C", must=True)
WARM = Leave("its encoder is hot: 85 °C")
ON_FIRE = replace(WELL, leave=HOT, shun=HOT)
AT_STOP = replace(WELL, leave=STOP, shun=STOP)
COOL = replace(WELL, encoder_id=EncoderId("helo-b"))


def commands_for(main: SeatSeen, backup: SeatSeen) -> tuple[Command, ...]:
    return judge({MAIN: main, BACKUP: backup}, primary=MAIN, on_air=MAIN, hot=True, now=NOW)


def test_a_device_on_air_that_heat_wants_left_is_changed_for_the_other_in_its_turn() -> None:
    (command,) = commands_for(ON_FIRE, COOL)
    assert (command.deed, command.input, command.waits_its_turn) == (Deed.SWITCH_TO, BACKUP, True)
    assert command.reason == "helo-a is to be left for heat: 92 °C, above 90 °C for 5 s"
    assert commands_for(ON_FIRE, replace(COOL, rests_until=NOW + 1)) == (), "it was asked just now"


def test_at_the_hard_stop_nobody_waits_for_a_turn_and_one_that_is_only_hot_is_better() -> None:
    for other in (COOL, replace(COOL, shun=WARM)):
        (command,) = commands_for(AT_STOP, other)
        assert (command.deed, command.input, command.waits_its_turn) == (Deed.SWITCH_TO, BACKUP, False)


@pytest.mark.parametrize(
    "other",
    [
        replace(COOL, shun=WARM),
        replace(COOL, leave=HOT),
        replace(COOL, state=EncoderState.ONLINE, has_input=False, blind_since=NOW - BLIND_S),
        replace(COOL, flows=False, engine=EngineState.STARTING, quiet_since=NOW),
    ],
)
def test_nothing_leaves_for_a_device_that_is_hot_itself_or_has_no_picture(other: SeatSeen) -> None:
    assert look(ON_FIRE, other) == []


def test_the_only_device_that_flows_stays_on_air_whatever_its_heat() -> None:
    assert look(AT_STOP, EMPTY) == [(Deed.SEEK, BACKUP)]
    assert look(replace(AT_STOP, has_cooler=True), replace(COOL, flows=False, engine=EngineState.STARTING)) == []


def test_off_the_air_a_hot_device_gives_its_seat_to_a_cooler_one_if_there_is_one() -> None:
    for hot in (ON_FIRE, replace(WELL, shun=WARM)):
        assert look(COOL, hot) == []
        assert look(COOL, replace(hot, has_cooler=True)) == [(Deed.LET_GO, BACKUP)]
        assert look(replace(COOL, flows=False, quiet_since=NOW), replace(hot, has_cooler=True)) == []


def test_at_the_hard_stop_a_device_off_the_air_rests_until_it_is_no_longer_hot_or_is_needed() -> None:
    assert look(COOL, AT_STOP) == [(Deed.STAND_BY, BACKUP)]
    rests = replace(READY, shun=WARM)
    assert look(COOL, rests) == []
    assert look(COOL, replace(rests, shun=None)) == [(Deed.START, BACKUP)]
    lost = replace(COOL, flows=False, engine=EngineState.FAILED, quiet_since=NOW - LOST_S)
    assert look(lost, rests) == [(Deed.START, BACKUP)]


def test_a_backup_that_stands_by_is_started_for_heat_and_then_changed_to() -> None:
    assert look(ON_FIRE, READY, hot=False) == [(Deed.START, BACKUP)]
    assert look(ON_FIRE, COOL, hot=False) == [(Deed.SWITCH_TO, BACKUP)]
    assert look(ON_FIRE, replace(READY, shun=WARM), hot=False) == []
